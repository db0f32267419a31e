"""The rules that give a film its spacing and basis from header values.

Nothing here touches a file. The order of the rules is that of `docs/records.md`; DICOM PS3.3 section 10.7 says what
each attribute means, C.8.11 and C.8.6.2 where they come from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from calcimeasure.notices import Notice, NoticeCode
from calcimeasure.radiograph import Spacing, SpacingBasis

EQUAL_WITHIN = 0.005
_ROUNDING = 1e-9
# No radiograph has pixels of a millimetre; converters write it where they know nothing.
_PLACEHOLDER = (1.0, 1.0)
_LARGEST_MAGNIFICATION = 100.0
_SHORTEST_FILM_MM, _LONGEST_FILM_MM = 15.0, 2000.0
Pair = tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class SpacingTags:
    """Header values that bear on spacing; None where a tag is absent or is not numbers. Pairs are (row, column)."""

    pixel: tuple[float, ...] | None = None
    imager: tuple[float, ...] | None = None
    nominal_scanned: tuple[float, ...] | None = None
    calibration_type: str | None = None
    aspect_ratio: tuple[float, ...] | None = None
    magnification: float | None = None


def choose_spacing(
    tags: SpacingTags,
    *,
    user_mm: Pair | None = None,
    magnification_corrected: bool = False,
) -> Spacing:
    """Return the spacing by the first rule of `docs/records.md` that applies; the note names the tags.

    Values that are not finite, zero or negative count as absent. `user_mm` is what the user gave;
    `magnification_corrected` divides a detector spacing by the magnification factor, if that is above 1.
    """
    if user_mm is not None:
        note = f"given by the user: {_text(user_mm)} mm"
        return Spacing(row_mm=user_mm[0], col_mm=user_mm[1], basis=SpacingBasis.USER, note=note)
    spacing = _from_header(tags)
    if magnification_corrected and spacing.basis is SpacingBasis.DETECTOR:
        return _demagnified(spacing, tags.magnification)
    return spacing


def _from_header(tags: SpacingTags) -> Spacing:
    pixel, imager, scanned = (_known(pair) for pair in (tags.pixel, tags.imager, tags.nominal_scanned))
    reference, name = (imager, "ImagerPixelSpacing") if imager else (scanned, "NominalScannedPixelSpacing")
    differs = False
    if pixel and reference:
        both = f"PixelSpacing {_text(pixel)} mm, {name} {_text(reference)} mm"
        if any(p > r and not _equal(p, r) for p, r in zip(pixel, reference, strict=True)):
            note = f"the header contradicts itself, a pixel cannot be larger in the patient: {both}"
            return Spacing(pixel_aspect=pixel[0] / pixel[1], note=note)
        differs = not all(_equal(p, r) for p, r in zip(pixel, reference, strict=True))
    calibration = (tags.calibration_type or "").strip()
    if pixel and (calibration or differs):
        note = f"PixelSpacing {_text(pixel)} mm"
        note += f", PixelSpacingCalibrationType {calibration}" if calibration else ""
        note += f", differs from {name} {_text(reference)} mm" if differs and reference else ""
        return _found(pixel, SpacingBasis.CALIBRATED, note)
    if imager:
        return _found(imager, SpacingBasis.DETECTOR, f"ImagerPixelSpacing {_text(imager)} mm")
    if scanned:
        return _found(scanned, SpacingBasis.SCANNED_FILM, f"NominalScannedPixelSpacing {_text(scanned)} mm")
    if pixel:
        note = f"PixelSpacing {_text(pixel)} mm alone: whether it is calibrated is unknown"
        return _found(pixel, SpacingBasis.ASSUMED_DETECTOR, note)
    return _nothing(tags)


def _nothing(tags: SpacingTags) -> Spacing:
    present = [
        f"{name} {_text(value)}"
        for name, value in (
            ("PixelSpacing", tags.pixel),
            ("ImagerPixelSpacing", tags.imager),
            ("NominalScannedPixelSpacing", tags.nominal_scanned),
        )
        if value
    ]
    placeholder = any(usable(pair) == _PLACEHOLDER for pair in (tags.pixel, tags.imager, tags.nominal_scanned))
    said = "what converters write that know no spacing" if placeholder else "not lengths"
    note = f"{said}: {', '.join(present)}" if present else "the file states no spacing"
    aspect = usable(tags.aspect_ratio)
    if aspect is None:
        return Spacing(note=note)
    return Spacing(pixel_aspect=aspect[0] / aspect[1], note=f"{note}; PixelAspectRatio {_text(aspect)}")


def _demagnified(spacing: Spacing, factor: float | None) -> Spacing:
    if factor is None or not 1 < factor < _LARGEST_MAGNIFICATION or spacing.mm is None:
        return spacing
    return replace(
        spacing,
        row_mm=spacing.mm[0] / factor,
        col_mm=spacing.mm[1] / factor,
        basis=SpacingBasis.MAGNIFICATION_CORRECTED,
        note=f"{spacing.note} / EstimatedRadiographicMagnificationFactor {factor:g}",
    )


def spacing_doubts(
    spacing: Spacing, tags: SpacingTags, shape: tuple[int, int], *, magnification_corrected: bool = False
) -> list[Notice]:
    """Return warnings about a spacing that `choose_spacing` gave for the tags of a film of this shape."""
    doubts: dict[NoticeCode, str] = {}
    stated = (tags.pixel, tags.imager, tags.nominal_scanned)
    if spacing.basis is SpacingBasis.NONE and any(usable(pair) == _PLACEHOLDER for pair in stated):
        text = f"No millimetres: {spacing.note}. Use --spacing if you know the right one."
        doubts[NoticeCode.SPACING_PLACEHOLDER] = text
    elif spacing.basis is SpacingBasis.NONE and usable(tags.pixel):
        text = f"No millimetres: {spacing.note}. Use --spacing if you know the right one."
        doubts[NoticeCode.SPACING_UNUSABLE] = text
    if magnification_corrected and spacing.basis is not SpacingBasis.MAGNIFICATION_CORRECTED:
        needs = "it needs ImagerPixelSpacing and an EstimatedRadiographicMagnificationFactor above 1"
        doubts[NoticeCode.MAGNIFICATION_NOT_CORRECTED] = (
            f"The correction for magnification was not applied: {needs}; the basis is '{spacing.basis}'."
        )
    if spacing.mm is not None:
        rows_mm, columns_mm = shape[0] * spacing.mm[0], shape[1] * spacing.mm[1]
        if not _SHORTEST_FILM_MM <= max(rows_mm, columns_mm) <= _LONGEST_FILM_MM:
            doubts[NoticeCode.FILM_SIZE_IMPLAUSIBLE] = (
                f"With this spacing the film is {rows_mm:.0f} x {columns_mm:.0f} mm, which no film is."
            )
        aspect = usable(tags.aspect_ratio)
        given = spacing.basis is SpacingBasis.USER
        if given and aspect and not _equal(spacing.mm[0] / spacing.mm[1], aspect[0] / aspect[1]):
            doubts[NoticeCode.PIXEL_ASPECT_DISAGREES] = (
                f"PixelAspectRatio {_text(aspect)} does not fit the spacing that was given."
            )
    return [Notice(code, text) for code, text in doubts.items()]


def label_spacing_warnings(stated_mm: Pair | None, spacing: Spacing) -> list[Notice]:
    """Return a warning where a label file states another (row, column) spacing than the film it belongs to."""
    if stated_mm is None or spacing.mm is None or all(map(_equal, stated_mm, spacing.mm)):
        return []
    text = (
        f"The segmentation was made with a spacing of {stated_mm[0]:g} x {stated_mm[1]:g} mm; "
        f"areas are measured with the film's {spacing.mm[0]:g} x {spacing.mm[1]:g} mm."
    )
    return [Notice(NoticeCode.LABEL_SPACING_DIFFERS, text)]


def _known(values: tuple[float, ...] | None) -> Pair | None:
    pair = usable(values)
    return None if pair == _PLACEHOLDER else pair


def usable(values: tuple[float, ...] | None) -> Pair | None:
    """Return the pair when it is two positive finite numbers; anything else counts as absent."""
    if values is None or len(values) != 2 or not all(math.isfinite(v) and v > 0 for v in values):
        return None
    # Two numbers so far apart that their ratio is lost are no shape of a pixel.
    return (values[0], values[1]) if 0 < values[0] / values[1] < math.inf else None


def _equal(value: float, reference: float) -> bool:
    return abs(value - reference) <= EQUAL_WITHIN * reference * (1 + _ROUNDING)


def _found(pair: Pair, basis: SpacingBasis, note: str) -> Spacing:
    return Spacing(row_mm=pair[0], col_mm=pair[1], basis=basis, note=note)


def _text(values: tuple[float, ...]) -> str:
    return "\\".join(f"{v:g}" for v in values)
