"""The protocol of a segmenter: it proposes everything on a film that might be a piece of a deposit.

What is accepted is decided apart from it, over all films of a limb: what one film shows is searched for among the weak
proposals of the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import Anatomy
from calcimeasure.errors import LabelsError
from calcimeasure.label_arrays import GROUP_WITHIN_MM
from calcimeasure.notices import Notice
from calcimeasure.radiograph import Radiograph


@dataclass(frozen=True, kw_only=True, eq=False)
class Proposals:
    """Everything on one film that might be a piece of a deposit.

    Pieces are not yet grouped into deposits, and never overlap.

    Attributes
    ----------
    image
        uint16, the film's own shape; 0 is nothing, n is piece n.
    probabilities
        float64, one a piece: that it is calcinosis, from this film alone.
    threshold
        The probability from which the method itself accepts a piece.
    pixel_mm
        (row, column) size of a film pixel; assumed from the limbs' size where the film has no spacing.
    method
        What made them, e.g. ``classical/1``.
    film_sha256
        Hash of the film.
    warnings
        Sentences that a person should read.
    """

    image: NDArray[np.uint16]
    probabilities: NDArray[np.float64]
    threshold: float
    pixel_mm: tuple[float, float]
    method: str
    film_sha256: str = ""
    warnings: tuple[Notice, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.image.ndim != 2 or self.image.dtype != np.uint16:
            raise LabelsError(f"proposals must be a 2-D uint16 image, not {self.image.ndim}-D {self.image.dtype}")
        largest = int(self.image.max(initial=0))
        if self.probabilities.shape != (largest,):
            raise LabelsError(f"{largest} proposals have {self.probabilities.size} probabilities")
        if not ((self.probabilities >= 0) & (self.probabilities <= 1)).all():
            raise LabelsError("a proposal's probability is not between 0 and 1")
        self.image.flags.writeable = False
        self.probabilities.flags.writeable = False

    def __len__(self) -> int:
        return int(self.probabilities.size)

    @property
    def group_within_px(self) -> tuple[float, float]:
        """(rows, columns) film pixels that 2.0 mm span: pieces no farther apart, edge to edge, are one deposit."""
        return (GROUP_WITHIN_MM / self.pixel_mm[0], GROUP_WITHIN_MM / self.pixel_mm[1])

    def with_probabilities(self, probabilities: NDArray[np.float64]) -> Proposals:
        """Return the same pieces with other probabilities, for instance those that two films together give."""
        return replace(self, probabilities=np.array(probabilities, dtype=np.float64))

    def repainted(self, image: NDArray[np.uint16], probabilities: NDArray[np.float64]) -> Proposals:
        """Return other pieces of the same film: those that have pixels, numbered without gaps."""
        image, kept = renumber_labels(image)
        return replace(self, image=image, probabilities=np.asarray(probabilities[kept - 1], dtype=np.float64))


def renumber_labels(image: NDArray[np.uint16]) -> tuple[NDArray[np.uint16], NDArray[np.intp]]:
    """Return a label image numbered without gaps, and the old number of each new one."""
    from skimage.segmentation import relabel_sequential

    renumbered, _, old_numbers = relabel_sequential(image)
    kept = old_numbers.out_values[old_numbers.out_values > 0].astype(np.intp)
    return renumbered.astype(np.uint16, copy=False), kept


class Segmenter(Protocol):
    """A way to find deposits."""

    @property
    def name(self) -> str:
        """Name and version of the method, e.g. ``classical/1``."""
        ...

    @property
    def limit_of_detection_mm2(self) -> float | None:
        """Footprint area that it detects 95 times in 100 (all shapes and backgrounds); None where unknown."""
        ...

    def propose(self, film: Radiograph, anatomy: Anatomy) -> Proposals:
        """Return everything on the film that might be a piece of a deposit."""
        ...
