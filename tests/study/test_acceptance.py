"""A whole trial from a folder as hospitals send them: 24 patients, two visits, and everything that goes wrong."""

from __future__ import annotations

import csv
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calcimeasure.simulation.simulated_study import write_study

SUBJECTS = 24
SPACING_MM = 0.3
# Who is spoilt, and how.
CUT, GARBLED, HEADER_SIDE, REAL_SIDE, MISSING = "S003", "S007", "S011", "S015", "S019"


def other_side(path: Path, *, header_only: bool) -> None:
    """Make a film one of the other hand: as its header says, or as its picture shows while the header says nothing."""
    import pydicom

    dataset = pydicom.dcmread(path)
    if header_only:
        dataset.ImageLaterality = "L" if dataset.ImageLaterality == "R" else "R"
        dataset.FrameLaterality = dataset.ImageLaterality
        del dataset.FrameLaterality
    else:
        dataset.PixelData = np.ascontiguousarray(dataset.pixel_array[:, ::-1]).tobytes()
    dataset.save_as(path)


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder: films under names and folders that tell nothing."""
    root = tmp_path_factory.mktemp("trial")
    made = root / "made"
    assert write_study(made, seed=24, subjects=SUBJECTS, visits=2, spacing_mm=SPACING_MM) == 2 * SUBJECTS
    month_3 = {subject: made / subject / f"{subject}_month3.dcm" for subject in (CUT, GARBLED, HEADER_SIDE, REAL_SIDE)}
    whole = month_3[CUT].read_bytes()
    month_3[CUT].write_bytes(whole[: len(whole) * 2 // 3])
    month_3[GARBLED].write_bytes(random.Random(1).randbytes(50_000))  # noqa: S311 - noise, no secret
    other_side(month_3[HEADER_SIDE], header_only=True)
    other_side(month_3[REAL_SIDE], header_only=False)
    (made / MISSING / f"{MISSING}_month3.dcm").unlink()
    films = sorted(made.rglob("*.dcm"))
    random.Random(2).shuffle(films)  # noqa: S311
    for number, film in enumerate(films):
        place = root / "films" / f"{number % 5}"
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(film, place / f"IM{number:04d}")
    shutil.rmtree(made)
    return root


def calcimeasure(*arguments: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "calcimeasure", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_trial_of_24_patients(trial: Path) -> None:
    study = trial / "study"
    printed = calcimeasure("study", "init", trial / "films", "--out", study, "--title", "Trial")
    assert printed.returncode == 0, printed.stderr
    assert "46 films of 24 subjects; visits: baseline, month 3." in printed.stdout
    # The garbled file is no film; the cut one has a whole header, and fails when it is read.
    (left_out,) = table(study / "left_out.csv")
    assert "not a film" in left_out["reason"]
    key = {row["identifier"]: row["subject"] for row in table(study / "private" / "subject_key.csv")}
    assert sorted(key) == [f"SIM-S{number:03d}" for number in range(1, SUBJECTS + 1)]
    names = {name: key[f"SIM-{name}"] for name in (CUT, GARBLED, HEADER_SIDE, REAL_SIDE, MISSING)}
    for name in (GARBLED, HEADER_SIDE, MISSING):
        assert f"{names[name]}: no film of" in printed.stdout

    printed = calcimeasure("study", "run", study, "--workers", 2)
    assert printed.returncode == 5, printed.stderr
    assert "45 of 46 films read." in printed.stdout
    films = table(study / "results" / "tables" / "films.csv")
    (failed,) = [row for row in films if row["status"] == "failed"]
    assert (failed["subject"], failed["visit"]) == (names[CUT], "month 3")
    assert failed["reason"]

    pairs = {row["subject"]: row for row in table(study / "results" / "tables" / "pairs.csv")}
    assert sorted(pairs) == sorted(set(key.values()) - {names[name] for name in (CUT, GARBLED, HEADER_SIDE, MISSING)})
    assert pairs[names[REAL_SIDE]]["verdict"] == "not_comparable"
    assert "mirror" in pairs[names[REAL_SIDE]]["reason"].lower()
    subjects = {row["subject"]: row for row in table(study / "results" / "tables" / "subjects.csv")}
    assert len(subjects) == SUBJECTS
    lost = {subject for subject, row in subjects.items() if row["verdict"] == "not_evaluable"}
    assert lost >= set(names.values())
    # Now and then two films of one hand cannot be laid over each other: that is printed too, and is no failure.
    refused = lost - set(names.values())
    assert len(refused) <= 3
    assert all("could not be aligned" in subjects[subject]["reason"] for subject in refused)
    assert all(subjects[subject]["reason"] for subject in lost)

    printed = calcimeasure("study", "report", study)
    assert printed.returncode == 0, printed.stderr
    page = (study / "results" / "report.html").read_text(encoding="utf-8")
    assert f"of {SUBJECTS - len(lost)} patients ({len(lost)} more are not evaluable)" in page
    for name in names.values():
        assert f"{name}" in page
    assert "SIM-" not in page
    # Nothing is done again but what failed.
    printed = calcimeasure("study", "run", study, "--dry-run")
    expected = "To do: 2 films of 1 limb to be read (1 failed before), with their pairs; 0 other pairs."
    assert expected in printed.stdout
