"""The deposits of one film as a value: a label image, and what is known of each label."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from calcimeasure.errors import LabelsError
from calcimeasure.notices import Notice

LARGEST_LABEL = int(np.iinfo(np.uint16).max)


class Finding(StrEnum):
    """What a shadow is; only `CALCINOSIS` counts towards the burden."""

    CALCINOSIS = "calcinosis"
    VASCULAR = "vascular"
    ARTICULAR = "articular"
    OSSIFICATION = "ossification"
    ARTEFACT = "artefact"
    UNCERTAIN = "uncertain"


class Origin(StrEnum):
    """Who put the deposit there."""

    AUTO = "auto"
    CLICKED = "clicked"
    EDITED = "edited"
    DRAWN = "drawn"


class AreaMethod(StrEnum):
    """How a deposit's area is obtained: by a model of the edge, or as the pixels that a person painted."""

    EDGE_MODEL = "edge_model"
    OUTLINE = "outline"


class AreaEstimator(StrEnum):
    """Which estimator gave a deposit's area; the first two are `AreaMethod.EDGE_MODEL`."""

    COVERAGE_NETWORK = "coverage_network"
    EDGE_MODEL = "edge_model"
    OUTLINE = "outline"


_METHOD_OF = {
    Origin.AUTO: AreaMethod.EDGE_MODEL,
    Origin.CLICKED: AreaMethod.EDGE_MODEL,
    Origin.EDITED: AreaMethod.OUTLINE,
    Origin.DRAWN: AreaMethod.OUTLINE,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Deposit:
    """What is known of one deposit before it is measured.

    Attributes
    ----------
    label
        Its number in the label image, from 1.
    finding, origin
        What it is and who put it there.
    confidence
        The segmenter's probability that it is calcinosis, 0 to 1; 1 for what a person confirmed.
    source_label
        Its number in the label image it was made from, before renumbering; None where there was none.

    Examples
    --------
    >>> deposit = cm.Deposit(label=1, finding="vascular", origin="drawn")
    >>> deposit.area_method.value
    'outline'
    """

    label: int
    finding: Finding = Finding.CALCINOSIS
    origin: Origin = Origin.AUTO
    confidence: float = 1.0
    source_label: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "finding", enum_member(Finding, self.finding))
        object.__setattr__(self, "origin", enum_member(Origin, self.origin))
        if not 1 <= self.label <= LARGEST_LABEL:
            raise LabelsError(f"label {self.label} is not between 1 and {LARGEST_LABEL}")
        if not 0.0 <= self.confidence <= 1.0:
            raise LabelsError(f"confidence {self.confidence} is not between 0 and 1", where=f"deposit {self.label}")

    @property
    def area_method(self) -> AreaMethod:
        """How its area comes: painted pixels count as painted."""
        return _METHOD_OF[self.origin]


@dataclass(frozen=True, kw_only=True, eq=False)
class DepositLabels:
    """The deposits of one film.

    Attributes
    ----------
    image
        uint16, the film's own shape, read-only; 0 is no deposit, n is deposit n. Numbers run 1..n without gaps.
    deposits
        One entry a number, in order.
    method
        What made them, e.g. ``classical/1``, ``points/1`` or ``reader``.
    film_sha256
        Hash of the film they belong to.
    warnings
        What a person should know: the film is outside what the method was built for, and so on.

    Examples
    --------
    >>> labels = cm.labels_from_array(np.array([[0, 7], [0, 9]]))
    >>> len(labels), labels.image.tolist(), labels.mask(1).sum()
    (2, [[0, 1], [0, 2]], np.int64(1))
    """

    image: NDArray[np.uint16]
    deposits: tuple[Deposit, ...] = ()
    method: str = ""
    film_sha256: str = ""
    warnings: tuple[Notice, ...] = ()

    def __post_init__(self) -> None:
        if self.image.ndim != 2 or self.image.dtype != np.uint16:
            raise LabelsError(f"a label image must be 2-D uint16, not {self.image.ndim}-D {self.image.dtype}")
        numbers = [deposit.label for deposit in self.deposits]
        if numbers != list(range(1, len(numbers) + 1)):
            raise LabelsError(f"deposits must be numbered 1 to {len(numbers)} in order, not {numbers}")
        # Counting the empty part, or choosing the rest by a mask, takes ten times as long.
        present = np.flatnonzero(np.bincount(self.image.reshape(-1)[np.flatnonzero(self.image != 0)]))
        if present.tolist() != numbers:
            raise LabelsError(
                f"the label image holds the numbers {present.tolist()}, the deposits are {numbers}",
                remedy="Renumber with calcimeasure.labels_from_array.",
            )
        self.image.flags.writeable = False

    def __len__(self) -> int:
        return len(self.deposits)

    def mask(self, label: int) -> NDArray[np.bool_]:
        """Return True on deposit `label`, on the film's own grid."""
        mask: NDArray[np.bool_] = self.image == label
        return mask

    def __repr__(self) -> str:
        return f"<DepositLabels: {len(self)} deposits on {self.image.shape[0]} x {self.image.shape[1]} pixels>"

    def _repr_html_(self) -> str:
        from calcimeasure.notebook_summary import summary_html

        rows = {
            f"deposit {one.label}": f"{one.finding}, {one.origin}, p = {one.confidence:.2f}" for one in self.deposits
        }
        return summary_html(f"{len(self)} deposits ({self.method or 'no method stated'})", rows, self.warnings)

    def replaced(self, deposit: Deposit) -> DepositLabels:
        """Return the same labels with the entry of one deposit replaced."""
        deposits = tuple(deposit if old.label == deposit.label else old for old in self.deposits)
        return replace(self, deposits=deposits)


def from_label_image(
    image: NDArray[np.integer] | NDArray[np.bool_],
    *,
    origin: Origin = Origin.AUTO,
    finding: Finding = Finding.CALCINOSIS,
    confidence: float = 1.0,
    method: str = "",
    film_sha256: str = "",
    warnings: tuple[Notice, ...] = (),
) -> DepositLabels:
    """Return deposits from any integer label image, renumbered 1..n in the order of the old numbers.

    Parameters
    ----------
    image
        2-D integers, 0 for none.
    origin, finding, confidence
        Given to every deposit.

    Raises
    ------
    LabelsError
        When the image is not 2-D integers or holds negative or more than 65535 numbers.
    """
    if image.ndim != 2 or not (np.issubdtype(image.dtype, np.integer) or image.dtype == np.bool_):
        raise LabelsError(f"a label image must be 2-D integers, not {image.ndim}-D {image.dtype}")
    numbers, inverse = np.unique(image, return_inverse=True)
    if numbers.size and numbers[0] < 0:
        raise LabelsError(f"a label image holds the negative number {numbers[0]}")
    if numbers.size and numbers[0] == 0:
        count = numbers.size - 1
        renumbered = inverse
    else:
        count = numbers.size
        renumbered = inverse + 1
    if count > LARGEST_LABEL:
        raise LabelsError(f"{count} deposits on one film are more than the {LARGEST_LABEL} a label image holds")
    deposits = tuple(
        Deposit(label=label, origin=origin, finding=finding, confidence=confidence, source_label=int(number))
        for label, number in enumerate(numbers[numbers.size - count :], start=1)
    )
    return DepositLabels(
        image=renumbered.reshape(image.shape).astype(np.uint16),
        deposits=deposits,
        method=method,
        film_sha256=film_sha256,
        warnings=warnings,
    )


EnumOfDeposit = TypeVar("EnumOfDeposit", Finding, Origin)


def enum_member(kind: type[EnumOfDeposit], value: str) -> EnumOfDeposit:
    """Return the finding or origin of a name."""
    try:
        return kind(value)
    except ValueError as error:
        name = kind.__name__.lower()
        raise LabelsError(f"'{value}' is no {name}", remedy=f"Choose one of {', '.join(kind)}.") from error
