"""Two visits of one subject: the same limb in another pose, exposed and processed anew, its deposits changed or not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from calcimeasure.simulation.bone_styles import STANDARD
from calcimeasure.simulation.changes import UNCHANGED, ChangePlan, Visits, apply_plan
from calcimeasure.simulation.collimation_and_markers import draw_furniture
from calcimeasure.simulation.deposit_placement import HeldDeposit, site_of
from calcimeasure.simulation.drawing_style import USUAL_STYLE, DrawingStyle
from calcimeasure.simulation.exposure import draw_exposure
from calcimeasure.simulation.film_styles import draw_finish
from calcimeasure.simulation.geometry import outline_gap
from calcimeasure.simulation.hardware import hardware_later
from calcimeasure.simulation.limb_parts import part_named
from calcimeasure.simulation.simulated_film import (
    SimulatedFilm,
    Sitting,
    draw_sitting,
    placed_deposits,
    render_film,
    shown_whole,
    styled_format,
)
from calcimeasure.simulation.truth import LinkTruth, PairTruth
from calcimeasure.simulation.vendor_processing import draw_processing

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from calcimeasure.simulation.calcium_deposits import CalciumDeposit
    from calcimeasure.simulation.formats import FilmFormat

FOLLOWUP_DATE = "2025-04-15"
STILL_APART_MM = 2.1


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedPair:
    """Two films of one limb with the truth about them and about the change."""

    baseline: SimulatedFilm
    followup: SimulatedFilm
    truth: PairTruth


def simulate_pair(
    rng: np.random.Generator,
    *,
    plan: ChangePlan = UNCHANGED,
    part: str = "hand",
    side: str | None = None,
    deposits: int | None = None,
    spacing_mm: float | None = None,
    film_format: FilmFormat | None = None,
    bits: int | None = None,
    same_processing: bool = False,
    style: str = STANDARD,
    film_style: str | None = None,
    deposit_style: str = STANDARD,
) -> SimulatedPair:
    """Return two films of one limb.

    Parameters
    ----------
    rng
        Decides everything that is not given; the same state gives the same bytes.
    plan
        What happens to the deposits; `draw_plan` draws one.
    part, side, deposits, spacing_mm, film_format, bits, style, film_style, deposit_style
        As in `simulate_film`; bones and deposits are drawn in one style on both films.
    same_processing
        Keep the vendor's processing of the first film.
    """
    drawn = DrawingStyle.of(style=style, film_style=film_style, deposit_style=deposit_style)
    film_format = film_format or styled_format(rng, drawn, spacing_mm, part=part)
    first, second, visits = draw_visits(
        rng,
        plan=plan,
        part=part,
        side=side,
        deposits=deposits,
        film_format=film_format,
        bits=bits,
        same_processing=same_processing,
        style=drawn,
    )
    return pair_of(render_film(first, rng), render_film(second, rng), visits)


def draw_visits(
    rng: np.random.Generator,
    *,
    plan: ChangePlan = UNCHANGED,
    part: str = "hand",
    side: str | None = None,
    deposits: int | None = None,
    film_format: FilmFormat | None = None,
    bits: int | None = None,
    same_processing: bool = False,
    style: DrawingStyle = USUAL_STYLE,
) -> tuple[Sitting, Sitting, Visits]:
    """Return the two sittings of a subject and its deposits at both; see `simulate_pair`."""
    first = draw_sitting(rng, part=part, side=side, deposits=deposits, film_format=film_format, bits=bits, style=style)
    site = site_of(first.limb, part=part)
    visits = apply_plan(rng, first.limb, site, first.deposits, plan, deposit_style=first.style.deposits)
    second = later_sitting(rng, first, study_date=FOLLOWUP_DATE, bits=bits, same_processing=same_processing)
    first = replace(first, deposits=visits.baseline)
    second = replace(second, deposits=visits.followup)
    return without_collisions(first, second, visits)


def later_sitting(
    rng: np.random.Generator,
    first: Sitting,
    *,
    study_date: str,
    bits: int | None = None,
    same_processing: bool = False,
) -> Sitting:
    """Return another visit of a subject: posed, exposed and processed anew, its deposits as they were."""
    return replace(
        first,
        pose=part_named(first.part).pose(rng, first.limb, near=first.pose),
        exposure=draw_exposure(rng, near=first.exposure, part=first.part),
        processing=first.processing
        if same_processing
        else draw_processing(rng, near=first.processing, bits=bits, part=first.part),
        furniture=draw_furniture(rng, side=first.limb.side),
        hardware=hardware_later(rng, first.hardware),
        study_date=study_date,
        finish=first.finish if same_processing else draw_finish(rng, first.style.film, near=first.finish),
    )


def without_collisions(first: Sitting, second: Sitting, visits: Visits) -> tuple[Sitting, Sitting, Visits]:
    """Take out deposits that a film does not show whole, or shows so close to another that they are one."""
    bad = not_apart((first, second))
    links = tuple(link for link in visits.links if not bad.intersection(link[1] + link[2]))
    kept = {identity for _, before, after in links for identity in before + after}

    def keep(deposits: tuple[HeldDeposit, ...]) -> tuple[HeldDeposit, ...]:
        return tuple(deposit for deposit in deposits if deposit.identity in kept)

    first, second = (replace(one, deposits=keep(one.deposits)) for one in (first, second))
    return first, second, Visits(baseline=first.deposits, followup=second.deposits, links=links)


def not_apart(sittings: Sequence[Sitting]) -> set[int]:
    """Return the identities of deposits that one of the films does not show whole, or too close to another."""
    bad: set[int] = set()
    for sitting in sittings:
        bad |= {deposit.identity for deposit in sitting.deposits} - shown_whole(sitting)
        bad |= colliding(sitting)
    return bad


def colliding(sitting: Sitting) -> set[int]:
    """Return the identities of deposits that a film shows too close to an earlier one to be separated from it."""
    on_film: list[CalciumDeposit] = placed_deposits(sitting)
    bad: set[int] = set()
    for later in range(len(on_film)):
        for earlier in range(later):
            if sitting.deposits[earlier].identity in bad:
                continue
            a, b = on_film[earlier].points_mm, on_film[later].points_mm
            gap = max(*(a.min(axis=0) - b.max(axis=0)), *(b.min(axis=0) - a.max(axis=0)))
            if gap < STILL_APART_MM and outline_gap(a[::4], b[::4]) < STILL_APART_MM:
                bad.add(sitting.deposits[later].identity)
    return bad


def pair_of(baseline: SimulatedFilm, followup: SimulatedFilm, visits: Visits) -> SimulatedPair:
    """Return the pair with its truth."""
    before = {deposit.identity: deposit for deposit in baseline.truth.deposits}
    after = {deposit.identity: deposit for deposit in followup.truth.deposits}
    links = []
    for status, first, second in visits.links:
        old = sum(before[identity].area_common_mm2 for identity in first)
        new = sum(after[identity].area_common_mm2 for identity in second)
        links.append(
            LinkTruth(
                status=status,
                baseline_labels=tuple(before[identity].label for identity in first),
                followup_labels=tuple(after[identity].label for identity in second),
                area_ratio=new / old if old and new else None,
            )
        )
    total = baseline.truth.total_area_common_mm2
    ratio = followup.truth.total_area_common_mm2 / total if total else None
    truth = PairTruth(
        total_area_ratio=ratio,
        baseline_total_area_mm2=baseline.truth.total_area_mm2,
        followup_total_area_mm2=followup.truth.total_area_mm2,
        links=tuple(links),
        baseline=baseline.truth,
        followup=followup.truth,
    )
    return SimulatedPair(baseline=baseline, followup=followup, truth=truth)
