"""From the parts of a file to the canonical film: polarity, padding, values that are not numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calcimeasure.errors import FilmError
from calcimeasure.io.film_options import FilmOptions
from calcimeasure.io.film_parts import FilmParts
from calcimeasure.io.polarity import Polarity, judge_polarity
from calcimeasure.notices import Notice, NoticeCode, unique_notices
from calcimeasure.radiograph import GreyScale, Identity, Radiograph

GIVEN_WARNING = Notice(
    NoticeCode.POLARITY_DISAGREES,
    "In the picture bone seems to have the smaller values; an array is taken as it is given. Look at it: if bone is "
    "bright, nothing needs doing; if it is dark, give invert=True.",
)
DECLARED_WARNING = Notice(
    NoticeCode.POLARITY_REVERSED,
    "Shown as the file declares, bone would seem to be dark, so the film was turned round. Look at the overlay: if "
    "bone is bright there, nothing needs doing; if it is dark, run again with --no-invert (in a pair "
    "--baseline-no-invert or --followup-no-invert; in a study, write no under invert in films.csv).",
)


def make_film(parts: FilmParts, options: FilmOptions, *, sha256: str = "", path: Path | None = None) -> Radiograph:
    """Return the film of the parts of a file: more calcium is a larger value."""
    where = str(path) if path else "array"
    # A copy even of float32 pixels: the film is read-only, the caller's array is the caller's.
    pixels = parts.pixels.astype(np.float32)
    padding = _padding_with_missing(pixels, parts, where)
    _fill(pixels, padding, value=parts.highest if parts.bone_is_low else parts.lowest)
    inverted = _must_invert(pixels, padding, parts, options)
    window = parts.window
    if inverted:
        total = np.float32(parts.lowest + parts.highest)
        np.subtract(total, pixels, out=pixels)
        window = None if window is None else (float(total) - window[1], float(total) - window[0])
    _fill_with_darkest(pixels, padding)
    grey = GreyScale(
        lowest=parts.lowest,
        highest=parts.highest,
        window=window,
        relationship=parts.relationship,
        processing_intent=parts.processing_intent,
        inverted=inverted,
    )
    if pixels.size and float(np.ptp(pixels)) == 0:
        text = "Every pixel has the same value: there is nothing to see on this film."
        parts.warnings.append(Notice(NoticeCode.FILM_UNIFORM, text))
    return Radiograph(
        pixels=pixels,
        spacing=parts.spacing,
        grey=grey,
        identity=_overridden(parts.identity, options),
        sha256=sha256,
        padding=padding,
        path=path,
        frame=parts.frame,
        warnings=unique_notices(*parts.warnings),
    )


def _must_invert(
    pixels: NDArray[np.float32], padding: NDArray[np.bool_] | None, parts: FilmParts, options: FilmOptions
) -> bool:
    """Return whether the values must be inverted, and warn where the image contradicts the file."""
    if options.invert is not None:
        return parts.bone_is_low != options.invert
    verdict = judge_polarity(pixels, padding) if parts.shows_a_limb else Polarity.UNSURE
    bone_seen_low = {Polarity.BONE_HIGH: False, Polarity.BONE_LOW: True}.get(verdict, parts.bone_is_low)
    if bone_seen_low == parts.bone_is_low:
        return bone_seen_low
    if parts.direction_is_given:
        parts.warnings.append(GIVEN_WARNING)
        return parts.bone_is_low
    parts.warnings.append(DECLARED_WARNING)
    return bone_seen_low


def _padding_with_missing(pixels: NDArray[np.float32], parts: FilmParts, where: str) -> NDArray[np.bool_] | None:
    """Add values that are no numbers to the padding."""
    if parts.pixels.dtype.kind != "f":
        return parts.padding
    missing = ~np.isfinite(pixels)
    count = int(missing.sum())
    if count == 0:
        return parts.padding
    if count == pixels.size:
        raise FilmError("no pixel holds a number", where=where, remedy="Export the film again.")
    text = f"{count} pixels hold no number; they count as not recorded."
    parts.warnings.append(Notice(NoticeCode.PIXELS_NOT_FINITE, text))
    return missing if parts.padding is None else missing | parts.padding


def _fill(pixels: NDArray[np.float32], padding: NDArray[np.bool_] | None, *, value: float) -> None:
    if padding is not None:
        pixels[padding] = value


def _fill_with_darkest(pixels: NDArray[np.float32], padding: NDArray[np.bool_] | None) -> None:
    """Give pixels without a picture the darkest value that the picture has: never that of calcium."""
    if padding is not None and padding.any() and not padding.all():
        pixels[padding] = pixels[~padding].min()


def _overridden(identity: Identity, options: FilmOptions) -> Identity:
    return replace(
        identity,
        side=options.side or identity.side,
        body_part=options.body_part or identity.body_part,
        view=options.view or identity.view,
        study_date=options.study_date or identity.study_date,
    )
