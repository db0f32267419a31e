"""The samples that ship: written again byte for byte, small, and what the issue asks of them."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from calcimeasure.cli.simulate_command import simulate
from calcimeasure.io import read_film
from calcimeasure.simulation.sample_pairs import SAMPLES


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    result = CliRunner().invoke(simulate, ["samples", "--out", str(folder)])
    assert result.exit_code == 0, result.output
    return folder


def test_samples_are_written_again_byte_for_byte(written, sample_images):
    names = sorted(path.relative_to(written) for path in written.rglob("*") if path.is_file())
    assert len(names) == 3 * len(SAMPLES)
    for name in names:
        assert (written / name).read_bytes() == (sample_images / name).read_bytes(), name


def test_samples_are_small(sample_images):
    assert sum(path.stat().st_size for path in sample_images.rglob("*.dcm")) < 6_000_000


def test_one_pair_is_monochrome1_and_all_have_twelve_bits(sample_images):
    inverted = {name: read_film(sample_images / name / "baseline.dcm").grey for name in SAMPLES}
    assert {name: grey.inverted for name, grey in inverted.items()} == {"unchanged": False, "grown": True}
    assert all(grey.highest - grey.lowest == 4095 for grey in inverted.values())


def test_truth_says_what_each_pair_is_for(sample_images):
    truths = {name: json.loads((sample_images / name / "truth.json").read_text()) for name in SAMPLES}
    assert truths["unchanged"]["total_area_ratio"] == 1.0
    assert {link["status"] for link in truths["unchanged"]["links"]} == {"matched"}
    grown = truths["grown"]
    assert grown["total_area_ratio"] > 1.3
    ratios = [link["area_ratio"] for link in grown["links"] if link["status"] == "matched"]
    assert sorted(ratios)[-1] > 1.5
    assert sum(link["status"] == "new" for link in grown["links"]) == 1
    for truth in truths.values():
        assert {deposit["background"] for deposit in truth["baseline"]["deposits"]} == {
            "soft_tissue", "touching_bone", "over_bone"}  # fmt: skip
