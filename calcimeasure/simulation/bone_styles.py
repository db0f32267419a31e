"""Styles of bones: the ways in which a subject's bones are drawn, from shell to solid, bare or with outgrowths.

``standard`` is the simulator's usual subject, ``any`` draws from the whole range and is what training sees. The style
``left_out`` is kept from all training, so that what is measured on it holds for a drawing never seen: tubes with
smooth, dense, round ends, a thin cortex, nearly no marrow and no trabeculae, on outlines without condyles. Three
properties make it: *hollow* (no bone in the marrow), *capped* (dense ends) and *smooth* (no trabeculae). No other style
ever combines two of them, and none has its tubular outlines.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from calcimeasure.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

STANDARD, ANY, LEFT_OUT = "standard", "any", "left_out"

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class BoneStyle:
    """How one subject's bones are built; the default is an adult with usual bones.

    Attributes
    ----------
    cortex
        Thickness of the cortex at mid-shaft as a share of half the shaft's width.
    plate_mm
        Thickness of the bone under the joints.
    spongy
        Volume share of bone in the ends.
    marrow_spongy
        The same in mid-shaft: near 0 is a shell, near 1 a solid bone.
    growth_plate_mm
        Width of the open growth plates; 0 in adults.
    large_growth_plates
        Whether elbow and knee show theirs too.
    end_density
        Of the surfaces at the joints, against the usual: below 1 is faint.
    cap
        How solid the ends are: 0 is spongy bone, 1 a dense rounded cap.
    trabecular_amplitude, trabecular_scale
        Contrast and size of the net of trabeculae, against the usual; an amplitude of 0 is smooth.
    osteophytes
        Mean number of spurs at the joints of each bone.
    exostoses
        Mean number of outgrowths of each shaft.
    joint_gap
        Width of the joints against the usual; below 0 they overlap.
    sesamoids
        How frequent sesamoids and fabellae are, against the usual.
    implants
        Mean number of screws, wires and plates.
    tubular
        Whether outlines are tubes with round ends; in ``left_out`` alone.
    """

    cortex: float = 0.46
    plate_mm: float = 0.5
    spongy: float = 0.34
    marrow_spongy: float = 0.1
    growth_plate_mm: float = 0.0
    large_growth_plates: bool = False
    end_density: float = 1.0
    cap: float = 0.0
    trabecular_amplitude: float = 1.0
    trabecular_scale: float = 1.0
    osteophytes: float = 0.0
    exostoses: float = 0.0
    joint_gap: float = 1.0
    sesamoids: float = 1.0
    implants: float = 0.0
    tubular: bool = False

    @property
    def properties_of_left_out(self) -> frozenset[str]:
        """Which of ``hollow``, ``capped``, ``smooth`` and ``tubular`` it is."""
        held = {
            "hollow": self.marrow_spongy < HOLLOW,
            "capped": self.cap > 0,
            "smooth": self.trabecular_amplitude < SMOOTH,
            "tubular": self.tubular,
        }
        return frozenset(name for name, is_held in held.items() if is_held)


HOLLOW, SOLID, SMOOTH = 0.04, 0.3, 0.45
_RELATIVE = ("cortex", "plate_mm", "spongy")
"""Fields whose ranges are factors of the subject's own value."""

_RANGES: Mapping[str, Mapping[str, Range]] = {
    STANDARD: {},
    "shell": {"cortex": (0.4, 0.75), "marrow_spongy": (0.0, 0.02), "spongy": (0.3, 0.6), "end_density": (0.5, 0.9),
              "trabecular_amplitude": (0.7, 1.3)},
    "solid": {"cortex": (0.8, 1.2), "marrow_spongy": (0.4, 0.9), "spongy": (1.2, 2.2)},
    "dense_ends": {"end_density": (1.3, 2.2), "cap": (0.35, 0.9), "marrow_spongy": (0.06, 0.2),
                   "trabecular_amplitude": (0.7, 1.3)},
    "trabecular": {"trabecular_amplitude": (1.6, 2.3), "trabecular_scale": (1.3, 2.6), "marrow_spongy": (0.12, 0.3),
                   "cortex": (0.6, 1.0)},
    "growing": {"growth_plate_mm": (0.8, 2.0)},
    "arthritic": {"osteophytes": (0.8, 2.5), "exostoses": (0.0, 0.3), "joint_gap": (-0.5, 0.5),
                  "end_density": (1.2, 1.9)},
    "hardware": {"implants": (2.0, 6.0)},
    LEFT_OUT: {"cortex": (0.35, 0.6), "plate_mm": (0.7, 1.0), "marrow_spongy": (0.0, 0.01), "spongy": (0.2, 0.4),
               "end_density": (0.6, 1.4), "cap": (0.5, 0.95), "trabecular_amplitude": (0.0, 0.0)},
}  # fmt: skip
BONE_STYLES = (*_RANGES, ANY)


def known_style(name: str, styles: Collection[str], what: str) -> str:
    """Return the name of a style.

    Parameters
    ----------
    styles
        The names that exist.
    what
        What it is a style of, for the message.

    Raises
    ------
    UsageError
        When there is none of that name.
    """
    if name not in styles:
        raise UsageError(f"there is no style '{name}' of {what}", remedy=f"Choose one of {', '.join(styles)}.")
    return name


def draw_style(rng: np.random.Generator, name: str = ANY, *, usual: BoneStyle | None = None) -> BoneStyle:
    """Return the bones of a subject in a style.

    Parameters
    ----------
    rng
        Decides what the style leaves open; nothing is drawn for ``standard``.
    name
        One of `BONE_STYLES`.
    usual
        The subject's bones in the standard style; the average adult's when None.

    Raises
    ------
    UsageError
        When there is no style of that name.
    """
    known_style(name, BONE_STYLES, "bones")
    usual = BoneStyle() if usual is None else usual
    if name == ANY:
        return _draw_any(rng, usual)
    drawn = {field: float(rng.uniform(*limits)) for field, limits in _RANGES[name].items()}
    drawn |= {field: drawn[field] * getattr(usual, field) for field in _RELATIVE if field in drawn}
    return replace(usual, **drawn, large_growth_plates=name == "growing", tubular=name == LEFT_OUT)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _draw_any(rng: np.random.Generator, usual: BoneStyle) -> BoneStyle:
    """Return bones from the whole range, but for what is left out."""
    marrow = usual.marrow_spongy if rng.random() < 0.4 else 0.9 * float(rng.random()) ** 3
    style = replace(
        usual,
        cortex=usual.cortex * _log_uniform(rng, 0.4, 1.5),
        plate_mm=usual.plate_mm * _log_uniform(rng, 0.7, 1.4),
        spongy=usual.spongy * _log_uniform(rng, 0.3, 2.2),
        marrow_spongy=marrow,
        end_density=_log_uniform(rng, 0.4, 2.2),
        # A solid bone has no room for a coarse net.
        trabecular_amplitude=float(rng.uniform(0.1, 1.1 if marrow > SOLID else 2.1)),
        trabecular_scale=_log_uniform(rng, 0.8, 2.4),
        cap=float(rng.uniform(0.15, 0.9)) if rng.random() < 0.3 else 0.0,
        osteophytes=float(rng.uniform(0.3, 2.5)) if rng.random() < 0.3 else 0.0,
        exostoses=float(rng.uniform(0.05, 0.3)) if rng.random() < 0.2 else 0.0,
        joint_gap=float(rng.uniform(-0.5, 1.4)) if rng.random() < 0.5 else 1.0,
        sesamoids=float(rng.uniform(0.0, 3.0)),
        implants=float(rng.uniform(1.0, 5.0)) if rng.random() < 0.15 else 0.0,
    )
    if usual.growth_plate_mm == 0 and rng.random() < 0.1:
        style = replace(style, growth_plate_mm=float(rng.uniform(0.8, 2.0)), large_growth_plates=True)
    return _away_from_left_out(rng, style)


def _away_from_left_out(rng: np.random.Generator, style: BoneStyle) -> BoneStyle:
    """Return bones with at most one of the properties of the style that training never sees."""
    held = sorted(style.properties_of_left_out)
    if len(held) < 2:
        return style
    kept = held[int(rng.integers(len(held)))]
    return replace(
        style,
        marrow_spongy=style.marrow_spongy
        if kept == "hollow"
        else max(style.marrow_spongy, float(rng.uniform(0.06, 0.2))),
        cap=style.cap if kept == "capped" else 0.0,
        trabecular_amplitude=style.trabecular_amplitude
        if kept == "smooth"
        else max(style.trabecular_amplitude, float(rng.uniform(0.6, 1.5))),
    )
