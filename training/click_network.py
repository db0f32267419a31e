"""Train the network that outlines what a reader clicks on, and export it to ONNX.

    pip install torch onnx onnxscript            # training only; a CPU is enough
    python training/click_network.py --work WORK # run again to go on where it stopped

It learns from the films of `training/network.py`, in the same folder, which are made where they are missing.
"""

from __future__ import annotations

import cv2
import torch
from click_patches import ClickPatches
from learning import train
from network_films import arguments, training_films
from unet import CompactUNet, export

WIDTH, CHANNELS = 12, 4


def main() -> None:
    options = arguments(
        __doc__.splitlines()[0], films=400, insertions=200, steps=12_000, model="clicks.onnx"
    ).parse_args()
    cv2.setNumThreads(1)
    paths = training_films(options)
    torch.manual_seed(0)
    model = train(
        CompactUNet(WIDTH, CHANNELS),
        ClickPatches(paths),
        options.work / "clicks.pt",
        steps=options.steps,
        threads=options.threads,
        rare=2.0,
        each=True,
    )
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} million parameters")
    export(model, options.out)


if __name__ == "__main__":
    main()
