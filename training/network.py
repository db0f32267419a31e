"""Train the network that finds deposits, export it to ONNX, and fit its second look.

    pip install torch onnx onnxscript scikit-learn  # training only; a CPU is enough
    python training/network.py --work WORK       # films, training, export; run again to go on where it stopped

Four steps, the first two skipped as far as their results are there: simulated films (and, where a folder of real films
is given, those as backgrounds with deposits inserted, and as they are), the training itself with a checkpoint every few
minutes, the export with a check that ONNX Runtime gives what torch gave, and the region classifier
(`segmentation/region_classifier.py`) fitted to films that the training did not see. Seeds are fixed; film seeds 0-99999
belong to training and none of them to `calcimeasure validate`.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import cv2
import torch
from learning import overlap_loss, train
from network_films import (
    arguments,
    inserted,
    judged_sample,
    make_films,
    of_meshes,
    real_films_of,
    styled,
    training_films,
)
from patches import Patches
from second_look import REAL_WEIGHT, fit_judge
from torch import nn
from torch.nn import functional
from unet import CompactUNet, export

FIRST_JUDGED_SEED = 70_000
FIRST_JUDGED_INSERTED_SEED = 80_000
FIRST_JUDGED_MESH_SEED = 120_000


# Cells on a deposit are few.
_RARE = torch.tensor(4.0)


def loss_of(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy with the rare class weighted, and what the batch's soft Dice lacks of 1."""
    entropy = functional.binary_cross_entropy_with_logits(logits, target, pos_weight=_RARE)
    return entropy + overlap_loss(logits, target, each=False)


def judged_films(options: argparse.Namespace) -> list[tuple[list[Path], float]]:
    """Return the films that the second look is fitted to, made where missing, each kind with its weight."""
    folder, count, workers = options.work / "judged", options.judged, options.workers
    seeds = range(FIRST_JUDGED_SEED, FIRST_JUDGED_SEED + count)
    judged = [(make_films(folder, seeds, styled, judged_sample, workers), 1.0)]
    real = real_films_of(options.real)[1]
    if real:
        seeds = range(FIRST_JUDGED_INSERTED_SEED, FIRST_JUDGED_INSERTED_SEED + count)
        judged.append((make_films(folder, seeds, partial(inserted, real=real), judged_sample, workers), REAL_WEIGHT))
    if options.meshes is not None:
        seeds = range(FIRST_JUDGED_MESH_SEED, FIRST_JUDGED_MESH_SEED + count // 2)
        make = partial(of_meshes, meshes=options.meshes)
        judged.append((make_films(folder, seeds, make, judged_sample, workers), 1.0))
    return judged


def main() -> None:
    parser = arguments(__doc__.splitlines()[0], films=250, insertions=330, steps=22_000, model="network.onnx")
    parser.add_argument(
        "--judged", type=int, default=120, help="further films a kind that the second look is fitted to"
    )
    parser.add_argument(
        "--without-classical", action="store_true", help="fit the second look to the network's regions alone"
    )
    parser.add_argument("--most-false", type=float, default=0.21, help="false regions a film that set the threshold")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    work, groups = options.work, training_films(options)
    judged = judged_films(options)
    torch.manual_seed(0)
    model = train(
        CompactUNet(),
        Patches(groups),
        work / "checkpoint.pt",
        loss_of=loss_of,
        steps=options.steps,
        threads=options.threads,
        earlier=options.start_from,
    )
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} million parameters")
    export(nn.Sequential(model, nn.Sigmoid()), model.channels, options.out)
    fit_judge(
        judged,
        options.out,
        most_false=options.most_false,
        workers=options.workers,
        classical=not options.without_classical,
    )


if __name__ == "__main__":
    main()
