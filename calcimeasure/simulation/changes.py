"""What happens to deposits between two visits: unchanged, grown, shrunk, thinner, new, gone, split, merged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from calcimeasure.errors import UsageError
from calcimeasure.simulation.bone_styles import STANDARD
from calcimeasure.simulation.calcium_deposits import CalciumDeposit
from calcimeasure.simulation.deposit_kinds import make_deposit
from calcimeasure.simulation.deposit_placement import APART_MM, HeldDeposit, Site, apart, draw_deposits
from calcimeasure.simulation.deposit_styles import make_grey_deposit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from calcimeasure.simulation.limb import Limb

SPLIT_SMALLEST_MM = 2.5
SPLIT_KEPT = 0.82  # of the diameter of each half, when a deposit melts in its middle


@dataclass(frozen=True, kw_only=True)
class ChangePlan:
    """What changes. The default changes nothing.

    Attributes
    ----------
    area_ratio
        Follow-up over baseline, the same for every deposit that stays.
    spread
        Standard deviation of the logarithm of each deposit's own ratio about that.
    touched
        Share of the deposits that take part in it; the others stay as they are.
    thickness_factor
        Of every deposit that stays: 0.5 makes them half as dense at the same outline.
    new, gone, split, merged
        How many deposits of each fate are tried for.
    """

    area_ratio: float = 1.0
    spread: float = 0.0
    touched: float = 1.0
    thickness_factor: float = 1.0
    new: int = 0
    gone: int = 0
    split: int = 0
    merged: int = 0

    def __post_init__(self) -> None:
        if not (self.area_ratio > 0 and self.thickness_factor > 0 and self.spread >= 0 and 0 <= self.touched <= 1):
            raise UsageError("a change needs a positive ratio and thickness factor, and a share between 0 and 1")
        if min(self.new, self.gone, self.split, self.merged) < 0:
            raise UsageError("a change cannot concern fewer than no deposits")


UNCHANGED = ChangePlan()


def draw_plan(rng: np.random.Generator) -> ChangePlan:
    """Return a random change: a third of the pairs unchanged, the others a mixture of everything."""
    if rng.random() < 1 / 3:
        return UNCHANGED
    return ChangePlan(
        area_ratio=float(np.exp(rng.normal(0, 0.3))),
        spread=float(rng.choice([0.0, 0.15])),
        touched=float(rng.choice([0.4, 1.0])),
        thickness_factor=float(np.exp(rng.normal(0, 0.25))) if rng.random() < 0.4 else 1.0,
        new=int(rng.random() < 0.3) + int(rng.random() < 0.1),
        gone=int(rng.random() < 0.3) + int(rng.random() < 0.1),
        split=int(rng.random() < 0.15),
        merged=int(rng.random() < 0.15),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Visits:
    """The deposits of a subject at two visits, and which belong together (by identity)."""

    baseline: tuple[HeldDeposit, ...]
    followup: tuple[HeldDeposit, ...]
    links: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]


def apply_plan(
    rng: np.random.Generator,
    limb: Limb,
    site: Site,
    held: Sequence[HeldDeposit],
    plan: ChangePlan,
    *,
    deposit_style: str = STANDARD,
) -> Visits:
    """Return what the plan makes of deposits; splits, merges and new ones, in a style, are added to those given.

    Deposits that would grow into another one are left as they are.
    """
    following = 1 + max((deposit.identity for deposit in held), default=0)
    links: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = []
    baseline, followup = list(held), []
    gone = set(rng.permutation(len(held))[: plan.gone].tolist())
    for index, deposit in enumerate(held):
        if index in gone:
            links.append(("resolved", (deposit.identity,), ()))
            continue
        others = [other for at, other in enumerate(held) if at != index]
        followup.append(_changed(rng, site, deposit, others, plan))
        links.append(("matched", (deposit.identity,), (deposit.identity,)))
    for _ in range(plan.new):
        for fresh in draw_deposits(rng, limb, site, 1, first_identity=following, others=[*baseline, *followup],
                                   diameters_mm=(1.5, 7.0), style=deposit_style):  # fmt: skip
            followup.append(fresh)
            links.append(("new", (), (fresh.identity,)))
            following += 1
    for status, count in (("split", plan.split), ("merged", plan.merged)):
        for _ in range(count):
            parts = _two_halves(rng, limb, site, [*baseline, *followup], following, style=deposit_style)
            if parts is None:
                continue
            whole, halves = parts
            one, two = (whole.identity,), tuple(half.identity for half in halves)
            if status == "split":
                baseline.append(whole)
                followup.extend(halves)
                links.append((status, one, two))
            else:
                baseline.extend(halves)
                followup.append(whole)
                links.append((status, two, one))
            following += 3
    return Visits(baseline=tuple(baseline), followup=tuple(followup), links=tuple(links))


def _changed(
    rng: np.random.Generator, site: Site, deposit: HeldDeposit, others: Sequence[HeldDeposit], plan: ChangePlan
) -> HeldDeposit:
    ratio = plan.area_ratio * float(np.exp(plan.spread * rng.normal()))
    if plan.touched < 1 and rng.random() >= plan.touched:
        ratio = 1.0
    if ratio == 1.0 and plan.thickness_factor == 1.0:
        return deposit
    shape = deposit.shape.grown(ratio, thickness_factor=plan.thickness_factor)
    changed = replace(deposit, shape=shape)
    if ratio > 1 and not all(apart(changed, other, site.placed) for other in others):
        return replace(deposit, shape=deposit.shape.grown(1.0, thickness_factor=plan.thickness_factor))
    return changed


def _two_halves(
    rng: np.random.Generator, limb: Limb, site: Site, others: Sequence[HeldDeposit], identity: int, *, style: str
) -> tuple[HeldDeposit, tuple[HeldDeposit, HeldDeposit]] | None:
    """Return a deposit of two bodies and a bridge, and the two bodies alone, too far apart to be one."""
    places = draw_deposits(rng, limb, site, 1, diameters_mm=(4.0, 8.0), others=others, style=style)
    if not places:
        return None
    seat = places[0]
    diameter = float(rng.uniform(SPLIT_SMALLEST_MM, 4.5))
    thickness = float(rng.uniform(0.4, 1.0))
    rotation = float(rng.uniform(0, 2 * np.pi))
    away = np.array([np.cos(rotation), np.sin(rotation)]) * (diameter + APART_MM + 0.6) / 2
    centre = np.array(seat.shape.centroid_mm)
    bodies = [
        _body(rng, style, kind, diameter, thickness).moved(np.eye(2), centre + sign * away)
        for kind, sign in (("lobulated", 1.0), ("bevel", -1.0))
    ]
    bridge = _body(rng, style, "lobulated", diameter * 1.1, 0.7 * thickness)
    whole = CalciumDeposit(
        pieces=(*bodies[0].pieces, *bodies[1].pieces, *bridge.moved(np.eye(2), centre).pieces),
        kind="cluster",
        depth_ratio=0.5,
        grey_blur_mm=bodies[0].grey_blur_mm,
    )
    halves = tuple(replace(body.grown(SPLIT_KEPT**2), depth_ratio=0.5) for body in bodies)
    held = [replace(seat, identity=identity + at, shape=shape) for at, shape in enumerate((whole, *halves))]
    if not apart(held[1], held[2], site.placed) or not all(apart(held[0], other, site.placed) for other in others):
        return None
    return held[0], (held[1], held[2])


def _body(rng: np.random.Generator, style: str, kind: str, diameter_mm: float, thickness_mm: float) -> CalciumDeposit:
    """Return one round body of a deposit that splits or two that merge, about (0, 0)."""
    if style == STANDARD:
        return make_deposit(kind, diameter_mm=diameter_mm, thickness_mm=thickness_mm, rng=rng, aspect=1.0)
    return make_grey_deposit(style, diameter_mm=diameter_mm, rng=rng, kind="bump", aspect=1.0)
