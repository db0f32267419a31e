"""What is said of a pair beside its verdict: of its films, each thing once, and of millimetres that one lacks."""

from __future__ import annotations

from calcimeasure.change.burden_change import PROCESSING_WARNING
from calcimeasure.change.identity_check import OTHER_PATIENT
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.registration.registration_records import Registration


def refusal_reasons(contradictions: tuple[str, ...]) -> tuple[str, ...]:
    """Return why a pair is refused whose headers contradict one another, with what may be done about it.

    A header that errs in side or view can be put right. Of two patients there is no change to be measured: then the
    files are wrong, and nothing is advised that would compare them all the same.
    """
    if OTHER_PATIENT in contradictions:
        return (*contradictions, "A change from one person to another means nothing: check which files were given.")
    return (
        *contradictions,
        "Where it is a header that errs, say what the film shows, e.g. --followup-side L; --force compares the films "
        "as they are.",
    )


def film_warnings(baseline: FilmMeasurement, followup: FilmMeasurement) -> tuple[str, ...]:
    """Return the films' own warnings with the film that each is about; what concerns both is said once."""
    return (
        *(f"Both films: {warning}" for warning in baseline.warnings if warning in followup.warnings),
        *(f"Baseline film: {warning}" for warning in baseline.warnings if warning not in followup.warnings),
        *(f"Follow-up film: {warning}" for warning in followup.warnings if warning not in baseline.warnings),
    )


def spacing_warnings(
    baseline: FilmMeasurement, followup: FilmMeasurement, registration: Registration
) -> tuple[str, ...]:
    """Return what it means that one film has a pixel spacing and the other none, and how to give it."""
    known = [film.film.spacing.known for film in (baseline, followup)]
    if known[0] == known[1]:
        return ()
    without, other, option = (
        ("follow-up", "baseline", "--followup-spacing") if known[0] else ("baseline", "follow-up", "--baseline-spacing")
    )
    sized = (
        "brought to one size by the bones"
        if registration.scale_applied
        else "as though the pixels of both were of one size"
    )
    return (
        f"The {without} film has no pixel spacing, the {other} film has one: areas are compared in pixels, {sized}, "
        f"and there are no millimetres. Give the spacing with {option} MM.",
    )


def processing_warnings(reason: str | None, others: tuple[str, ...]) -> tuple[str, ...]:
    """Return the other warnings with, in the place of that about processing, one that says how it differs."""
    if reason is None:
        return others
    said = f"The two films look differently processed: {reason}; the intervals are wider."
    return (said, *(warning for warning in others if warning != PROCESSING_WARNING))
