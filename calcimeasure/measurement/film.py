"""Measuring every deposit of one film, and the film's burden."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import find_anatomy
from calcimeasure.anatomy.records import Anatomy
from calcimeasure.deposits import AreaMethod, Deposit, DepositLabels, Finding
from calcimeasure.errors import LabelsError, UsageError
from calcimeasure.measurement.area import describe_crop
from calcimeasure.measurement.calibration import AreaEstimate, estimate_area
from calcimeasure.measurement.contrast import integrated_contrast
from calcimeasure.measurement.crops import deposit_crops
from calcimeasure.measurement.outline import outline_area
from calcimeasure.measurement.records import DepositMeasurement, FilmMeasurement
from calcimeasure.radiograph import Radiograph

# Of the variance of one deposit's error, the share that every other deposit of the film has in common with it: what
# the film's blur and processing do to the edge (edge_model; benchmarks/area.py measures it), or where this person puts
# an outline (outline).
SHARED_EDGE_MODEL = 0.15
SHARED_OUTLINE = 1.0
OVER_EXPOSED_SHARE = 0.05


def measure_film(
    film: Radiograph, labels: DepositLabels, *, anatomy: Anatomy | None = None, precision: float | None = None
) -> FilmMeasurement:
    """Return every deposit of a film measured, and their total.

    Parameters
    ----------
    film
        The film.
    labels
        Its deposits, on the film's own grid.
    anatomy
        The film's masks; found here when None.
    precision
        Relative standard deviation of an area by the person who painted or drew (0.05 is 5 %), from repeat readings.
        None means the prior of one pixel along the outline. Automatic and clicked deposits do not use it.

    Raises
    ------
    LabelsError
        When the labels are not this film's: another shape, or another file's hash.
    UsageError
        When the precision is not a positive number.
    """
    _check(film, labels, precision)
    if anatomy is None:
        anatomy = find_anatomy(film)
    warnings = [*film.warnings, *anatomy.warnings, *labels.warnings]
    areas, contrasts = _areas(film, labels, precision, warnings)
    places = _places(labels.image, len(labels), anatomy)
    deposits = tuple(
        _row(film, deposit, areas[deposit.label], contrasts.get(deposit.label), places) for deposit in labels.deposits
    )
    total, total_se = total_area(deposits)
    pixel = film.spacing.pixel_area_mm2
    return FilmMeasurement(
        film=film,
        labels=labels,
        deposits=deposits,
        total_area_px=total,
        total_area_se_px=total_se,
        total_area_mm2=None if pixel is None else total * pixel,
        total_area_se_mm2=None if pixel is None else total_se * pixel,
        warnings=tuple(dict.fromkeys(warnings)),
        anatomy=anatomy,
    )


def total_area(deposits: Sequence[DepositMeasurement]) -> tuple[float, float]:
    """Return the union of the deposits found to be calcinosis, in pixels, and its standard error.

    Labels never overlap, so the union is the sum. Each deposit's variance has a part of its own and a part that the
    film's deposits of the same method share; the parts of their own add as squares, the shared ones as they are.

    Parameters
    ----------
    deposits
        Measured; other findings are left out.
    """
    counted = [deposit for deposit in deposits if deposit.finding is Finding.CALCINOSIS]
    variance = 0.0
    for method, share in ((AreaMethod.EDGE_MODEL, SHARED_EDGE_MODEL), (AreaMethod.OUTLINE, SHARED_OUTLINE)):
        errors = np.array([deposit.area_se_px for deposit in counted if deposit.area_method is method])
        variance += (1 - share) * float((errors**2).sum()) + share * float(errors.sum()) ** 2
    return float(sum(deposit.area_px for deposit in counted)), float(np.sqrt(variance))


def _check(film: Radiograph, labels: DepositLabels, precision: float | None) -> None:
    if labels.image.shape != film.shape:
        raise LabelsError(
            f"the label image is {labels.image.shape}, the film {film.shape}",
            remedy="Labels belong to one film and lie on its own pixels.",
        )
    if labels.film_sha256 and labels.film_sha256 != film.sha256:
        raise LabelsError("the labels were made on another film", remedy="Give the film that they belong to.")
    if precision is not None and not (np.isfinite(precision) and precision > 0):
        raise UsageError(f"a precision of {precision} is not a positive share of the area")


def _areas(
    film: Radiograph, labels: DepositLabels, precision: float | None, warnings: list[str]
) -> tuple[dict[int, AreaEstimate], dict[int, float | None]]:
    """Return area and integrated contrast by number; over-exposed deposits are warned of."""
    areas: dict[int, AreaEstimate] = {}
    contrasts: dict[int, float | None] = {}
    clipped = []
    for deposit, cut in zip(labels.deposits, deposit_crops(film, labels.image), strict=True):
        described = describe_crop(cut.crop)
        contrasts[cut.label] = integrated_contrast(cut.crop.pixels, described, film.grey)
        if deposit.area_method is AreaMethod.OUTLINE:
            areas[cut.label] = outline_area(cut.mask, precision)
        else:
            areas[cut.label] = estimate_area(described.edge)
        if float((cut.crop.pixels[cut.crop.mask] >= film.grey.highest).mean()) > OVER_EXPOSED_SHARE:
            clipped.append(cut.label)
    if clipped:
        names = ", ".join(str(number) for number in clipped)
        warnings.append(f"Deposits {names} reach the end of the grey scale: their edges and contrast are uncertain.")
    return areas, contrasts


def _places(image: NDArray[np.uint16], count: int, anatomy: Anatomy) -> dict[str, NDArray[np.float64]]:
    """Return centroid, limb and share over bone of every number, from 0."""
    rows, cols = np.nonzero(image)
    number = image[rows, cols].astype(np.int64)
    pixels = np.maximum(np.bincount(number, minlength=count + 1), 1)
    cell = (rows // anatomy.step, cols // anatomy.step)
    limb_votes = np.zeros((count + 1, anatomy.limb_count + 1), np.int64)
    np.add.at(limb_votes, (number, anatomy.limbs[cell].astype(np.int64)), 1)
    limb = np.zeros(count + 1)
    if anatomy.limb_count:
        # A deposit at the skin may lie mostly outside the limb's mask and still be that limb's.
        limb = np.where(limb_votes[:, 1:].any(axis=1), 1 + limb_votes[:, 1:].argmax(axis=1), 0).astype(np.float64)
    return {
        "row": np.bincount(number, weights=rows, minlength=count + 1) / pixels,
        "col": np.bincount(number, weights=cols, minlength=count + 1) / pixels,
        "limb": limb,
        "bone": np.bincount(number, weights=anatomy.bone[cell], minlength=count + 1) / pixels,
    }


def _row(
    film: Radiograph,
    deposit: Deposit,
    area: AreaEstimate,
    contrast: float | None,
    places: dict[str, NDArray[np.float64]],
) -> DepositMeasurement:
    pixel = film.spacing.pixel_area_mm2
    return DepositMeasurement(
        label=deposit.label,
        finding=deposit.finding,
        area_mm2=None if pixel is None else area.area_px * pixel,
        area_se_mm2=None if pixel is None else area.se_px * pixel,
        area_px=area.area_px,
        area_se_px=area.se_px,
        area_se_repeat_px=area.se_repeat_px,
        area_method=deposit.area_method,
        centroid_row=float(places["row"][deposit.label]),
        centroid_col=float(places["col"][deposit.label]),
        limb=int(places["limb"][deposit.label]),
        over_bone_fraction=float(places["bone"][deposit.label]),
        confidence=deposit.confidence,
        origin=deposit.origin,
        integrated_contrast=contrast,
    )
