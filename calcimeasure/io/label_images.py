"""Label images as files: `labels.tif`, and reading it or another tool's label image back.

The file is an ordinary uint16 TIFF of the film's own shape that any tool opens; what the pixels cannot hold (who
put each deposit there, what it was found to be) is a small JSON text in its ImageDescription, without identity.
DICOM SEG is read by `calcimeasure.export.dicom`, which `read_labels` calls.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from calcimeasure.deposits import Deposit, DepositLabels, Finding, Origin, from_label_image
from calcimeasure.errors import LabelsError
from calcimeasure.radiograph import Radiograph, Spacing

LABELS_SCHEMA = "calcimeasure.labels/1"
TIFF_SUFFIXES = (".tif", ".tiff")
PLAIN_SUFFIXES = (*TIFF_SUFFIXES, ".png")

_ASK_SHAPE = "Give a label image on the film's own pixel grid: same rows and columns, 0 for none and n for deposit n."


def labels_tiff(labels: DepositLabels, spacing: Spacing) -> bytes:
    """Return the bytes of `labels.tif`.

    Parameters
    ----------
    labels
        The deposits of one film.
    spacing
        The film's spacing: written as the file's resolution, so that other tools measure in mm too.
    """
    import tifffile

    resolution: dict[str, Any] = {}
    if spacing.mm is not None:
        row_mm, col_mm = spacing.mm
        resolution = {"resolution": (10.0 / col_mm, 10.0 / row_mm), "resolutionunit": "CENTIMETER"}
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        labels.image,
        photometric="minisblack",
        compression="zlib",
        metadata=None,
        software="calcimeasure",
        description=json.dumps(_description(labels, spacing), separators=(",", ":")),
        **resolution,
    )
    return buffer.getvalue()


def read_labels(path: str | Path, film: Radiograph) -> DepositLabels:
    """Read the deposits of a film from a label image.

    Parameters
    ----------
    path
        A `labels.tif` that calcimeasure wrote, a DICOM SEG, or a single-channel TIFF or PNG of whole numbers from
        another tool: 0 for no deposit, n for deposit n. Another tool's deposits count as drawn by a person, all
        calcinosis, and are numbered anew from 1 in the order of their numbers.
    film
        The film they belong to.

    Returns
    -------
    DepositLabels
        On the film's own pixels, numbered 1..n.

    Raises
    ------
    LabelsError
        When the file is missing, unreadable, of another shape, not whole numbers, or of another film.

    Examples
    --------
    >>> from PIL import Image
    >>> film = cm.film_from_array(np.eye(40, 60), spacing_mm=0.1)
    >>> Image.fromarray(np.uint8(film.pixels > 0)).save("labels.png")
    >>> len(cm.read_labels("labels.png", film))
    1
    """
    path = Path(path)
    if not path.is_file():
        raise LabelsError("there is no such file", where=str(path), remedy="Check the path of the label image.")
    if path.suffix.lower() not in PLAIN_SUFFIXES:
        if _is_dicom(path):
            from calcimeasure.export.dicom import read_segmentation

            labels: DepositLabels = read_segmentation(path, film)
            return labels
        raise LabelsError(
            f"'{path.suffix}' is not a format that label images are read from",
            where=str(path),
            remedy="Give a TIFF or PNG label image, or a DICOM SEG.",
        )
    if path.suffix.lower() in TIFF_SUFFIXES:
        image, description = _read_tiff(path, film)
    else:
        image, description = _read_png(path, film), None
    _check_numbers(image, str(path))
    if description is None:
        return _foreign(image, film, str(path))
    return _ours(image, description, film, str(path))


def _description(labels: DepositLabels, spacing: Spacing) -> dict[str, object]:
    return {
        "schema": LABELS_SCHEMA,
        "film_sha256": labels.film_sha256,
        "method": labels.method,
        "pixel_spacing_mm": None if spacing.mm is None else list(spacing.mm),
        "spacing_basis": str(spacing.basis),
        "deposits": [
            {
                "label": deposit.label,
                "finding": str(deposit.finding),
                "origin": str(deposit.origin),
                "confidence": float(deposit.confidence),
            }
            for deposit in labels.deposits
        ],
        "warnings": list(labels.warnings),
    }


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _read_tiff(path: Path, film: Radiograph) -> tuple[NDArray[Any], Mapping[str, Any] | None]:
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            if len(tiff.pages) != 1:
                raise LabelsError(
                    f"it holds {len(tiff.pages)} pages",
                    where=str(path),
                    remedy="Save the one label image of this film as a file of its own.",
                )
            page = tiff.pages.first
            _check_shape(page.shape, film, str(path))
            return page.asarray(), _our_description(page.description)
    except (tifffile.TiffFileError, OSError, ValueError, RuntimeError, ImportError) as error:
        raise LabelsError("it cannot be read as a TIFF", where=str(path), remedy=_ASK_SHAPE) from error


def _read_png(path: Path, film: Radiograph) -> NDArray[Any]:
    try:
        with Image.open(path, formats=["PNG"]) as image:
            # A palette's indices are the numbers; its colours are only how they are shown.
            channels = len(image.getbands())
            shape = (image.height, image.width) if channels == 1 else (image.height, image.width, channels)
            _check_shape(shape, film, str(path))
            return np.asarray(image)
    except (OSError, ValueError, SyntaxError) as error:
        raise LabelsError("it cannot be read as a PNG", where=str(path), remedy=_ASK_SHAPE) from error


def _our_description(text: str) -> Mapping[str, Any] | None:
    try:
        description = json.loads(text)
    except json.JSONDecodeError:
        return None
    if isinstance(description, dict) and description.get("schema") == LABELS_SCHEMA:
        return description
    return None


def _check_shape(shape: tuple[int, ...], film: Radiograph, name: str) -> None:
    """Refuse another grid than the film's, before any pixel is decoded."""
    if len(shape) != 2:
        raise LabelsError(
            f"it has {len(shape)} dimensions ({' x '.join(map(str, shape))}), a label image has 2",
            where=name,
            remedy="Save the numbers themselves, not a coloured picture of them.",
        )
    if shape != film.shape:
        raise LabelsError(
            f"it is {shape[0]} x {shape[1]}, the film {film.shape[0]} x {film.shape[1]} (rows x columns)",
            where=name,
            remedy=_ASK_SHAPE,
        )


def _check_numbers(image: NDArray[Any], name: str) -> None:
    if not (np.issubdtype(image.dtype, np.integer) or image.dtype == np.bool_):
        raise LabelsError(
            f"its numbers are {image.dtype}, not whole numbers",
            where=name,
            remedy="Save it as 8 or 16 bit unsigned integers.",
        )


def _foreign(image: NDArray[Any], film: Radiograph, name: str) -> DepositLabels:
    try:
        return from_label_image(image, origin=Origin.DRAWN, method="label image", film_sha256=film.sha256)
    except LabelsError as error:
        raise LabelsError(error.problem, where=name, remedy=error.remedy or _ASK_SHAPE) from error


def _ours(image: NDArray[Any], description: Mapping[str, Any], film: Radiograph, name: str) -> DepositLabels:
    sha256 = str(description.get("film_sha256", ""))
    if sha256 and sha256 != film.sha256:
        raise LabelsError(
            f"it was made on another film ({sha256[: len(film.film_id)]}; this film is {film.film_id})",
            where=name,
            remedy="Give the label image of this film; check whether baseline and follow-up are exchanged.",
        )
    try:
        return DepositLabels(
            image=np.ascontiguousarray(image, dtype=np.uint16),
            deposits=tuple(
                Deposit(
                    label=int(entry["label"]),
                    finding=Finding(entry["finding"]),
                    origin=Origin(entry["origin"]),
                    confidence=float(entry["confidence"]),
                )
                for entry in description["deposits"]
            ),
            method=str(description.get("method", "")),
            film_sha256=film.sha256,
            warnings=tuple(map(str, description.get("warnings", ()))),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LabelsError(
            f"the description of its deposits is damaged ({error})",
            where=name,
            remedy="Write the label image again, or save it without its description.",
        ) from error
    except LabelsError as error:
        raise LabelsError(
            f"its pixels were changed after calcimeasure wrote it: {error.problem}",
            where=name,
            remedy="Save the edited label image without its description: its deposits then count as drawn.",
        ) from error
