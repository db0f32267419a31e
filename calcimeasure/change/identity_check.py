"""Do two films belong together? What their headers contradict, and what they leave unsaid."""

from __future__ import annotations

from dataclasses import dataclass

from calcimeasure.notices import Notice, NoticeCode, TimePoint
from calcimeasure.radiograph import Radiograph

OTHER_PATIENT = "The headers name different patients."

# Field of Identity: how a person would call it. The patient's key is a hash: it is compared, never printed.
_COMPARED = {"patient_key": "patient", "body_part": "body part", "side": "side", "view": "view"}


@dataclass(frozen=True, kw_only=True, slots=True)
class IdentityCheck:
    """What two headers say about belonging together.

    Attributes
    ----------
    contradictions
        Reasons to refuse the pair; empty where nothing contradicts.
    warnings
        What is not said on one of the films, or odd (dates in the wrong order).
    """

    contradictions: tuple[str, ...]
    warnings: tuple[Notice, ...]


def check_identity(baseline: Radiograph, followup: Radiograph) -> IdentityCheck:
    """Compare patient, body part, side, view and date of two films.

    What is missing on either film is warned of and never refused; what is stated on both and differs is a
    contradiction.
    """
    contradictions = []
    missing: dict[str, list[str]] = {"baseline": [], "follow-up": []}
    for name, word in _COMPARED.items():
        before, after = getattr(baseline.identity, name), getattr(followup.identity, name)
        if before is not None and after is not None:
            if before != after:
                contradictions.append(_contradiction(name, word, before, after))
            continue
        if before is None:
            missing["baseline"].append(word)
        if after is None:
            missing["follow-up"].append(word)
    return IdentityCheck(contradictions=tuple(contradictions), warnings=_warnings(baseline, followup, missing))


def _contradiction(name: str, word: str, before: str, after: str) -> str:
    if name == "patient_key":
        return OTHER_PATIENT
    return f"The films differ in {word} ({before} at baseline, {after} at follow-up)."


def _warnings(baseline: Radiograph, followup: Radiograph, missing: dict[str, list[str]]) -> tuple[Notice, ...]:
    warnings = []
    if missing["baseline"] == missing["follow-up"] and missing["baseline"]:
        text = f"Neither film says its {_and(missing['baseline'])}: taken to be the same."
        warnings.append(Notice(NoticeCode.IDENTITY_MISSING, text))
    else:
        for which, words in missing.items():
            if words:
                text = f"The {which} film does not say its {_and(words)}: taken to be the same."
                film = TimePoint.BASELINE if which == "baseline" else TimePoint.FOLLOWUP
                warnings.append(Notice(NoticeCode.IDENTITY_MISSING, text, film))
    before, after = baseline.identity.study_date, followup.identity.study_date
    if before is not None and after is not None and after < before:
        text = "The follow-up film is dated before the baseline film: check the order."
        warnings.append(Notice(NoticeCode.DATES_REVERSED, text))
    return tuple(warnings)


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
