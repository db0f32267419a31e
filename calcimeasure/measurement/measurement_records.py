"""The values of a measured film: one row per deposit, and the film's burden."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.boxes import Box
from calcimeasure.deposits import AreaEstimator, AreaMethod, DepositLabels, Finding, Origin
from calcimeasure.measurement.edge_description import Edge
from calcimeasure.notices import Notice
from calcimeasure.radiograph import Radiograph


@dataclass(frozen=True, kw_only=True, slots=True)
class DepositMeasurement:
    """One deposit, measured on its film's own grid; the fields are the columns of `deposits.csv`.

    Attributes
    ----------
    area_px, area_se_px
        Footprint area and its standard error in pixels of the film.
    area_mm2, area_se_mm2
        The same in mm², in the plane that the film's spacing basis names; None without a spacing.
    centroid_row, centroid_col
        Centre of the label's pixels, in pixel indices (0 is the centre of the first pixel).
    limb
        Number of the limb it lies on, from 1; 0 where no limb was found.
    over_bone_fraction
        Share of the label's pixels over bone.
    integrated_contrast
        Excess signal over the local background, summed over pixels; None where the grey scale does not allow it.
    area_se_repeat_px
        The part of `area_se_px` that another film of the same deposit would not share (noise, place within the pixel,
        background). The rest is the deposit's own shape: it cancels in the ratio of two visits while the shape lasts.
    perimeter_px, major_axis_px, minor_axis_px, max_feret_px, eccentricity, solidity
        Shape of the label's pixels, as `DepositShape` defines it. Where pixels are not square, lengths are in square
        pixels of the same area.
    perimeter_mm, major_axis_mm, minor_axis_mm, max_feret_mm
        The same lengths in mm; None without a spacing.
    area_estimator
        Which estimator gave the area; None in rows that were not measured here.
    """

    label: int
    finding: Finding
    area_mm2: float | None
    area_se_mm2: float | None
    area_px: float
    area_se_px: float
    area_method: AreaMethod
    centroid_row: float
    centroid_col: float
    limb: int
    over_bone_fraction: float
    confidence: float
    origin: Origin
    integrated_contrast: float | None
    area_se_repeat_px: float | None = None
    perimeter_mm: float | None = None
    major_axis_mm: float | None = None
    minor_axis_mm: float | None = None
    max_feret_mm: float | None = None
    perimeter_px: float | None = None
    major_axis_px: float | None = None
    minor_axis_px: float | None = None
    max_feret_px: float | None = None
    eccentricity: float | None = None
    solidity: float | None = None
    area_estimator: AreaEstimator | None = None

    @property
    def change_se_px(self) -> float:
        """Standard error for comparing with another film: `area_se_repeat_px`, or all of it where that is unknown."""
        return self.area_se_px if self.area_se_repeat_px is None else self.area_se_repeat_px


@dataclass(frozen=True, kw_only=True, eq=False)
class FilmMeasurement:
    """One film with its deposits measured.

    Attributes
    ----------
    film, labels
        What was measured.
    deposits
        One entry a label, in order.
    total_area_px, total_area_mm2, total_area_se_mm2
        The burden: the union of the deposits found to be calcinosis. None in mm² without a spacing.
    warnings
        Sentences of the film, the labels and the measurement together, each once.
    anatomy
        The masks it was measured with: pictures blank everything outside the limbs. None where none were made.
    edges
        The edges, by number, of the deposits that no person painted; compared by
        `calcimeasure.measurement.area_ratio`.
    over_exposed
        Numbers of the deposits that reach the end of the grey scale.
    boxes
        The bounding box of each deposit, by number; empty where not known.

    Examples
    --------
    >>> mask = np.zeros((200, 120), bool)
    >>> mask[80:90, 50:60] = True
    >>> measured = cm.measure_film(cm.film_from_array(mask + 1.0, spacing_mm=0.1), mask)
    >>> measured.total_area_px, len(measured.deposits)
    (100.0, 1)
    """

    film: Radiograph
    labels: DepositLabels
    deposits: tuple[DepositMeasurement, ...]
    total_area_px: float
    total_area_se_px: float
    total_area_mm2: float | None
    total_area_se_mm2: float | None
    warnings: tuple[Notice, ...] = ()
    anatomy: Anatomy | None = None
    edges: Mapping[int, Edge] = field(default_factory=dict)
    over_exposed: frozenset[int] = frozenset()
    boxes: Mapping[int, Box] = field(default_factory=dict)

    @property
    def measured_by_network(self) -> frozenset[int]:
        """Numbers of the deposits whose area is the sum of the outline network's coverage."""
        network = AreaEstimator.COVERAGE_NETWORK
        return frozenset(deposit.label for deposit in self.deposits if deposit.area_estimator is network)
