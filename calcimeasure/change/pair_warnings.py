"""The warnings of a pair: those of its films, each once, and those of spacing and processing."""

from __future__ import annotations

from calcimeasure.change.identity_check import OTHER_PATIENT
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.notices import Notice, NoticeCode, TimePoint
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


def film_warnings(baseline: FilmMeasurement, followup: FilmMeasurement) -> tuple[Notice, ...]:
    """Return the warnings of both films, each with its film; a warning of both is returned once."""
    first, second = baseline.warnings, followup.warnings
    before, after = ({warning.text for warning in warnings} for warnings in (first, second))
    return (
        *(Notice(one.code, f"Both films: {one}") for one in first if one.text in after),
        *(Notice(one.code, f"Baseline film: {one}", TimePoint.BASELINE) for one in first if one.text not in after),
        *(Notice(one.code, f"Follow-up film: {one}", TimePoint.FOLLOWUP) for one in second if one.text not in before),
    )


def spacing_warnings(
    baseline: FilmMeasurement, followup: FilmMeasurement, registration: Registration
) -> tuple[Notice, ...]:
    """Return what it means that one film has a pixel spacing and the other none, and how to give it."""
    if baseline.film.spacing.known == followup.film.spacing.known:
        return ()
    film = TimePoint.FOLLOWUP if baseline.film.spacing.known else TimePoint.BASELINE
    without, other = ("follow-up", "baseline") if film is TimePoint.FOLLOWUP else ("baseline", "follow-up")
    sized = (
        "brought to one size by the bones"
        if registration.scale_applied
        else "as though the pixels of both were of one size"
    )
    text = (
        f"The {without} film has no pixel spacing, the {other} film has one: areas are compared in pixels, {sized}, "
        f"and there are no millimetres. Give the spacing with --{film}-spacing MM."
    )
    return (Notice(NoticeCode.SPACING_MISSING_ON_ONE_FILM, text, film),)


def processing_warnings(reason: str | None, others: tuple[Notice, ...]) -> tuple[Notice, ...]:
    """Return the other warnings with the one about processing replaced by one that says how it differs."""
    if reason is None:
        return others
    text = f"The two films look differently processed: {reason}; the intervals are wider."
    differs = Notice(NoticeCode.PROCESSING_DIFFERS, text)
    return (differs, *(warning for warning in others if warning.code is not NoticeCode.PROCESSING_DIFFERS))
