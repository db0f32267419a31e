"""What a reader starts from: the films with their masks, the deposits that were found, and how the films align."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from calcimeasure.anatomy import find_anatomy
from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.change import compare
from calcimeasure.change.change_records import Comparison, Interval
from calcimeasure.defaults import DEFAULT_MARGIN_RATIO
from calcimeasure.deposits import DepositLabels
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.notices import Notice, NoticeScope, TimePoint
from calcimeasure.radiograph import Radiograph
from calcimeasure.registration.common_field import CommonField, common_field
from calcimeasure.segmentation import segment


@dataclass(frozen=True, kw_only=True, eq=False)
class ReviewInput:
    """What one reading starts from.

    Attributes
    ----------
    films, anatomies, labels
        By film; one film alone is the baseline.
    comparison
        The pair as `compare` judged it, None for one film.
    common
        What both films show; None for one film and for a pair that does not align.
    processing
        How the films' processing differs, in words.
    pair_warnings
        What is to be said of the pair beside the films' own warnings.
    margin_ratio, repositioning_sd, limit_of_detection_mm2, precision, method
        The options of the comparison.
    """

    films: Mapping[TimePoint, Radiograph]
    anatomies: Mapping[TimePoint, Anatomy]
    labels: Mapping[TimePoint, DepositLabels]
    comparison: Comparison | None = None
    common: CommonField | None = None
    processing: str | None = None
    pair_warnings: tuple[Notice, ...] = ()
    margin_ratio: Interval = DEFAULT_MARGIN_RATIO
    repositioning_sd: float | None = None
    limit_of_detection_mm2: float | None = None
    precision: float | None = None
    method: str = "auto"
    paths: Mapping[TimePoint, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """How its folder of readings is called: the film's id, or both ids of a pair."""
        return "-".join(self.films[visit].film_id for visit in TimePoint if visit in self.films)

    def measured(self, visit: TimePoint) -> FilmMeasurement | None:
        """Return what the comparison measured of a film, where there is one."""
        if self.comparison is None:
            return None
        return self.comparison.baseline if visit is TimePoint.BASELINE else self.comparison.followup

    def with_labels(self, labels: Mapping[TimePoint, DepositLabels]) -> ReviewInput:
        """Return the same films with other deposits to start from."""
        return replace(self, labels={**self.labels, **labels})


def pair_review_input(
    baseline: Radiograph,
    followup: Radiograph,
    *,
    labels: Mapping[TimePoint, DepositLabels] | None = None,
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> ReviewInput:
    """Return two films compared, ready to be read.

    Parameters
    ----------
    baseline, followup
        The films.
    labels
        Deposits that are known already; both or neither.
    progress
        Called with the name of each step.
    **options
        Those of `calcimeasure.compare`.
    """
    from calcimeasure.change.processing_check import processing_differs

    given = labels or {}
    comparison = compare(
        baseline,
        followup,
        baseline_labels=given.get(TimePoint.BASELINE),
        followup_labels=given.get(TimePoint.FOLLOWUP),
        parallel=True,
        progress=progress,
        **options,
    )
    sides = {TimePoint.BASELINE: comparison.baseline, TimePoint.FOLLOWUP: comparison.followup}
    anatomies = {visit: side.anatomy or find_anatomy(side.film) for visit, side in sides.items()}
    first, second = anatomies[TimePoint.BASELINE], anatomies[TimePoint.FOLLOWUP]
    aligned = comparison.alignment is not None
    return ReviewInput(
        films={visit: side.film for visit, side in sides.items()},
        anatomies=anatomies,
        labels={visit: side.labels for visit, side in sides.items()},
        comparison=comparison,
        common=common_field(first, second, comparison.alignment) if comparison.alignment is not None else None,
        processing=processing_differs(baseline, followup, first, second) if aligned else None,
        pair_warnings=_of_the_pair(comparison),
        margin_ratio=comparison.margin_ratio,
        repositioning_sd=options.get("repositioning_sd"),
        limit_of_detection_mm2=options.get("limit_of_detection_mm2"),
        precision=options.get("precision"),
        method=options.get("method", "auto"),
        paths=_paths({TimePoint.BASELINE: baseline, TimePoint.FOLLOWUP: followup}),
    )


def film_review_input(
    film: Radiograph,
    *,
    labels: DepositLabels | None = None,
    method: str = "auto",
    precision: float | None = None,
    progress: Callable[[str], None] | None = None,
) -> ReviewInput:
    """Return one film with its deposits found, ready to be read."""
    report = progress or (lambda _step: None)
    report("Finding the limbs")
    anatomy = find_anatomy(film)
    if labels is None:
        report("Finding the deposits")
        labels = segment(film, method=method, anatomy=anatomy)
    return ReviewInput(
        films={TimePoint.BASELINE: film},
        anatomies={TimePoint.BASELINE: anatomy},
        labels={TimePoint.BASELINE: labels},
        precision=precision,
        method=method,
        paths=_paths({TimePoint.BASELINE: film}),
    )


def _of_the_pair(comparison: Comparison) -> tuple[Notice, ...]:
    """Return the warnings that stay when deposits change; those of films, processing and change are made anew."""
    return tuple(warning for warning in comparison.warnings if warning.code.scope is NoticeScope.PAIR)


def _paths(films: Mapping[TimePoint, Radiograph]) -> dict[TimePoint, str]:
    return {visit: str(film.path.resolve()) for visit, film in films.items() if film.path is not None}
