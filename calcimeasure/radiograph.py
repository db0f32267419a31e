"""One film: its canonical array, its spacing and basis, its grey scale and identity.

`calcimeasure.io` makes these values from files.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calcimeasure.errors import FilmError, SpacingError
from calcimeasure.notices import Notice

if TYPE_CHECKING:
    from calcimeasure.plotting import Axes, Figure, HasLabelImage

FILM_ID_LENGTH = 16


class SpacingBasis(StrEnum):
    """What the millimetres rest on, and so the plane in which they hold."""

    USER = "user"
    CALIBRATED = "calibrated"
    DETECTOR = "detector"
    SCANNED_FILM = "scanned_film"
    ASSUMED_DETECTOR = "assumed_detector"
    FILE_RESOLUTION = "file_resolution"
    MAGNIFICATION_CORRECTED = "magnification_corrected"
    NONE = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class Spacing:
    """Row and column spacing with the basis they rest on.

    Attributes
    ----------
    row_mm, col_mm
        Distance between the centres of neighbouring rows and columns, in mm; both None without a basis.
    basis
        Which rule of `docs/records.md` gave them.
    pixel_aspect
        Row spacing over column spacing; known from PixelAspectRatio even where no millimetres are.
    note
        The tags and values behind the decision, in words.

    Examples
    --------
    >>> spacing = cm.Spacing(row_mm=0.2, col_mm=0.1, basis="user")
    >>> spacing.mm, spacing.pixel_aspect, f"{spacing.pixel_area_mm2:.2f}"
    ((0.2, 0.1), 2.0, '0.02')
    """

    row_mm: float | None = None
    col_mm: float | None = None
    basis: SpacingBasis = SpacingBasis.NONE
    pixel_aspect: float = 1.0
    note: str = ""

    def __post_init__(self) -> None:
        if (self.row_mm is None) != (self.col_mm is None):
            raise SpacingError("one axis has a spacing and the other has none")
        if (self.row_mm is None) != (self.basis is SpacingBasis.NONE):
            raise SpacingError(f"a spacing of basis '{self.basis}' with row {self.row_mm} and column {self.col_mm} mm")
        for value in (self.row_mm, self.col_mm, self.pixel_aspect):
            if value is not None and not (np.isfinite(value) and value > 0):
                raise SpacingError(f"{value} is not a length", remedy="Give a positive number of millimetres.")
        if self.row_mm is not None and self.col_mm is not None:
            object.__setattr__(self, "pixel_aspect", self.row_mm / self.col_mm)

    @property
    def known(self) -> bool:
        """Whether there are millimetres at all."""
        return self.row_mm is not None

    @property
    def mm(self) -> tuple[float, float] | None:
        """(row, column) spacing in mm, or None."""
        if self.row_mm is None or self.col_mm is None:
            return None
        return (self.row_mm, self.col_mm)

    @property
    def pixel_area_mm2(self) -> float | None:
        """Area of one pixel in mm², or None."""
        if self.row_mm is None or self.col_mm is None:
            return None
        return self.row_mm * self.col_mm


class GreyRelationship(StrEnum):
    """How stored values relate to X-ray intensity (DICOM PS3.3 C.8.11.3, Pixel Intensity Relationship)."""

    LINEAR = "LIN"
    LOGARITHMIC = "LOG"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True, slots=True)
class GreyScale:
    """What is known of the canonical array's grey values.

    Attributes
    ----------
    lowest, highest
        The range that the file's coding allows, in canonical values: pixels there may be clipped.
    window
        (low, high) canonical values that the file asks to be shown from black to white, or None.
    relationship
        Linear or logarithmic in X-ray intensity, where the file declares it.
    processing_intent
        ``FOR PROCESSING``, ``FOR PRESENTATION`` or None where the file does not say.
    inverted
        Whether the stored values ran the other way (MONOCHROME1, or ``--invert``).
    """

    lowest: float
    highest: float
    window: tuple[float, float] | None = None
    relationship: GreyRelationship = GreyRelationship.UNKNOWN
    processing_intent: str | None = None
    inverted: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Whose film it is and what it shows; None where the header does not say.

    Attributes
    ----------
    patient_key
        A one-way hash of the header's patient identifier: enough to see that two films agree or contradict, and
        nothing to read.
    side
        ``L``, ``R`` or ``B`` (both limbs on one film).
    body_part, view
        Upper-case words of the header, e.g. ``HAND`` and ``PA``.
    study_date
        ISO date of the exposure.
    modality
        DICOM modality, e.g. ``DX``; ``None`` for a plain image.
    age_years
        Age at the exposure, used to decide whether bones may serve as a ruler.
    """

    patient_key: str | None = None
    side: str | None = None
    body_part: str | None = None
    view: str | None = None
    study_date: str | None = None
    modality: str | None = None
    age_years: float | None = None

    def __post_init__(self) -> None:
        if self.side not in (None, "L", "R", "B"):
            raise FilmError(f"side '{self.side}' is none of L, R, B", where="side")


@dataclass(frozen=True, kw_only=True, eq=False)
class Radiograph:
    """One film.

    Attributes
    ----------
    pixels
        The canonical array: float32, shape (rows, columns), read-only; more calcium is a larger value.
    spacing
        Millimetres and their basis.
    grey
        Range, window and meaning of the values.
    identity
        Whose film it is and what it shows.
    sha256
        Hash of the file (of the pixels, for a film that came from no file); two frames of one file differ in it.
    padding
        True where the file declares that no picture was recorded (pixel padding); None where it declares none.
    path
        The file, or None. Written into results only on request: paths carry names.
    frame
        Number of the frame in a multi-frame file, counted from 0; None for a single frame.
    warnings
        What a person should know of the file.

    Examples
    --------
    >>> film = cm.film_from_array(np.eye(40, 60), spacing_mm=0.1)
    >>> film.shape, film.spacing.mm, film.pixels.dtype
    ((40, 60), (0.1, 0.1), dtype('float32'))
    """

    pixels: NDArray[np.float32]
    spacing: Spacing = field(default_factory=Spacing)
    grey: GreyScale
    identity: Identity = field(default_factory=Identity)
    sha256: str = ""
    padding: NDArray[np.bool_] | None = None
    path: Path | None = None
    frame: int | None = None
    warnings: tuple[Notice, ...] = ()

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or self.pixels.dtype != np.float32:
            raise FilmError(
                f"the canonical array must be 2-D float32, not {self.pixels.ndim}-D {self.pixels.dtype}",
                remedy="Use calcimeasure.read_film, or calcimeasure.io.film_from_array for an array.",
            )
        if self.padding is not None and self.padding.shape != self.pixels.shape:
            raise FilmError(f"the padding mask is {self.padding.shape}, the film {self.pixels.shape}")
        self.pixels.flags.writeable = False
        if not self.sha256:
            digest = hashlib.sha256(np.ascontiguousarray(self.pixels).tobytes()).hexdigest()
            object.__setattr__(self, "sha256", digest)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return (self.pixels.shape[0], self.pixels.shape[1])

    @property
    def film_id(self) -> str:
        """The start of the hash: how results and reports name the film."""
        return self.sha256[:FILM_ID_LENGTH]

    def with_spacing(self, spacing: Spacing) -> Radiograph:
        """Return the same film with another spacing."""
        return replace(self, spacing=spacing)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        labels: HasLabelImage | NDArray[np.integer] | NDArray[np.bool_] | None = None,
        window: tuple[float, float] | None = None,
        mask: NDArray[np.bool_] | None = None,
    ) -> Figure:
        """Draw the film with matplotlib (the extra ``plot``), axes in mm or, without a spacing, in pixels.

        Nothing of the header is drawn. Text burned into the pixels is part of the picture: `mask` blanks it.

        Parameters
        ----------
        ax
            Where to draw; a new figure when None.
        labels
            `DepositLabels` or a label image of the film's shape, whose outlines and numbers are drawn.
        window
            Values drawn black and white; by default nearly the darkest and brightest of the film.
        mask
            bool, the film's shape: everything outside is drawn black.

        Returns
        -------
        Figure
            Shown by a notebook; ``film.plot().savefig("film.png")`` saves it.

        Raises
        ------
        MissingExtraError
            When matplotlib is not installed.
        UsageError
            When `labels` or `mask` is not of the film's shape.

        Examples
        --------
        >>> film = cm.film_from_array(np.eye(40, 60), spacing_mm=0.1)
        >>> figure = film.plot(labels=cm.labels_from_array(film.pixels > 0, film))
        >>> figure.axes[0].get_xlabel()
        'column (mm)'
        """
        from calcimeasure.plotting import FilmPanel, draw_panels

        panel = FilmPanel(
            pixels=self.pixels,
            spacing_mm=self.spacing.mm,
            pixel_aspect=self.spacing.pixel_aspect,
            labels=None if labels is None else np.asarray(getattr(labels, "image", labels), np.uint16),
            shown=mask,
            window=window,
        )
        return draw_panels([panel], None if ax is None else [ax])

    def __repr__(self) -> str:
        return f"<Radiograph {self.film_id}: {self._size()}>"

    def _repr_html_(self) -> str:
        from calcimeasure.notebook_summary import summary_html

        identity = {"side": self.identity.side, "body part": self.identity.body_part, "view": self.identity.view}
        rows = {"size": self._size(), **{name: said for name, said in identity.items() if said is not None}}
        return summary_html(f"Radiograph {self.film_id}", rows, self.warnings)

    def _size(self) -> str:
        size = f"{self.shape[0]} x {self.shape[1]} pixels"
        if self.spacing.mm is None:
            return f"{size}, no spacing"
        return f"{size} of {self.spacing.mm[0]:g} x {self.spacing.mm[1]:g} mm (row x column; {self.spacing.basis})"
