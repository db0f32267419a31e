"""What a style makes of a bone's outline: spurs and outgrowths added to it, or a tube with round ends instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from calcimeasure.simulation.geometry import polygon_area

if TYPE_CHECKING:
    from calcimeasure.simulation.bone_styles import BoneStyle
    from calcimeasure.simulation.geometry import Points

FINE_MM = 0.25
TUBE_ROWS = 160
FLARE_KEPT = 0.3  # of what the ends of a tube are wider than its waist
ROUND_END = 0.75  # length of a tube's round end over half its width


def styled_outline(
    outline: Points, rng: np.random.Generator, style: BoneStyle, *, joints: tuple[bool, bool], short: bool = False
) -> Points:
    """Return the outline of a bone in a style; as given, and nothing drawn, where the style changes no outline.

    Parameters
    ----------
    outline
        (n, 2) closed, in mm, y along the bone.
    joints
        Whether its lower and its upper end are joints.
    short
        Whether it has no shaft.
    """
    if style.tubular:
        outline = _ellipse(outline) if short else _tube(outline, joints)
    for mean, of_shaft in ((style.osteophytes, False), (style.exostoses, True)):
        if mean > 0 and not (short and of_shaft):
            for _ in range(int(rng.poisson(mean))):
                outline = _with_spur(_evenly(outline), rng, joints, of_shaft=of_shaft, short=short)
    return outline


def _evenly(outline: Points) -> Points:
    """Return the outline with points at most `FINE_MM` apart."""
    closed = np.concatenate([outline, outline[:1]])
    place = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    fine = np.arange(0, place[-1], FINE_MM)
    return np.stack([np.interp(fine, place, closed[:, axis]) for axis in (0, 1)], axis=1)


def _with_spur(
    outline: Points, rng: np.random.Generator, joints: tuple[bool, bool], *, of_shaft: bool, short: bool
) -> Points:
    """Return an evenly spaced outline with a spur at the rim of a joint, or an outgrowth of the shaft."""
    low, high = outline[:, 1].min(), outline[:, 1].max()
    along = (outline[:, 1] - low) / (high - low)
    tangent = (np.roll(outline, -1, axis=0) - np.roll(outline, 1, axis=0)) / (2 * FINE_MM)
    outwards = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1) * np.sign(polygon_area(outline))
    middle = np.median(outline[:, 0])
    beside = np.abs(outline[:, 0] - middle) / max(float(np.abs(outline[:, 0] - middle).max()), 1e-6)
    width = 2 * float(np.percentile(np.abs(outline[:, 0] - middle), 50))
    if of_shaft:
        ends = (along > 0.12) & (along < 0.35) & joints[0] | (along > 0.65) & (along < 0.88) & joints[1]
        places = ends & (np.abs(outwards[:, 0]) > 0.7)
        height, spread = width * float(rng.uniform(0.15, 0.45)), width * float(rng.uniform(0.1, 0.25))
    else:
        at_rim = (along < 0.1) & joints[0] | (along > 0.9) & joints[1]
        places = (at_rim | short) & (beside > 0.5)
        height, spread = width * float(rng.uniform(0.06, 0.22)), width * float(rng.uniform(0.04, 0.1))
    chosen = np.flatnonzero(places)
    if not len(chosen):
        return outline
    place = int(rng.choice(chosen))
    away = np.abs(np.arange(len(outline)) - place)
    away = np.minimum(away, len(outline) - away) * FINE_MM
    # An osteophyte leans towards the joint, an exostosis away from it.
    lean = np.sign(along[place] - 0.5) * (-1.0 if of_shaft else 1.0) * float(rng.uniform(0.2, 0.8))
    direction = outwards[place] + np.array([0.0, lean])
    direction = direction / np.hypot(*direction)
    return np.asarray(outline + height * np.exp(-0.5 * (away / spread) ** 2)[:, None] * direction)


def _tube(outline: Points, joints: tuple[bool, bool]) -> Points:
    """Return a bone of the same length and waist with little flare and round ends."""
    low, high = float(outline[:, 1].min()), float(outline[:, 1].max())
    # Rows lie closer at the ends, which are round.
    y = low + (high - low) * (1 - np.cos(np.linspace(0, np.pi, TUBE_ROWS + 2)[1:-1])) / 2
    left, right = _sides(outline, y)
    half, centre = (right - left) / 2, (right + left) / 2
    waist = float(np.percentile(half, 30))
    half = waist + FLARE_KEPT * np.maximum(half - waist, 0)
    straight = np.polynomial.Polynomial.fit(y, centre, 1)(y)
    for is_joint, from_end in ((joints[0], y - low), (joints[1], high - y)):
        reach = ROUND_END * float(np.max(half[from_end < 0.25 * (high - low)]))
        if is_joint:
            half = np.where(from_end < reach, half * np.sqrt(np.clip(1 - (1 - from_end / reach) ** 2, 0, 1)), half)
    right_side, left_side = (np.stack([straight + sign * half, y], axis=1) for sign in (1.0, -1.0))
    return np.concatenate([right_side, left_side[::-1]])


def _sides(outline: Points, y: Points) -> tuple[Points, Points]:
    """Return the smallest and the largest x of an outline at each y."""
    fine = _evenly(outline)
    left, right = np.full(len(y), np.inf), np.full(len(y), -np.inf)
    row = np.argmin(np.abs(fine[:, 1, None] - y[None]), axis=1)
    np.minimum.at(left, row, fine[:, 0])
    np.maximum.at(right, row, fine[:, 0])
    known = np.isfinite(left) & np.isfinite(right)
    return np.interp(y, y[known], left[known]), np.interp(y, y[known], right[known])


def _ellipse(outline: Points) -> Points:
    angle = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    low, high = outline.min(axis=0), outline.max(axis=0)
    unit = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return np.asarray((low + high) / 2 + 0.47 * (high - low) * unit)
