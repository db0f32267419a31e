"""One film's area of a link or of the burden: its standard error, and what of it was painted or uncertain."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from calcimeasure.change.change_records import UNMATCHED, Link, LinkStatus
from calcimeasure.deposits import AreaMethod, Finding
from calcimeasure.errors import LabelsError
from calcimeasure.measurement.measurement_records import DepositMeasurement, FilmMeasurement
from calcimeasure.registration.registration_records import Registration

Film = Literal["baseline", "followup"]
PairRatio = tuple[float, float]
"""Log ratio of pixel areas, follow-up over baseline, and its standard error."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FilmBurden:
    """Area on one film, in its own pixels.

    Attributes
    ----------
    area_px, se_px
        Area of the calcinosis among the deposits, and its standard error.
    painted_share
        Share of the area that a person painted, 0 to 1.
    detection_se_px
        Standard error from pieces that may be false (or missed).
    absolute
        Whether `se_px` is the error of an area by itself, part of which the film's deposits share; False where it is
        only what two films of one deposit do not share.
    all_area_px, all_se_px
        The same as the first two for all deposits, whatever their finding.
    """

    area_px: float = 0.0
    se_px: float = 0.0
    painted_share: float = 0.0
    detection_se_px: float = 0.0
    absolute: bool = True
    all_area_px: float = 0.0
    all_se_px: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class AreaUnits:
    """How pixel areas of the two films are brought to one unit, and the follow-up to the baseline's magnification.

    Attributes
    ----------
    baseline_unit, followup_unit
        Unit areas a pixel: mm² where both films have a spacing (`in_mm`), else pixels.
    scale
        Size of the follow-up's bones over the baseline's where it is applied, else 1.
    """

    baseline_unit: float
    followup_unit: float
    scale: float
    in_mm: bool

    @property
    def log_scale(self) -> float:
        """The logarithm of the scale, to the last digit the negative of its reciprocal's."""
        return math.log(self.scale) if self.scale >= 1.0 else -math.log(1.0 / self.scale)

    @property
    def log_unit_ratio(self) -> float:
        """What is added to the log ratio of pixel areas."""
        return (math.log(self.followup_unit) - math.log(self.baseline_unit)) - 2.0 * self.log_scale

    def baseline(self, area_px: float) -> float:
        """Return an area of the baseline in the common unit."""
        return area_px * self.baseline_unit

    def followup(self, area_px: float) -> float:
        """Return an area of the follow-up in the common unit, at the baseline's magnification."""
        return area_px * self.followup_unit / self.scale**2

    def baseline_mm2(self, area_px: float) -> float | None:
        """Return an area of the baseline in mm²; None without spacings."""
        return self.baseline(area_px) if self.in_mm else None

    def followup_mm2(self, area_px: float) -> float | None:
        """Return an area of the follow-up in mm² at the baseline's magnification; None without spacings."""
        return self.followup(area_px) if self.in_mm else None


def area_units(baseline: FilmMeasurement, followup: FilmMeasurement, registration: Registration) -> AreaUnits:
    """Return the unit in which the two films are compared."""
    scale = float(registration.scale) if registration.scale_applied and registration.scale else 1.0
    units = (baseline.film.spacing.pixel_area_mm2, followup.film.spacing.pixel_area_mm2)
    if units[0] is not None and units[1] is not None:
        return AreaUnits(baseline_unit=units[0], followup_unit=units[1], scale=scale, in_mm=True)
    return AreaUnits(baseline_unit=1.0, followup_unit=1.0, scale=scale, in_mm=False)


def link_burdens(
    link: Link,
    baseline: FilmMeasurement,
    followup: FilmMeasurement,
    pair_ratio: PairRatio | None = None,
) -> tuple[FilmBurden, FilmBurden]:
    """Return the area of a link on both films.

    The link's area (the part within the common field) is shared among its deposits in proportion to their measured
    areas. Standard errors are those of the whole deposits, added in squares, also where part of one lies outside the
    common field. A deposit matched one to one, and measured alike on both films, keeps its shape: only the part of the
    error that a second film would not share counts for its change.

    Parameters
    ----------
    pair_ratio
        Log ratio of the pixel areas and its standard error from both films together, for a deposit matched one to one
        and lying wholly in the common field; ignored elsewhere. The two areas are then moved, each by half, to agree
        with it; their geometric mean stays.
    """
    alike = _measured_alike(link, baseline, followup)
    before = _film_burden(link, baseline, "baseline", repeat=alike)
    after = _film_burden(link, followup, "followup", repeat=alike)
    complete = _is_complete(link, baseline, "baseline") and _is_complete(link, followup, "followup")
    if pair_ratio is None or not alike or not complete or min(before.all_area_px, after.all_area_px) <= 0.0:
        return before, after
    value, se = pair_ratio
    mean = (math.log(before.all_area_px) + math.log(after.all_area_px)) / 2.0
    return _with_area(before, mean - value / 2.0, se), _with_area(after, mean + value / 2.0, se)


def _measured_alike(link: Link, baseline: FilmMeasurement, followup: FilmMeasurement) -> bool:
    """Return whether the link is one deposit on each film, neither of them painted."""
    if link.status is not LinkStatus.MATCHED or len(link.baseline_labels) != 1 or len(link.followup_labels) != 1:
        return False
    pair = (baseline.deposits[link.baseline_labels[0] - 1], followup.deposits[link.followup_labels[0] - 1])
    return all(deposit.area_method is AreaMethod.EDGE_MODEL for deposit in pair)


def _is_complete(link: Link, film: FilmMeasurement, which: Film) -> bool:
    """Return whether the common field holds all of the link's area on a film."""
    labels, area_px = _labels_and_area(link, which)
    measured = math.fsum(film.deposits[label - 1].area_px for label in labels)
    return area_px <= 0.0 or math.isclose(area_px, measured, rel_tol=1e-6)


def _with_area(burden: FilmBurden, log_area: float, log_ratio_se: float) -> FilmBurden:
    """Return a burden with another area, and half of the variance of the log ratio."""
    area = math.exp(log_area)
    se = area * log_ratio_se / math.sqrt(2.0)
    counted = burden.area_px > 0.0
    return replace(
        burden,
        area_px=area if counted else 0.0,
        se_px=se if counted else 0.0,
        all_area_px=area,
        all_se_px=se,
        absolute=False,
    )


def _labels_and_area(link: Link, which: Film) -> tuple[tuple[int, ...], float]:
    if which == "baseline":
        return link.baseline_labels, link.baseline_area_px
    return link.followup_labels, link.followup_area_px


def _film_burden(link: Link, film: FilmMeasurement, which: Film, *, repeat: bool) -> FilmBurden:
    labels, area_px = _labels_and_area(link, which)
    deposits = [film.deposits[label - 1] for label in labels]
    measured = math.fsum(deposit.area_px for deposit in deposits)
    if not deposits or measured <= 0.0:
        return FilmBurden()
    # A link that comes without areas has its deposits' own.
    fraction = area_px / measured if area_px > 0.0 else 1.0
    counted = [deposit for deposit in deposits if deposit.finding is Finding.CALCINOSIS]
    area = fraction * math.fsum(deposit.area_px for deposit in counted)
    painted = fraction * math.fsum(d.area_px for d in counted if d.area_method is AreaMethod.OUTLINE)
    unmatched = link.status in UNMATCHED
    repeat = repeat and all(deposit.area_se_repeat_px is not None for deposit in deposits)
    return FilmBurden(
        area_px=area,
        se_px=_root_sum_of_squares([_error(deposit, repeat=repeat) for deposit in counted]),
        painted_share=painted / area if area > 0.0 else 0.0,
        detection_se_px=_detection_se(counted, fraction, link.absent_probability) if unmatched else 0.0,
        absolute=not repeat,
        all_area_px=fraction * measured,
        all_se_px=_root_sum_of_squares([_error(deposit, repeat=repeat) for deposit in deposits]),
    )


def _error(deposit: DepositMeasurement, *, repeat: bool) -> float:
    return deposit.change_se_px if repeat else deposit.area_se_px


def with_all_findings(burden: FilmBurden, undetected_share: float = 0.0) -> FilmBurden:
    """Return a link's burden with every finding counted, as the link's own change is computed.

    Parameters
    ----------
    burden
        Of a link on one film.
    undetected_share
        Standard error, as a share of the area, of what a program missed or outlined wrongly on both films alike.
    """
    undetected = undetected_share * burden.all_area_px
    return replace(burden, area_px=burden.all_area_px, se_px=burden.all_se_px, detection_se_px=undetected)


def total_burden(burdens: Sequence[FilmBurden], film: FilmMeasurement, detection_se_px: float) -> FilmBurden:
    """Return one film's burden over the common field: the sum over its evaluable links.

    Deposits of one film share part of their absolute error (its blur and processing, a person's way of outlining): by
    as much as the film's own total is less certain than independent deposits would make it, the absolute errors here
    are enlarged.
    """
    area = math.fsum(one.area_px for one in burdens)
    painted = math.fsum(one.area_px * one.painted_share for one in burdens)
    absolute = _shared_factor(film) * _root_sum_of_squares([one.se_px for one in burdens if one.absolute])
    own = _root_sum_of_squares([one.se_px for one in burdens if not one.absolute])
    return FilmBurden(
        area_px=area,
        se_px=math.hypot(absolute, own),
        painted_share=painted / area if area > 0.0 else 0.0,
        detection_se_px=_root_sum_of_squares([*(one.detection_se_px for one in burdens), detection_se_px]),
        all_area_px=math.fsum(one.all_area_px for one in burdens),
    )


def _shared_factor(film: FilmMeasurement) -> float:
    """Return by how much the film's total is less certain than independent deposits would make it; 1 at least."""
    independent = _root_sum_of_squares([d.area_se_px for d in film.deposits if d.finding is Finding.CALCINOSIS])
    return max(1.0, film.total_area_se_px / independent) if independent > 0.0 else 1.0


def check_links(links: Sequence[Link], baseline: FilmMeasurement, followup: FilmMeasurement) -> None:
    """Make sure that every deposit is in at most one link, and every calcinosis deposit in exactly one.

    Raises
    ------
    LabelsError
        Naming the film and the deposit.
    """
    for name, film, groups in (
        ("baseline", baseline, [link.baseline_labels for link in links]),
        ("follow-up", followup, [link.followup_labels for link in links]),
    ):
        times = Counter(label for group in groups for label in group)
        known = {deposit.label: deposit for deposit in film.deposits}
        for label, count in times.items():
            if label not in known:
                raise LabelsError(f"a link names deposit {label}, which is not there", where=name)
            if count > 1:
                raise LabelsError(f"deposit {label} is in {count} links", where=name)
        for label, deposit in known.items():
            if deposit.finding is Finding.CALCINOSIS and label not in times:
                raise LabelsError(f"deposit {label} is in no link", where=name)


def _detection_se(deposits: Sequence[DepositMeasurement], fraction: float, absent: float | None) -> float:
    """Return the standard error of the area by which deposits of one film only change the burden.

    A deposit of area a is real with its confidence c. Where it was not searched for on the other film, its variance is
    a^2 c (1 - c). Where it was, the change is a with probability c times that of being absent there, else 0: the mean
    square error of counting all of it is a^2 (1 - c absent).
    """
    shares = (d.confidence * (1.0 - d.confidence) if absent is None else 1.0 - d.confidence * absent for d in deposits)
    return math.sqrt(math.fsum((fraction * d.area_px) ** 2 * q for d, q in zip(deposits, shares, strict=True)))


def _root_sum_of_squares(values: Sequence[float]) -> float:
    return math.sqrt(math.fsum(value * value for value in values))
