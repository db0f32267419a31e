"""NIfTI, NRRD and MHA label images through SimpleITK: a film is an image of two dimensions, or of three with one slice.

SimpleITK counts x (columns) first and NumPy rows first; `GetArrayFromImage` turns the one into the other. Rows and
columns count as they are stored: a direction matrix says how a patient lay, which a film does not say.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcimeasure.errors import LabelsError
from calcimeasure.radiograph import Spacing

VOLUME_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha")
_DESCRIPTION_KEY = "calcimeasure"
# What SimpleITK states where a file has no spacing.
_NO_SPACING = (1.0, 1.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelVolume:
    """The header of a label image; `image` reads its pixels.

    `shape` is (rows, columns), followed by slices and channels where there are several; `spacing_mm` is None where the
    file states none; `description` is the text that `write_volume` stored.
    """

    reader: Any
    shape: tuple[int, ...]
    spacing_mm: tuple[float, float] | None
    description: str

    def image(self) -> NDArray[Any]:
        """Return the pixels, shape (rows, columns); floating-point values that are whole numbers become integers."""
        import SimpleITK

        with _refusing_damage(self.reader.GetFileName()):
            array: NDArray[Any] = SimpleITK.GetArrayFromImage(self.reader.Execute()).reshape(self.shape)
        whole = array.dtype.kind == "f" and bool(np.all(array == np.rint(array)))
        return array.astype(np.int64) if whole else array


@contextmanager
def _refusing_damage(path: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise LabelsError(
            "it cannot be read as NIfTI, NRRD or MHA", where=path, remedy="Save the label image again."
        ) from error


def is_volume(path: Path) -> bool:
    """Return whether the name of a file is that of a NIfTI, NRRD or MHA."""
    return path.name.lower().endswith(VOLUME_SUFFIXES)


def read_volume(path: Path) -> LabelVolume:
    """Read the header of a label image.

    Raises
    ------
    LabelsError
        When the file is none of these formats, or damaged.
    """
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    with _refusing_damage(str(path)):
        reader.ReadImageInformation()
    columns, rows, *slices = reader.GetSize()
    channels = reader.GetNumberOfComponents()
    shape = (rows, columns, *(n for n in (*slices, channels) if n > 1))
    x_mm, y_mm = reader.GetSpacing()[:2]
    described = reader.HasMetaDataKey(_DESCRIPTION_KEY)
    return LabelVolume(
        reader=reader,
        shape=shape,
        spacing_mm=None if (x_mm, y_mm) == _NO_SPACING else (y_mm, x_mm),
        description=reader.GetMetaData(_DESCRIPTION_KEY) if described else "",
    )


def write_volume(image: NDArray[np.uint16], path: Path, spacing: Spacing, description: str) -> None:
    """Write a label image; the description is kept by NRRD and MHA, and the spacing is 1 where none is known.

    Raises
    ------
    RuntimeError
        When SimpleITK cannot write the file.
    """
    import SimpleITK

    picture = SimpleITK.GetImageFromArray(image)
    row_mm, col_mm = spacing.mm or _NO_SPACING
    picture.SetSpacing((col_mm, row_mm))
    picture.SetMetaData(_DESCRIPTION_KEY, description)
    # The name of the part keeps the ending, by which SimpleITK chooses the format.
    part = path.with_name(f"part.{path.name}")
    try:
        SimpleITK.WriteImage(picture, str(part), useCompression=True)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
