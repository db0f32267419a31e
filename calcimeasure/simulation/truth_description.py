"""What is true of deposits on a film: their label image, and a record of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from calcimeasure.deposits import Deposit, DepositLabels, Origin
from calcimeasure.simulation.calcium_deposits import render_thickness
from calcimeasure.simulation.geometry import coverage_patch
from calcimeasure.simulation.smoothing import gaussian_blur
from calcimeasure.simulation.truth import DepositTruth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from calcimeasure.simulation.calcium_deposits import CalciumDeposit
    from calcimeasure.simulation.formats import FilmFormat
    from calcimeasure.simulation.rays import Grid

OVER_BONE = 0.5
TOUCHING_BONE = 0.005
OUTLINE_STEP = 4  # every fourth vertex goes into the truth's outlines: 90 a piece


def true_labels(image: NDArray[np.uint16], count: int, film_sha256: str) -> DepositLabels:
    """Return the truth as the product's own label value."""
    deposits = tuple(Deposit(label=label, origin=Origin.DRAWN) for label in range(1, count + 1))
    return DepositLabels(image=image, deposits=deposits, method="truth", film_sha256=film_sha256)


def add_calcium(
    deposits: Sequence[CalciumDeposit], grid: Grid
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, list[float]]:
    """Return the thickness of the deposits in the beam, that of grey ones, and the thickest pixel of each.

    Parameters
    ----------
    deposits
        In detector mm.
    grid
        ((rows, columns), (row, column) spacing in mm).

    Returns
    -------
    tuple
        float32 mm of hydroxyapatite in the beam; the same of those that are added to the film's grey values, with
        their blur, None without any; and the peaks, before any blur.
    """
    beam = np.zeros(grid[0], np.float32)
    grey: NDArray[np.float32] | None = None
    peaks = []
    for deposit in deposits:
        patch, where = render_thickness(deposit, shape=grid[0], spacing_mm=grid[1])
        peaks.append(float(patch.max(initial=0.0)))
        if deposit.grey_blur_mm is None:
            beam[where] += patch
            continue
        grey = np.zeros(grid[0], np.float32) if grey is None else grey
        _add_blurred(grey, patch, where, deposit.grey_blur_mm, grid)
    return beam, grey, peaks


def _add_blurred(
    target: NDArray[np.float32], patch: NDArray[np.float32], where: tuple[slice, slice], blur_mm: float, grid: Grid
) -> None:
    """Add a patch to a film with a blur that reaches beyond it."""
    margin = int(4 * blur_mm / min(grid[1])) + 2
    wide = gaussian_blur(np.pad(patch, margin), blur_mm, grid[1])
    top, left = where[0].start - margin, where[1].start - margin
    cut_top, cut_left = max(-top, 0), max(-left, 0)
    shown = target[top + cut_top : top + wide.shape[0], left + cut_left : left + wide.shape[1]]
    shown += wide[cut_top : cut_top + shown.shape[0], cut_left : cut_left + shown.shape[1]]


def describe_truth(
    common: Sequence[CalciumDeposit],
    on_film: Sequence[CalciumDeposit],
    *,
    identities: Sequence[int],
    peaks: Sequence[float],
    bone: NDArray[np.bool_],
    field: NDArray[np.bool_],
    film_format: FilmFormat,
) -> tuple[NDArray[np.uint16], tuple[DepositTruth, ...]]:
    """Return the label image of deposits and what is true of each.

    Parameters
    ----------
    common, on_film
        The deposits at the common pose and as the film shows them.
    peaks
        Thickness in each one's thickest pixel.
    bone, field
        Masks: where there is bone, and where the collimated field is.
    """
    shape, spacing = film_format.shape, film_format.spacing_mm
    labels = np.zeros(shape, np.uint16)
    most = np.zeros(shape, np.float32)
    records = []
    for label, (own, deposit, identity, peak) in enumerate(
        zip(common, on_film, identities, peaks, strict=True), start=1
    ):
        share, where = coverage_patch(deposit.outlines, shape=shape, spacing_mm=spacing)
        # What is finer than a pixel still gets its best pixels, so that no deposit is without a label.
        mine = (share > min(0.5, 0.7 * float(share.max(initial=0.0)))) & (share > most[where])
        labels[where][mine] = label
        most[where] = np.maximum(most[where], share)
        inside_film = max(float(share.sum()), 1e-9)
        overlap = float(share[bone[where]].sum()) / inside_film
        x, y = deposit.centroid_mm
        records.append(
            DepositTruth(
                label=label,
                identity=identity,
                kind=own.kind,
                background=background_of(overlap),
                area_mm2=deposit.area_mm2,
                area_px=deposit.area_mm2 / film_format.pixel_mm2,
                area_common_mm2=own.area_mm2,
                centroid_row=y / spacing[0] - 0.5,
                centroid_col=x / spacing[1] - 0.5,
                outlines_px=outlines_px(deposit, spacing),
                bone_overlap=overlap,
                volume_mm3=own.volume_mm3,
                thickness_mm=peak,
                in_field=min(float(share[field[where]].sum()) * film_format.pixel_mm2 / deposit.area_mm2, 1.0),
            )
        )
    return labels, tuple(records)


def background_of(overlap: float) -> str:
    """Return what a deposit lies on, from the share of its footprint over bone."""
    if overlap >= OVER_BONE:
        return "over_bone"
    return "touching_bone" if overlap > TOUCHING_BONE else "soft_tissue"


def outlines_px(deposit: CalciumDeposit, spacing: tuple[float, float]) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Return the polygons of a deposit's pieces as (row, column) pixel positions."""
    return tuple(
        tuple(
            (round(float(y / spacing[0] - 0.5), 2), round(float(x / spacing[1] - 0.5), 2))
            for x, y in outline[::OUTLINE_STEP]
        )
        for outline in deposit.outlines
    )
