"""Train the network that finds deposits, export it to ONNX, and fit its second look.

    pip install torch onnx onnxscript            # training only; a CPU is enough
    python training/network.py --work WORK       # films, training, export; run again to go on where it stopped

Four steps, the first two skipped as far as their results are there: simulated films (and, where a folder of real films
is given, those as backgrounds with deposits inserted, and as they are), the training itself with a checkpoint every few
minutes, the export with a check that ONNX Runtime gives what torch gave, and the second look (`segmentation/judge.py`)
fitted to films that the training did not see. Seeds are fixed; film seeds 0-99999 belong to training
and none of them to `calcimeasure validate`.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import cv2
import torch
from learning import train
from network_films import inserted, judged_sample, make_films, simulated, training_sample, usable_films
from patches import Patches
from second_look import fit_judge
from unet import CompactUNet, export

FIRST_SIMULATED_SEED = 0
FIRST_INSERTED_SEED = 50_000
FIRST_JUDGED_SEED = 70_000
FIRST_JUDGED_INSERTED_SEED = 80_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for films and checkpoints")
    parser.add_argument("--films", type=int, default=600, help="simulated films")
    parser.add_argument("--insertions", type=int, default=260, help="films made from the real ones")
    parser.add_argument("--real", type=Path, help="folder of real films (see the model card)")
    parser.add_argument("--judged", type=int, default=150, help="further films that the second look is fitted to")
    parser.add_argument("--most-false", type=float, default=0.45, help="false regions a film that set the threshold")
    parser.add_argument("--steps", type=int, default=22_000, help="training steps in all")
    parser.add_argument("--workers", type=int, default=2, help="processes that make films")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("calcimeasure/segmentation/models/network.onnx"))
    options = parser.parse_args()
    cv2.setNumThreads(1)
    work, real = options.work, usable_films(options.real)
    workers = options.workers
    seeds = range(FIRST_SIMULATED_SEED, FIRST_SIMULATED_SEED + options.films)
    paths = make_films(work / "simulated", seeds, simulated, training_sample, workers)
    seeds = range(FIRST_JUDGED_SEED, FIRST_JUDGED_SEED + options.judged)
    judged = make_films(work / "judged", seeds, simulated, judged_sample, workers)
    if real:
        put_in = partial(inserted, real=real)
        seeds = range(FIRST_INSERTED_SEED, FIRST_INSERTED_SEED + options.insertions)
        paths += make_films(work / "inserted", seeds, put_in, training_sample, workers)
        seeds = range(FIRST_JUDGED_INSERTED_SEED, FIRST_JUDGED_INSERTED_SEED + options.judged // 3)
        judged += make_films(work / "judged", seeds, put_in, judged_sample, workers)
    torch.manual_seed(0)
    model = train(CompactUNet(), Patches(paths), work / "checkpoint.pt", steps=options.steps, threads=options.threads)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} million parameters")
    export(model, options.out)
    fit_judge(judged, options.out, options.most_false)


if __name__ == "__main__":
    main()
