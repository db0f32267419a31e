"""What a reader starts from: the films with their masks, the deposits that were found, and how the films align."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from calcimeasure.anatomy import find_anatomy
from calcimeasure.anatomy.records import Anatomy
from calcimeasure.comparison import compare
from calcimeasure.comparison.common_field import CommonField, common_field
from calcimeasure.comparison.records import Comparison, Interval
from calcimeasure.deposits import DepositLabels
from calcimeasure.radiograph import Radiograph
from calcimeasure.readings.board import Which
from calcimeasure.segmentation import segment

FILM_WARNINGS = ("Baseline film: ", "Follow-up film: ", "Both films: ")


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """Films on the light box.

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

    films: Mapping[Which, Radiograph]
    anatomies: Mapping[Which, Anatomy]
    labels: Mapping[Which, DepositLabels]
    comparison: Comparison | None = None
    common: CommonField | None = None
    processing: str | None = None
    pair_warnings: tuple[str, ...] = ()
    margin_ratio: Interval = (0.80, 1.25)
    repositioning_sd: float | None = None
    limit_of_detection_mm2: float | None = None
    precision: float | None = None
    method: str = "auto"
    paths: Mapping[Which, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """How its folder of readings is called: the film's id, or both ids of a pair."""
        return "-".join(self.films[which].film_id for which in Which if which in self.films)

    def with_labels(self, labels: Mapping[Which, DepositLabels]) -> Material:
        """Return the same films with other deposits to start from."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return Material(**{**values, "labels": {**self.labels, **labels}})


def pair_material(
    baseline: Radiograph,
    followup: Radiograph,
    *,
    labels: Mapping[Which, DepositLabels] | None = None,
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> Material:
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
    from calcimeasure.comparison.processing import processing_differs

    given = labels or {}
    comparison = compare(
        baseline,
        followup,
        baseline_labels=given.get(Which.BASELINE),
        followup_labels=given.get(Which.FOLLOWUP),
        at_once=True,
        progress=progress,
        **options,
    )
    sides = {Which.BASELINE: comparison.baseline, Which.FOLLOWUP: comparison.followup}
    anatomies = {which: side.anatomy or find_anatomy(side.film) for which, side in sides.items()}
    first, second = anatomies[Which.BASELINE], anatomies[Which.FOLLOWUP]
    aligned = comparison.alignment is not None
    return Material(
        films={which: side.film for which, side in sides.items()},
        anatomies=anatomies,
        labels={which: side.labels for which, side in sides.items()},
        comparison=comparison,
        common=common_field(first, second, comparison.alignment) if comparison.alignment is not None else None,
        processing=processing_differs(baseline, followup, first, second) if aligned else None,
        pair_warnings=_of_the_pair(comparison),
        margin_ratio=comparison.margin_ratio,
        repositioning_sd=options.get("repositioning_sd"),
        limit_of_detection_mm2=options.get("limit_of_detection_mm2"),
        precision=options.get("precision"),
        method=options.get("method", "auto"),
        paths=_paths({Which.BASELINE: baseline, Which.FOLLOWUP: followup}),
    )


def film_material(
    film: Radiograph,
    *,
    labels: DepositLabels | None = None,
    method: str = "auto",
    precision: float | None = None,
    progress: Callable[[str], None] | None = None,
) -> Material:
    """Return one film with its deposits found, ready to be read."""
    say = progress or (lambda _step: None)
    say("Finding the limbs")
    anatomy = find_anatomy(film)
    if labels is None:
        say("Finding the deposits")
        labels = segment(film, method=method, anatomy=anatomy)
    return Material(
        films={Which.BASELINE: film},
        anatomies={Which.BASELINE: anatomy},
        labels={Which.BASELINE: labels},
        precision=precision,
        method=method,
        paths=_paths({Which.BASELINE: film}),
    )


def _of_the_pair(comparison: Comparison) -> tuple[str, ...]:
    """Return the warnings that stay when deposits change; those of films, processing and change are made anew."""
    from calcimeasure.comparison.change import METHOD_WARNING, PROCESSING_WARNING

    remade = (*FILM_WARNINGS, METHOD_WARNING, PROCESSING_WARNING, "The two films look differently processed")
    return tuple(warning for warning in comparison.warnings if not warning.startswith(remade))


def _paths(films: Mapping[Which, Radiograph]) -> dict[Which, str]:
    return {which: str(film.path.resolve()) for which, film in films.items() if film.path is not None}
