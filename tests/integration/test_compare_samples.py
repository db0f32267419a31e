"""The main job on the sample pairs: the right verdict, the right area, the same bytes, the same answer turned round."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

import calcimeasure as cm
from calcimeasure.export import comparison_record

PAIRS = ("unchanged", "grown")
EXPECTED = {"unchanged": "no_change", "grown": "increase"}


@pytest.fixture(scope="module", params=PAIRS)
def compared(request, sample_images: Path, tmp_path_factory) -> tuple[str, dict, dict, Path]:
    """Compare one pair once through the command line; name, record, truth and folder."""
    from calcimeasure.cli.main import run

    name = request.param
    out = tmp_path_factory.mktemp("compared") / name
    pair = sample_images / name
    with pytest.raises(SystemExit) as stopped:
        run(["compare", str(pair / "baseline.dcm"), str(pair / "followup.dcm"), "--out", str(out), "--quiet"])
    assert stopped.value.code == 0
    record = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    truth = json.loads((pair / "truth.json").read_text(encoding="utf-8"))
    return name, record, truth, out


def test_the_verdict_is_right(compared) -> None:
    name, record, _, _ = compared
    assert record["verdict"] == EXPECTED[name]


@pytest.mark.parametrize("film", ["baseline", "followup"])
def test_the_burden_is_within_ten_percent_of_truth(compared, film: str) -> None:
    _, record, truth, _ = compared
    assert record[film]["total_area_mm2"] == pytest.approx(truth[f"{film}_total_area_mm2"], rel=0.10)


def test_the_ratio_is_within_ten_percent_of_truth_and_inside_its_interval(compared) -> None:
    _, record, truth, _ = compared
    true_percent = 100 * (truth["total_area_ratio"] - 1)
    assert 1 + record["total_area_change_percent"] / 100 == pytest.approx(truth["total_area_ratio"], rel=0.10)
    low, high = record["ci95_percent"]
    assert low <= true_percent <= high


def test_the_new_deposit_is_new(compared) -> None:
    name, record, _, _ = compared
    statuses = [link["status"] for link in record["links"]]
    assert statuses.count("new") == (1 if name == "grown" else 0)
    assert "resolved" not in statuses


def test_the_folder_holds_what_the_records_page_names(compared) -> None:
    *_, out = compared
    there = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert there == [
        "baseline/labels.tif",
        "baseline/overlay.png",
        "baseline_to_followup.tfm",
        "comparison.json",
        "deposits.csv",
        "followup/labels.tif",
        "followup/overlay.png",
        "links.csv",
        "report.html",
    ]


def test_a_second_run_gives_the_same_bytes(compared, sample_images: Path, tmp_path: Path, program) -> None:
    name, _, _, out = compared
    pair = sample_images / name
    again = tmp_path / "again"
    assert program("compare", pair / "baseline.dcm", pair / "followup.dcm", "--out", again).status == 0
    for path in sorted(out.rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (again / path.relative_to(out)).read_bytes(), path.name


def test_no_name_path_or_identifier_is_in_the_results(compared, sample_images: Path) -> None:
    import pydicom

    name, _, _, out = compared
    header = pydicom.dcmread(sample_images / name / "baseline.dcm", stop_before_pixels=True)
    for path in out.rglob("*"):
        if path.suffix in (".json", ".csv", ".html"):
            text = path.read_text(encoding="utf-8")
            for secret in (str(header.PatientName), str(header.PatientID), "sample_images", "baseline.dcm"):
                assert secret not in text, f"{secret} is in {path.name}"


def test_turned_round_the_log_ratio_is_negated_and_every_status_mirrored(sample_images: Path) -> None:
    pair = sample_images / "grown"
    baseline, followup = cm.read_film(pair / "baseline.dcm"), cm.read_film(pair / "followup.dcm")
    forward, backward = cm.compare(baseline, followup), cm.compare(followup, baseline)
    assert forward.log_ratio is not None
    assert backward.log_ratio == -forward.log_ratio
    assert backward.log_ratio_se == forward.log_ratio_se
    mirror = {"new": "resolved", "resolved": "new", "split": "merged", "merged": "split"}
    told = sorted((link.status.value, link.baseline_labels, link.followup_labels) for link in forward.links)
    turned = sorted(
        (mirror.get(link.status.value, link.status.value), link.followup_labels, link.baseline_labels)
        for link in backward.links
    )
    assert turned == told
    assert (forward.verdict.value, backward.verdict.value) == ("increase", "decrease")


def test_a_film_compared_with_itself_shows_exactly_no_change(sample_images: Path) -> None:
    film = cm.read_film(sample_images / "grown" / "baseline.dcm")
    change = cm.compare(film, film)
    assert change.log_ratio == 0.0
    assert change.total_area_change_percent == 0.0
    assert {link.status.value for link in change.links} == {"matched"}
    assert any("same file" in warning for warning in map(str, change.warnings))


def test_the_frame_has_a_row_a_link(sample_images: Path) -> None:
    film = cm.read_film(sample_images / "unchanged" / "baseline.dcm")
    change = cm.compare(film, film)
    table = change.to_frame()
    assert len(table) == len(change.links) > 0
    assert math.isclose(table["baseline_area_mm2"].sum(), change.baseline_common_area_mm2)


def test_the_readme_example_runs(sample_images: Path, monkeypatch, capsys) -> None:
    readme = sample_images.parent / "README.md"
    code = readme.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(sample_images.parent)
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - the README's own lines
    assert capsys.readouterr().out.startswith("increase ")


def test_looking_at_both_films_at_once_gives_the_same(sample_images: Path) -> None:
    paths = [sample_images / "grown" / f"{which}.dcm" for which in ("baseline", "followup")]
    records = []
    for parallel in (False, True):
        films = [cm.read_film(path) for path in paths]  # new objects: nothing is kept from the time before
        records.append(comparison_record(cm.compare(*films, parallel=parallel)))
    assert records[0] == records[1]
