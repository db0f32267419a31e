"""What else is on a film: the collimated field, the lead marker, burned-in text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calcimeasure.simulation.geometry import Points
    from calcimeasure.simulation.rays import Grid

LEAD_MM = 1.0
PLATE_LEVEL = 3  # of 255: its plastic stops as much as a hundredth of the letter does


@dataclass(frozen=True, kw_only=True)
class Furniture:
    """What lies in and on the film besides the limb.

    Attributes
    ----------
    margins_mm
        Collimated away at the top, right, bottom and left; the field is a rectangle within them.
    collimation_deg
        Its rotation on the film.
    marker
        Letter of lead, or "" for none.
    marker_style
        ``plain``, ``ring`` or ``plate``.
    marker_size_mm
        Height of the letter.
    text
        Lines burned into the corner; none by default.
    """

    margins_mm: tuple[float, float, float, float] = (6.0, 6.0, 0.0, 6.0)
    collimation_deg: float = 0.0
    marker: str = "R"
    marker_style: str = "ring"
    marker_size_mm: float = 9.0
    text: tuple[str, ...] = ()


def draw_furniture(rng: np.random.Generator, *, side: str) -> Furniture:
    """Return a random collimation, marker and text."""
    margins = tuple(float(m) for m in np.clip(rng.normal(5, 6, 4), -2, 22))
    lines = (f"{rng.integers(44, 60)} KV  {rng.integers(2, 9)} MAS", f"SID {rng.integers(100, 116)}")
    return Furniture(
        margins_mm=(margins[0], margins[1], min(margins[2], 4.0), margins[3]),
        collimation_deg=float(np.clip(rng.normal(0, 2.0), -8, 8)),
        marker=("R" if side == "B" else side) if rng.random() < 0.9 else "",
        marker_style=str(rng.choice(["plain", "ring", "plate"])),
        marker_size_mm=float(rng.uniform(6, 13)),
        text=lines if rng.random() < 0.3 else (),
    )


def collimated_field(furniture: Furniture, grid: Grid) -> NDArray[np.bool_]:
    """Return where the beam reaches the film."""
    shape, spacing = grid
    corners = field_corners(furniture, (shape[0] * spacing[0], shape[1] * spacing[1]))
    mask = np.zeros(shape, np.uint8)
    pixels = corners / np.array([spacing[1], spacing[0]]) - 0.5
    cv2.fillPoly(mask, [np.round(pixels * 256).astype(np.int32)], 1, shift=8)
    return mask.astype(bool)


def field_corners(furniture: Furniture, size_mm: tuple[float, float]) -> Points:
    """Return the (x, y) corners of the collimated field on a film of (height, width)."""
    height, width = size_mm
    top, right, bottom, left = furniture.margins_mm
    corners = np.array([[left, top], [width - right, top], [width - right, height - bottom], [left, height - bottom]])
    angle = np.deg2rad(furniture.collimation_deg)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = corners.mean(axis=0)
    return np.asarray((corners - middle) @ rotation.T + middle)


def lead_marker(
    furniture: Furniture, grid: Grid, field: NDArray[np.bool_], limb: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float32] | None:
    """Return the marker's thickness of lead, put where there is room next to the limb; None where there is none."""
    if not furniture.marker:
        return None
    shape, spacing = grid
    size = furniture.marker_size_mm
    room = _room(field & ~limb, spacing, size)
    if room is None:
        return None
    row, col = room[int(rng.integers(len(room)))]
    reach = int(size * 1.3 / min(spacing)) + 2
    patch = _letter(furniture, reach, min(spacing), float(rng.normal(0, 6) + rng.choice([0, 0, 0, 90])))
    result = np.zeros((shape[0] + 2 * reach, shape[1] + 2 * reach), np.float32)
    result[row : row + 2 * reach + 1, col : col + 2 * reach + 1] = patch * LEAD_MM
    return result[reach:-reach, reach:-reach]


def _room(free: NDArray[np.bool_], spacing: tuple[float, float], size_mm: float) -> NDArray[np.int64] | None:
    """Return (row, column) places, on a coarse grid, far enough from everything."""
    step = 4
    small = np.pad(free[::step, ::step].astype(np.uint8), 1)
    distance = cv2.distanceTransform(small, cv2.DIST_L2, 5)[1:-1, 1:-1] * step * min(spacing)
    places = np.argwhere(distance > size_mm * 1.15)
    return places * step if len(places) else None


def _letter(furniture: Furniture, reach: int, pixel_mm: float, rotation_deg: float) -> NDArray[np.float32]:
    side = 2 * reach + 1
    image = np.zeros((side, side), np.uint8)
    tall = furniture.marker_size_mm / pixel_mm * (0.62 if furniture.marker_style == "ring" else 1.0)
    font = cv2.FONT_HERSHEY_SIMPLEX
    scale = tall / 21.0
    thick = max(round(tall / 8), 1)
    (width, height), _ = cv2.getTextSize(furniture.marker, font, scale, thick)
    place = (reach - width // 2, reach + height // 2)
    if furniture.marker_style == "plate":
        cv2.rectangle(image, (reach - width, reach - height), (reach + width, reach + height), PLATE_LEVEL, -1)
    cv2.putText(image, furniture.marker, place, font, scale, 255, thick, cv2.LINE_AA)
    if furniture.marker_style == "ring":
        cv2.circle(image, (reach, reach), round(furniture.marker_size_mm / pixel_mm * 0.62), 255, thick, cv2.LINE_AA)
    rotation = cv2.getRotationMatrix2D((reach, reach), rotation_deg, 1.0)
    return np.asarray(cv2.warpAffine(image, rotation, (side, side)), np.float32) / np.float32(255)


def burn_text(image: NDArray[np.uint16], furniture: Furniture, highest: int) -> None:
    """Write the lines of text into the corner of a finished film, in place."""
    scale = max(image.shape) / 2200
    for number, line in enumerate(furniture.text):
        place = (int(20 * scale), int((40 + 42 * number) * scale))
        overlay = np.zeros(image.shape, np.uint8)
        cv2.putText(
            overlay, line, place, cv2.FONT_HERSHEY_SIMPLEX, 1.1 * scale, 255, max(round(2 * scale), 1), cv2.LINE_AA
        )
        np.copyto(image, np.uint16(highest), where=overlay > 127)
