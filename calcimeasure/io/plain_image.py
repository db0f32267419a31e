"""Read a plain picture: PNG, JPEG or TIFF, with its resolution only where that can be believed."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.errors import DecoderError, FilmError
from calcimeasure.io.file_format import FileFormat
from calcimeasure.io.film_options import FilmOptions
from calcimeasure.io.film_parts import FilmParts, Picture, check_size, damaged_film, grey_from_colour, value_range
from calcimeasure.io.pixel_spacing import SpacingTags, choose_spacing, spacing_doubts
from calcimeasure.io.resolution_tag import MM_AN_INCH, Resolution, believable_spacing, resolution_from_density
from calcimeasure.io.tiff_image import read_tiff
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
    pixels = picture.pixels
    if pixels.ndim == 3:
        pixels = grey_from_colour(pixels, where)
    lowest, highest = value_range(pixels)
    shape = (pixels.shape[0], pixels.shape[1])
    spacing = _spacing(picture.resolution, options, shape)
    return FilmParts(
        pixels=pixels,
        lowest=lowest,
        highest=highest,
        spacing=spacing,
        bone_is_low=picture.white_is_low,
        padding=picture.hidden,
        frame=picture.frame,
        warnings=spacing_doubts(spacing, SpacingTags(), shape, magnification_corrected=options.magnification_corrected),
    )


def _read_flat(data: bytes, where: str) -> Picture:
    """Decode a PNG or JPEG."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(data)) as image:
            check_size(image.height, image.width, where)
            image.load()
            pixels, hidden = _pixels_of(image, data, where)
            return Picture(pixels=pixels, hidden=hidden, resolution=_resolution(image))
    except Image.DecompressionBombError as error:
        raise damaged_film("the file claims more pixels than any film has", where) from error
    except UnidentifiedImageError as error:
        raise DecoderError(
            "the picture is coded in a way that cannot be read", where=where, remedy="Save it as PNG or TIFF."
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise damaged_film("the picture is damaged or cut off", where) from error


def _pixels_of(image: Any, data: bytes, where: str) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return the pixels of an opened picture in their full depth, and where it is transparent."""
    if image.mode == "1":
        raise FilmError("the picture is one of black and white bits", where=where, remedy="Give the film itself.")
    if image.mode.startswith("I"):
        pixels = np.asarray(image)
        return (pixels.astype(np.uint16) if pixels.dtype.itemsize > 2 else pixels), None
    deep = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data[24:25] == b"\x10" else None
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


def _spacing(resolution: Resolution | None, options: FilmOptions, shape: tuple[int, int]) -> Spacing:
    if options.spacing_mm is not None:
        return choose_spacing(SpacingTags(), user_mm=options.spacing_mm)
    return believable_spacing(resolution, shape)


def _only_frame(options: FilmOptions, where: str) -> None:
    if options.frame is not None and options.frame > 1:
        raise FilmError(
            f"frame {options.frame} was asked for and the file holds 1", where=where, remedy="Leave --frame out."
        )
