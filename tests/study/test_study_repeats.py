"""What a study's own repeats say of precision."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from calcimeasure.cli.precision_command import precision
from calcimeasure.deposits import Origin, from_label_image
from calcimeasure.errors import StudyError
from calcimeasure.io import read_film
from calcimeasure.measurement import measure_film
from calcimeasure.review.reading_store import ReadingLocation, write_signed
from calcimeasure.study.manifest import read_manifest, write_manifest
from calcimeasure.study.study_repeats import Repeated, repeats_table
from calcimeasure.study.study_runner import run_study


def sign(study: Path, film_path: Path, reader: str, rows: int) -> None:
    """Sign a reading of a square of so many rows."""
    film = read_film(film_path)
    image = np.zeros(film.shape, np.uint16)
    image[100 : 100 + rows, 100:110] = 1
    labels = from_label_image(image, film_sha256=film.sha256, origin=Origin.DRAWN)
    version = ReadingLocation(root=study, key=film.film_id, reader=reader).next_version()
    version.parent.mkdir(parents=True)
    write_signed(
        version,
        measure_film(film, labels),
        signed_at=datetime(2026, 1, 1, tzinfo=UTC),
        actions=[],
        films={"baseline": {"sha256": film.sha256}},
    )


def test_readings_of_two_readers_and_a_second_of_one(study: Path, films: Path) -> None:
    with pytest.raises(StudyError, match="no film was read twice"):
        repeats_table(study, Repeated.READINGS)
    for subject, tall in (("A", 10), ("B", 20)):
        for reader, more in (("R1", 0), ("R1.2", 1), ("R2", 2)):
            sign(study, films / subject / "baseline.dcm", reader, tall + more)
    table = repeats_table(study, Repeated.READINGS)
    assert sorted(table["reader"]) == ["R1", "R1", "R1", "R1", "R2", "R2"]
    assert table["item"].nunique() == 2
    # 0.6 mm pixels: ten columns of 10, 11 and 12, and of 20, 21 and 22 rows.
    assert sorted(table["area_mm2"] / 3.6) == pytest.approx([10, 11, 12, 20, 21, 22], rel=0.01)
    result = CliRunner().invoke(precision, [str(study), "--of", "readings"])
    assert result.exit_code == 0, result.output
    assert "Readers: 2, 6 readings of 2 items" in result.output
    assert "2 items measured more than once" in result.output


@pytest.mark.usefixtures("stubbed_work")
def test_repeat_exposures(study: Path, inline: Executor) -> None:
    rows = list(read_manifest(study / "films.csv"))
    rows = [replace(row, visit="baseline", repeat=2) if row.visit != "baseline" else row for row in rows]
    write_manifest(study / "films.csv", rows)
    with pytest.raises(StudyError, match="no visit has a repeat exposure"):
        repeats_table(study, Repeated.FILMS)
    run_study(study, executor=inline)
    table = repeats_table(study, Repeated.FILMS)
    assert list(table["area_mm2"]) == [1.0, 1.0, 1.0, 1.0]
    assert list(table["reader"].unique()) == ["program"]
    with pytest.raises(StudyError, match="no deposit was measured on two exposures"):
        repeats_table(study, Repeated.DEPOSITS)
