"""The two sample pairs that ship with the project: one unchanged, one with a deposit grown and a new one.

Small films of 12 bits, so that trying the product out takes seconds. Everything follows from the seeds below.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from calcimeasure.simulation.changes import Visits
from calcimeasure.simulation.collimation_and_markers import Furniture
from calcimeasure.simulation.deposit_placement import BACKGROUNDS, draw_deposits, site_of
from calcimeasure.simulation.exposure import XrayExposure, draw_exposure
from calcimeasure.simulation.formats import FilmFormat
from calcimeasure.simulation.hand import HandTraits, draw_hand_pose, make_hand
from calcimeasure.simulation.limb import centred
from calcimeasure.simulation.simulated_dicom import write_dicom
from calcimeasure.simulation.simulated_film import Sitting, render_film, shown_whole
from calcimeasure.simulation.simulated_pair import FOLLOWUP_DATE, SimulatedPair, colliding, pair_of, without_collisions
from calcimeasure.simulation.truth import write_truth
from calcimeasure.simulation.vendor_processing import Processing

if TYPE_CHECKING:
    from pathlib import Path

    from calcimeasure.simulation.deposit_placement import HeldDeposit
    from calcimeasure.simulation.limb import Limb, LimbPose

SAMPLE_FORMAT = FilmFormat(shape=(900, 800), spacing_mm=(0.23, 0.23))
WRIST_BELOW_MIDDLE_MM = -64.0
LEAST_NEW_MM2 = 12.0
LEAST_MEAN_MM = 0.5


@dataclass(frozen=True, kw_only=True)
class Sample:
    """How one sample pair is made.

    Attributes
    ----------
    seed
        Of everything drawn.
    side, monochrome1
        Of both films.
    deposits
        At baseline.
    grown_ratio
        By which the largest deposit's area grows; 1 for none.
    new
        Deposits that come at follow-up.
    """

    seed: int
    side: str
    monochrome1: bool
    deposits: int
    grown_ratio: float = 1.0
    new: int = 0


SAMPLES = {
    "unchanged": Sample(seed=1, side="R", monochrome1=False, deposits=6),
    "grown": Sample(seed=3, side="L", monochrome1=True, deposits=5, grown_ratio=2.0, new=1),
}


def write_samples(folder: Path) -> list[Path]:
    """Write every sample pair under a folder: ``<name>/baseline.dcm``, ``followup.dcm`` and ``truth.json``.

    Returns
    -------
    list of Path
        The files written.
    """
    written = []
    for name in SAMPLES:
        pair = simulate_sample_pair(name)
        target = folder / name
        target.mkdir(parents=True, exist_ok=True)
        for visit, film in (("baseline", pair.baseline), ("followup", pair.followup)):
            write_dicom(film, target / f"{visit}.dcm")
            written.append(target / f"{visit}.dcm")
        write_truth(pair.truth, target / "truth.json")
        written.append(target / "truth.json")
    return written


def simulate_sample_pair(name: str) -> SimulatedPair:
    """Return one of the sample pairs by its name in `SAMPLES`."""
    sample = SAMPLES[name]
    rng = np.random.default_rng(sample.seed)
    limb = make_hand(rng, side=sample.side, traits=HandTraits(size=0.98))
    first = Sitting(
        limb=limb,
        deposits=(),
        pose=_pose(rng, limb),
        exposure=XrayExposure(voltage_kv=52.0, quanta_per_mm2=70_000.0),
        processing=Processing(monochrome1=sample.monochrome1),
        furniture=Furniture(marker=sample.side, margins_mm=(4.0, 4.0, 0.0, 4.0), collimation_deg=-1.2),
        film_format=SAMPLE_FORMAT,
        patient=f"SIM-SAMPLE-{name.upper()}",
    )
    second = replace(
        first,
        pose=_pose(rng, limb, near=first.pose),
        exposure=draw_exposure(rng, near=first.exposure),
        processing=replace(first.processing, shoulder=0.1, compression=0.25, black=-0.15),
        furniture=replace(first.furniture, collimation_deg=1.0, marker_style="plain"),
        study_date=FOLLOWUP_DATE,
    )
    visits = _visits(rng, (first, second), sample)
    first, second = replace(first, deposits=visits.baseline), replace(second, deposits=visits.followup)
    first, second, visits = without_collisions(first, second, visits)
    return pair_of(render_film(first, rng), render_film(second, rng), visits)


def _pose(rng: np.random.Generator, limb: Limb, *, near: LimbPose | None = None) -> LimbPose:
    pose = draw_hand_pose(rng, limb, near=near)
    rotations = {name: 0.75 * rotation for name, rotation in pose.rotations_deg.items()}
    pose = replace(pose, rotations_deg=rotations, rotation_deg=pose.rotation_deg * 0.4)
    pose = centred(limb, pose, without=("radius", "ulna"))
    return replace(pose, translation_mm=(pose.translation_mm[0], WRIST_BELOW_MIDDLE_MM + float(rng.normal(0, 1.5))))


def _visits(rng: np.random.Generator, sittings: tuple[Sitting, Sitting], sample: Sample) -> Visits:
    """Return deposits that both films show whole, some against each background, and what becomes of them."""
    limb = sittings[0].limb
    site = site_of(limb)
    drawn = draw_deposits(rng, limb, site, 4 * sample.deposits, diameters_mm=(2.2, 7.0), thickness_scale=1.25)
    drawn += draw_deposits(rng, limb, site, 4 * sample.new, diameters_mm=(4.0, 6.0), thickness_scale=1.25, others=drawn,
                           first_identity=len(drawn) + 1)  # fmt: skip
    seen = _seen_whole(sittings, drawn)
    fresh = [deposit for deposit in seen if deposit.shape.area_mm2 > LEAST_NEW_MM2][: -sample.new - 1 : -1]
    held = _mixed([deposit for deposit in seen if deposit not in fresh], sample.deposits)
    after = list(held)
    if sample.grown_ratio != 1.0:
        largest = max(range(len(held)), key=lambda index: held[index].shape.area_mm2)
        after[largest] = replace(held[largest], shape=held[largest].shape.grown(sample.grown_ratio))
    links: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = [
        ("matched", (deposit.identity,), (deposit.identity,)) for deposit in held
    ]
    links += [("new", (), (deposit.identity,)) for deposit in fresh]
    return Visits(baseline=tuple(held), followup=(*after, *fresh), links=tuple(links))


def _seen_whole(sittings: tuple[Sitting, Sitting], drawn: list[HeldDeposit]) -> list[HeldDeposit]:
    good = {deposit.identity for deposit in drawn}
    for sitting in sittings:
        trial = replace(sitting, deposits=tuple(drawn))
        good &= shown_whole(trial) - colliding(trial)
    # Nothing so thin that a reader would argue over it.
    dense = {one.identity for one in drawn if one.shape.volume_mm3 / one.shape.area_mm2 > LEAST_MEAN_MM}
    return [deposit for deposit in drawn if deposit.identity in good & dense]


def _mixed(deposits: list[HeldDeposit], count: int) -> list[HeldDeposit]:
    """Return so many deposits, of each background in rotation."""
    by_background = [[one for one in deposits if one.background == background] for background in BACKGROUNDS]
    mixed = [one for each in zip_longest(*by_background) for one in each if one is not None]
    return mixed[:count]
