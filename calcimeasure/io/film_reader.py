"""Open a film, whatever its format."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from calcimeasure.errors import FilmError
from calcimeasure.io.canonical_film import make_film
from calcimeasure.io.dicom_file import read_file_bytes
from calcimeasure.io.file_format import FileFormat, describe_content, find_format
from calcimeasure.io.film_options import FilmOptions, film_options
from calcimeasure.io.film_parts import FilmParts
from calcimeasure.radiograph import Radiograph


def read_film(
    path: str | os.PathLike[str],
    *,
    spacing_mm: float | Sequence[float] | None = None,
    frame: int | None = None,
    side: str | None = None,
    view: str | None = None,
    body_part: str | None = None,
    study_date: str | None = None,
    invert: bool | None = None,
    magnification_corrected: bool = False,
) -> Radiograph:
    """Read a film from a DICOM, PNG, JPEG or TIFF file, found by its content.

    Parameters
    ----------
    path
        The file.
    spacing_mm
        Distance between pixels in mm that overrides the file's: one number, or (row, column).
    frame
        Which frame of a multi-frame file, counted from 1 as DICOM counts them. The film's own `frame` counts from 0.
    side, view, body_part
        What the film shows; overrides the header.
    study_date
        Date of the exposure, as ``2026-01-31``; overrides the header.
    invert
        True: the grey values run against what the file declares. False: they run as it declares. None: the picture
        decides where it clearly contradicts the file, with a warning.
    magnification_corrected
        Divide a spacing at the detector by the header's estimated magnification.

    Returns
    -------
    Radiograph
        With the canonical array, in which more calcium is a larger value.

    Raises
    ------
    FilmError
        If the file is missing, empty, damaged, of another kind, or holds several frames and none was named.
    DecoderError
        If no installed decoder reads its pixels.
    SpacingError
        If `spacing_mm` is no length.
    UsageError
        If `side`, `frame` or `study_date` is none that a film can have.

    See Also
    --------
    film_from_array : The same for pixels in memory.

    Examples
    --------
    >>> baseline, followup = cm.sample_pair("grown")
    >>> film = cm.read_film(baseline.path)
    >>> film.shape, film.spacing.mm, film.spacing.basis.value
    ((900, 800), (0.23, 0.23), 'detector')
    """
    options = film_options(
        spacing_mm=spacing_mm,
        frame=frame,
        side=side,
        view=view,
        body_part=body_part,
        study_date=study_date,
        invert=invert,
        magnification_corrected=magnification_corrected,
    )
    file = Path(path)
    data = read_file_bytes(file)
    parts = _read_parts(data, options, str(file))
    return make_film(parts, options, sha256=_fingerprint(data, parts.frame), path=file)


def _read_parts(data: bytes, options: FilmOptions, where: str) -> FilmParts:
    kind = find_format(data)
    if kind is None:
        raise FilmError(
            f"the file holds {describe_content(data)}, not a film",
            where=where,
            remedy="Films are read from DICOM, PNG, TIFF and JPEG.",
        )
    if kind in (FileFormat.DICOM, FileFormat.DICOM_WITHOUT_META):
        from calcimeasure.io.dicom_film import read_dicom

        return read_dicom(data, options, where)
    from calcimeasure.io.plain_image import read_plain

    return read_plain(data, kind, options, where)


def _fingerprint(data: bytes, frame: int | None) -> str:
    """Hash the file; the frame is part of it, so that two frames of one file are two films."""
    digest = hashlib.sha256(data)
    if frame is not None:
        digest.update(f"\nframe {frame}".encode())
    return digest.hexdigest()
