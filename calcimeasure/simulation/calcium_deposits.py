"""Deposits of known shape: their thickness along the beam, and the truth about them.

A deposit is a set of *pieces*. A piece has a star-shaped contour, a thickness profile from its middle to that contour
and an affine frame, so that posing, magnifying and growing a deposit are products of matrices and its footprint stays
known in closed form. `deposit_kinds` draws the kinds that films show; nothing here knows of limbs or X-rays.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from calcimeasure.errors import UsageError
from calcimeasure.simulation.geometry import Points, polygon_area, union_area, union_centroid

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

CONTOUR_POINTS = 360
SUBSAMPLES_ACROSS = 96
FEWEST_ACROSS = 40  # of one piece among many, whose errors cancel
FEWEST_SUBSAMPLES = 4
MOST_SUBSAMPLES = 48
POLAR_RINGS = 256
THINNEST = 0.1  # textures never thin a deposit to less than this share of its profile


class ThicknessProfile(StrEnum):
    """How the thickness falls from the middle of a piece (0) to its contour (1)."""

    PLATEAU = "plateau"
    BEVEL = "bevel"
    ELLIPSOID = "ellipsoid"
    SHELL = "shell"


def _plateau(rho: NDArray[np.float64], _edge: float) -> NDArray[np.float64]:
    return np.ones_like(rho)


def _bevel(rho: NDArray[np.float64], edge: float) -> NDArray[np.float64]:
    return np.minimum((1 - rho) / edge, 1.0)


def _ellipsoid(rho: NDArray[np.float64], _edge: float) -> NDArray[np.float64]:
    return np.sqrt(np.maximum(1 - rho * rho, 0))


def _shell(rho: NDArray[np.float64], edge: float) -> NDArray[np.float64]:
    hollow = 1 - edge
    inner = np.sqrt(np.maximum(hollow**2 - rho * rho, 0))
    # Scaled so that the thickest place, the rim of the hollow, has the piece's thickness.
    outer = np.sqrt(np.maximum(1 - rho * rho, 0))
    return np.asarray((outer - inner) / np.sqrt(1 - hollow**2))


_PROFILES: dict[ThicknessProfile, Callable[[NDArray[np.float64], float], NDArray[np.float64]]] = {
    ThicknessProfile.PLATEAU: _plateau,
    ThicknessProfile.BEVEL: _bevel,
    ThicknessProfile.ELLIPSOID: _ellipsoid,
    ThicknessProfile.SHELL: _shell,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class DepositPiece:
    """One grain, nodule or plate.

    Attributes
    ----------
    radius
        (CONTOUR_POINTS,) distance of the contour from the middle at evenly spaced angles, in the piece's own unit.
    matrix, centre_mm
        The (x, y) position in mm is ``matrix @ own + centre_mm``.
    profile, edge
        How the thickness falls towards the contour; `edge` is the bevelled share of the radius, or the wall of a shell.
    thickness_mm
        Pure hydroxyapatite with the same attenuation as the thickest place, before texture.
    waves
        (n, 4) texture: amplitude, wave vector (2) in own units, phase. May be empty.
    """

    radius: Points
    matrix: Points
    centre_mm: Points
    thickness_mm: float
    profile: ThicknessProfile = ThicknessProfile.ELLIPSOID
    edge: float = 0.2
    waves: Points = field(default_factory=lambda: np.zeros((0, 4)))

    def __post_init__(self) -> None:
        if self.radius.shape != (CONTOUR_POINTS,) or not np.all(self.radius > 0):
            raise UsageError(f"a contour needs {CONTOUR_POINTS} positive radii")
        if not (self.thickness_mm > 0 and 0 < self.edge <= 1 and np.linalg.det(self.matrix) != 0):
            raise UsageError("a piece needs a thickness, an edge in (0, 1] and a frame that is not flat")

    @cached_property
    def outline(self) -> Points:
        """(n, 2) polygon of the footprint in mm."""
        return self._own_contour() @ self.matrix.T + self.centre_mm

    @cached_property
    def area_mm2(self) -> float:
        """Footprint area of this piece alone."""
        return abs(polygon_area(self.outline))

    @cached_property
    def volume_mm3(self) -> float:
        """Thickness integrated over the footprint."""
        rho = (np.arange(POLAR_RINGS) + 0.5) / POLAR_RINGS
        own = rho[:, None, None] * self._own_contour()[None]
        thickness = self._profile_at(np.repeat(rho[:, None], CONTOUR_POINTS, axis=1)) * self._texture_at(own)
        # Between one ray and the next lies a triangle; a ring of it has the share 2 rho d(rho).
        x, y = own[-1, :, 0] / rho[-1], own[-1, :, 1] / rho[-1]
        triangle = 0.5 * (x * np.roll(y, -1) - y * np.roll(x, -1))
        share = (2 * rho / POLAR_RINGS)[:, None] * triangle[None]
        return float(abs(np.linalg.det(self.matrix)) * self.thickness_mm * (thickness * share).sum())

    @property
    def narrowest_mm(self) -> float:
        """Its width where it is narrow, for the choice of sub-samples."""
        return float(np.min(np.linalg.svd(self.matrix, compute_uv=False)) * 2 * self.radius.mean())

    def moved(self, matrix: Points, translation_mm: Points, *, thickness_factor: float = 1.0) -> DepositPiece:
        """Return the piece after ``new = matrix @ old + translation_mm`` with its thickness multiplied."""
        return replace(
            self,
            matrix=matrix @ self.matrix,
            centre_mm=matrix @ self.centre_mm + translation_mm,
            thickness_mm=self.thickness_mm * thickness_factor,
        )

    def thickness_at(self, points_mm: Points) -> NDArray[np.float64]:
        """Return the thickness at (..., 2) points, 0 outside the footprint."""
        inverse = np.linalg.inv(self.matrix)
        own = (points_mm - self.centre_mm) @ inverse.T
        distance = np.hypot(own[..., 0], own[..., 1])
        angle = np.arctan2(own[..., 1], own[..., 0]) * (CONTOUR_POINTS / (2 * np.pi)) % CONTOUR_POINTS
        first = angle.astype(np.int64) % CONTOUR_POINTS
        rho = distance / self._edge_distance(first, angle)
        inside = rho < 1
        thickness = np.zeros(rho.shape)
        thickness[inside] = self._profile_at(rho[inside]) * self._texture_at(own[inside]) * self.thickness_mm
        return thickness

    def _edge_distance(self, first: NDArray[np.int64], angle: NDArray[np.float64]) -> NDArray[np.float64]:
        # The contour between two radii is the chord, as in the polygon, not an arc.
        step = 2 * np.pi / CONTOUR_POINTS
        near = self.radius[first]
        far = self.radius[(first + 1) % CONTOUR_POINTS]
        beyond = (angle - first) * step
        return np.asarray(near * far * np.sin(step) / (near * np.sin(beyond) + far * np.sin(step - beyond)))

    def _own_contour(self) -> Points:
        angle = np.arange(CONTOUR_POINTS) * (2 * np.pi / CONTOUR_POINTS)
        return np.stack([self.radius * np.cos(angle), self.radius * np.sin(angle)], axis=1)

    def _profile_at(self, rho: NDArray[np.float64]) -> NDArray[np.float64]:
        return _PROFILES[self.profile](rho, self.edge)

    def _texture_at(self, own: Points) -> NDArray[np.float64]:
        texture = np.ones(own.shape[:-1])
        for amplitude, kx, ky, phase in self.waves:
            texture += amplitude * np.cos(kx * own[..., 0] + ky * own[..., 1] + phase)
        return np.maximum(texture, THINNEST) if len(self.waves) else texture


class FootprintPiece(Protocol):
    """What a deposit is made of: a footprint in closed form, and a thickness over it."""

    @property
    def outline(self) -> Points:
        """(n, 2) polygon of the footprint in mm."""

    @property
    def area_mm2(self) -> float:
        """Footprint area of this piece alone."""

    @property
    def volume_mm3(self) -> float:
        """Thickness integrated over the footprint."""

    @property
    def thickness_mm(self) -> float:
        """Of its thickest place, as pure hydroxyapatite."""

    @property
    def narrowest_mm(self) -> float:
        """Its width where it is narrow, for the choice of sub-samples."""

    def moved(self, matrix: Points, translation_mm: Points, *, thickness_factor: float = 1.0) -> FootprintPiece:
        """Return the piece after an affine map of the plane."""

    def thickness_at(self, points_mm: Points) -> NDArray[np.float64]:
        """Return the thickness at (..., 2) points, 0 outside the footprint."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CalciumDeposit:
    """A deposit as the simulator knows it, in the plane its frame puts it in.

    Attributes
    ----------
    pieces
        What it is made of; overlapping pieces add their thickness and count their footprint once.
    kind
        The kind it was drawn as (`calcimeasure.simulation.deposit_kinds.DepositKind`, or one of
        `calcimeasure.simulation.deposit_styles`).
    depth_ratio
        Its extent along the beam over its extent across: 0 is a flat plate, 1 a ball. Decides how a tilt shortens it.
    grey_blur_mm
        None for calcium in the beam. Else the deposit is added to the finished film's grey values with this blur.
    """

    pieces: tuple[FootprintPiece, ...]
    kind: str = ""
    depth_ratio: float = 0.0
    grey_blur_mm: float | None = None

    def __post_init__(self) -> None:
        if not self.pieces:
            raise UsageError("a deposit needs at least one piece")

    @property
    def outlines(self) -> tuple[Points, ...]:
        """The polygons of its pieces in mm, which may overlap."""
        return tuple(piece.outline for piece in self.pieces)

    @cached_property
    def area_mm2(self) -> float:
        """Footprint area: the union of its pieces, exact to 0.1 %."""
        return self.pieces[0].area_mm2 if len(self.pieces) == 1 else union_area(self.outlines)

    @cached_property
    def centroid_mm(self) -> tuple[float, float]:
        """(x, y) centroid of the footprint."""
        return union_centroid(self.outlines)

    @cached_property
    def volume_mm3(self) -> float:
        """Thickness integral in mm³ of hydroxyapatite-equivalent."""
        return sum(piece.volume_mm3 for piece in self.pieces)

    @property
    def points_mm(self) -> Points:
        """All vertices of its outlines."""
        return np.concatenate(self.outlines)

    def moved(self, matrix: Points, translation_mm: Points, *, thickness_factor: float = 1.0) -> CalciumDeposit:
        """Return the deposit after an affine map of the plane."""
        matrix, translation_mm = np.asarray(matrix, float), np.asarray(translation_mm, float)
        pieces = tuple(piece.moved(matrix, translation_mm, thickness_factor=thickness_factor) for piece in self.pieces)
        return replace(self, pieces=pieces)

    def grown(self, area_ratio: float, *, thickness_factor: float = 1.0) -> CalciumDeposit:
        """Return the deposit enlarged about its centroid so that its area is exactly `area_ratio` times as large."""
        if not area_ratio > 0:
            raise UsageError(f"an area cannot change by the factor {area_ratio}")
        scale = np.sqrt(area_ratio)
        centre = np.array(self.centroid_mm)
        return self.moved(np.eye(2) * scale, centre * (1 - scale), thickness_factor=thickness_factor)


def render_thickness(
    deposit: CalciumDeposit, *, shape: tuple[int, int], spacing_mm: tuple[float, float]
) -> tuple[NDArray[np.float32], tuple[slice, slice]]:
    """Return the mean thickness of a deposit in every pixel it touches.

    Every pixel is the mean over a grid of sub-samples fine enough for 0.1 % of the thickness integral.

    Parameters
    ----------
    deposit
        In detector millimetres: x along the columns, y down the rows, the corner of pixel (0, 0) at (0, 0).
    shape, spacing_mm
        The pixel grid, (rows, columns).

    Returns
    -------
    tuple
        float32 mm of hydroxyapatite, and where in the grid that patch lies; both empty when it lies outside.
    """
    row_mm, col_mm = spacing_mm
    points = deposit.points_mm
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    rows = slice(max(int(top // row_mm), 0), min(int(bottom // row_mm) + 1, shape[0]))
    cols = slice(max(int(left // col_mm), 0), min(int(right // col_mm) + 1, shape[1]))
    if rows.stop <= rows.start or cols.stop <= cols.start:
        return np.zeros((0, 0), np.float32), (slice(0, 0), slice(0, 0))
    patch = np.zeros((rows.stop - rows.start, cols.stop - cols.start), np.float32)
    across = max(FEWEST_ACROSS, SUBSAMPLES_ACROSS / np.sqrt(len(deposit.pieces)))
    for piece in deposit.pieces:
        _add_piece(patch, piece, (rows.start, cols.start), spacing_mm, across)
    return patch, (rows, cols)


def _add_piece(
    patch: NDArray[np.float32],
    piece: FootprintPiece,
    first: tuple[int, int],
    spacing_mm: tuple[float, float],
    across: float,
) -> None:
    first_row, first_col = first
    row_mm, col_mm = spacing_mm
    low, high = piece.outline.min(axis=0), piece.outline.max(axis=0)
    top = max(int(low[1] // row_mm), first_row)
    bottom = min(int(high[1] // row_mm) + 1, first_row + patch.shape[0])
    left = max(int(low[0] // col_mm), first_col)
    right = min(int(high[0] // col_mm) + 1, first_col + patch.shape[1])
    if bottom <= top or right <= left:
        return
    per_pixel = int(np.clip(np.ceil(across * max(spacing_mm) / piece.narrowest_mm), FEWEST_SUBSAMPLES, MOST_SUBSAMPLES))
    rows, cols = bottom - top, right - left
    y = (top + (np.arange(rows * per_pixel) + 0.5) / per_pixel) * row_mm
    x = (left + (np.arange(cols * per_pixel) + 0.5) / per_pixel) * col_mm
    points = np.empty((len(y), len(x), 2))
    points[..., 0], points[..., 1] = x[None], y[:, None]
    fine = piece.thickness_at(points).reshape(rows, per_pixel, cols, per_pixel)
    patch[top - first_row : bottom - first_row, left - first_col : right - first_col] += fine.mean(axis=(1, 3))
