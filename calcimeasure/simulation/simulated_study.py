"""A simulated study: some subjects, some visits, a manifest and the truth."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from calcimeasure.simulation.bone_styles import STANDARD
from calcimeasure.simulation.changes import ChangePlan, apply_plan
from calcimeasure.simulation.deposit_placement import site_of
from calcimeasure.simulation.drawing_style import DrawingStyle
from calcimeasure.simulation.formats import format_at
from calcimeasure.simulation.simulated_dicom import write_dicom
from calcimeasure.simulation.simulated_film import Sitting, draw_sitting, render_film
from calcimeasure.simulation.simulated_pair import later_sitting, not_apart

if TYPE_CHECKING:
    from pathlib import Path

FIRST_DAY = date(2025, 1, 15)
VISIT_DAYS = 91
MANIFEST = ("subject", "visit", "date", "body_part", "side", "view", "repeat", "path")
TRUTH = ("subject", "visit", "deposit", "label", "kind", "background", "area_mm2", "area_common_mm2", "area_ratio")


def write_study(
    folder: Path,
    *,
    seed: int,
    subjects: int,
    visits: int,
    spacing_mm: float = 0.115,
    area_ratio: float = 1.0,
    subject_sd: float = 0.0,
    modality: str = "DX",
    style: str = STANDARD,
    film_style: str | None = None,
    deposit_style: str = STANDARD,
) -> int:
    """Write a study's films, ``manifest.csv`` and ``truth.csv``.

    Parameters
    ----------
    folder
        Written to; a folder a subject.
    seed
        Every subject draws from its own stream, so that a subject is the same in a larger study.
    area_ratio
        True change of the deposits' areas from one visit to the next.
    subject_sd
        Standard deviation between subjects of the logarithm of that ratio.
    style, film_style, deposit_style
        As in `calcimeasure.simulation.simulate_film`.

    Returns
    -------
    int
        Number of films.
    """
    drawn = DrawingStyle.of(style=style, film_style=film_style, deposit_style=deposit_style)
    folder.mkdir(parents=True, exist_ok=True)
    manifest: list[dict[str, object]] = []
    truth: list[dict[str, object]] = []
    for number, stream in enumerate(np.random.SeedSequence(seed).spawn(subjects), start=1):
        rng = np.random.default_rng(stream)
        name = f"S{number:03d}"
        ratio = area_ratio * float(np.exp(subject_sd * rng.normal()))
        for visit, sitting in enumerate(_sittings(rng, name, visits, ratio, spacing_mm=spacing_mm, style=drawn)):
            film = render_film(sitting, rng)
            visit_name = "baseline" if visit == 0 else f"month {3 * visit}"
            path = f"{name}/{name}_{visit_name.replace(' ', '')}.dcm"
            (folder / name).mkdir(exist_ok=True)
            write_dicom(film, folder / path, modality=modality)
            identity = film.film.identity
            manifest.append({"subject": name, "visit": visit_name, "date": identity.study_date,
                             "body_part": identity.body_part, "side": identity.side, "view": identity.view,
                             "repeat": 1, "path": path})  # fmt: skip
            truth.extend(
                {"subject": name, "visit": visit_name, "deposit": deposit.identity, "label": deposit.label,
                 "kind": deposit.kind, "background": deposit.background, "area_mm2": f"{deposit.area_mm2:.5f}",
                 "area_common_mm2": f"{deposit.area_common_mm2:.5f}", "area_ratio": f"{ratio**visit:.5f}"}
                for deposit in film.truth.deposits
            )  # fmt: skip
    _write_table(folder / "manifest.csv", MANIFEST, manifest)
    _write_table(folder / "truth.csv", TRUTH, truth)
    return len(manifest)


def _sittings(
    rng: np.random.Generator, name: str, visits: int, ratio: float, *, spacing_mm: float, style: DrawingStyle
) -> list[Sitting]:
    first = draw_sitting(rng, deposits=int(rng.integers(2, 9)), film_format=format_at(spacing_mm), style=style)
    first = replace(first, patient=f"SIM-{name}")
    sittings = [first]
    for visit in range(1, visits):
        plan = ChangePlan(area_ratio=ratio**visit)
        after = apply_plan(
            rng, first.limb, site_of(first.limb), first.deposits, plan, deposit_style=first.style.deposits
        ).followup
        day = (FIRST_DAY + timedelta(days=VISIT_DAYS * visit)).isoformat()
        sittings.append(replace(later_sitting(rng, first, study_date=day), deposits=after))
    # What one of the films does not show well is left out of the subject.
    bad = not_apart(sittings)
    return [
        replace(sitting, deposits=tuple(deposit for deposit in sitting.deposits if deposit.identity not in bad))
        for sitting in sittings
    ]


def _write_table(path: Path, columns: tuple[str, ...], rows: list[dict[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
