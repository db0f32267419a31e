"""The bones of a hand from a folder of meshes, and their places in a random pose."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from forearm_meshes import forearm_bones
from numpy.typing import NDArray

Points = NDArray[np.float64]
BINS = 14

FLEXION_SD, FLEXION_MOST = 0.16, 0.9
SMOOTHING_STEPS = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class BoneMesh:
    """One bone at rest.

    Attributes
    ----------
    name, body, kind
        Its name, the body of the skeleton that it belongs to, and ``carpal``, ``metacarpal``, ``phalanx``, ``distal``
        or ``forearm``.
    vertices, faces
        The closed mesh, mm.
    normals
        Of the vertices, outwards, smoothed over their neighbours.
    along, from_axis
        Where each vertex lies along the bone (0 proximal, 1 distal), and how far from its middle line in mm.
    ends
        (2, 3) proximal and distal end of the middle line.
    """

    name: str
    body: str
    kind: str
    vertices: Points
    faces: NDArray[np.int64]
    normals: Points
    along: Points
    from_axis: Points
    ends: Points

    @property
    def length_mm(self) -> float:
        """Distance between its ends."""
        return float(np.linalg.norm(self.ends[1] - self.ends[0]))


@dataclass(frozen=True, kw_only=True)
class Joint:
    """A hinge: a point and an axis of the rest pose, and its range in radians."""

    name: str
    anchor: tuple[float, float, float]
    axis: tuple[float, float, float]
    reach: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Body:
    """Bones that move as one."""

    name: str
    parent: str
    joints: tuple[Joint, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Meshes:
    """The bones and the skeleton of a folder."""

    folder: Path
    bones: tuple[BoneMesh, ...]
    bodies: tuple[Body, ...]

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        """Travel to another process as the folder, which that process loads once."""
        return load_meshes, (self.folder,)


def load_meshes(folder: Path | str) -> Meshes:
    """Return the meshes of a folder with its ``skeleton.json``; loaded once a process."""
    return _load_meshes(Path(folder))


@cache
def _load_meshes(folder: Path) -> Meshes:
    skeleton = json.loads((folder / "skeleton.json").read_text(encoding="utf-8"))
    bones = [_load_bone(folder / f"{bone['bone']}.stl", bone["body"]) for bone in skeleton["bones"]]
    bones += [bone_from(name, "radius", "forearm", *mesh) for name, mesh in forearm_bones().items()]
    bodies = [
        Body(
            name=body["body"],
            parent=body["parent"],
            joints=tuple(
                Joint(name=j["name"], anchor=tuple(j["anchor_mm"]), axis=tuple(j["axis"]), reach=tuple(j["range_rad"]))
                for j in body["joints"]
            ),
        )
        for body in skeleton["bodies"]
    ]
    return Meshes(folder=folder, bones=tuple(bones), bodies=tuple(bodies))


def _load_bone(path: Path, body: str) -> BoneMesh:
    import trimesh

    mesh = trimesh.load(path)
    if not mesh.is_watertight:
        # The largest part; splitting closes what small holes it has.
        mesh = max(mesh.split(only_watertight=False), key=lambda part: len(part.faces))
        trimesh.repair.fill_holes(mesh)
    name = path.stem
    kind = "carpal"
    if name.endswith("mc"):
        kind = "metacarpal"
    elif "dist" in name:
        kind = "distal"
    elif "ph" in name or "prox" in name:
        kind = "phalanx"
    kind = "carpal" if name == "capitate" else kind
    return bone_from(name, body, kind, np.asarray(mesh.vertices, float), np.asarray(mesh.faces, np.int64))


def bone_from(name: str, body: str, kind: str, vertices: Points, faces: NDArray[np.int64]) -> BoneMesh:
    """Return a bone of a mesh, with its middle line."""
    middle = vertices.mean(axis=0)
    axis = np.linalg.svd(vertices - middle, full_matrices=False)[2][0]
    axis = axis * (1.0 if axis[1] > 0 else -1.0)
    along = (vertices - middle) @ axis
    along = (along - along.min()) / (along.max() - along.min())
    bins = np.minimum((along * BINS).astype(int), BINS - 1)
    count = np.maximum(np.bincount(bins, minlength=BINS), 1)
    centres = np.stack([np.bincount(bins, vertices[:, k], BINS) / count for k in range(3)], axis=1)
    where = (np.arange(BINS) + 0.5) / BINS
    line = np.stack([np.interp(along, where, centres[:, k]) for k in range(3)], axis=1)
    away = vertices - line
    away -= (away @ axis)[:, None] * axis
    reach = (vertices - middle) @ axis
    ends = np.stack([centres[0], centres[-1]])
    ends += np.stack(
        [(reach.min() - (centres[0] - middle) @ axis) * axis, (reach.max() - (centres[-1] - middle) @ axis) * axis]
    )
    return BoneMesh(
        name=name, body=body, kind=kind, vertices=vertices, faces=faces, normals=_normals(vertices, faces), along=along,
        from_axis=np.linalg.norm(away, axis=1), ends=ends,
    )  # fmt: skip


def _normals(vertices: Points, faces: NDArray[np.int64]) -> Points:
    from scipy.sparse import coo_matrix

    corners = vertices[faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    sign = np.sign(np.einsum("ij,ij->", corners.mean(axis=1) - vertices.mean(axis=0), face_normals))
    normals = np.stack(
        [np.bincount(faces.ravel(), np.repeat(face_normals[:, k], 3), len(vertices)) for k in range(3)], axis=1
    )
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    beside = coo_matrix((np.ones(len(edges)), edges.T), shape=(len(vertices),) * 2).tocsr()
    beside = beside + beside.T
    for _ in range(SMOOTHING_STEPS):
        normals = _unit(normals)
        normals = normals + beside @ normals
    return sign * _unit(normals)


def _unit(vectors: Points) -> Points:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


@dataclass(frozen=True, kw_only=True, eq=False)
class Placed:
    """Where a bone lies: ``matrix @ rest + shift``."""

    matrix: Points
    shift: Points

    def of(self, points: Points) -> Points:
        """Return the places of points of the rest pose."""
        return points @ self.matrix.T + self.shift


def rotation(axis: Points, angle: float) -> Points:
    """Return the rotation by an angle about an axis."""
    x, y, z = axis / np.linalg.norm(axis)
    across = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + np.sin(angle) * across + (1 - np.cos(angle)) * across @ across)


def draw_angles(rng: np.random.Generator, meshes: Meshes) -> dict[str, float]:
    """Return a joint's angle by its name: fingers slightly flexed and spread, a few a good deal flexed."""
    bent = float(rng.uniform(0.2, 0.8)) if rng.random() < 0.06 else 0.0
    spread = float(rng.normal(0.8, 0.6))
    angles: dict[str, float] = {}
    for joint in (joint for body in meshes.bodies for joint in body.joints):
        low, high = joint.reach
        if "abduction" in joint.name and joint.name.startswith("mcp"):
            outward = {"2": 1.0, "3": 0.2, "4": -0.6, "5": -1.3}[joint.name[3]]
            angle = 0.16 * spread * outward + rng.normal(0, 0.035)
        elif "flexion" in joint.name and joint.name[:2] in ("mc", "pm", "md"):
            share = {"mc": 1.0, "pm": 1.2, "md": 0.7}[joint.name[:2]]
            share *= 0.6 if joint.name[2] == "5" else 1.0  # whose axes would lead it across the others
            angle = share * (abs(rng.normal(0, FLEXION_SD)) * (rng.random() < 0.7) + bent * rng.uniform(0.5, 1))
            angle = min(angle, FLEXION_MOST)
        elif joint.name in ("deviation", "flexion"):
            angle = rng.normal(0.02 if joint.name == "deviation" else 0.0, 0.09)
        elif joint.name == "pro_sup":
            angle = 0.0
        else:
            angle = rng.uniform(0.55 * low, 0.55 * high)
        angles[joint.name] = float(np.clip(angle, low, high))
    return angles


def pose(rng: np.random.Generator, meshes: Meshes, *, angles: dict[str, float]) -> dict[str, Placed]:
    """Return where each bone lies in the hand's own frame; lengths and widths of the bones vary by a few per cent."""
    of_body: dict[str, list[BoneMesh]] = {}
    for bone in meshes.bones:
        of_body.setdefault(bone.body, []).append(bone)
    rigid: dict[str, tuple[Points, Points]] = {"world": (np.eye(3), np.zeros(3))}
    stretch: dict[str, tuple[Points, Points]] = {"world": (np.eye(3), np.zeros(3))}
    slim = float(np.clip(rng.normal(1.0, 0.05), 0.88, 1.14))
    for body in meshes.bodies:
        turn, shift = rigid[body.parent]
        scale, fixed = stretch[body.parent]
        first = of_body.get(body.name, [None])[0]
        anchor = np.array(body.joints[0].anchor) if body.joints else (np.zeros(3) if first is None else first.ends[0])
        moved = turn @ (fixed + scale @ (anchor - fixed)) + shift
        for joint in body.joints:
            turn = turn @ rotation(np.array(joint.axis), angles[joint.name])
        if first is not None and first.kind in ("metacarpal", "phalanx", "distal"):
            gap = rng.normal(0, 0.25) * (first.ends[1] - first.ends[0]) / first.length_mm
            moved = moved + turn @ gap
            axis = (first.ends[1] - first.ends[0]) / first.length_mm
            wide = slim * float(1 + np.clip(rng.normal(0, 0.03), -0.07, 0.07))
            long = float(1 + np.clip(rng.normal(0, 0.03), -0.07, 0.07))
            stretch[body.name] = (wide * np.eye(3) + (long - wide) * np.outer(axis, axis), anchor)
            if not body.joints:
                turn = turn @ rotation(rng.normal(size=3), rng.normal(0, 0.02))
        elif first is not None and first.kind == "carpal" and not body.joints:
            turn = turn @ rotation(rng.normal(size=3), rng.normal(0, 0.05))
            moved = moved + rng.normal(0, 0.25, 3)
            stretch[body.name] = (np.eye(3) * float(1 + np.clip(rng.normal(0, 0.02), -0.05, 0.05)), anchor)
        else:
            stretch[body.name] = (np.eye(3), anchor)
        rigid[body.name] = (turn, moved - turn @ anchor)
    placed = {}
    for bone in meshes.bones:
        turn, shift = rigid[bone.body]
        scale, fixed = stretch[bone.body]
        placed[bone.name] = Placed(matrix=turn @ scale, shift=turn @ (fixed - scale @ fixed) + shift)
    return placed
