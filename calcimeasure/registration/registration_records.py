"""How the follow-up lies on the baseline: the registration's quality and scale, and the alignment itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """How well the two films were aligned; the mapping itself is an `Alignment`.

    Attributes
    ----------
    status
        ``ok``, ``failed`` or ``mirrored`` (fits only when flipped).
    scale, scale_se
        Size of the follow-up's bones over the baseline's, in mm where both films have a spacing, else in pixels.
    scale_applied
        Whether the change is corrected by it.
    rms_mm, rms_px
        Residual of the alignment at bone, on the baseline's grid; mm only with a spacing.
    reason
        Why it failed, in words.
    """

    status: str
    scale: float | None = None
    scale_se: float | None = None
    scale_applied: bool = False
    rms_mm: float | None = None
    rms_px: float | None = None
    rotation_deg: float | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Alignment:
    """Where each place of the baseline lies on the follow-up.

    A similarity for the whole limb, and a smooth field of residual displacements on a coarse grid for what moves on
    its own (fingers). Used for matching and for looking at, never for measuring.

    Attributes
    ----------
    matrix
        float64, (2, 3): (row, col, 1) of the baseline to (row, col) of the follow-up, in pixels of each film.
    residual
        float32, (grid rows, grid cols, 2): what is added to the mapped (row, col), in follow-up pixels, at baseline
        positions ``index * step``; None for a rigid pair.
    step
        Baseline pixels a grid cell.
    flipped
        Whether the follow-up was mirrored left to right first (``--flip``): `matrix` then includes it.
    uncertainty
        float32, (grid rows, grid cols): standard error of the mapped position, in baseline pixels; infinite where
        nothing of the follow-up corresponds. None where it is not known.
    reverse
        The alignment the other way, where this one was made from it by turning it round. Pairs are registered in an
        order that does not depend on which film is the baseline, and matching goes by that order, so that swapping
        the films mirrors every result exactly.
    """

    matrix: NDArray[np.float64]
    residual: NDArray[np.float32] | None = None
    step: int = 1
    flipped: bool = False
    uncertainty: NDArray[np.float32] | None = None
    reverse: Alignment | None = None
