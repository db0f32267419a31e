"""The exception tree. Every message says what is wrong, where, and what to do.

CalciMeasureError            1   anything that went wrong and has a name
├── UsageError               2   arguments that contradict one another, an output folder in use
├── FilmError                3   a film could not be read, or is not one film
│   ├── DecoderError         3   the pixels are coded in a way no installed decoder reads
│   └── SpacingError         3   a spacing that is given is not a length
├── LabelsError              3   a label image or SEG does not fit its film
├── OutputError              1   results could not be written
├── ReadingError             1   a reader's work is locked, signed or damaged
├── StudyError               2   a manifest or study file with a mistake: file, row, column
├── PacsError                1   an archive refused, dropped or garbled a request
└── MissingExtraError        2   an optional part of the installation is needed

The number is the exit status of the command line (``exit_status``).
"""

from __future__ import annotations


class CalciMeasureError(Exception):
    """Something went wrong that has a name.

    Parameters
    ----------
    problem
        What is wrong, as a phrase without a full stop.
    where
        The file, tag, row or layer it concerns.
    remedy
        What the person can do about it.
    """

    exit_status = 1

    def __init__(self, problem: str, *, where: str = "", remedy: str = "") -> None:
        self.problem = problem
        self.where = where
        self.remedy = remedy
        super().__init__(problem)

    def __str__(self) -> str:
        head = f"{self.where}: {self.problem}" if self.where else self.problem
        return f"{head}. {self.remedy}" if self.remedy else head

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling between worker processes.
        return (_rebuild, (type(self), self.problem, self.where, self.remedy))


def _rebuild(kind: type[CalciMeasureError], problem: str, where: str, remedy: str) -> CalciMeasureError:
    return kind(problem, where=where, remedy=remedy)


class UsageError(CalciMeasureError):
    """Arguments that contradict one another, or an output folder that is in use."""

    exit_status = 2


class FilmError(CalciMeasureError):
    """A film could not be read, or is not one film."""

    exit_status = 3


class DecoderError(FilmError):
    """The pixels are coded in a way that no installed decoder reads."""


class SpacingError(FilmError):
    """A spacing that is given is not a length."""


class LabelsError(CalciMeasureError):
    """A label image or SEG does not fit its film."""

    exit_status = 3


class OutputError(CalciMeasureError):
    """Results could not be written; nothing half-written is left behind."""


class ReadingError(CalciMeasureError):
    """A reader's work is locked, signed or damaged."""


class StudyError(CalciMeasureError):
    """A manifest or study file with a mistake, named by file, row and column."""

    exit_status = 2


class PacsError(CalciMeasureError):
    """An archive refused, dropped or garbled a request."""


class MissingExtraError(CalciMeasureError):
    """An optional part of the installation is needed; the remedy is the command that adds it."""

    exit_status = 2
