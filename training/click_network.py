"""Train the network that outlines what a reader clicks on, and export it to ONNX.

    pip install torch onnx onnxscript            # training only; a CPU is enough
    python training/click_network.py --work WORK # run again to go on where it stopped

It learns from the films of `training/network.py`, in the same folder, which are made where they are missing.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import cv2
import torch
from click_patches import ClickPatches
from learning import train
from network import FIRST_INSERTED_SEED, FIRST_SIMULATED_SEED
from network_films import inserted, make_films, simulated, training_sample, usable_films
from unet import CompactUNet, export

WIDTH, CHANNELS = 12, 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for films and checkpoints")
    parser.add_argument("--films", type=int, default=400, help="simulated films")
    parser.add_argument("--insertions", type=int, default=200, help="films made from the real ones")
    parser.add_argument("--real", type=Path, help="folder of real films (see the model card)")
    parser.add_argument("--steps", type=int, default=12_000, help="training steps in all")
    parser.add_argument("--workers", type=int, default=2, help="processes that make films")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("calcimeasure/segmentation/models/clicks.onnx"))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    work, real = options.work, usable_films(options.real)
    seeds = range(FIRST_SIMULATED_SEED, FIRST_SIMULATED_SEED + options.films)
    paths = make_films(work / "simulated", seeds, simulated, training_sample, options.workers)
    if real:
        seeds = range(FIRST_INSERTED_SEED, FIRST_INSERTED_SEED + options.insertions)
        paths += make_films(work / "inserted", seeds, partial(inserted, real=real), training_sample, options.workers)
    torch.manual_seed(0)
    model = train(
        CompactUNet(WIDTH, CHANNELS),
        ClickPatches(paths),
        work / "clicks.pt",
        steps=options.steps,
        threads=options.threads,
        rare=2.0,
        each=True,
    )
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} million parameters")
    export(model, options.out)


if __name__ == "__main__":
    main()
