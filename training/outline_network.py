"""Train the network that outlines what it is pointed at, and export it to ONNX.

    pip install torch onnx onnxscript              # training only; a CPU is enough
    python training/outline_network.py --work WORK # run again to go on where it stopped

It learns from the films of `training/network.py`, in the same folder, which are made where they are missing. Clicks
teach it what is meant, rough masks how large that is: of those the loss asks the area as well as the outline, and how
far off the area may be.
"""

from __future__ import annotations

import cv2
import torch
from learning import overlap_loss, train
from network_films import arguments, training_films
from outline_patches import OutlinePatches
from torch.nn import functional
from unet import CompactUNet, OutlineNetwork, export

CHANNELS = 4
# Cells: an area smaller than this is not fitted more exactly than this.
_AREA_FLOOR = 3.0
_SHARP = 0.02
_AREA_WEIGHT, _ERROR_WEIGHT = 1.0, 0.1


def loss_of(answer: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the loss of outlines, and for masks of the area and of its error (Laplace's likelihood)."""
    logits, spread = answer[:, :1], answer[:, 1:]
    share, counted = target[:, :1], target[:, 1:]
    loss = functional.binary_cross_entropy_with_logits(logits, share) + overlap_loss(logits, share, each=True)
    counts = counted.sum((1, 2, 3)) > 0
    if not counts.any():
        return loss
    found = torch.sigmoid(logits[counts]) * counted[counts]
    there = share[counts] * counted[counts]
    off = torch.log((found.sum((1, 2, 3)) + _AREA_FLOOR) / (there.sum((1, 2, 3)) + _AREA_FLOOR))
    weight = found.detach() + 1e-6
    log_error = ((spread[counts] * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3))).clamp(-6.0, 2.0)
    error = off.detach().abs() * torch.exp(-log_error) + log_error
    share_counted = counts.float().mean()
    return loss + share_counted * (
        _AREA_WEIGHT * torch.sqrt(off * off + _SHARP * _SHARP).mean() + _ERROR_WEIGHT * error.mean()
    )


def main() -> None:
    options = arguments(
        __doc__.splitlines()[0], films=420, insertions=220, steps=24_000, model="outlines.onnx"
    ).parse_args()
    cv2.setNumThreads(1)
    groups = training_films(options)
    torch.manual_seed(0)
    model = train(
        CompactUNet(CHANNELS, outputs=2),
        OutlinePatches(groups),
        options.work / "outlines.pt",
        loss_of=loss_of,
        steps=options.steps,
        threads=options.threads,
        earlier=options.start_from,
    )
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} million parameters")
    export(OutlineNetwork(model), CHANNELS, options.out)


if __name__ == "__main__":
    main()
