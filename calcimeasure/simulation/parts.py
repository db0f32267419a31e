"""The limb parts that can be simulated, each with its maker, its poses and the film it is usually taken on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from calcimeasure.errors import UsageError
from calcimeasure.simulation.hand import draw_hand_pose, make_hand

if TYPE_CHECKING:
    import numpy as np

    from calcimeasure.simulation.limb import Limb, Pose


class LimbMaker(Protocol):
    """Draws a limb."""

    def __call__(self, rng: np.random.Generator, *, side: str) -> Limb:
        """Return a limb of a side."""


class PoseMaker(Protocol):
    """Draws a pose."""

    def __call__(self, rng: np.random.Generator, limb: Limb, *, near: Pose | None = None) -> Pose:
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
        The sides that may be asked for.
    """

    make: LimbMaker
    pose: PoseMaker
    film_mm: tuple[float, float]
    origin_mm: tuple[float, float]
    view: str
    sides: tuple[str, ...] = ("L", "R")


PARTS: dict[str, Part] = {
    "hand": Part(make=make_hand, pose=draw_hand_pose, film_mm=(287.5, 235.5), origin_mm=(0.0, -42.0), view="PA"),
}


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
