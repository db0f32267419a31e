"""Warnings as values: a stable code, the sentence for a person, and the film of a pair that it is about.

Everything that reads, segments, measures or compares films returns its warnings as `Notice`. Code decides by
`Notice.code`, never by the words of the sentence. `docs/warnings.md` has the cause and the remedy of every code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class TimePoint(StrEnum):
    """One of the two films of a pair; a single film is the baseline."""

    BASELINE = "baseline"
    FOLLOWUP = "followup"


class NoticeScope(StrEnum):
    """What a warning depends on, and so when it has to be made again."""

    FILM = "The file and the picture"
    DEPOSITS = "The deposits of one film"
    PAIR = "The two films of a pair"
    CHANGE = "The measured change"


class NoticeCode(StrEnum):
    """Every warning; its value is stable between releases, the sentence is not."""

    scope: NoticeScope

    def __new__(cls, value: str, scope: NoticeScope) -> NoticeCode:
        """Return a code that carries its scope."""
        code = str.__new__(cls, value)
        code._value_ = value
        code.scope = scope
        return code

    SIDE_CONTRADICTORY = "side_contradictory", NoticeScope.FILM
    RESCALE_UNUSABLE = "rescale_unusable", NoticeScope.FILM
    LOOKUP_TABLE_DAMAGED = "lookup_table_damaged", NoticeScope.FILM
    PRESENTATION_CONTRADICTORY = "presentation_contradictory", NoticeScope.FILM
    POLARITY_DISAGREES = "polarity_disagrees", NoticeScope.FILM
    POLARITY_REVERSED = "polarity_reversed", NoticeScope.FILM
    FLUOROSCOPY = "fluoroscopy", NoticeScope.FILM
    SPACING_UNUSABLE = "spacing_unusable", NoticeScope.FILM
    MAGNIFICATION_NOT_CORRECTED = "magnification_not_corrected", NoticeScope.FILM
    FILM_SIZE_IMPLAUSIBLE = "film_size_implausible", NoticeScope.FILM
    PIXEL_ASPECT_DISAGREES = "pixel_aspect_disagrees", NoticeScope.FILM
    PIXELS_NOT_FINITE = "pixels_not_finite", NoticeScope.FILM
    FILM_TINTED = "film_tinted", NoticeScope.FILM
    COLOURED_MARKS = "coloured_marks", NoticeScope.FILM
    STORED_BITS_CONTRADICTORY = "stored_bits_contradictory", NoticeScope.FILM
    PIXEL_CODING_CONTRADICTORY = "pixel_coding_contradictory", NoticeScope.FILM
    SPACING_PLACEHOLDER = "spacing_placeholder", NoticeScope.FILM
    RESOLUTION_DOUBTFUL = "resolution_doubtful", NoticeScope.FILM
    FILM_UNIFORM = "film_uniform", NoticeScope.FILM
    HEADER_UNREADABLE = "header_unreadable", NoticeScope.FILM
    HEADER_NONSTANDARD = "header_nonstandard", NoticeScope.FILM
    MODALITY_UNEXPECTED = "modality_unexpected", NoticeScope.FILM
    BODY_PART_UNEXPECTED = "body_part_unexpected", NoticeScope.FILM
    FILM_WITHOUT_LIMB = "film_without_limb", NoticeScope.FILM
    LIMB_DOUBTFUL = "limb_doubtful", NoticeScope.FILM
    LIMB_CLIPPED = "limb_clipped", NoticeScope.FILM
    METAL_OVER_LIMB = "metal_over_limb", NoticeScope.FILM
    FILM_NOISY = "film_noisy", NoticeScope.FILM
    MANIFEST_DISAGREES = "manifest_disagrees", NoticeScope.FILM
    LABEL_NUMBERS_CHANGED = "label_numbers_changed", NoticeScope.DEPOSITS
    SEGMENTS_EMPTY = "segments_empty", NoticeScope.DEPOSITS
    LABEL_SPACING_DIFFERS = "label_spacing_differs", NoticeScope.DEPOSITS
    MASK_SPLIT = "mask_split", NoticeScope.DEPOSITS
    MASK_INVERTED = "mask_inverted", NoticeScope.DEPOSITS
    LABELS_EDITED = "labels_edited", NoticeScope.DEPOSITS
    SAVED_WITH_LABELS = "saved_with_labels", NoticeScope.DEPOSITS
    CLICK_WITHOUT_DEPOSIT = "click_without_deposit", NoticeScope.DEPOSITS
    CLICK_UNCERTAIN = "click_uncertain", NoticeScope.DEPOSITS
    CLICK_ON_OTHER_DEPOSIT = "click_on_other_deposit", NoticeScope.DEPOSITS
    OVER_EXPOSED_DEPOSIT = "over_exposed_deposit", NoticeScope.DEPOSITS
    IDENTITY_MISSING = "identity_missing", NoticeScope.PAIR
    DATES_REVERSED = "dates_reversed", NoticeScope.PAIR
    IDENTITY_CONTRADICTORY = "identity_contradictory", NoticeScope.PAIR
    FOLLOWUP_MIRRORED = "followup_mirrored", NoticeScope.PAIR
    SAME_FILM = "same_film", NoticeScope.PAIR
    SPACING_MISSING_ON_ONE_FILM = "spacing_missing_on_one_film", NoticeScope.PAIR
    AREA_METHOD_DIFFERS = "area_method_differs", NoticeScope.CHANGE
    PROCESSING_DIFFERS = "processing_differs", NoticeScope.CHANGE


@dataclass(frozen=True, slots=True)
class Notice:
    """One warning.

    Attributes
    ----------
    code
        Which warning it is.
    text
        The sentence for a person; nothing personal is in it.
    film
        The film of a pair that it is about; None for both films, for the pair, and for a film by itself.
    """

    code: NoticeCode
    text: str
    film: TimePoint | None = None

    def __str__(self) -> str:
        return self.text


def unique_notices(*notices: Notice) -> tuple[Notice, ...]:
    """Return the notices with every sentence once, the first of each."""
    first: dict[str, Notice] = {}
    for notice in notices:
        first.setdefault(notice.text, notice)
    return tuple(first.values())


def notice_records(notices: Iterable[Notice]) -> list[dict[str, str | None]]:
    """Return notices as the JSON records write them under ``warning_details``."""
    return [{"code": n.code.value, "film": n.film and n.film.value, "text": n.text} for n in notices]
