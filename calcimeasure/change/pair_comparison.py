"""Two films in, one answer out: the order in which a pair is checked, aligned, measured, linked and judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from calcimeasure.anatomy import Anatomy, find_anatomy
from calcimeasure.change.burden_change import assess_change
from calcimeasure.change.change_records import Comparison, Interval, Link, LinkStatus, Verdict
from calcimeasure.change.contour_propagation import AreaRatioEstimator
from calcimeasure.change.identity_check import IdentityCheck, check_identity
from calcimeasure.change.links import link_deposits
from calcimeasure.change.pair_warnings import film_warnings, processing_warnings, refusal_reasons, spacing_warnings
from calcimeasure.change.processing_check import processing_differs
from calcimeasure.change.self_check import self_check as run_self_check
from calcimeasure.change.unmatched import pair_limit_of_detection, with_absent_probabilities
from calcimeasure.change.verdict import checked_margin
from calcimeasure.deposits import DepositLabels, Origin
from calcimeasure.errors import UsageError
from calcimeasure.measurement import measure_film
from calcimeasure.measurement.area_ratio import AreaRatio
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.notices import Notice, NoticeCode, unique_notices
from calcimeasure.parallel import map_pair
from calcimeasure.radiograph import Radiograph
from calcimeasure.registration.common_field import CommonField, common_field
from calcimeasure.registration.film_registration import register
from calcimeasure.registration.registration_records import Alignment, Registration
from calcimeasure.segmentation import accept_proposals, get_segmenter
from calcimeasure.segmentation.detection_fusion import fuse_detections
from calcimeasure.segmentation.recover_missed import presence_image, recover_missed
from calcimeasure.segmentation.segmenter import Proposals

RatioEstimator = Callable[[FilmMeasurement, int, FilmMeasurement, int], AreaRatio | None]
"""How much one deposit's area changed; None where two areas must be compared as measured."""

DEFAULT_MARGIN: Interval = (0.80, 1.25)
# Of a film's burden, as a standard error: makes the intervals of simulated burdens hold the truth as often as they say.
UNSEEN_SHARE = {Origin.AUTO: 0.0125, Origin.CLICKED: 0.0175}
SAME_FILM_WARNING = Notice(
    NoticeCode.SAME_FILM,
    "Both films are the same file: the change is exactly none, and says nothing about how well it repeats.",
)
FORCED_WARNING = "Compared although the headers contradict one another (--force): {}"
FLIPPED_WARNING = Notice(
    NoticeCode.FOLLOWUP_MIRRORED, "The follow-up film was mirrored before it was compared (--flip)."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Film:
    """One film of the pair with its masks and, where they were given, its deposits."""

    film: Radiograph
    anatomy: Anatomy
    labels: DepositLabels | None


def compare(
    baseline: Radiograph,
    followup: Radiograph,
    *,
    baseline_labels: DepositLabels | None = None,
    followup_labels: DepositLabels | None = None,
    method: str = "auto",
    margin_ratio: Interval = DEFAULT_MARGIN,
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
    baseline, followup
        The films.
    baseline_labels, followup_labels
        Deposits that are known already (clicked, or a reader's); both or neither. Without them the deposits are
        searched on both films together.
    method
        Name of the segmenter.
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
        Look at both films at the same time, in two threads: the same result sooner, for more memory.
    progress
        Called with the name of each step as it begins.

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
    """
    if (baseline_labels is None) != (followup_labels is None):
        raise UsageError(
            "labels are given for one film only", remedy="Give them for both: a change needs the same eyes twice."
        )
    begin = progress or _say_nothing
    margin = checked_margin(margin_ratio)
    begin("Finding the limbs")
    anatomies = map_pair(find_anatomy, baseline, followup, parallel=parallel)
    first = _Film(film=baseline, anatomy=anatomies[0], labels=baseline_labels)
    second = _Film(film=followup, anatomy=anatomies[1], labels=followup_labels)
    identity = check_identity(baseline, followup)
    warnings = _pair_warnings(first, second, identity, force=force, flip=flip)
    if identity.contradictions and not force:
        return _not_comparable(
            first,
            second,
            Registration(status="failed", reason="not tried"),
            reasons=refusal_reasons(identity.contradictions),
            warnings=warnings,
            margin=margin,
        )

    begin("Aligning")
    registration, alignment = register(
        baseline, followup, flip=flip, baseline_anatomy=first.anatomy, followup_anatomy=second.anatomy
    )
    if alignment is None or registration.status != "ok":
        return _not_comparable(
            first, second, registration, reasons=_alignment_reasons(registration), warnings=warnings, margin=margin
        )

    field = common_field(first.anatomy, second.anatomy, alignment)
    begin("Finding the deposits")
    labels = _labels_of_both(first, second, alignment, field, method=method, parallel=parallel)
    begin("Measuring")

    def measure(side: tuple[_Film, DepositLabels]) -> FilmMeasurement:
        return measure_film(side[0].film, side[1], anatomy=side[0].anatomy, precision=precision)

    measured = map_pair(measure, (first, labels[0]), (second, labels[1]), parallel=parallel)
    begin("Linking")
    links = with_absent_probabilities(link_deposits(measured[0], measured[1], alignment, field), measured, alignment)
    begin("Judging")
    comparison = assess_pair(
        measured[0],
        measured[1],
        registration,
        alignment,
        links,
        processing=processing_differs(baseline, followup, first.anatomy, second.anatomy),
        pair_warnings=warnings,
        margin_ratio=margin,
        repositioning_sd=repositioning_sd,
        limit_of_detection_mm2=pair_limit_of_detection(measured, limit_of_detection_mm2, labels),
        parallel=parallel,
    )
    if not self_check:
        return comparison
    begin("Checking itself")
    return replace(comparison, self_check=_checked_on_itself(measured[0], baseline_labels, method))


def assess_pair(
    baseline: FilmMeasurement,
    followup: FilmMeasurement,
    registration: Registration,
    alignment: Alignment,
    links: tuple[Link, ...],
    *,
    processing: str | None = None,
    pair_warnings: tuple[Notice, ...] = (),
    margin_ratio: Interval = DEFAULT_MARGIN,
    repositioning_sd: float | None = None,
    limit_of_detection_mm2: float | None = None,
    ratio_of: RatioEstimator | None = None,
    parallel: bool = False,
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
        `AreaRatioEstimator` of this alignment, or what remembers its answers.
    parallel
        Ask it of two deposits at the same time, in two threads.
    """
    ratios = _ratios(links, baseline, followup, ratio_of or AreaRatioEstimator(alignment), parallel=parallel)
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
        baseline_detection_se_px=_unseen_px(baseline),
        followup_detection_se_px=_unseen_px(followup),
        pair_ratios={
            number: (ratio.log_ratio, ratio.se)
            for number, link in enumerate(links, start=1)
            if (labels := _one_to_one(link)) is not None and (ratio := ratios.get(labels)) is not None
        },
    )
    told = change.comparison_fields()
    told["warnings"] = unique_notices(
        *pair_warnings,
        *spacing_warnings(baseline, followup, registration),
        *film_warnings(baseline, followup),
        *processing_warnings(processing, change.warnings),
    )
    return Comparison(
        baseline=baseline, followup=followup, registration=registration, alignment=alignment, ratios=ratios, **told
    )


def _checked_on_itself(baseline: FilmMeasurement, given: DepositLabels | None, method: str) -> dict[str, Any]:
    """Run the self-check with a generator that starts from the film's own hash."""
    if given is not None:
        return {"synthetic_followups": 0, "reason": "the deposits were read by a person, who was not asked again"}

    def compare_with(followup: Radiograph) -> Comparison:
        return compare(baseline.film, followup, method=method)

    return run_self_check(baseline, compare_with, np.random.default_rng(int(baseline.film.sha256[:16], 16)))


def _unseen_px(film: FilmMeasurement) -> float:
    """Return the standard error, in pixels, of what a program missed, or outlined wrongly, on both films alike.

    It changes otherwise than what was found does. What a person painted or edited has none.
    """
    shares = [UNSEEN_SHARE.get(deposit.origin, 0.0) for deposit in film.labels.deposits]
    return max(shares) * film.total_area_px if shares and all(shares) else 0.0


def _in_pixels(area_mm2: float | None, film: FilmMeasurement) -> float | None:
    pixel_mm2 = film.film.spacing.pixel_area_mm2
    return None if area_mm2 is None or pixel_mm2 is None else area_mm2 / pixel_mm2


def _say_nothing(_step: str) -> None:
    pass


def _labels_of_both(
    first: _Film, second: _Film, alignment: Alignment, field: CommonField, *, method: str, parallel: bool
) -> tuple[DepositLabels, DepositLabels]:
    if first.labels is not None and second.labels is not None:
        return first.labels, second.labels
    segmenter = get_segmenter(method)
    if first.film.sha256 == second.film.sha256:
        alone = accept_proposals(segmenter.propose(first.film, first.anatomy))
        return alone, alone

    def propose(side: _Film) -> Proposals:
        return segmenter.propose(side.film, side.anatomy)

    before, after = map_pair(propose, first, second, parallel=parallel)
    before, after = fuse_detections(before, after, alignment, field)
    sights = [presence_image(side.film, side.anatomy) for side in (first, second)]
    before, after = recover_missed((sights[0], before), (sights[1], after), alignment, field)
    return accept_proposals(before), accept_proposals(after)


def _ratios(
    links: tuple[Link, ...],
    baseline: FilmMeasurement,
    followup: FilmMeasurement,
    ratio_of: RatioEstimator,
    *,
    parallel: bool,
) -> dict[tuple[int, int], AreaRatio]:
    """Return the ratios of areas, by labels, where one deposit answers to one and both films can be asked together."""
    pairs = list(filter(None, map(_one_to_one, links)))

    def ask(some: list[tuple[int, int]]) -> list[AreaRatio | None]:
        return [ratio_of(baseline, first, followup, second) for first, second in some]

    ratios: list[AreaRatio | None] = [None] * len(pairs)
    ratios[::2], ratios[1::2] = map_pair(ask, pairs[::2], pairs[1::2], parallel=parallel)
    return {pair: ratio for pair, ratio in zip(pairs, ratios, strict=True) if ratio is not None}


def _one_to_one(link: Link) -> tuple[int, int] | None:
    """Return both labels of a deposit matched one to one; None for any other link."""
    alone = link.status is LinkStatus.MATCHED and len(link.baseline_labels) == len(link.followup_labels) == 1
    return (link.baseline_labels[0], link.followup_labels[0]) if alone else None


def _not_comparable(
    first: _Film,
    second: _Film,
    registration: Registration,
    *,
    reasons: tuple[str, ...],
    warnings: tuple[Notice, ...],
    margin: Interval,
) -> Comparison:
    """Return the record of a pair that gives no change: each film is still measured by itself."""
    measured = [_measured_alone(side) for side in (first, second)]
    return Comparison(
        baseline=measured[0],
        followup=measured[1],
        registration=registration,
        alignment=None,
        links=(),
        verdict=Verdict.NOT_COMPARABLE,
        margin_ratio=margin,
        reasons=reasons,
        warnings=unique_notices(*warnings, *film_warnings(*measured)),
    )


def _measured_alone(side: _Film) -> FilmMeasurement:
    from calcimeasure.segmentation import segment

    labels = side.labels if side.labels is not None else segment(side.film, anatomy=side.anatomy)
    return measure_film(side.film, labels, anatomy=side.anatomy)


def _alignment_reasons(registration: Registration) -> tuple[str, ...]:
    if registration.status == "mirrored":
        return (
            "The films fit only when one is mirrored: the other hand, or a film put in the wrong way round.",
            "Compare them all the same with --flip.",
        )
    return (f"The films could not be aligned: {registration.reason}",)


def _pair_warnings(
    first: _Film, second: _Film, identity: IdentityCheck, *, force: bool, flip: bool
) -> tuple[Notice, ...]:
    warnings = list(identity.warnings)
    if force and identity.contradictions:
        text = FORCED_WARNING.format(" ".join(identity.contradictions))
        warnings.append(Notice(NoticeCode.IDENTITY_CONTRADICTORY, text))
    if flip:
        warnings.append(FLIPPED_WARNING)
    if first.film.sha256 == second.film.sha256:
        warnings.append(SAME_FILM_WARNING)
    return tuple(warnings)
