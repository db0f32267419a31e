"""What both films show: only there does a change count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.registration.alignment import inverse, map_points, uncertainty_at
from calcimeasure.registration.registration_records import Alignment

INSIDE_SE = 2.0
"""Standard errors of the alignment by which a place has to lie inside the other film's field."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CommonField:
    """What both films of a pair show, on each film's own coarse grid.

    Attributes
    ----------
    baseline, followup
        True where that film's place lies in its own field and, after alignment and by more than the alignment's
        uncertainty, in the other's.
    baseline_step, followup_step
        Film pixels a cell.
    """

    baseline: NDArray[np.bool_]
    followup: NDArray[np.bool_]
    baseline_step: int
    followup_step: int

    def swapped(self) -> CommonField:
        """Return the same with the films exchanged."""
        return CommonField(
            baseline=self.followup,
            followup=self.baseline,
            baseline_step=self.followup_step,
            followup_step=self.baseline_step,
        )


def common_field(baseline: Anatomy, followup: Anatomy, alignment: Alignment) -> CommonField:
    """Return what both films show, from their masks and the alignment of the baseline to the follow-up."""
    return CommonField(
        baseline=_shared(baseline, followup, alignment),
        followup=_shared(followup, baseline, inverse(alignment, followup.shape)),
        baseline_step=baseline.step,
        followup_step=followup.step,
    )


def _shared(own: Anatomy, other: Anatomy, alignment: Alignment) -> NDArray[np.bool_]:
    """Return, on the own film's coarse grid, what lies in its field and well inside the other's."""
    rows, cols = own.field.shape
    index = np.stack(np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij"), axis=-1)
    centers = (index + 0.5) * own.step - 0.5
    places = map_points(alignment, centers)
    # Pixels between a place and the border of the other film's field; the film's own edge is a border too.
    depth = distance_transform_edt(np.pad(other.field, 1))[1:-1, 1:-1] - 0.5
    at = np.floor((places + 0.5) / other.step).astype(np.intp)
    inside = (at >= 0).all(axis=-1) & (at[..., 0] < other.field.shape[0]) & (at[..., 1] < other.field.shape[1])
    at = np.where(inside[..., None], at, 0)
    needed = INSIDE_SE * uncertainty_at(alignment, centers) * alignment.scale / other.step
    deep = np.asarray(depth[at[..., 0], at[..., 1]] > np.minimum(needed, 1e6), np.bool_)
    return np.asarray(own.field & inside & deep, np.bool_)
