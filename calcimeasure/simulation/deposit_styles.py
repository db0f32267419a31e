"""Styles of deposits: other ways of drawing them than as calcium in the beam.

``standard`` deposits are pieces of known thickness in the beam (`deposit_kinds`). Those of ``blobs`` and ``left_out``
are grey: added to the finished film's values as so many millimetres of calcium would stand out there, with a blur of
their own, whatever the film's physics. Their footprint is known as exactly: it is a polygon before the blur.

``blobs`` are fields cut off at a level: sums of smooth bumps, or fractal noise about a middle. ``left_out`` is never
drawn in training: clusters of flat polygons with straight edges and corners.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np

from calcimeasure.simulation.bone_styles import ANY, LEFT_OUT, STANDARD
from calcimeasure.simulation.calcium_deposits import (
    CONTOUR_POINTS,
    CalciumDeposit,
    DepositPiece,
    FootprintPiece,
    ThicknessProfile,
)
from calcimeasure.simulation.geometry import polygon_area
from calcimeasure.simulation.smoothing import smooth_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calcimeasure.simulation.geometry import Points

BLOBS = "blobs"
DEPOSIT_STYLES = (STANDARD, BLOBS, LEFT_OUT, ANY)
BLOB_SHARE = 0.4  # of the films of `any`
BLOB_KINDS = ("metaballs", "bump", "fractal")
CELLS = 128
OWN_REACH = 1.0  # the field of a blob covers -1 to 1 of its own frame
SMALLEST_PART = 0.02  # of a blob's area
WIDEST_PART_GAP = 0.08  # of its own frame
THINNEST_MM, THICKEST_MM = 0.35, 2.4  # 1.2 mm stand out as far as bone does
BLURS_MM = (0.08, 0.45)


def resolved_style(rng: np.random.Generator, style: str) -> str:
    """Return the style of one film's deposits: ``any`` is blobs four times in ten, and never what is left out."""
    if style != ANY:
        return style
    return BLOBS if rng.random() < BLOB_SHARE else STANDARD


@dataclass(frozen=True, kw_only=True, eq=False)
class FieldPiece:
    """A piece whose footprint is where a smooth field exceeds a level.

    Attributes
    ----------
    values
        (CELLS, CELLS) float32 field over -1 to 1 of its own frame, rows along y; below `level` at its border.
    contour
        (n, 2) polygon of the footprint in its own frame.
    level, highest
        The field at the footprint's edge and at its top.
    matrix, centre_mm
        The (x, y) position in mm is ``matrix @ own + centre_mm``.
    thickness_mm
        What its top stands out by, as pure hydroxyapatite.
    step, power
        Share of the thickness that its edge has at once, and how the rest rises towards the top.
    """

    values: NDArray[np.float32]
    contour: Points
    level: float
    highest: float
    matrix: Points
    centre_mm: Points
    thickness_mm: float
    step: float
    power: float

    @cached_property
    def outline(self) -> Points:
        """(n, 2) polygon of the footprint in mm."""
        return self.contour @ self.matrix.T + self.centre_mm

    @cached_property
    def area_mm2(self) -> float:
        """Footprint area of this piece alone."""
        return abs(polygon_area(self.outline))

    @cached_property
    def volume_mm3(self) -> float:
        """Thickness integrated over the footprint."""
        cell = (2 * OWN_REACH / CELLS) ** 2
        return float(self._profile(self.values).sum(dtype=np.float64) * cell * abs(np.linalg.det(self.matrix)))

    @property
    def narrowest_mm(self) -> float:
        """Its width where it is narrow, for the choice of sub-samples."""
        own = np.sqrt(abs(polygon_area(self.contour)) * 4 / np.pi)
        return float(np.min(np.linalg.svd(self.matrix, compute_uv=False)) * own)

    def moved(self, matrix: Points, translation_mm: Points, *, thickness_factor: float = 1.0) -> FieldPiece:
        """Return the piece after ``new = matrix @ old + translation_mm`` with its thickness multiplied."""
        return replace(
            self,
            matrix=matrix @ self.matrix,
            centre_mm=matrix @ self.centre_mm + translation_mm,
            thickness_mm=self.thickness_mm * thickness_factor,
        )

    def thickness_at(self, points_mm: Points) -> NDArray[np.float64]:
        """Return the thickness at (..., 2) points, 0 outside the footprint."""
        own = (points_mm - self.centre_mm) @ np.linalg.inv(self.matrix).T
        place = ((own + OWN_REACH) * (CELLS / (2 * OWN_REACH)) - 0.5).astype(np.float32)
        field = cv2.remap(self.values, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(self._profile(np.asarray(field, np.float32)), np.float64)

    def _profile(self, field: NDArray[np.float32]) -> NDArray[np.float32]:
        height = np.clip((field - self.level) / max(self.highest - self.level, 1e-6), 0, 1)
        rise = self.step + (1 - self.step) * height**self.power
        return np.asarray(np.where(field > self.level, self.thickness_mm * rise, 0), np.float32)


def make_grey_deposit(
    style: str, *, diameter_mm: float, rng: np.random.Generator, kind: str | None = None, aspect: float | None = None
) -> CalciumDeposit:
    """Return a deposit of ``blobs`` or ``left_out``, centred on (0, 0).

    Parameters
    ----------
    diameter_mm
        Of the circle with the same area: the footprint area is exactly ``pi / 4 * diameter_mm ** 2`` (to 0.1 %).
    kind
        One of `BLOB_KINDS`, for blobs; drawn when None.
    aspect
        Length over width; drawn when None.
    """
    thickness = 0.6 * diameter_mm**0.4 * float(np.exp(rng.normal(0, 0.45)))
    thickness = float(np.clip(thickness, THINNEST_MM, THICKEST_MM))
    aspect = float(rng.uniform(1.0, 1.8)) if aspect is None else aspect
    pieces: tuple[FootprintPiece, ...]
    if style == LEFT_OUT:
        pieces, kind = _polygons(rng, diameter_mm, thickness, aspect), "polygons"
    else:
        kind = str(rng.choice(BLOB_KINDS)) if kind is None else kind
        pieces = _blob(rng, kind, diameter_mm, thickness, aspect)
    deposit = CalciumDeposit(
        pieces=pieces, kind=kind, depth_ratio=float(rng.uniform(0.2, 1.0)), grey_blur_mm=float(rng.uniform(*BLURS_MM))
    )
    scale = np.sqrt(np.pi / 4 * diameter_mm**2 / deposit.area_mm2)
    return deposit.moved(np.eye(2) * scale, -np.array(deposit.centroid_mm) * scale)


def _frame(rng: np.random.Generator, half_mm: float, aspect: float) -> Points:
    angle = rng.uniform(0, np.pi)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(rotation @ np.diag([half_mm * np.sqrt(aspect), half_mm / np.sqrt(aspect)]))


def _blob(
    rng: np.random.Generator, kind: str, diameter_mm: float, thickness_mm: float, aspect: float
) -> tuple[FieldPiece, ...]:
    field = _FIELDS[kind](rng)
    level = float(np.quantile(field, 1 - float(rng.uniform(0.14, 0.3))))
    frame, step, power = _frame(rng, diameter_mm, aspect), float(rng.uniform(0.15, 0.7)), float(rng.uniform(0.4, 1.0))
    return tuple(
        FieldPiece(
            values=values,
            contour=contour,
            level=level,
            highest=float(field.max()),
            matrix=frame,
            centre_mm=np.zeros(2),
            thickness_mm=thickness_mm,
            step=step,
            power=power,
        )
        for values, contour in _parts(field, level)
    )


def _own_grid() -> tuple[Points, Points]:
    place = (np.arange(CELLS) + 0.5) * (2 * OWN_REACH / CELLS) - OWN_REACH
    x, y = np.meshgrid(place, place)
    return x, y


def _metaballs(rng: np.random.Generator) -> NDArray[np.float32]:
    x, y = _own_grid()
    field = np.zeros(x.shape)
    centre = np.zeros(2)
    for _ in range(int(rng.integers(2, 8))):
        size = float(rng.uniform(0.1, 0.26))
        field += float(rng.uniform(0.6, 1.2)) * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * size**2))
        centre = np.clip(centre * float(rng.choice([0.0, 1.0])) + rng.normal(0, 0.22, 2), -0.5, 0.5)
    return field.astype(np.float32)


def _bump(rng: np.random.Generator) -> NDArray[np.float32]:
    x, y = _own_grid()
    waves = 0.12 * smooth_noise(rng, x.shape, float(rng.uniform(10, 24)))
    return np.asarray(np.exp(-(x**2 + y**2) / (2 * 0.32**2)) * (1 + waves), np.float32)


def _fractal(rng: np.random.Generator) -> NDArray[np.float32]:
    x, y = _own_grid()
    rough = float(rng.uniform(0.4, 0.75))
    noise = np.zeros(x.shape, np.float32)
    for octave in range(4):
        noise += np.float32(rough**octave) * smooth_noise(rng, x.shape, 16 / 2**octave)
    noise /= noise.std()
    return np.asarray(1 - 1.9 * np.hypot(x, y) + float(rng.uniform(0.12, 0.3)) * noise, np.float32)


_FIELDS = {"metaballs": _metaballs, "bump": _bump, "fractal": _fractal}


def _parts(field: NDArray[np.float32], level: float) -> list[tuple[NDArray[np.float32], Points]]:
    """Return the parts of a field above a level, each alone without holes and with its contour.

    The largest part, and those so near to it that no more than a narrow gap parts them.
    """
    from skimage.measure import find_contours

    inside = (field > level).astype(np.uint8)
    inside[[0, -1]] = inside[:, [0, -1]] = 0
    _, parts, found, _ = cv2.connectedComponentsWithStats(inside, connectivity=4)
    areas = found[:, cv2.CC_STAT_AREA]
    largest = 1 + int(np.argmax(areas[1:]))
    reach = int(WIDEST_PART_GAP * CELLS / (2 * OWN_REACH))
    near = cv2.dilate((parts == largest).astype(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8)) > 0
    result = []
    for part in range(1, len(areas)):
        mine = parts == part
        if areas[part] < SMALLEST_PART * areas[largest] or not np.any(near & mine):
            continue
        values = _alone(field, mine, inside > 0, level)
        contours = [np.asarray(one[:, ::-1]) for one in find_contours(np.asarray(values, np.float64), level)]
        contour = max(contours, key=lambda one: abs(polygon_area(one)))[:-1]
        result.append((values, (contour + 0.5) * (2 * OWN_REACH / CELLS) - OWN_REACH))
    return result


def _alone(
    field: NDArray[np.float32], mine: NDArray[np.bool_], inside: NDArray[np.bool_], level: float
) -> NDArray[np.float32]:
    """Return the field with the other parts lowered below the level, and holes of this one raised above it."""
    below, above = np.float32(level - 0.02 * abs(level) - 1e-3), np.float32(level + 0.02 * abs(level) + 1e-3)
    values = np.where(inside & ~mine, below, field)
    values[[0, -1]] = np.minimum(values[[0, -1]], below)
    values[:, [0, -1]] = np.minimum(values[:, [0, -1]], below)
    outline, _ = cv2.findContours(mine.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros(field.shape, np.uint8), outline, -1, 1, -1) > 0
    return np.asarray(np.where(filled & ~mine, np.maximum(values, above), values), np.float32)


def _polygons(
    rng: np.random.Generator, diameter_mm: float, thickness_mm: float, aspect: float
) -> tuple[DepositPiece, ...]:
    """Return flat polygons side by side and over one another."""
    count = int(np.clip(rng.poisson(1 + 0.7 * diameter_mm), 1, 9))
    size = diameter_mm / np.sqrt(count)
    centres = [np.zeros(2)]
    for _ in range(count - 1):
        away = rng.uniform(0, 2 * np.pi)
        centres.append(
            centres[int(rng.integers(len(centres)))]
            + size * float(rng.uniform(0.6, 0.95)) * np.array([np.cos(away) * aspect, np.sin(away)])
        )
    return tuple(
        DepositPiece(
            radius=_polygon_radius(rng),
            matrix=_frame(rng, size / 2, float(rng.uniform(1.0, 1.6))),
            centre_mm=centre,
            thickness_mm=thickness_mm * float(rng.uniform(0.7, 1.0)),
            profile=ThicknessProfile.PLATEAU,
        )
        for centre in centres
    )


def _polygon_radius(rng: np.random.Generator) -> Points:
    """Return the distance of a polygon of four to seven sides from its middle, in every direction."""
    sides = int(rng.integers(4, 8))
    normals = (np.arange(sides) + rng.uniform(-0.25, 0.25, sides)) * (2 * np.pi / sides)
    distances = rng.uniform(0.75, 1.0, sides)
    angles = np.arange(CONTOUR_POINTS) * (2 * np.pi / CONTOUR_POINTS)
    facing = np.cos(angles[:, None] - normals[None])
    reach = np.where(facing > 0.05, distances[None] / np.maximum(facing, 0.05), np.inf)
    return np.asarray(reach.min(axis=1))
