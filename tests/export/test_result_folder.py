"""The folders that leave: complete, equal byte for byte, without names, whole or not at all."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from calcimeasure.change.change_records import Comparison
from calcimeasure.errors import OutputError, UsageError
from calcimeasure.export import load_schema, result_folder, write_comparison, write_measurement
from calcimeasure.io.label_images import read_labels
from calcimeasure.io.transforms import read_transform
from calcimeasure.registration.alignment import map_points

DRAWN_PAIRS = Path(__file__).parents[1] / "fixtures" / "drawn_pairs.py"
PAIR_FILES = {
    "comparison.json", "links.csv", "deposits.csv", "report.html", "baseline/labels.tif", "baseline/overlay.png",
    "followup/labels.tif", "followup/overlay.png", "baseline_to_followup.tfm",
}  # fmt: skip
FILM_FILES = {"measurement.json", "deposits.csv", "labels.tif", "overlay.png"}


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def written(pair: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_comparison(pair, tmp_path_factory.mktemp("pair") / "out", settings={"method": "auto"})


def test_pair_is_complete(written: Path, pair: Comparison) -> None:
    assert set(files(written)) == PAIR_FILES
    record = json.loads((written / "comparison.json").read_text("utf-8"))
    jsonschema.validate(record, load_schema(record["schema"]))
    assert record["settings"] == {"method": "auto"}
    for key, measurement in (("baseline", pair.baseline), ("followup", pair.followup)):
        labels = read_labels(written / key / "labels.tif", measurement.film)
        assert labels.deposits == measurement.labels.deposits


def test_the_transform_maps_points_of_the_baseline_to_the_followup_in_mm(written: Path, pair: Comparison) -> None:
    transform = read_transform(written / "baseline_to_followup.tfm")
    assert pair.alignment is not None
    sizes = [np.array(one.film.spacing.mm or (1.0, 1.0)) for one in (pair.baseline, pair.followup)]
    for point in np.array([[10.0, 20.0], [55.5, 40.25]]):
        y, x = point * sizes[0]
        expected = map_points(pair.alignment, point) * sizes[1]
        assert transform.TransformPoint((x, y, 0.0))[1::-1] == pytest.approx(expected, abs=1e-6)


def test_film_is_complete(pair: Comparison, tmp_path: Path) -> None:
    folder = write_measurement(pair.baseline, tmp_path / "out")
    assert set(files(folder)) == FILM_FILES
    record = json.loads((folder / "measurement.json").read_text("utf-8"))
    jsonschema.validate(record, load_schema(record["schema"]))


def test_same_bytes(pair: Comparison, written: Path, tmp_path: Path) -> None:
    assert files(write_comparison(pair, tmp_path / "out", settings={"method": "auto"})) == files(written)


def test_same_bytes_in_another_process_and_folder(tmp_path: Path) -> None:
    """Neither the hash seed nor the folder nor the time leaves a trace."""
    code = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("pairs", sys.argv[1])
pairs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pairs)
from calcimeasure.export import write_comparison
write_comparison(pairs.draw_pair(height=240), sys.argv[2])
"""
    found = []
    for seed in ("1", "2"):
        out = tmp_path / seed / "out"
        command = [sys.executable, "-c", code, str(DRAWN_PAIRS), str(out)]
        subprocess.run(command, check=True, env={"PYTHONHASHSEED": seed, "PATH": ""})
        found.append(files(out))
    assert found[0] == found[1]


def test_no_name_leaves(written: Path) -> None:
    for name, data in files(written).items():
        for word in (b"Doe", b"DOE^", b"Jane", b"clinic", b"2024-0"):
            assert word not in data, name


def test_not_comparable_is_written(not_comparable: Comparison, tmp_path: Path) -> None:
    folder = write_comparison(not_comparable, tmp_path / "out")
    assert set(files(folder)) == PAIR_FILES - {"baseline_to_followup.tfm"}, "films that do not align have no transform"
    assert "Not comparable" in (folder / "report.html").read_text("utf-8")


def test_no_deposits_are_written(build_pair, tmp_path: Path) -> None:
    comparison = build_pair(height=200, baseline_blobs=(), followup_blobs=(), links=())
    folder = write_comparison(comparison, tmp_path / "out")
    assert set(files(folder)) == PAIR_FILES
    assert len(read_labels(folder / "baseline" / "labels.tif", comparison.baseline.film)) == 0


def test_overwrite(pair: Comparison, written: Path, tmp_path: Path) -> None:
    folder = write_measurement(pair.baseline, tmp_path / "out")
    with pytest.raises(UsageError):
        write_comparison(pair, folder)
    assert set(files(folder)) == FILM_FILES
    write_comparison(pair, folder, overwrite=True, settings={"method": "auto"})
    assert files(folder) == files(written)


@pytest.mark.parametrize("at", range(9))
def test_a_write_that_fails_leaves_nothing(
    pair: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    calls = iter(range(100))
    real = Path.open

    def failing(self: Path, *args: object, **kwargs: object) -> object:
        if args[:1] == ("xb",) and next(calls) == at:
            raise OSError(28, "No space left on device")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", failing)
    monkeypatch.setattr(result_folder, "report_html", lambda *_, **__: "page")
    monkeypatch.setattr(result_folder, "draw_overlay", lambda *_: b"picture")
    if at < len(PAIR_FILES):
        with pytest.raises(OutputError, match="No space left"):
            write_comparison(pair, tmp_path / "new" / "out")
        assert list(tmp_path.iterdir()) == []
    else:
        write_comparison(pair, tmp_path / "new" / "out")


def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path) -> None:
    code = """
import importlib.util, resource, sys
spec = importlib.util.spec_from_file_location("pairs", sys.argv[1])
pairs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pairs)
from calcimeasure.errors import OutputError
from calcimeasure.export import write_comparison
pair = pairs.draw_pair(height=240)
resource.setrlimit(resource.RLIMIT_FSIZE, (6_000, 6_000))
try:
    write_comparison(pair, sys.argv[2])
except OutputError as error:
    print(error)
"""
    command = [sys.executable, "-c", code, str(DRAWN_PAIRS), str(tmp_path / "out")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "File too large" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_films_without_masks_are_masked_anew(pair: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A measurement made elsewhere may come without anatomy: pictures are blanked all the same."""
    import calcimeasure.anatomy

    asked = []

    def find(film: object) -> object:
        asked.append(film)
        return pair.baseline.anatomy

    monkeypatch.setattr(calcimeasure.anatomy, "find_anatomy", find)
    folder = write_measurement(replace(pair.baseline, anatomy=None), tmp_path / "out")
    assert asked == [pair.baseline.film]
    assert (folder / "overlay.png").stat().st_size > 1000


def test_dicom_is_written_and_read_back(pair: Comparison, tmp_path: Path) -> None:
    folder = write_measurement(pair.baseline, tmp_path / "out", dicom=True)
    record = json.loads((folder / "measurement.json").read_text("utf-8"))
    jsonschema.validate(record, load_schema(record["schema"]))
    assert "segmentation.dcm" in record["dicom"]["written"]
    assert all((folder / name).is_file() for name in record["dicom"]["written"])
    labels = read_labels(folder / "segmentation.dcm", pair.baseline.film)
    assert (labels.image == pair.baseline.labels.image).all()
    write_measurement(pair.baseline, folder, overwrite=True)
    assert set(files(folder)) == FILM_FILES
