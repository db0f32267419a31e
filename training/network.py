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

from functools import partial
from pathlib import Path

import cv2
import torch
from learning import overlap_loss, train
from network_films import arguments, inserted, judged_sample, make_films, simulated, training_films, usable_films
from patches import Patches
from second_look import fit_judge
from torch import nn
from torch.nn import functional
from unet import CompactUNet, export

FIRST_JUDGED_SEED = 70_000
FIRST_JUDGED_INSERTED_SEED = 80_000


# Cells on a deposit are few.
_RARE = torch.tensor(4.0)


def loss_of(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy with the rare class weighted, and what the batch's soft Dice lacks of 1."""
    entropy = functional.binary_cross_entropy_with_logits(logits, target, pos_weight=_RARE)
    return entropy + overlap_loss(logits, target, each=False)


def judged_films(work: Path, real: list[Path], count: int, workers: int) -> tuple[list[Path], list[Path]]:
    """Return the films that the second look is fitted to, simulated and made from real ones, made where missing."""
    seeds = range(FIRST_JUDGED_SEED, FIRST_JUDGED_SEED + count)
    judged = make_films(work / "judged", seeds, simulated, judged_sample, workers)
    if not real:
        return judged, []
    seeds = range(FIRST_JUDGED_INSERTED_SEED, FIRST_JUDGED_INSERTED_SEED + count // 3)
    return judged, make_films(work / "judged", seeds, partial(inserted, real=real), judged_sample, workers)


def main() -> None:
    parser = arguments(__doc__.splitlines()[0], films=600, insertions=260, steps=22_000, model="network.onnx")
    parser.add_argument("--judged", type=int, default=300, help="further films that the second look is fitted to")
    parser.add_argument("--most-false", type=float, default=0.21, help="false regions a film that set the threshold")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    work, paths = options.work, training_films(options)
    judged = judged_films(work, usable_films(options.real), options.judged, options.workers)
    torch.manual_seed(0)
    model = train(
        CompactUNet(),
        Patches(paths),
        work / "checkpoint.pt",
        loss_of=loss_of,
        steps=options.steps,
        threads=options.threads,
    )
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} million parameters")
    export(nn.Sequential(model, nn.Sigmoid()), model.channels, options.out)
    fit_judge(*judged, options.out, most_false=options.most_false, workers=options.workers)


if __name__ == "__main__":
    main()
