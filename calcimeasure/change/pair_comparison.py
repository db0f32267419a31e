"""Two films to one result: the order in which a pair is checked, aligned, segmented, measured, linked and assessed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from calcimeasure.anatomy import find_anatomy
from calcimeasure.change.burden_change import assess_change
from calcimeasure.change.change_records import Change, Comparison, Interval, Link, LinkStatus, Verdict
from calcimeasure.change.contour_propagation import AreaRatioEstimator
from calcimeasure.change.identity_check import IdentityCheck, check_identity
from calcimeasure.change.links import link_deposits
from calcimeasure.change.pair_warnings import film_warnings, processing_warnings, refusal_reasons, spacing_warnings
from calcimeasure.change.processing_check import processing_differs
from calcimeasure.change.self_check import self_check as run_self_check
from calcimeasure.change.unmatched import pair_limit_of_detection, with_absent_probabilities
from calcimeasure.change.verdict import checked_margin
from calcimeasure.defaults import DEFAULT_MARGIN_RATIO
from calcimeasure.deposits import DepositLabels, Origin
from calcimeasure.errors import UsageError
from calcimeasure.io.film_inputs import FilmLike, LabelsLike, SpacingLike, as_film, as_labels
from calcimeasure.measurement import measure_film
from calcimeasure.measurement.area_ratio import AreaRatio
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.notices import Notice, NoticeCode, unique_notices
from calcimeasure.parallel import parallel_map, two_threads
from calcimeasure.radiograph import Radiograph
from calcimeasure.registration.common_field import common_field
from calcimeasure.registration.film_registration import register
from calcimeasure.registration.registration_records import Alignment, Registration
from calcimeasure.segmentation import Segmenter, segment
from calcimeasure.segmentation.detect import AlignedFilm, detect

RatioEstimator = Callable[[FilmMeasurement, int, FilmMeasurement, int], AreaRatio | None]
"""Ratio of one deposit's areas on two films; None where two areas must be compared as measured."""

# Of a film's burden, as a standard error: gives the intervals of simulated burdens their nominal coverage.
UNDETECTED_SHARE = {Origin.AUTO: 0.0125, Origin.CLICKED: 0.0175}
SAME_FILM_WARNING = Notice(
    NoticeCode.SAME_FILM,
    "Both films are the same file: the change is exactly none, and says nothing about how well it repeats.",
)
FORCED_WARNING = "Compared although the headers contradict one another (--force): {}"
FLIPPED_WARNING = Notice(
    NoticeCode.FOLLOWUP_MIRRORED, "The follow-up film was mirrored before it was compared (--flip)."
)


def compare(
    baseline: FilmLike,
    followup: FilmLike,
    *,
    spacing_mm: SpacingLike | None = None,
    baseline_labels: LabelsLike | None = None,
    followup_labels: LabelsLike | None = None,
    method: str | Segmenter = "auto",
    margin_ratio: Interval = DEFAULT_MARGIN_RATIO,
    repositioning_sd: float | None = None,
    precision: float | None = None,
    limit_of_detection_mm2: float | None = None,
    force: bool = False,
    flip: bool = False,
    self_check: bool = False,
    parallel: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Compare two films of one limb.

    Parameters
    ----------
    baseline, followup, spacing_mm
        The films and the spacing of both, as for `segment`; arrays of different spacing through `film_from_array`.
    baseline_labels, followup_labels
        Deposits that were found before (clicked, or a reader's), as for `measure`; both or neither. Without them the
        deposits are searched on both films together.
    method
        As for `segment`.
    margin_ratio
        Ratios of area between which a change counts as none.
    repositioning_sd
        SD of the log area between exposures of one pose, instead of the simulator's.
    precision
        A reader's relative SD of a painted area.
    limit_of_detection_mm2
        Area that whoever read the films would have found 95 times in 100; by default the segmenter's own, where nobody
        touched what it found.
    force
        Go on although the headers contradict one another; the record says so.
    flip
        Mirror the follow-up first.
    self_check
        Measure synthetic follow-ups of this very baseline with known changes.
    parallel
        Work on both films at the same time, in two threads: the same result sooner, for more memory.
    progress
        Called with the name of each step as it starts.

    Returns
    -------
    Comparison
        Everything `comparison.json` holds. A pair that cannot be compared gives the verdict ``not_comparable`` with
        its reasons, and no exception.

    Raises
    ------
    UsageError
        When labels are given for one film only, or the margin does not include 1.
    LabelsError
        When labels do not fit their film.
    FilmError
        When a file or an array is not one film.

    Examples
    --------
    >>> baseline, followup = cm.sample_pair("grown")
    >>> change = cm.compare(baseline, followup)
    >>> change.verdict.value, change.detectable
    ('increase', True)
    """
    if (baseline_labels is None) != (followup_labels is None):
        raise UsageError(
            "labels are given for one film only", remedy="Give them for both: a change needs the same eyes twice."
        )
    baseline = as_film(baseline, spacing_mm=spacing_mm, name="baseline")
    followup = as_film(followup, spacing_mm=spacing_mm, name="followup")
    labels: Sequence[DepositLabels] | None = None
    if baseline_labels is not None and followup_labels is not None:
        labels = (as_labels(baseline_labels, baseline), as_labels(followup_labels, followup))
    given = labels is not None
    margin = checked_margin(margin_ratio)
    step = progress or (lambda _step: None)
    with two_threads(allowed=parallel):
        step("Finding the limbs")
        first, second = parallel_map(find_anatomy, (baseline, followup))
        films = [AlignedFilm(film=baseline, anatomy=first), AlignedFilm(film=followup, anatomy=second)]
        identity = check_identity(baseline, followup)
        warnings = _pair_warnings(baseline, followup, identity, force=force, flip=flip)
        registration, alignment = Registration(status="failed", reason="not tried"), None
        reasons = () if force else identity.contradictions
        if not reasons:
            step("Aligning")
            registration, alignment = register(
                baseline, followup, flip=flip, baseline_anatomy=first, followup_anatomy=second
            )
        if alignment is None or registration.status != "ok":
            why = refusal_reasons(reasons) if reasons else _alignment_reasons(registration)
            labels = labels or [segment(one.film, method=method, anatomy=one.anatomy) for one in films]
            return _not_comparable(_measure(films, labels, precision), registration, why, warnings, margin)
        field = common_field(first, second, alignment)
        films[1] = replace(films[1], alignment=alignment, field=field)
        step("Finding the deposits")
        labels = labels or _detect_on_both(films, method)
        step("Measuring")
        before, after = _measure(films, labels, precision)
        step("Linking")
        links = link_deposits(before, after, alignment, field)
        step("Judging")
        comparison = assess_pair(
            before,
            after,
            registration,
            alignment,
            with_absent_probabilities(links, (before, after), alignment),
            processing=processing_differs(baseline, followup, first, second),
            pair_warnings=warnings,
            margin_ratio=margin,
            repositioning_sd=repositioning_sd,
            limit_of_detection_mm2=pair_limit_of_detection((before, after), limit_of_detection_mm2, labels, method),
        )
    if not self_check:
        return comparison
    step("Checking itself")
    return replace(comparison, self_check=_checked_on_itself(before, method, given=given))


def assess_pair(
    baseline: FilmMeasurement,
    followup: FilmMeasurement,
    registration: Registration,
    alignment: Alignment,
    links: tuple[Link, ...],
    *,
    processing: str | None = None,
    pair_warnings: tuple[Notice, ...] = (),
    margin_ratio: Interval = DEFAULT_MARGIN_RATIO,
    repositioning_sd: float | None = None,
    limit_of_detection_mm2: float | None = None,
    ratio_of: RatioEstimator | None = None,
) -> Comparison:
    """Return the verdict on a measured and linked pair: the last step of `compare`, and what a viewer follows live.

    Parameters
    ----------
    baseline, followup
        The measured films.
    registration, alignment
        How the follow-up lies on the baseline.
    links
        Every calcinosis deposit of both films in one link, found or decided by a reader;
        `with_absent_probabilities`, where a program found them.
    processing
        How the processing of the films differs, in words (`processing_differs`).
    pair_warnings
        What else is to be said of the pair.
    margin_ratio, repositioning_sd
        As for `compare`.
    limit_of_detection_mm2
        Area that whoever read the films would have found 95 times in 100; None where it is not known.
    ratio_of
        `AreaRatioEstimator` of this alignment, or a cache of its results.
    """
    ratios = _ratios(links, baseline, followup, ratio_of or AreaRatioEstimator(alignment))
    change = assess_change(
        links,
        baseline,
        followup,
        registration,
        margin_ratio=margin_ratio,
        repositioning_sd=repositioning_sd,
        processing_differs=processing is not None,
        baseline_lod_px=_in_pixels(limit_of_detection_mm2, baseline),
        followup_lod_px=_in_pixels(limit_of_detection_mm2, followup),
        baseline_detection_se_px=_undetected_px(baseline),
        followup_detection_se_px=_undetected_px(followup),
        pair_ratios={
            number: (ratio.log_ratio, ratio.se)
            for number, link in enumerate(links, start=1)
            if (labels := _one_to_one(link)) is not None and (ratio := ratios.get(labels)) is not None
        },
    )
    warnings = unique_notices(
        *pair_warnings,
        *spacing_warnings(baseline, followup, registration),
        *film_warnings(baseline, followup),
        *processing_warnings(processing, change.warnings),
    )
    return Comparison(
        baseline=baseline,
        followup=followup,
        registration=registration,
        alignment=alignment,
        change=change,
        warnings=warnings,
        ratios=ratios,
    )


def _checked_on_itself(baseline: FilmMeasurement, method: str | Segmenter, *, given: bool) -> dict[str, Any]:
    """Run the self-check with a generator seeded by the film's own hash."""
    if given:
        return {"synthetic_followups": 0, "reason": "the deposits were read by a person, who was not asked again"}

    def compare_with(followup: Radiograph) -> Comparison:
        return compare(baseline.film, followup, method=method)

    return run_self_check(baseline, compare_with, np.random.default_rng(int(baseline.film.sha256[:16], 16)))


def _undetected_px(film: FilmMeasurement) -> float:
    """Return the standard error, in pixels, of what a program missed or outlined wrongly on both films alike.

    It changes otherwise than what was found does. Films with painted or edited deposits have none.
    """
    shares = [UNDETECTED_SHARE.get(deposit.origin, 0.0) for deposit in film.labels.deposits]
    return max(shares) * film.total_area_px if shares and all(shares) else 0.0


def _in_pixels(area_mm2: float | None, film: FilmMeasurement) -> float | None:
    pixel_mm2 = film.film.spacing.pixel_area_mm2
    return None if area_mm2 is None or pixel_mm2 is None else area_mm2 / pixel_mm2


def _detect_on_both(films: Sequence[AlignedFilm], method: str | Segmenter) -> Sequence[DepositLabels]:
    if films[0].film.sha256 == films[1].film.sha256:
        return detect(films[:1], method) * 2
    return detect(films, method)


def _measure(
    films: Sequence[AlignedFilm], labels: Sequence[DepositLabels], precision: float | None
) -> list[FilmMeasurement]:
    def measure(one: tuple[AlignedFilm, DepositLabels]) -> FilmMeasurement:
        return measure_film(one[0].film, one[1], anatomy=one[0].anatomy, precision=precision)

    return parallel_map(measure, list(zip(films, labels, strict=True)))


def _ratios(
    links: tuple[Link, ...], baseline: FilmMeasurement, followup: FilmMeasurement, ratio_of: RatioEstimator
) -> dict[tuple[int, int], AreaRatio]:
    """Return the ratios of areas, by labels, of the deposits matched one to one that allow one."""
    pairs = list(filter(None, map(_one_to_one, links)))
    ratios = parallel_map(lambda pair: ratio_of(baseline, pair[0], followup, pair[1]), pairs)
    return {pair: ratio for pair, ratio in zip(pairs, ratios, strict=True) if ratio is not None}


def _one_to_one(link: Link) -> tuple[int, int] | None:
    """Return both labels of a deposit matched one to one; None for any other link."""
    alone = link.status is LinkStatus.MATCHED and len(link.baseline_labels) == len(link.followup_labels) == 1
    return (link.baseline_labels[0], link.followup_labels[0]) if alone else None


def _not_comparable(
    measured: Sequence[FilmMeasurement],
    registration: Registration,
    reasons: tuple[str, ...],
    warnings: tuple[Notice, ...],
    margin: Interval,
) -> Comparison:
    """Return the record of a pair that gives no change: each film is measured by itself."""
    baseline, followup = measured
    return Comparison(
        baseline=baseline,
        followup=followup,
        registration=registration,
        alignment=None,
        change=Change(verdict=Verdict.NOT_COMPARABLE, margin_ratio=margin, reasons=reasons),
        warnings=unique_notices(*warnings, *film_warnings(baseline, followup)),
    )


def _alignment_reasons(registration: Registration) -> tuple[str, ...]:
    if registration.status == "mirrored":
        return (
            "The films fit only when one is mirrored: the other hand, or a film put in the wrong way round.",
            "Compare them all the same with --flip.",
        )
    return (f"The films could not be aligned: {registration.reason}",)


def _pair_warnings(
    baseline: Radiograph, followup: Radiograph, identity: IdentityCheck, *, force: bool, flip: bool
) -> tuple[Notice, ...]:
    warnings = list(identity.warnings)
    if force and identity.contradictions:
        text = FORCED_WARNING.format(" ".join(identity.contradictions))
        warnings.append(Notice(NoticeCode.IDENTITY_CONTRADICTORY, text))
    if flip:
        warnings.append(FLIPPED_WARNING)
    if baseline.sha256 == followup.sha256:
        warnings.append(SAME_FILM_WARNING)
    return tuple(warnings)
