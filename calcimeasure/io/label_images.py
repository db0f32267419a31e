"""Label images as files: `labels.tif`, NIfTI, NRRD, MHA; ours and those of other tools.

All are uint16 images on the film's own pixel grid. What the pixels cannot hold (the finding and the origin of each
deposit) is a JSON text in the TIFF's ImageDescription or in a metadata key of NRRD and MHA, without identity; NIfTI has
no place for it. DICOM SEG is read by `calcimeasure.io.dicom_seg`, the other formats by `calcimeasure.io.label_volumes`.
"""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from calcimeasure.deposits import Deposit, DepositLabels, Finding, Origin
from calcimeasure.errors import FilmError, LabelsError, OutputError
from calcimeasure.io.atomic_output import replace_file
from calcimeasure.io.dicom_file import read_file_bytes
from calcimeasure.io.dicom_seg import read_segmentation
from calcimeasure.io.dicom_source import is_dicom_file
from calcimeasure.io.film_parts import Picture
from calcimeasure.io.label_volumes import is_volume, read_volume, write_volume
from calcimeasure.io.picture_orientation import ORIENTATION_TAG, TRANSPOSED, upright
from calcimeasure.io.pixel_spacing import label_spacing_warnings
from calcimeasure.io.tiff_image import check_directories, check_page
from calcimeasure.label_arrays import labels_from_array
from calcimeasure.notices import Notice, NoticeCode
from calcimeasure.radiograph import Radiograph, Spacing

LABELS_SCHEMA = "calcimeasure.labels/1"
TIFF_SUFFIXES = (".tif", ".tiff")
PLAIN_SUFFIXES = (*TIFF_SUFFIXES, ".png")

_ASK_SHAPE = "Give a label image on the film's own pixel grid: same rows and columns, 0 for none and n for deposit n."


def write_labels(labels: DepositLabels, path: str | Path, *, spacing: Spacing | None = None) -> None:
    """Write the deposits of a film as a label image.

    Parameters
    ----------
    labels
        The deposits of one film.
    path
        The file; its name ends in ``.tif``, ``.tiff``, ``.nii``, ``.nii.gz``, ``.nrrd`` or ``.mha``.
    spacing
        The film's spacing, so that other tools measure in mm too.

    Raises
    ------
    LabelsError
        When the name ends otherwise.
    OutputError
        When the file cannot be written.

    See Also
    --------
    read_labels : The way back. Findings and origins come back from TIFF, NRRD and MHA.

    Examples
    --------
    >>> film = cm.film_from_array(np.eye(40, 60), spacing_mm=0.1)
    >>> labels = cm.labels_from_array(film.pixels > 0.5, film)
    >>> cm.write_labels(labels, "labels.nii.gz", spacing=film.spacing)
    >>> bool((cm.read_labels("labels.nii.gz", film).image == labels.image).all())
    True
    """
    path, spacing = Path(path), spacing or Spacing()
    if not is_volume(path) and path.suffix.lower() not in TIFF_SUFFIXES:
        raise LabelsError(
            "label images are not written in this format", where=str(path), remedy="End the name in .tif or .nii.gz."
        )
    try:
        if is_volume(path):
            digest = hashlib.sha256(labels.image.tobytes()).hexdigest()
            write_volume(labels.image, path, spacing, _json({**_description(labels, spacing), "image_sha256": digest}))
        else:
            replace_file(path, labels_tiff(labels, spacing))
    except (OSError, RuntimeError) as error:
        raise OutputError("the label image could not be written", where=str(path)) from error


def labels_tiff(labels: DepositLabels, spacing: Spacing) -> bytes:
    """Return the bytes of `labels.tif`; the film's spacing becomes the file's resolution."""
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
        description=_json(_description(labels, spacing)),
        **resolution,
    )
    return buffer.getvalue()


def read_labels(path: str | Path, film: Radiograph) -> DepositLabels:
    """Read the deposits of a film from a label image.

    Parameters
    ----------
    path
        A file that calcimeasure wrote, a DICOM SEG, or a single-channel TIFF, PNG, NIfTI, NRRD or MHA of whole numbers
        from another tool: 0 for no deposit, n for deposit n; two dimensions, or three with one slice. Its deposits
        count as drawn by a person, all calcinosis, and are numbered anew from 1 in the order of their numbers. A mask
        of one number is split into its deposits as by `labels_from_array`.
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
    spacing_mm = None
    if is_volume(path):
        volume = read_volume(path)
        _check_shape(volume.shape, film, str(path))
        image, description, spacing_mm = volume.image(), _our_description(volume.description), volume.spacing_mm
    elif path.suffix.lower() in TIFF_SUFFIXES:
        image, description = _read_tiff(path, film)
    elif path.suffix.lower() in PLAIN_SUFFIXES:
        image, description = _read_png(path, film), None
    elif is_dicom_file(path):
        return read_segmentation(path, film)
    else:
        raise LabelsError(
            f"'{path.suffix}' is not a format that label images are read from",
            where=str(path),
            remedy="Give a TIFF, PNG, NIfTI, NRRD or MHA label image, or a DICOM SEG.",
        )
    _check_numbers(image, str(path))
    if description is None:
        return _foreign(image, film, str(path), label_spacing_warnings(spacing_mm, film.spacing))
    return _ours(image, description, film, str(path))


def _json(description: Mapping[str, object]) -> str:
    return json.dumps(description, separators=(",", ":"))


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
        "warnings": [warning.text for warning in labels.warnings],
    }


def _read_tiff(path: Path, film: Radiograph) -> tuple[NDArray[Any], Mapping[str, Any] | None]:
    import tifffile

    try:
        data = read_file_bytes(path)
        check_directories(data, str(path))
        with tifffile.TiffFile(io.BytesIO(data)) as tiff:
            if len(tiff.pages) != 1:
                raise LabelsError(
                    f"it holds {len(tiff.pages)} pages",
                    where=str(path),
                    remedy="Save the one label image of this film as a file of its own.",
                )
            page = tiff.pages.first
            orientation = page.tags.get(ORIENTATION_TAG)
            turned = orientation is not None and orientation.value in TRANSPOSED and len(page.shape) == 2
            _check_shape(page.shape[::-1] if turned else page.shape, film, str(path))
            check_page(page, data, str(path))
            picture = Picture(pixels=page.asarray(maxworkers=1))
            pixels = upright(picture, None if orientation is None else orientation.value).pixels
            return pixels, _our_description(page.description)
    except LabelsError:
        raise
    except FilmError as error:
        raise LabelsError(error.problem, where=str(path), remedy=_ASK_SHAPE) from error
    except Exception as error:
        # tifffile and its decoders let many kinds of exception out on damaged files.
        raise LabelsError("it cannot be read as a TIFF", where=str(path), remedy=_ASK_SHAPE) from error


def _read_png(path: Path, film: Radiograph) -> NDArray[Any]:
    try:
        with warnings.catch_warnings():
            # The size is checked here, against the film's.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=["PNG"]) as image:
                # A palette's indices are the numbers; its colours are only how they are shown.
                channels = len(image.getbands())
                shape = (image.height, image.width) if channels == 1 else (image.height, image.width, channels)
                _check_shape(shape, film, str(path))
                return np.asarray(image)
    except LabelsError:
        raise
    except Exception as error:
        # Pillow lets many kinds of exception out on damaged files.
        raise LabelsError("it cannot be read as a PNG", where=str(path), remedy=_ASK_SHAPE) from error


def _our_description(text: str) -> Mapping[str, Any] | None:
    try:
        description = json.loads(text)
    except (ValueError, RecursionError):
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


def _foreign(image: NDArray[Any], film: Radiograph, name: str, notices: Iterable[Notice] = ()) -> DepositLabels:
    try:
        labels = labels_from_array(image, film, method="label image")
    except LabelsError as error:
        raise LabelsError(error.problem, where=name, remedy=error.remedy or _ASK_SHAPE) from error
    return replace(labels, warnings=(*notices, *labels.warnings))


def _ours(image: NDArray[Any], description: Mapping[str, Any], film: Radiograph, name: str) -> DepositLabels:
    image = np.ascontiguousarray(image, dtype=np.uint16)
    sha256 = str(description.get("film_sha256", ""))
    if sha256 and sha256 != film.sha256:
        raise LabelsError(
            f"it was made on another film ({sha256[: len(film.film_id)]}; this film is {film.film_id})",
            where=name,
            remedy="Give the label image of this film; check whether baseline and follow-up are exchanged.",
        )
    digest = description.get("image_sha256")
    if digest is not None and digest != hashlib.sha256(image.tobytes()).hexdigest():
        text = "The pixels were edited after calcimeasure wrote the file: its deposits count as drawn by a person."
        return _foreign(image, film, name, (Notice(NoticeCode.LABELS_EDITED, text),))
    try:
        return DepositLabels(
            image=image,
            deposits=tuple(map(_deposit, description["deposits"])),
            method=str(description.get("method", "")),
            film_sha256=film.sha256,
            warnings=tuple(Notice(NoticeCode.SAVED_WITH_LABELS, str(one)) for one in description.get("warnings", ())),
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


def _deposit(entry: Mapping[str, Any]) -> Deposit:
    return Deposit(
        label=int(entry["label"]),
        finding=Finding(entry["finding"]),
        origin=Origin(entry["origin"]),
        confidence=float(entry["confidence"]),
    )
