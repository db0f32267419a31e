"""`read_transform` and `write_transform`: the alignment of two films as a file that ITK, SimpleITK and 3D Slicer open.

The file is ITK's text format (``.tfm``). HDF5 (``.h5``), the usual container, holds the time of writing and the name
of the operating system, so that the same result would not give the same bytes.

3D Slicer knows 3-D transforms in millimetres only, from points of the fixed to points of the moving image, axes to the
left, posterior and superior (LPS). A film opened there lies in the plane z = 0 with x along its columns and y along its
rows, so that the transform of two films is theirs with the third axis as it is. Applied to the follow-up, it lays that
film on the baseline.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from calcimeasure.errors import UsageError
from calcimeasure.io.atomic_output import write_bytes

if TYPE_CHECKING:
    import SimpleITK

SUFFIX = ".tfm"


def write_transform(transform: SimpleITK.Transform, path: str | Path) -> None:
    """Write a transform to a new ``.tfm`` file.

    Parameters
    ----------
    transform
        Such as `Alignment.transform` returns; of dimension 3 for 3D Slicer.
    path
        The file, which does not exist yet; its folder is made where it is missing.

    Raises
    ------
    UsageError
        When the name does not end in ``.tfm``.
    """
    import SimpleITK

    if Path(path).suffix != SUFFIX:
        raise UsageError("a transform is written as text", where=str(path), remedy=f"Let the name end in {SUFFIX}.")
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / f"transform{SUFFIX}"
        SimpleITK.WriteTransform(transform, str(written))
        write_bytes(Path(path), written.read_bytes())


def read_transform(path: str | Path) -> SimpleITK.Transform:
    """Return the transform in a file of any format that SimpleITK reads (``.tfm``, ``.txt``, ``.h5``, ``.mat``).

    Raises
    ------
    UsageError
        When there is no such file or it holds no transform.
    """
    import SimpleITK

    try:
        transform: SimpleITK.Transform = SimpleITK.ReadTransform(str(path))
    except RuntimeError as error:
        raise UsageError(
            "there is no transform that can be read",
            where=str(path),
            remedy="Give a file that ITK or 3D Slicer wrote: .tfm, .txt, .h5 or .mat",
        ) from error
    return transform
