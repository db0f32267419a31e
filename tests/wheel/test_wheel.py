"""Smoke tests that run against whatever is installed: the source tree in `make test`, the bare wheel right after."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import resources

import pytest

import calcimeasure as cm
from calcimeasure.io.sample_films import SAMPLE_PAIRS, sample_images_folder


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "calcimeasure", *arguments], capture_output=True, text=True, check=False, timeout=240
    )


def test_every_public_name_can_be_fetched() -> None:
    assert [name for name in cm.__all__ if getattr(cm, name, None) is None] == []


@pytest.mark.parametrize("name", ["py.typed", "export/schemas", "export/report/templates", "models/weights"])
def test_what_is_not_code_is_in_the_package(name: str) -> None:
    item = resources.files("calcimeasure").joinpath(name)
    assert item.is_file() or any(True for _ in item.iterdir())


def test_help_lists_only_commands_that_exist() -> None:
    from calcimeasure.cli.main import COMMANDS

    for name in COMMANDS:
        shown = run(name, "--help")
        assert shown.returncode == 0, f"{name}: {shown.stderr}"
        # review is the viewer's own program, which writes "usage" small.
        assert f"usage: calcimeasure {name}" in shown.stdout.lower()


def test_a_sample_pair_gives_a_verdict(tmp_path) -> None:
    pair = sample_images_folder() / SAMPLE_PAIRS[0]
    out = tmp_path / "out"
    done = run("compare", str(pair / "baseline.dcm"), str(pair / "followup.dcm"), "--out", str(out))
    assert done.returncode == 0, done.stderr
    record = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    assert record["verdict"] == "no_change"
