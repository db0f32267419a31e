"""The limb parts that can be simulated, each with its maker, its poses and the film it is usually taken on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from calcimeasure.errors import UsageError
from calcimeasure.simulation.arms_and_legs import draw_straight_pose, make_elbow, make_forearm, make_knee
from calcimeasure.simulation.bone_styles import STANDARD
from calcimeasure.simulation.both_hands import REST_GROUPS, draw_both_hands_pose, make_both_hands
from calcimeasure.simulation.hand import draw_hand_pose, make_hand

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from calcimeasure.simulation.limb import Limb, LimbPose


class LimbMaker(Protocol):
    """Draws a limb."""

    def __call__(self, rng: np.random.Generator, *, side: str, style: str = STANDARD) -> Limb:
        """Return a limb of a side, its bones in a style."""


class PoseMaker(Protocol):
    """Draws a pose."""

    def __call__(self, rng: np.random.Generator, limb: Limb, *, near: LimbPose | None = None) -> LimbPose:
        """Return a pose of the limb, like the one at the other visit in what a person cannot change."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a limb.

    Attributes
    ----------
    make, pose
        What draws the limb and how it lies.
    film_mm
        (height, width) of the film it is usually taken on.
    origin_mm
        (x, y) of the limb's origin from the middle of the film at the common pose.
    view
        DICOM view position.
    sides
        The sides that exist.
    groups
        As in `LimbPose`, at the common pose.
    harder_kv, dose_factor
        How much harder the beam and higher the dose is than for a hand.
    range_factor, darker
        How the grey scale differs: attenuation shown white, by factor, and shown black, added.
    ranged
        As for `process`.
    """

    make: LimbMaker
    pose: PoseMaker
    film_mm: tuple[float, float]
    origin_mm: tuple[float, float]
    view: str
    sides: tuple[str, ...] = ("L", "R")
    groups: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    harder_kv: float = 0.0
    dose_factor: float = 1.0
    range_factor: float = 1.0
    darker: float = 0.0
    ranged: bool = False


PARTS: dict[str, Part] = {
    "hand": Part(make=make_hand, pose=draw_hand_pose, film_mm=(287.5, 235.5), origin_mm=(0.0, -42.0), view="PA"),
    "hands": Part(
        make=make_both_hands,
        pose=draw_both_hands_pose,
        film_mm=(287.5, 400.0),
        origin_mm=(0.0, -42.0),
        view="PA",
        sides=("B",),
        groups=REST_GROUPS,
    ),
    "forearm": Part(
        make=make_forearm, pose=draw_straight_pose, film_mm=(345.0, 180.0), origin_mm=(0.0, 0.0), view="AP",
        harder_kv=4.0, dose_factor=2.0, range_factor=1.2, darker=0.1,
    ),
    "elbow": Part(
        make=make_elbow, pose=draw_straight_pose, film_mm=(270.0, 200.0), origin_mm=(0.0, 0.0), view="AP",
        harder_kv=6.0, dose_factor=3.0, range_factor=1.05, darker=0.25,
    ),
    "knee": Part(
        make=make_knee, pose=draw_straight_pose, film_mm=(330.0, 250.0), origin_mm=(0.0, 0.0), view="AP",
        harder_kv=13.0, dose_factor=12.0, range_factor=1.3, darker=0.9, ranged=True,
    ),
}  # fmt: skip


def part_named(name: str) -> Part:
    """Return a part by its name.

    Raises
    ------
    UsageError
        When there is none of that name.
    """
    if name not in PARTS:
        raise UsageError(f"there is no part '{name}' to simulate", remedy=f"Choose one of {', '.join(PARTS)}.")
    return PARTS[name]
