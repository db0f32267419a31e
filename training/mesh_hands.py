"""Radiographs of hands whose bones are meshes of real ones: a second anatomy to train on.

``mesh_hand(rng, load_meshes(folder))`` returns a film and its truth, as the functions of `network_films` do. What lies
in the beam is computed; how bones look, the pose, the exposure and the export are drawn anew for each film.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from film_tones import draw_tones, exported, toned
from mesh_bones import bone_thickness, draw_look, sesamoids
from mesh_deposits import NONE_SHARE, deposit_labels, deposit_thickness, draw_deposits, places
from mesh_metal import draw_metal
from mesh_rays import Grid
from mesh_skeleton import BoneMesh, Meshes, Placed, Points, draw_angles, load_meshes, pose, rotation
from mesh_soft_tissue import FINGERS, soft_tissue
from numpy.typing import NDArray

import calcimeasure as cm
from calcimeasure.simulation.collimation_and_markers import Furniture, collimated_field, draw_furniture, lead_marker
from calcimeasure.simulation.exposure import XrayExposure, expose

__all__ = ["Meshes", "load_meshes", "mesh_hand"]

Film = tuple[cm.Radiograph, NDArray[np.uint16]]
SPACINGS_MM = (0.12, 0.5)
FINEST_MM, COARSEST_RENDER_MM = 0.1, 0.2
SIZES = (0.8, 1.15)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Scene:
    """A posed hand on its film."""

    bones: Mapping[str, BoneMesh]
    placed: Mapping[str, Placed]
    size_mm: tuple[float, float]
    scale: float
    side: str


def mesh_hand(rng: np.random.Generator, meshes: Meshes, *, deposits: bool = True) -> Film:
    """Return a film of a hand and the label image of its deposits.

    Parameters
    ----------
    rng
        Decides everything.
    meshes
        The bones (`load_meshes`).
    deposits
        False for a hand without any; otherwise one in five has none.
    """
    scene = _draw_scene(rng, meshes)
    spacing, render = _draw_spacing(rng)
    factor = round(spacing / render)
    shape = tuple(int(size / spacing) for size in scene.size_mm)
    fine: Grid = ((shape[0] * factor, shape[1] * factor), render)
    look = draw_look(rng)
    mineral, volume = bone_thickness(list(scene.bones.values()), scene.placed, look, fine, rng)
    tissue = soft_tissue(_without_sesamoids(scene.bones), scene.placed, scene.scale, fine, rng)
    limb = (tissue.thickness_mm > 0.5) | (volume > 0.5)
    furniture, field = _draw_field(rng, scene.side, fine)
    lines = {name: scene.placed[name].of(bone.ends) for name, bone in scene.bones.items()}
    tips = [lines[names[-1]][1][:2] for names in FINGERS.values()]
    drawn = draw_deposits(
        rng, places(limb, volume > 0.8, field, tips, render), none_share=NONE_SHARE if deposits else 1.0
    )
    inside = {
        "bone": mineral,
        "fat": tissue.fat_mm,
        # Marrow is soft tissue where it is not mineral.
        "muscle": np.maximum(tissue.thickness_mm - tissue.fat_mm - mineral, 0),
        "hydroxyapatite": deposit_thickness(drawn, fine),
        **draw_metal(rng, lines, fine),
    }
    grid = (fine[0], (render, render))
    letter = lead_marker(furniture, grid, field, limb, rng)
    if letter is not None:
        inside["lead"] = letter
    signal = expose(inside, _draw_exposure(rng), grid, rng)
    pixels = _exported_film(rng, signal, field=field, limb=limb, render=render, factor=factor)
    labels = deposit_labels(drawn, (shape, spacing))
    turns = int(rng.choice(4, p=(0.88, 0.04, 0.04, 0.04)))
    film = cm.film_from_array(np.ascontiguousarray(np.rot90(pixels, turns)), spacing_mm=spacing, invert=False)
    return film, np.ascontiguousarray(np.rot90(labels, turns))


def _without_sesamoids(bones: Mapping[str, BoneMesh]) -> dict[str, BoneMesh]:
    return {name: bone for name, bone in bones.items() if bone.kind != "sesamoid"}


def _draw_spacing(rng: np.random.Generator) -> tuple[float, float]:
    """Return the spacing of the film, and that of the rays: a whole fraction of it."""
    spacing = float(np.exp(rng.uniform(*np.log(SPACINGS_MM))))
    return spacing, spacing / int(np.ceil(spacing / COARSEST_RENDER_MM))


def _draw_scene(rng: np.random.Generator, meshes: Meshes) -> _Scene:
    bones = {bone.name: bone for bone in meshes.bones}
    placed = pose(rng, meshes, angles=draw_angles(rng, meshes))
    for sesamoid in sesamoids(bones, rng):
        # It moves with the bone whose head it lies in front of.
        parent = placed[sesamoid.body]
        bones[sesamoid.name], placed[sesamoid.name] = sesamoid, parent
    scale = float(rng.uniform(*SIZES))
    mirror = bool(rng.random() < 0.5)
    view = scale * _draw_view(rng, mirror)
    points = {name: placed[name].of(bone.vertices) @ view.T for name, bone in bones.items()}
    hand = np.concatenate([p for name, p in points.items() if bones[name].kind != "forearm"])
    wrist = points["radius"][bones["radius"].along > 0.95].mean(axis=0)
    low, high = hand.min(axis=0), hand.max(axis=0)
    margins = np.clip(rng.normal(22, 9, 3), 9, 60)
    left, right = low[0] - margins[0], high[0] + margins[1]
    top, bottom = low[1] - margins[2], wrist[1] + scale * rng.uniform(15, 70)
    kind = rng.random()
    if kind < 0.1:  # the fingers alone
        bottom = top + (wrist[1] - top) * rng.uniform(0.55, 0.8)
    elif kind < 0.18:  # the wrist
        top = wrist[1] - (wrist[1] - low[1]) * rng.uniform(0.35, 0.7)
    shift = -np.array([left, top, 0.0])
    placed = {name: Placed(matrix=view @ p.matrix, shift=view @ p.shift + shift) for name, p in placed.items()}
    return _Scene(
        bones=bones, placed=placed, size_mm=(bottom - top, right - left), scale=scale, side="L" if mirror else "R"
    )


def _draw_view(rng: np.random.Generator, mirror: bool) -> Points:
    """Return the map from the hand's frame to the film's: PA, or oblique in one of four, tilted and turned."""
    oblique = rng.normal(0, 7)
    if rng.random() < 0.25:
        oblique = rng.choice([-1, 1]) * rng.uniform(20, 45)
    tilt = np.clip(rng.normal(0, 9), -30, 30)
    turn = rng.normal(0, 7)
    x, y, z = np.eye(3)
    turned = (
        rotation(z, np.deg2rad(turn))
        @ rotation(x, np.deg2rad(tilt))
        @ rotation(y, np.deg2rad(np.clip(oblique, -45, 45)))
    )
    return np.diag([-1.0 if mirror else 1.0, -1.0, 1.0]) @ turned


def _draw_field(rng: np.random.Generator, side: str, grid: Grid) -> tuple[Furniture, NDArray[np.bool_]]:
    """Return the collimated field and marker; half of the films are exported without a border."""
    furniture = draw_furniture(rng, side=side)
    if rng.random() < 0.5:
        furniture = Furniture(
            margins_mm=(-40.0,) * 4, marker=furniture.marker, marker_style=furniture.marker_style,
            marker_size_mm=furniture.marker_size_mm,
        )  # fmt: skip
    shape, spacing = grid
    return furniture, collimated_field(furniture, (shape, (spacing, spacing)))


def _draw_exposure(rng: np.random.Generator) -> XrayExposure:
    return XrayExposure(
        voltage_kv=float(rng.uniform(45, 66)),
        quanta_per_mm2=float(np.exp(rng.uniform(*np.log((8_000, 140_000))))),
        scatter_share=float(rng.uniform(0.02, 0.5)),
        scatter_reach_mm=float(rng.uniform(8, 30)),
        psf_sigma_mm=float(rng.uniform(0.08, 0.35)),
        noise_correlation_mm=float(rng.uniform(0.04, 0.2)),
        electronic_share=float(rng.uniform(0.05, 0.4)),
        heel_share=float(rng.uniform(0, 0.15)),
        heel_deg=float(rng.uniform(0, 360)),
        corner_share=float(rng.uniform(0, 0.25)),
    )


def _exported_film(
    rng: np.random.Generator,
    signal: NDArray[np.float32],
    *,
    field: NDArray[np.bool_],
    limb: NDArray[np.bool_],
    render: float,
    factor: int,
) -> NDArray[np.uint16]:
    tones = draw_tones(rng)
    outside = float(rng.choice([1.0, np.exp(rng.uniform(-5, -2.5))], p=(0.75, 0.25)))
    shuttered = outside == 1.0
    signal = np.where(field, signal, signal * np.float32(1.0 if shuttered else outside))
    value = toned(signal, field, limb, tones, render)
    if shuttered:
        value = np.where(field, value, np.float32(0))
    if factor > 1:
        size = (value.shape[1] // factor, value.shape[0] // factor)
        value = cv2.resize(value, size, interpolation=cv2.INTER_AREA)
    return exported(value, tones)
