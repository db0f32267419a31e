"""What callers may pass for a film and for labels: values, paths, arrays, SimpleITK images.

`as_film` and `as_labels` are called first by every public function that takes them.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeGuard, Union

import numpy as np
from numpy.typing import NDArray

from calcimeasure.deposits import DepositLabels
from calcimeasure.errors import UsageError
from calcimeasure.io.film_array import film_from_array
from calcimeasure.io.film_reader import read_film
from calcimeasure.io.label_images import read_labels
from calcimeasure.label_arrays import labels_from_array
from calcimeasure.radiograph import Radiograph

if TYPE_CHECKING:
    import SimpleITK

_ORDER = "The film comes before its labels, e.g. measure(film, labels)."

FilmLike: TypeAlias = Union[Radiograph, str, os.PathLike[str], NDArray[np.generic], "SimpleITK.Image"]
LabelsLike: TypeAlias = Union[DepositLabels, str, os.PathLike[str], NDArray[np.generic], "SimpleITK.Image"]
SpacingLike: TypeAlias = float | Sequence[float]

NO_SPACING_WARNING = (
    "The {name} has no pixel spacing: areas are in pixels, not in mm². Pass spacing_mm=... (mm per pixel, one number "
    "or (row, column)); film_from_array(array) makes a film without one and no warning."
)


def as_film(film: FilmLike, *, spacing_mm: SpacingLike | None = None, name: str = "film") -> Radiograph:
    """Return the film that a caller passed.

    Parameters
    ----------
    film
        A `Radiograph`, the path of a file, a 2-D array (bone larger than air) or a 2-D SimpleITK image.
    spacing_mm
        Distance between pixels: one number, or (row, column). Overrides what a file or an image says.
    name
        The caller's parameter, for messages.

    Raises
    ------
    UsageError
        When it is none of these, or a spacing is given for a `Radiograph`, which has its own.
    FilmError
        When the file or the array is not one film.

    Warns
    -----
    UserWarning
        When an array or an image has no spacing.
    """
    if isinstance(film, Radiograph):
        if spacing_mm is not None:
            raise UsageError(
                "a Radiograph has its own spacing",
                where=f"spacing_mm of {name}",
                remedy="Give spacing_mm to read_film or film_from_array instead.",
            )
        return film
    if isinstance(film, str | os.PathLike):
        return read_film(film, spacing_mm=spacing_mm)
    if _is_sitk_image(film):
        spacing_mm = _sitk_spacing_mm(film) if spacing_mm is None else spacing_mm
    elif isinstance(film, DepositLabels):
        raise UsageError("DepositLabels are not a film", where=name, remedy=_ORDER)
    array = _pixels(film)
    if array is None:
        raise UsageError(
            f"a {type(film).__name__} is not a film",
            where=name,
            remedy="Pass a Radiograph (from read_film), a path, a 2-D array or a 2-D SimpleITK image.",
        )
    if array.dtype == np.bool_:
        raise UsageError("an array of bool is a mask, not a film", where=name, remedy=_ORDER)
    made = film_from_array(array, spacing_mm=spacing_mm)
    if spacing_mm is None:
        warnings.warn(NO_SPACING_WARNING.format(name=name), UserWarning, stacklevel=3)
    return made


def as_labels(labels: LabelsLike, film: Radiograph) -> DepositLabels:
    """Return the deposits that a caller passed.

    Parameters
    ----------
    labels
        `DepositLabels`, the path of a label image or DICOM SEG, or a mask or label image of the film's shape, as an
        array or a SimpleITK image (see `labels_from_array`).
    film
        The film that they belong to.

    Raises
    ------
    UsageError
        When it is none of these.
    LabelsError
        When the labels do not fit the film.
    """
    if isinstance(labels, DepositLabels):
        return labels
    if isinstance(labels, str | os.PathLike):
        return read_labels(os.fspath(labels), film)
    if isinstance(labels, Radiograph):
        raise UsageError("a Radiograph is not a label image", where="labels", remedy=_ORDER)
    array = _pixels(labels)
    if array is None:
        raise UsageError(
            f"a {type(labels).__name__} is not a label image",
            where="labels",
            remedy="Pass DepositLabels (from segment), a path, or a mask or label image of the film's shape.",
        )
    return labels_from_array(array, film)


def _pixels(value: object) -> NDArray[np.generic] | None:
    """Return the numbers of an array or a SimpleITK image; None for anything else."""
    if _is_sitk_image(value):
        return _sitk_array(value)
    if not (hasattr(value, "__array__") or hasattr(value, "__array_interface__")):
        return None
    array = np.asarray(value)
    return None if array.dtype == np.object_ else array


def _is_sitk_image(value: object) -> TypeGuard[SimpleITK.Image]:
    # Nobody has an image of a library that was never imported; importing it takes half a second.
    sitk = sys.modules.get("SimpleITK")
    return sitk is not None and isinstance(value, sitk.Image)


def _sitk_array(image: SimpleITK.Image) -> NDArray[np.generic]:
    """Return the pixels as (rows, columns); as they are where the image is more than one slice."""
    import SimpleITK

    array: NDArray[np.generic] = SimpleITK.GetArrayFromImage(image)
    one_slice = array.ndim == 3 and array.shape[0] == 1 and image.GetNumberOfComponentsPerPixel() == 1
    return array[0] if one_slice else array


def _sitk_spacing_mm(image: SimpleITK.Image) -> tuple[float, float] | None:
    """Return (row, column) spacing; None for 1 mm, which SimpleITK fills in where it knows none."""
    col_mm, row_mm = image.GetSpacing()[:2]
    return None if row_mm == col_mm == 1.0 else (row_mm, col_mm)
