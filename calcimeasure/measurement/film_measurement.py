"""Measuring every deposit of one film, and the film's burden."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import find_anatomy
from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.boxes import Box, bounding_box, pad_box
from calcimeasure.deposits import AreaEstimator, AreaMethod, Deposit, DepositLabels, Finding
from calcimeasure.errors import LabelsError, UsageError
from calcimeasure.io.film_inputs import FilmLike, LabelsLike, as_film, as_labels
from calcimeasure.measurement.coverage_area import Coverage, context_radius_px, deposit_coverage, load_error_law
from calcimeasure.measurement.deposit_crops import DepositCrop, deposit_crops, square_mask
from calcimeasure.measurement.deposit_shape import deposit_shape, outline_area
from calcimeasure.measurement.edge_calibration import AreaEstimate, estimate_area
from calcimeasure.measurement.edge_description import Edge
from calcimeasure.measurement.edge_model import LARGEST_MARGIN_PX, describe_crop, has_contrast, integrated_contrast
from calcimeasure.measurement.measurement_records import DepositMeasurement, FilmMeasurement
from calcimeasure.models.network_input import NetworkInput
from calcimeasure.models.outline_network import outline_network_input
from calcimeasure.notices import Notice, NoticeCode, unique_notices
from calcimeasure.radiograph import Radiograph

# Of the variance of one deposit's error, the share that every other deposit of the film has in common with it: what
# the film's blur and processing do to the edge (edge_model; benchmarks/area.py measures it), or where this person puts
# an outline (outline).
SHARED_EDGE_MODEL = 0.15
SHARED_OUTLINE = 1.0
OVER_EXPOSED_SHARE = 0.05


def measure_film(
    film: FilmLike, labels: LabelsLike, *, anatomy: Anatomy | None = None, precision: float | None = None
) -> FilmMeasurement:
    """Return every deposit of a film measured, and their total.

    Parameters
    ----------
    film, labels
        As for `measure`.
    anatomy
        The film's masks; found here when None.
    precision
        Relative standard deviation of an area by the person who painted or drew (0.05 is 5 %), from repeat readings.
        None means the prior of one pixel along the outline. Automatic and clicked deposits do not use it.

    Returns
    -------
    FilmMeasurement
        Rows, total area with its standard error, and warnings.

    Raises
    ------
    LabelsError
        When the labels are not this film's: another shape, or another file's hash.
    UsageError
        When the precision is not a positive number.

    Examples
    --------
    >>> mask = np.zeros((200, 120), bool)
    >>> mask[80:90, 50:60] = mask[120:130, 50:70] = True
    >>> film = cm.film_from_array(mask + 1.0, spacing_mm=0.1)
    >>> measured = cm.measure_film(film, mask)
    >>> f"{measured.total_area_mm2:.1f} mm²"
    '3.0 mm²'
    """
    film = as_film(film)
    labels = as_labels(labels, film)
    if anatomy is None:
        anatomy = find_anatomy(film)
    numbers = [deposit.label for deposit in labels.deposits]
    raw = measure_raw(film, labels, numbers, anatomy=anatomy, precision=precision)
    return film_measurement(film, labels, measurement_rows(film, labels, raw, anatomy), raw, anatomy)


def film_measurement(
    film: Radiograph,
    labels: DepositLabels,
    deposits: tuple[DepositMeasurement, ...],
    raw: Mapping[int, RawMeasurement],
    anatomy: Anatomy,
) -> FilmMeasurement:
    """Return a film's measured deposits with their total and the film's warnings."""
    total, total_se = total_area(deposits)
    pixel = film.spacing.pixel_area_mm2
    over_exposed = frozenset(number for number, one in raw.items() if one.over_exposed)
    return FilmMeasurement(
        film=film,
        labels=labels,
        deposits=deposits,
        total_area_px=total,
        total_area_se_px=total_se,
        total_area_mm2=None if pixel is None else total * pixel,
        total_area_se_mm2=None if pixel is None else total_se * pixel,
        warnings=measurement_warnings(film, anatomy, labels, over_exposed),
        anatomy=anatomy,
        edges={number: one.edge for number, one in raw.items() if one.edge is not None},
        over_exposed=over_exposed,
        boxes={number: one.box for number, one in raw.items()},
    )


def measure_deposits(
    film: Radiograph,
    labels: DepositLabels,
    numbers: Sequence[int],
    *,
    anatomy: Anatomy,
    precision: float | None = None,
) -> tuple[DepositMeasurement, ...]:
    """Return some of a film's deposits measured, to the last digit as `measure_film` measures them.

    For following a person's brush: after a change of the label image, the deposits to measure again are those that
    changed and those within `influence_px` of a changed pixel.

    Parameters
    ----------
    film, labels, anatomy, precision
        As for `measure_film`.
    numbers
        Which deposits, in the order wanted.

    Raises
    ------
    LabelsError
        Also when a number is not among the labels.
    """
    unknown = sorted(set(numbers) - {deposit.label for deposit in labels.deposits})
    if unknown:
        raise LabelsError(f"there is no deposit {unknown[0]} among the {len(labels)}")
    raw = measure_raw(film, labels, numbers, anatomy=anatomy, precision=precision)
    rows = {row.label: row for row in measurement_rows(film, labels, raw, anatomy)}
    return tuple(rows[number] for number in numbers)


def influence_px(film: Radiograph, anatomy: Anatomy) -> int:
    """Return how far from a changed pixel of the label image the area of another deposit can change, in film pixels."""
    aspect = max(film.spacing.pixel_aspect, 1 / film.spacing.pixel_aspect)
    edge_model_px = int(np.ceil(LARGEST_MARGIN_PX * np.sqrt(aspect))) + 1
    inputs = outline_network_input(film, anatomy)
    return edge_model_px if inputs is None else max(edge_model_px, max(context_radius_px(inputs)) + 2)


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


@dataclass(frozen=True, kw_only=True, eq=False)
class RawMeasurement:
    """One deposit measured from its pixels: its area, by which estimator, and its edge unless it was painted."""

    area: AreaEstimate
    edge: Edge | None
    estimator: AreaEstimator
    contrast: float | None
    over_exposed: bool
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]

    @property
    def box(self) -> Box:
        """The smallest window of the film that holds it."""
        rows, cols = (slice(int(along.min()), int(along.max()) + 1) for along in (self.rows, self.cols))
        return (rows, cols)


def measure_raw(
    film: Radiograph,
    labels: DepositLabels,
    numbers: Sequence[int],
    *,
    anatomy: Anatomy,
    precision: float | None,
    boxes: Mapping[int, Box] | None = None,
) -> dict[int, RawMeasurement]:
    """Return some of a film's deposits as measured on the pixels, by label.

    Parameters
    ----------
    film, labels, numbers, anatomy, precision
        As for `measure_deposits`.
    boxes
        As for `deposit_crops`.
    """
    _check(film, labels, precision)
    inputs = outline_network_input(film, anatomy)
    methods = {deposit.label: deposit.area_method for deposit in labels.deposits}
    raw = {}
    for cut in deposit_crops(film, labels.image, frozenset(numbers), boxes):
        painted = methods[cut.label] is AreaMethod.OUTLINE
        estimator = AreaEstimator.OUTLINE if painted else AreaEstimator.EDGE_MODEL
        coverage = None if painted or inputs is None else _coverage(film, labels.image, cut, inputs)
        described = None if painted and not has_contrast(film.grey) else describe_crop(cut.crop)
        if painted or described is None:
            area = outline_area(cut.mask, precision)
        elif coverage is not None:
            area = load_error_law().estimate(coverage)
            estimator = AreaEstimator.COVERAGE_NETWORK
        else:
            area = estimate_area(described.edge)
        clipped = cut.crop.pixels[cut.crop.mask] >= film.grey.highest
        rows, cols = np.nonzero(cut.mask)
        raw[cut.label] = RawMeasurement(
            area=area,
            edge=None if painted or described is None else described.edge,
            estimator=estimator,
            contrast=None if described is None else integrated_contrast(cut.crop.pixels, described, film.grey),
            over_exposed=bool(clipped.mean() > OVER_EXPOSED_SHARE),
            rows=rows + cut.first_row,
            cols=cols + cut.first_col,
        )
    return raw


def _coverage(film: Radiograph, image: NDArray[np.uint16], cut: DepositCrop, inputs: NetworkInput) -> Coverage | None:
    """Return the outline network's coverage of a deposit, given the other deposits near it."""
    box = bounding_box(cut.mask, (slice(cut.first_row, None), slice(cut.first_col, None)))
    if box is None:
        return None
    window = pad_box(box, context_radius_px(inputs), film.shape)
    here = image[window]
    mask = here == cut.label
    corner = (window[0].start, window[1].start)
    return deposit_coverage(inputs, mask, (here != 0) & ~mask, corner, mirrored=True)


def measurement_warnings(
    film: Radiograph, anatomy: Anatomy, labels: DepositLabels, over_exposed: Iterable[int]
) -> tuple[Notice, ...]:
    """Return what film, anatomy and labels warn of, and which deposits reach the end of the grey scale."""
    warnings = [*film.warnings, *anatomy.warnings, *labels.warnings]
    if numbers := [str(label) for label in sorted(over_exposed)]:
        noun = "Deposit" if len(numbers) == 1 else "Deposits"
        listed = f"{noun} {', '.join(numbers)}"
        text = f"{listed}: over-exposed to the end of the grey scale, so edge and contrast are uncertain."
        warnings.append(Notice(NoticeCode.OVER_EXPOSED_DEPOSIT, text))
    return unique_notices(*warnings)


def _limb(cells: tuple[NDArray[np.int64], NDArray[np.int64]], anatomy: Anatomy) -> int:
    """Return the limb that most of a deposit's pixels lie on, 0 when none does.

    A deposit at the skin may lie mostly outside the limb's mask and still be that limb's.
    """
    votes = np.bincount(anatomy.limbs[cells], minlength=1)
    votes[0] = 0
    return int(votes.argmax())


def measurement_rows(
    film: Radiograph, labels: DepositLabels, raw: Mapping[int, RawMeasurement], anatomy: Anatomy
) -> tuple[DepositMeasurement, ...]:
    """Return the rows of those of the labels' deposits that were measured."""
    return tuple(
        _row(film, deposit, raw[deposit.label], anatomy) for deposit in labels.deposits if deposit.label in raw
    )


def deposit_area(row: DepositMeasurement) -> AreaEstimate:
    """Return the area of a row with its standard errors."""
    return AreaEstimate(area_px=row.area_px, se_px=row.area_se_px, se_repeat_px=row.change_se_px)


def _row(film: Radiograph, deposit: Deposit, raw: RawMeasurement, anatomy: Anatomy) -> DepositMeasurement:
    pixel = film.spacing.pixel_area_mm2
    cells = (raw.rows // anatomy.step, raw.cols // anatomy.step)
    return DepositMeasurement(
        label=deposit.label,
        finding=deposit.finding,
        area_mm2=None if pixel is None else raw.area.area_px * pixel,
        area_se_mm2=None if pixel is None else raw.area.se_px * pixel,
        area_px=raw.area.area_px,
        area_se_px=raw.area.se_px,
        area_se_repeat_px=raw.area.se_repeat_px,
        area_method=deposit.area_method,
        centroid_row=float(raw.rows.mean()),
        centroid_col=float(raw.cols.mean()),
        limb=_limb(cells, anatomy),
        over_bone_fraction=float(anatomy.bone[cells].mean()),
        confidence=deposit.confidence,
        origin=deposit.origin,
        integrated_contrast=raw.contrast,
        area_estimator=raw.estimator,
        **_shape_columns(film, raw),
    )


def _shape_columns(film: Radiograph, raw: RawMeasurement) -> dict[str, float | None]:
    """Return the shape's columns by name; lengths in mm follow from pixels made square at the same area."""
    rows, cols = raw.box
    mask = np.zeros((rows.stop - rows.start + 2, cols.stop - cols.start + 2), dtype=np.bool_)
    mask[raw.rows - rows.start + 1, raw.cols - cols.start + 1] = True
    square = square_mask(mask, film.spacing.pixel_aspect)
    shape = deposit_shape(square if square.any() else mask)
    pixel = film.spacing.pixel_area_mm2
    columns: dict[str, float] = asdict(shape)
    lengths = {name.removesuffix("_px"): value for name, value in columns.items() if name.endswith("_px")}
    return columns | {f"{name}_mm": None if pixel is None else sqrt(pixel) * value for name, value in lengths.items()}
