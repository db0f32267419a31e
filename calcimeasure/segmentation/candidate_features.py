"""Features of a candidate: size, contrast, edge, shape, place and surroundings.

No feature depends on the film's windowing or its pixel size: lengths are in millimetres, contrasts are shares of the
bone's own, noise is a ratio. All candidates of one cut are described together, from the list of their pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.image_filters import blur, gradient
from calcimeasure.segmentation.candidates import Cut
from calcimeasure.segmentation.classical_input import ClassicalInput

Values = NDArray[np.float64]

_BLUR_SIGMAS_MM = (0.4, 0.8, 1.6, 3.2, 6.4)
_DROP_REACHES_MM = (0.5, 1.0, 2.0)
_RING_REACHES = (1.4, 2.0, 3.0)  # of the candidate's own radius
_RING_ANGLES = 16
_ROUGHNESS_SIGMA_MM = 4.0
_TENSOR_SIGMA_MM = 1.5
_CROWD_REACH_MM = 6.0
_EDGE_SHARE = 0.4

FEATURE_NAMES: tuple[str, ...] = (
    *("length_mm", "level", "log_area", "relative_size", "elongation", "compactness", "extent_ratio"),
    *("contrast", "peak", "peak_ratio", "contrast_to_noise", "peak_to_noise", "contrast_to_roughness"),
    *("grey", "grey_peak", "grey_spread", "background", "background_spread", "noise"),
    *(f"drop_{reach}_{what}" for reach in _DROP_REACHES_MM for what in ("mean", "low", "share")),
    *("edge_slope", "edge_slope_low", "outside_bone_share", "inside_bone_share"),
    *("skin_depth", "bone_distance", "bone_distance_spread", "clipped_share", "crowd", "crowd_of_cut"),
    *(f"ring_{reach}_{what}" for reach in _RING_REACHES for what in ("mean", "low", "high", "first", "second", "bone")),
    *(f"band_{sigma}" for sigma in _BLUR_SIGMAS_MM[:-1]),
    *("coarse_grey", "coherence", "gradient_energy", "axis_turn", "limb_noise", "limb_bone_share"),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Layers:
    """The images that features are read from, on the grid of a cut."""

    grey: NDArray[np.float32]
    noise: NDArray[np.float32]
    bone: NDArray[np.float32]
    skin_depth: NDArray[np.float32]
    bone_distance: NDArray[np.float32]
    clipped: NDArray[np.float32]
    blurred: tuple[NDArray[np.float32], ...]
    slope: NDArray[np.float32]
    coherence: NDArray[np.float32]
    direction: NDArray[np.float32]
    energy: NDArray[np.float32]
    cell_mm: float
    limb_noise: float
    limb_bone_share: float


def describe_cuts(film: ClassicalInput, cuts: list[Cut]) -> list[Values]:
    """Return a row of features a candidate, for each cut; columns as in `FEATURE_NAMES`."""
    layers = {coarse: _layers(film, coarse) for coarse in sorted({cut.coarse for cut in cuts})}
    roughness: dict[tuple[float, int], NDArray[np.float32]] = {}
    rows = []
    for cut in cuts:
        key = (cut.length_mm, cut.coarse)
        if key not in roughness:
            sigma = _ROUGHNESS_SIGMA_MM / layers[cut.coarse].cell_mm
            roughness[key] = np.sqrt(_broad_blur(np.square(cut.residual), sigma))
        rows.append(_describe(cut, layers[cut.coarse], roughness[key]))
    return rows


def _layers(film: ClassicalInput, coarse: int) -> _Layers:
    def reduced(image: NDArray[np.float32] | NDArray[np.bool_]) -> NDArray[np.float32]:
        values = image.astype(np.float32, copy=False)
        if coarse == 1:
            return values
        shape = (-(-values.shape[1] // coarse), -(-values.shape[0] // coarse))
        return np.asarray(cv2.resize(values, shape, interpolation=cv2.INTER_AREA), dtype=np.float32)

    cell_mm = film.cell_spacing_mm * coarse
    grey = reduced(film.grey)
    down, right = gradient(blur(grey, max(0.7, 0.25 / cell_mm)))
    sigma = _TENSOR_SIGMA_MM / cell_mm
    downdown, rightright, downright = (
        _broad_blur(product, sigma) for product in (down * down, right * right, down * right)
    )
    energy = downdown + rightright
    anisotropy = np.hypot(rightright - downdown, 2 * downright)
    return _Layers(
        grey=grey,
        noise=reduced(film.noise),
        bone=reduced(film.bone),
        skin_depth=reduced(film.skin_depth_mm),
        bone_distance=reduced(film.bone_distance_mm),
        clipped=reduced(film.clipped),
        blurred=tuple(_broad_blur(grey, sigma_mm / cell_mm) for sigma_mm in _BLUR_SIGMAS_MM),
        slope=np.asarray(np.hypot(down, right) / np.float32(cell_mm), dtype=np.float32),
        coherence=anisotropy / (energy + 1e-6),
        direction=0.5 * np.arctan2(2 * downright, rightright - downdown),
        energy=np.sqrt(energy) / np.float32(cell_mm),
        cell_mm=cell_mm,
        limb_noise=float(np.median(film.noise[film.limb][::11])) if film.limb.any() else 0.0,
        limb_bone_share=float(film.bone.sum() / max(1, film.limb.sum())),
    )


def _broad_blur(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Return the image blurred; broad blurs are made on a reduced image, which shows no difference and is fast."""
    reduce = int(max(1, sigma // 2.5))
    if reduce == 1:
        return blur(image, sigma)
    shape = (-(-image.shape[1] // reduce), -(-image.shape[0] // reduce))
    small = np.asarray(cv2.resize(image, shape, interpolation=cv2.INTER_AREA), dtype=np.float32)
    blurred = blur(small, sigma / reduce)
    return np.asarray(cv2.resize(blurred, image.shape[::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pixels:
    """The pixels of all candidates of a cut, as flat lists."""

    where: NDArray[np.intp]
    member: NDArray[np.int32]
    count: int
    area: Values

    def mean(self, image: NDArray[np.float32]) -> Values:
        """Return the mean of an image over each candidate."""
        return np.bincount(self.member, image.ravel()[self.where], self.count) / self.area

    def peak(self, image: NDArray[np.float32]) -> Values:
        """Return the largest value of an image in each candidate."""
        result = np.full(self.count, -np.inf)
        np.maximum.at(result, self.member, image.ravel()[self.where])
        return result

    def spread(self, image: NDArray[np.float32]) -> Values:
        """Return the standard deviation of an image over each candidate."""
        values = image.ravel()[self.where].astype(np.float64)
        mean = np.bincount(self.member, values, self.count) / self.area
        square = np.bincount(self.member, np.square(values - mean[self.member]), self.count) / self.area
        return np.sqrt(square)


def _describe(cut: Cut, layers: _Layers, roughness: NDArray[np.float32]) -> Values:
    where, member = cut.where, cut.member
    area = np.bincount(member, minlength=cut.count).astype(np.float64)
    pixels = _Pixels(where=where, member=member, count=cut.count, area=area)
    columns = cut.labels.shape[1]
    row, col = (np.bincount(member, part, cut.count) / area for part in np.divmod(where, columns))
    shape = _shape(pixels, row, col, columns)
    contrast, peak = pixels.mean(cut.residual), pixels.peak(cut.residual)
    centre = (np.rint(row).astype(int), np.rint(col).astype(int))
    noise = np.maximum(pixels.mean(layers.noise), 1e-6)
    area_mm2 = area * layers.cell_mm**2
    radius_mm = np.sqrt(area_mm2 / np.pi)
    parts: dict[str, Values] = {
        "length_mm": np.full(cut.count, cut.length_mm),
        "level": np.full(cut.count, cut.level),
        "log_area": np.log(area_mm2),
        "relative_size": 2 * radius_mm / cut.length_mm,
        "elongation": shape["elongation"],
        "extent_ratio": shape["extent_ratio"],
        "contrast": contrast,
        "peak": peak,
        "peak_ratio": peak / contrast,
        "contrast_to_noise": contrast / noise,
        "peak_to_noise": peak / noise,
        "contrast_to_roughness": contrast / (roughness[centre] + 1e-3),
        "grey": pixels.mean(layers.grey),
        "grey_peak": pixels.peak(layers.grey),
        "grey_spread": pixels.spread(layers.grey) / contrast,
        "noise": noise,
        "edge_slope": np.zeros(cut.count),
        "inside_bone_share": pixels.mean(layers.bone),
        "skin_depth": pixels.mean(layers.skin_depth),
        "bone_distance": pixels.mean(layers.bone_distance),
        "bone_distance_spread": pixels.spread(layers.bone_distance),
        "clipped_share": pixels.mean(layers.clipped),
        "coarse_grey": layers.blurred[-1][centre].astype(np.float64),
        "coherence": layers.coherence[centre].astype(np.float64),
        "gradient_energy": layers.energy[centre].astype(np.float64),
        "axis_turn": np.abs(np.sin(shape["angle"] - layers.direction[centre])),
        "limb_noise": np.full(cut.count, layers.limb_noise),
        "limb_bone_share": np.full(cut.count, layers.limb_bone_share),
    }
    parts["background"] = parts["grey"] - contrast
    parts["background_spread"] = pixels.spread(layers.grey - cut.residual) / contrast
    for number, sigma in enumerate(_BLUR_SIGMAS_MM[:-1]):
        parts[f"band_{sigma}"] = (layers.blurred[number] - layers.blurred[number + 1])[centre].astype(np.float64)
    parts |= _edge(cut, pixels, layers, contrast)
    parts |= _rings(layers, (row, col), radius_mm, parts["grey"], contrast)
    parts |= _crowds(cut, row, col, layers.cell_mm)
    return np.column_stack([parts[name] for name in FEATURE_NAMES])


def _shape(pixels: _Pixels, row: Values, col: Values, columns: int) -> dict[str, Values]:
    """Return elongation and angle of the ellipse of the same second moments, and how well it fills that ellipse."""
    rows, cols = np.divmod(pixels.where, columns)
    down, right = rows - row[pixels.member], cols - col[pixels.member]
    downdown, rightright, downright = (
        np.bincount(pixels.member, product, pixels.count) / pixels.area
        for product in (down * down + 1 / 12, right * right + 1 / 12, down * right)
    )
    half_trace = (downdown + rightright) / 2
    split = np.hypot((rightright - downdown) / 2, downright)
    major, minor = np.sqrt(half_trace + split), np.sqrt(np.maximum(half_trace - split, 1 / 12))
    return {
        "elongation": major / minor,
        "angle": 0.5 * np.arctan2(2 * downright, rightright - downdown),
        "extent_ratio": pixels.area / (4 * np.pi * major * minor),
    }


def _edge(cut: Cut, pixels: _Pixels, layers: _Layers, contrast: Values) -> dict[str, Values]:
    """Return how the grey falls off outside, over every step that leaves the candidate."""
    rows, columns = cut.labels.shape
    flat, grey, bone = cut.labels.ravel(), layers.grey.ravel(), layers.bone.ravel()
    row, col = np.divmod(pixels.where, columns)
    member, start, falls, outside_bone = [], [], [], []
    reaches = [max(2, round(reach / layers.cell_mm)) for reach in _DROP_REACHES_MM]
    for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        beyond = np.clip(row + down, 0, rows - 1) * columns + np.clip(col + right, 0, columns - 1)
        leaves = flat[beyond] != flat[pixels.where]
        row_out, col_out, inside = row[leaves], col[leaves], pixels.where[leaves]
        member.append(pixels.member[leaves])
        start.append(inside)
        steps = []
        for reach in reaches:
            there = np.clip(row_out + reach * down, 0, rows - 1) * columns
            there += np.clip(col_out + reach * right, 0, columns - 1)
            steps.append(grey[inside] - grey[there])
        falls.append(np.stack(steps))
        outside_bone.append(bone[there])
    who, at = np.concatenate(member), np.concatenate(start)
    fall, bony = np.concatenate(falls, axis=1), np.concatenate(outside_bone)
    exposed = np.maximum(np.bincount(who, minlength=pixels.count), 1)
    steep = layers.slope.ravel()[at]
    result = {
        "compactness": exposed**2 / (16 * pixels.area),
        "edge_slope": np.bincount(who, steep, pixels.count) / exposed / contrast,
        "edge_slope_low": _low(steep, who, pixels.count) / contrast,
        "outside_bone_share": np.bincount(who, bony, pixels.count) / exposed,
    }
    for reach_mm, values in zip(_DROP_REACHES_MM, fall, strict=True):
        relative = values / contrast[who]
        result[f"drop_{reach_mm}_mean"] = np.bincount(who, relative, pixels.count) / exposed
        result[f"drop_{reach_mm}_low"] = _low(relative, who, pixels.count)
        result[f"drop_{reach_mm}_share"] = np.bincount(who, relative > _EDGE_SHARE, pixels.count) / exposed
    return result


def _low(values: NDArray[np.floating], member: NDArray[np.int32], count: int) -> Values:
    """Return the lower fifth's bound of the values of each member."""
    order = np.lexsort((values, member))
    sizes = np.bincount(member, minlength=count)
    first = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    at = np.minimum(first + sizes // 5, len(values) - 1)
    return np.where(sizes > 0, values[order][at], 0.0).astype(np.float64)


def _rings(
    layers: _Layers, centre: tuple[Values, Values], radius_mm: Values, grey: Values, contrast: Values
) -> dict[str, Values]:
    """Return what lies around at a few times the candidate's radius, direction by direction."""
    (row, col), (rows, columns) = centre, layers.grey.shape
    angles = np.arange(_RING_ANGLES) * (2 * np.pi / _RING_ANGLES)
    waves = [(np.cos(order * angles), np.sin(order * angles)) for order in (1, 2)]
    result: dict[str, Values] = {}
    for reach in _RING_REACHES:
        radius = (reach * radius_mm + 0.3) / layers.cell_mm
        at_row = np.clip(np.rint(row[:, None] + radius[:, None] * np.sin(angles)), 0, rows - 1).astype(int)
        at_col = np.clip(np.rint(col[:, None] + radius[:, None] * np.cos(angles)), 0, columns - 1).astype(int)
        rise = (layers.grey[at_row, at_col] - grey[:, None]) / contrast[:, None]
        rise = np.clip(rise, -8, 8)
        ordered = np.sort(rise, axis=1)
        # Summed in place of a matrix product, whose last digits depend on how many threads there are.
        first, second = (np.hypot((rise * even).sum(axis=1), (rise * odd).sum(axis=1)) for even, odd in waves)
        result |= {
            f"ring_{reach}_mean": rise.mean(axis=1),
            f"ring_{reach}_low": ordered[:, 2],
            f"ring_{reach}_high": ordered[:, -3],
            f"ring_{reach}_first": first / _RING_ANGLES,
            f"ring_{reach}_second": second / _RING_ANGLES,
            f"ring_{reach}_bone": layers.bone[at_row, at_col].mean(axis=1).astype(np.float64),
        }
    return result


def _crowds(cut: Cut, row: Values, col: Values, cell_mm: float) -> dict[str, Values]:
    """Return how many candidates of the same cut lie near, and how many a limb's worth of them there are."""
    reach = _CROWD_REACH_MM / cell_mm
    centres = np.zeros(cut.labels.shape, dtype=np.float32)
    np.add.at(centres, (np.rint(row).astype(int), np.rint(col).astype(int)), 1.0)
    width = 2 * max(1, round(reach)) + 1
    near = cv2.boxFilter(centres, cv2.CV_32F, (width, width), normalize=False, borderType=cv2.BORDER_CONSTANT)
    crowd = near[np.rint(row).astype(int), np.rint(col).astype(int)]
    return {"crowd": crowd.astype(np.float64) - 1, "crowd_of_cut": np.full(cut.count, np.log1p(cut.count))}
