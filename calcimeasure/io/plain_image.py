"""Read a plain picture: PNG, JPEG or TIFF, with its resolution only where that can be believed."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.errors import DecoderError, FilmError
from calcimeasure.io.coded_stream import (
    LOSSLESS_MARKERS,
    FrameHeader,
    check_cost,
    decode,
    frame_header,
    is_cut_off,
    without_padding,
)
from calcimeasure.io.file_format import FileFormat
from calcimeasure.io.film_colour import grey_from_colour
from calcimeasure.io.film_options import FilmOptions
from calcimeasure.io.film_parts import FilmParts, Picture, check_size, damaged_film, value_range
from calcimeasure.io.picture_orientation import ORIENTATION_TAG, upright
from calcimeasure.io.pixel_spacing import SpacingTags, choose_spacing, spacing_doubts
from calcimeasure.io.resolution_tag import (
    MM_AN_INCH,
    Resolution,
    believable_spacing,
    resolution_doubts,
    resolution_from_density,
)
from calcimeasure.io.tiff_image import read_tiff
from calcimeasure.notices import Notice
from calcimeasure.radiograph import Spacing


def read_plain(data: bytes, kind: FileFormat, options: FilmOptions, where: str) -> FilmParts:
    """Read a PNG, JPEG or TIFF picture of a film.

    Raises
    ------
    FilmError
        If the picture is damaged, in colour, or one of several and none was named.
    """
    with warnings.catch_warnings():
        # Pillow and tifffile warn of odd tags; what matters of them shows in the pixels or the spacing.
        warnings.simplefilter("ignore")
        if kind is FileFormat.TIFF:
            picture = read_tiff(data, options.frame, where)
        else:
            _only_frame(options, where)
            picture = _read_flat(data, where)
    pixels, hidden, notices = picture.pixels, picture.hidden, list[Notice]()
    if pixels.ndim == 3:
        grey = grey_from_colour(pixels, where)
        pixels, notices = grey.pixels, list(grey.notices)
        if grey.marks is not None:
            hidden = grey.marks if hidden is None else hidden | grey.marks
    lowest, highest = value_range(pixels)
    shape = (pixels.shape[0], pixels.shape[1])
    spacing, doubts = _spacing(picture.resolution, options, shape)
    corrected = options.magnification_corrected
    return FilmParts(
        pixels=pixels,
        lowest=lowest,
        highest=highest,
        spacing=spacing,
        bone_is_low=picture.white_is_low,
        padding=hidden,
        frame=picture.frame,
        warnings=[
            *notices,
            *doubts,
            *spacing_doubts(spacing, SpacingTags(), shape, magnification_corrected=corrected),
        ],
    )


def _read_flat(data: bytes, where: str) -> Picture:
    """Decode a PNG or JPEG, as its orientation tag says."""
    from PIL import Image, UnidentifiedImageError

    if (cost := check_cost(data)) is not None:
        raise damaged_film(cost, where)
    header = frame_header(data)
    if header is not None and (header.precision != 8 or header.marker in LOSSLESS_MARKERS):
        return _read_deep_jpeg(data, header, where)
    try:
        with Image.open(BytesIO(data), formats=("PNG", "JPEG")) as image:
            size = len(image.getbands()) * (2 if _is_deep(data) else 1)
            check_size(image.height, image.width, where, bytes_a_pixel=size, coded_bytes=len(data))
            image.load()
            pixels, hidden = _pixels_of(image, data, where)
            picture = Picture(pixels=pixels, hidden=hidden, resolution=_resolution(image))
            return upright(picture, image.getexif().get(ORIENTATION_TAG))
    except FilmError:
        raise
    except Image.DecompressionBombError as error:
        raise damaged_film("the file claims more pixels than any film has", where) from error
    except UnidentifiedImageError as error:
        raise DecoderError(
            "the picture is coded in a way that cannot be read", where=where, remedy="Save it as PNG or TIFF."
        ) from error
    except Exception as error:
        # Pillow lets many kinds of exception out on damaged files.
        raise damaged_film("the picture is damaged or cut off", where) from error


def _read_deep_jpeg(data: bytes, header: FrameHeader, where: str) -> Picture:
    """Decode a JPEG that Pillow does not: of 12 or 16 bits, or lossless."""
    size = 2 * max(header.components, 1)
    check_size(header.rows, header.columns, where, bytes_a_pixel=size, coded_bytes=len(data))
    if is_cut_off(data):
        raise damaged_film("the picture is damaged or cut off", where)
    try:
        return Picture(pixels=decode(without_padding(data)))
    except Exception as error:
        # The decoder's own kinds of error.
        raise DecoderError(
            "the picture is coded in a way that cannot be read", where=where, remedy="Save it as PNG or TIFF."
        ) from error


def _is_deep(data: bytes) -> bool:
    """Return whether a PNG has 16 bits a channel."""
    return data.startswith(b"\x89PNG") and data[24:25] == b"\x10"


def _pixels_of(image: Any, data: bytes, where: str) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return the pixels of an opened picture in their full depth, and where it is transparent."""
    if image.mode == "1":
        raise FilmError("the picture is one of black and white bits", where=where, remedy="Give the film itself.")
    if image.mode.startswith("I"):
        pixels = np.asarray(image)
        return (pixels.astype(np.uint16) if pixels.dtype.itemsize > 2 else pixels), None
    deep = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if _is_deep(data) else None
    if image.format == "PNG" and deep is not None and deep.dtype == np.uint16:
        # Pillow makes 8 bits of 16-bit colour.
        hidden = deep[:, :, 3] == 0 if deep.ndim == 3 and deep.shape[2] == 4 else None
        return (deep[:, :, 2::-1] if deep.ndim == 3 else deep), hidden
    if image.mode == "L" and "transparency" not in image.info:
        return np.asarray(image), None
    if "A" in image.mode or "transparency" in image.info:
        colour = np.asarray(image.convert("RGBA"))
        return colour[:, :, :3], colour[:, :, 3] == 0
    return np.asarray(image.convert("RGB")), None


def _resolution(image: Any) -> Resolution | None:
    if image.info.get("jfif_unit") == 0 and "jfif_density" in image.info:
        x_density, y_density = image.info["jfif_density"]
        return resolution_from_density(float(x_density), float(y_density), None, "the JFIF density")
    if "dpi" in image.info:
        x_density, y_density = image.info["dpi"]
        source = f"the {image.format} resolution tag"
        return resolution_from_density(float(x_density), float(y_density), MM_AN_INCH, source)
    if "aspect" in image.info:
        x_density, y_density = image.info["aspect"]
        return resolution_from_density(float(x_density), float(y_density), None, "the PNG pixel shape")
    return None


def _spacing(
    resolution: Resolution | None, options: FilmOptions, shape: tuple[int, int]
) -> tuple[Spacing, list[Notice]]:
    if options.spacing_mm is not None:
        return choose_spacing(SpacingTags(), user_mm=options.spacing_mm), []
    spacing = believable_spacing(resolution, shape)
    return spacing, resolution_doubts(spacing)


def _only_frame(options: FilmOptions, where: str) -> None:
    if options.frame is not None and options.frame > 1:
        raise FilmError(
            f"frame {options.frame} was asked for and the file holds 1", where=where, remedy="Leave --frame out."
        )
