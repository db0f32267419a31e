"""Header values as plain Python values: a damaged or absent value is None and never raises."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from calcimeasure.io.film_options import upper_words

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_LONGEST_WORDS = 64


@dataclass(frozen=True, slots=True)
class Header:
    """Values of one frame: the frame's own functional groups first, then the shared ones, then the file's.

    Attributes
    ----------
    dataset
        The file's header.
    frame
        Counted from 0.
    unreadable
        Keywords of values that are present and could not be read.
    """

    dataset: Dataset
    frame: int = 0
    unreadable: list[str] = field(default_factory=list)

    def raw(self, keyword: str) -> Any:
        """Return a value of the file's top level, or None."""
        try:
            return self.dataset[keyword].value if keyword in self.dataset else None
        except Exception:
            # A damaged value raises whatever its parser stumbles on; pydicom sets no bound to the kinds.
            self._note(keyword)
            return None

    def of_frame(self, keyword: str) -> Any:
        """Return the value that holds for the frame, whether it stands in a functional group or on top."""
        for group in self._groups():
            for element in group:
                for item in _items(element.value) if element.VR == "SQ" else ():
                    value = _value(item, keyword)
                    if value is not None:
                        return value
        return self.raw(keyword)

    def words(self, keyword: str) -> str | None:
        """Return a text in upper case, one blank between words; the first of several."""
        value = self.of_frame(keyword)
        if value is not None and not isinstance(value, str) and isinstance(value, Iterable):
            value = next(iter(value), None)
        words = upper_words(None if value is None else str(value))
        return None if words is None else words[:_LONGEST_WORDS].strip()

    def numbers(self, keyword: str) -> tuple[float, ...] | None:
        """Return one or more numbers; None when absent or when one of them is no number."""
        value = self.of_frame(keyword)
        if value is None or value == "":
            return None
        values = value if not isinstance(value, str) and isinstance(value, Iterable) else [value]
        try:
            return tuple(float(v) for v in values) or None
        except (ValueError, TypeError, OverflowError):
            self._note(keyword)
            return None

    def number(self, keyword: str) -> float | None:
        """Return the first of the numbers."""
        values = self.numbers(keyword)
        return values[0] if values else None

    def integer(self, keyword: str) -> int | None:
        """Return a whole number; None when absent or not one."""
        value = self.number(keyword)
        try:
            return None if value is None else int(value)
        except (ValueError, OverflowError):
            return None

    def items(self, keyword: str) -> list[Dataset]:
        """Return the items of a sequence; none when it is absent or is not one."""
        return _items(self.of_frame(keyword))

    def _note(self, keyword: str) -> None:
        if keyword not in self.unreadable:
            self.unreadable.append(keyword)

    def _groups(self) -> Iterable[Dataset]:
        per_frame = _items(_value(self.dataset, "PerFrameFunctionalGroupsSequence"))
        if self.frame < len(per_frame):
            yield per_frame[self.frame]
        yield from _items(_value(self.dataset, "SharedFunctionalGroupsSequence"))


def code_of(item: Dataset) -> tuple[str | None, str | None]:
    """Return the (value, meaning) of a code item, upper-case."""
    value, meaning = _value(item, "CodeValue"), _value(item, "CodeMeaning")
    return (
        upper_words(str(value)) if value is not None else None,
        upper_words(str(meaning)) if meaning is not None else None,
    )


def _value(dataset: Dataset, keyword: str) -> Any:
    try:
        return dataset[keyword].value if keyword in dataset else None
    except Exception:
        # As in Header.raw.
        return None


def _items(value: Any) -> list[Dataset]:
    from pydicom.sequence import Sequence

    return list(value) if isinstance(value, Sequence) else []


@contextmanager
def discreet() -> Iterator[list[warnings.WarningMessage]]:
    """Keep pydicom's own words, which quote the header, out of warnings and logs; collect the warnings instead.

    Also a decorator. One within another ends with the outer one.
    """
    logger = logging.getLogger("pydicom")
    within_another = _drop in logger.filters
    logger.addFilter(_drop)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield caught
    finally:
        if not within_another:
            logger.removeFilter(_drop)


def _drop(record: logging.LogRecord) -> bool:  # noqa: ARG001
    return False
