"""The pixel grid of a film."""

from __future__ import annotations

from dataclasses import dataclass

from calcimeasure.simulation.limb_parts import part_named

USUAL_SPACING_MM = 0.115


@dataclass(frozen=True, kw_only=True)
class FilmFormat:
    """The pixel grid.

    Attributes
    ----------
    shape
        (rows, columns).
    spacing_mm
        (row, column) at the detector.
    """

    shape: tuple[int, int] = (2500, 2048)
    spacing_mm: tuple[float, float] = (0.115, 0.115)

    @property
    def pixel_mm2(self) -> float:
        """Area of a pixel."""
        return self.spacing_mm[0] * self.spacing_mm[1]

    @property
    def size_mm(self) -> tuple[float, float]:
        """(height, width) of the film."""
        return (self.shape[0] * self.spacing_mm[0], self.shape[1] * self.spacing_mm[1])


def format_at(spacing_mm: float | None, *, part: str = "hand") -> FilmFormat:
    """Return the usual film of a part at a pixel spacing; 0.115 mm when None."""
    pixel_spacing = USUAL_SPACING_MM if spacing_mm is None else spacing_mm
    height, width = part_named(part).film_mm
    return FilmFormat(
        shape=(round(height / pixel_spacing), round(width / pixel_spacing)), spacing_mm=(pixel_spacing, pixel_spacing)
    )
