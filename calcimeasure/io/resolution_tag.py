"""Whether the resolution tag of a plain picture is plausible.

Most programs write one whether or not they know it. A default is refused, and so is anything that would make the
film smaller or larger, or its pixels finer or coarser, than films are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from calcimeasure.notices import Notice, NoticeCode
from calcimeasure.radiograph import Spacing, SpacingBasis

MM_AN_INCH = 25.4
# What screens and programs write without knowing: 72 and 96 dpi, and their multiples for fine screens.
DEFAULT_DPI = (72.0, 96.0, 120.0, 144.0, 192.0)
_DEFAULT_WITHIN = 0.01
# Scanners write these, and editors too, where they do not know.
_ROUND_DPI = (100.0, 150.0, 200.0, 240.0, 250.0, 300.0, 350.0, 400.0, 600.0, 1200.0)
_ROUND_WITHIN = 0.002
_PIXEL_MM = (0.02, 0.5)
_SHORT_SIDE_MM = 25.0
_LONG_SIDE_MM = 1400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolution:
    """The spacing that resolution tags imply (None without a unit), the pixel aspect, and the tag in words."""

    row_mm: float | None = None
    col_mm: float | None = None
    pixel_aspect: float = 1.0
    source: str = ""


def resolution_from_density(
    x_density: float, y_density: float, unit_mm: float | None, source: str
) -> Resolution | None:
    """Return the resolution of pixels per unit; without a unit only the shape of a pixel is known."""
    if not all(math.isfinite(d) and d > 0 for d in (x_density, y_density)):
        return None
    if unit_mm is None:
        return Resolution(pixel_aspect=x_density / y_density, source=source)
    return Resolution(row_mm=unit_mm / y_density, col_mm=unit_mm / x_density, source=source)


def believable_spacing(resolution: Resolution | None, shape: tuple[int, int]) -> Spacing:
    """Return the spacing that a resolution tag gives when it can be believed, and none with the reason otherwise."""
    if resolution is None:
        return Spacing(note="the file states no spacing")
    if resolution.row_mm is None or resolution.col_mm is None:
        return Spacing(pixel_aspect=resolution.pixel_aspect, note=f"{resolution.source} gives no unit")
    found = f"{resolution.source}, {resolution.row_mm:.4g}\\{resolution.col_mm:.4g} mm"
    doubt = _doubt(resolution.row_mm, resolution.col_mm, shape)
    if doubt:
        return Spacing(pixel_aspect=resolution.row_mm / resolution.col_mm, note=f"{found}: not believed, {doubt}")
    return Spacing(row_mm=resolution.row_mm, col_mm=resolution.col_mm, basis=SpacingBasis.FILE_RESOLUTION, note=found)


def resolution_doubts(spacing: Spacing) -> list[Notice]:
    """Return a warning where a resolution tag that was believed is one that editors write without knowing."""
    if spacing.basis is not SpacingBasis.FILE_RESOLUTION or spacing.mm is None:
        return []
    for dpi in _ROUND_DPI:
        if all(abs(MM_AN_INCH / mm - dpi) <= _ROUND_WITHIN * dpi for mm in spacing.mm):
            text = (
                f"The millimetres rest on the file's resolution tag of {dpi:g} dpi, which editors also write when they "
                "do not know. Unless the film was scanned so, give the right spacing with --spacing."
            )
            return [Notice(NoticeCode.RESOLUTION_DOUBTFUL, text)]
    return []


def _doubt(row_mm: float, col_mm: float, shape: tuple[int, int]) -> str | None:
    for default in DEFAULT_DPI:
        if all(abs(MM_AN_INCH / mm - default) <= _DEFAULT_WITHIN * default for mm in (row_mm, col_mm)):
            return f"{default:g} dpi is what programs write when they do not know"
    if not all(_PIXEL_MM[0] <= mm <= _PIXEL_MM[1] for mm in (row_mm, col_mm)):
        return "no film has such pixels"
    sides = sorted((shape[0] * row_mm, shape[1] * col_mm))
    if sides[0] < _SHORT_SIDE_MM or sides[1] > _LONG_SIDE_MM:
        return f"the film would be {sides[0]:.0f} x {sides[1]:.0f} mm"
    return None
