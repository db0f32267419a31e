"""A limb as jointed bones in soft tissue, and where a pose puts each of them on the film.

Limb frame: x to the right and y up as the film is looked at, z from the detector towards the tube, in mm. A bone's own
frame has y along it. Angles are positive from y towards x.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from calcimeasure.simulation.bones import Bone
    from calcimeasure.simulation.geometry import Points


PARALLEL_MM = 1_000_000.0  # so far a source that the beam is parallel


@dataclass(frozen=True, kw_only=True, eq=False)
class Segment:
    """A bone and the joint it hangs on.

    Attributes
    ----------
    bone
        Its maps.
    parent
        Name of the bone it hangs on; None for those that follow the limb as a whole.
    joint_mm
        (x, y, z) of its base in the parent's frame (the limb's, without a parent).
    pivot_mm
        (x, y) in the bone's own frame of the point that lies on the joint; its base by default.
    rest_deg
        Angle to the parent at rest.
    mirrored
        Whether its maps are to be mirrored: a left limb.
    """

    bone: Bone
    parent: str | None = None
    joint_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    pivot_mm: tuple[float, float] = (0.0, 0.0)
    rest_deg: float = 0.0
    mirrored: bool = False


@dataclass(frozen=True, kw_only=True)
class Knot:
    """A place on the middle line of a soft part: where it is, and half its width and half its depth in mm."""

    bone: str
    x_mm: float
    y_mm: float
    half_width_mm: float
    half_depth_mm: float


@dataclass(frozen=True, kw_only=True)
class Pad:
    """A cushion of muscle (or a plate of nail) over a bone: an ellipse in the bone's frame.

    Attributes
    ----------
    thickness_mm
        Added in its middle.
    sharpness
        Exponent of its fall to the rim: 0 is a plate, 0.5 a ball, 1 a soft mound.
    """

    bone: str
    x_mm: float
    y_mm: float
    half_width_mm: float
    half_length_mm: float
    rotation_deg: float
    thickness_mm: float
    sharpness: float = 0.75


@dataclass(frozen=True, kw_only=True, eq=False)
class Limb:
    """One limb of one subject.

    Attributes
    ----------
    part
        ``HAND``, ``FOREARM``, ``ELBOW`` or ``KNEE``.
    side
        ``L`` or ``R``.
    segments
        By name, parents before children.
    strokes
        Soft parts, each a line of knots.
    webs
        Polygons of skin between parts: (bone, x, y) corners.
    pads
        Muscle cushions and nails.
    fat_mm
        Thickness of the fat under the skin.
    age_years
        Of the subject.
    implants
        Mean number of implants that such a subject has.
    """

    part: str
    side: str
    segments: Mapping[str, Segment]
    strokes: tuple[tuple[Knot, ...], ...]
    webs: tuple[tuple[tuple[str, float, float], ...], ...] = ()
    pads: tuple[Pad, ...] = ()
    fat_mm: float = 2.5
    age_years: int = 52
    implants: float = 0.0


@dataclass(frozen=True, kw_only=True)
class LimbPose:
    """How a limb lies for one exposure.

    Attributes
    ----------
    rotations_deg
        Bone to its rotation in the plane of the film, added to the angle at rest.
    flexions_deg
        Bone to its rotation out of that plane.
    rotation_deg
        Of the whole limb on the film.
    tilt_deg, tilt_axis_deg
        Of the whole limb out of the plane, and the direction of its axis.
    translation_mm
        (x, y) of the limb's origin from the middle of the film.
    height_mm
        Of the limb's middle plane above the detector.
    groups
        Suffix of bones' names to (rotation in degrees, x, y in mm): how the limbs lie that one film shows together.
    """

    rotations_deg: Mapping[str, float] = field(default_factory=dict)
    flexions_deg: Mapping[str, float] = field(default_factory=dict)
    rotation_deg: float = 0.0
    tilt_deg: float = 0.0
    tilt_axis_deg: float = 0.0
    translation_mm: tuple[float, float] = (0.0, 0.0)
    height_mm: float = 15.0
    groups: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Placement:
    """Where one bone's frame lies on the film: ``film (x, y) mm = matrix @ (x, y) + translation_mm``, y down the rows.

    Attributes
    ----------
    towards_tube
        (2,) what 1 mm of the bone's z moves on the film; decides how a tilt shows the depth of things.
    magnification
        Of lengths at the bone's height.
    height_mm
        Of the bone above the detector.
    """

    matrix: Points
    translation_mm: Points
    towards_tube: Points
    magnification: float
    height_mm: float

    def apply(self, points_mm: Points) -> Points:
        """Return (n, 2) points of the bone's frame on the film."""
        return np.asarray(points_mm @ self.matrix.T + self.translation_mm)


def _rotation(angle_deg: float) -> Points:
    # From y towards x as the film is looked at: clockwise.
    c, s = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    return np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]])


def _flexion(angle_deg: float) -> Points:
    c, s = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    return np.array([[1.0, 0, 0], [0, c, -s], [0, s, c]])


def _tilt(pose: LimbPose) -> Points:
    axis = _rotation(pose.tilt_axis_deg)
    return np.asarray(axis @ _flexion(pose.tilt_deg) @ axis.T)


def place_limb(
    limb: Limb, pose: LimbPose, *, film_mm: tuple[float, float], source_distance_mm: float
) -> dict[str, Placement]:
    """Return where each bone lies on the film, by cone-beam projection linearised at the bone's middle.

    Parameters
    ----------
    film_mm
        (height, width) of the film; the central ray meets its middle.
    source_distance_mm
        From the source to the detector.
    """
    whole = _tilt(pose) @ _rotation(pose.rotation_deg)
    frames: dict[str, tuple[Points, Points]] = {}
    placements = {}
    for name, segment in limb.segments.items():
        if segment.parent is None:
            rotation, origin = _group_frame(pose, name)
        else:
            rotation, origin = frames[segment.parent]
        origin = origin + rotation @ np.array(segment.joint_mm)
        bend_deg = segment.rest_deg + pose.rotations_deg.get(name, 0.0)
        rotation = rotation @ _rotation(bend_deg) @ _flexion(pose.flexions_deg.get(name, 0.0))
        origin = origin - rotation @ np.array([*segment.pivot_mm, 0.0])
        frames[name] = (rotation, origin)
        placements[name] = _project(
            whole @ rotation,
            whole @ origin + np.array([*pose.translation_mm, pose.height_mm]),
            segment,
            film_mm,
            source_distance_mm,
        )
    return placements


def _group_frame(pose: LimbPose, name: str) -> tuple[Points, Points]:
    for mark, (rotation, x, y) in pose.groups.items():
        if name.endswith(mark):
            return _rotation(rotation), np.array([x, y, 0.0])
    return np.eye(3), np.zeros(3)


def centred(limb: Limb, pose: LimbPose, *, without: tuple[str, ...] = ()) -> LimbPose:
    """Return the pose translated across the film so that the limb's bones lie evenly about its middle.

    Parameters
    ----------
    without
        Beginnings of the names of bones that do not count.
    """
    placed = place_limb(limb, pose, film_mm=(0.0, 0.0), source_distance_mm=PARALLEL_MM)
    across = [
        placed[name].apply(segment.bone.outline_mm)[:, 0]
        for name, segment in limb.segments.items()
        if not name.startswith(without)
    ]
    middle = (min(x.min() for x in across) + max(x.max() for x in across)) / 2
    return replace(pose, translation_mm=(pose.translation_mm[0] - float(middle), pose.translation_mm[1]))


def _project(
    rotation: Points, origin: Points, segment: Segment, film_mm: tuple[float, float], source_distance_mm: float
) -> Placement:
    middle = np.array([0.0, segment.bone.length_mm / 2, 0.0])

    def on_film(own: Points) -> Points:
        x, y, z = rotation @ own + origin
        enlarged = source_distance_mm / (source_distance_mm - z)
        return np.array([film_mm[1] / 2 + x * enlarged, film_mm[0] / 2 - y * enlarged])

    centre = on_film(middle)
    columns = [(on_film(middle + axis) - on_film(middle - axis)) / 2 for axis in np.eye(3)]
    matrix = np.stack(columns[:2], axis=1)
    height = float((rotation @ middle + origin)[2])
    translation = centre - matrix @ middle[:2]
    if segment.mirrored:
        matrix = matrix @ np.diag([-1.0, 1.0])
    return Placement(
        matrix=matrix,
        translation_mm=translation,
        towards_tube=columns[2],
        magnification=source_distance_mm / (source_distance_mm - height),
        height_mm=height,
    )


def own_places(
    placement: Placement, grid: tuple[tuple[int, int], tuple[float, float]], corners_mm: Points
) -> tuple[tuple[slice, slice], Points] | None:
    """Return where on the film a box of a bone's frame lies, and the frame's (x, y) at each of its pixels."""
    shape, spacing = grid
    pixels = placement.apply(corners_mm) / np.array([spacing[1], spacing[0]])
    low = np.maximum(np.floor(pixels.min(axis=0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(pixels.max(axis=0)).astype(int) + 2, [shape[1], shape[0]])
    if np.any(high <= low):
        return None
    x, y = np.meshgrid((np.arange(low[0], high[0]) + 0.5) * spacing[1], (np.arange(low[1], high[1]) + 0.5) * spacing[0])
    own = (np.stack([x, y], axis=-1) - placement.translation_mm) @ np.linalg.inv(placement.matrix).T
    return (slice(low[1], high[1]), slice(low[0], high[0])), own
