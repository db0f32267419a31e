"""The program as a whole: names, statuses, what is said where."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from calcimeasure import __version__
from calcimeasure.cli.main import COMMANDS, cli, run
from calcimeasure.errors import FilmError


def test_help_names_every_command() -> None:
    shown = CliRunner().invoke(cli, ["--help"])
    assert shown.exit_code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in shown.output


def test_version_and_module_form() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "calcimeasure", "--version"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == f"calcimeasure, version {__version__}"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from calcimeasure.cli.main import cli\n"
        "cli.main(['--help'], standalone_mode=False)\n"
        "print([m for m in ('numpy','cv2','pydicom','pandas','scipy','onnxruntime') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip().splitlines()[-1] == "[]"


def test_import_brings_nothing_heavy() -> None:
    code = (
        "import sys, calcimeasure\n"
        "print([m for m in ('cv2','pydicom','pandas','scipy','napari','qtpy','matplotlib','dask') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["nonsense"], 2, "No such command"),
        (["compare", "only-one.dcm"], 2, "Missing argument"),
        (["compare", "a.dcm", "b.dcm"], 2, "--out"),
        (["segment", "missing.dcm", "--out", "OUT"], 3, "missing.dcm"),
        (["segment", "missing.dcm", "--out", "OUT", "--spacing", "-1"], 2, "not a spacing"),
        (["segment", "missing.dcm", "--out", "OUT", "--points", "p", "--labels", "l"], 2, "exclude"),
        (["compare", "a", "b", "--out", "OUT", "--baseline-points", "p.csv"], 2, "belong together"),
        (["compare", "a", "b", "--out", "OUT", "--margin", "1.1", "1.2"], 2, "does not include 1"),
    ],
)
def test_bad_usage_is_told_with_its_status(
    arguments: list[str], status: int, words: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        run(arguments)
    assert stopped.value.code == status
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["compare", "a", "b", "--out", "o", "--points", "p"],
            "'--points'. It belongs to 'calcimeasure segment'. "
            "This command has --baseline-points and --followup-points.",
        ),
        (["segment", "a", "--out", "o", "--flip"], "'--flip'. It belongs to 'calcimeasure compare'."),
        (["study", "run", "s", "--title", "x"], "'--title'. It belongs to 'calcimeasure study init'."),
        (["compare", "a", "b", "--out", "o", "--overwite"], "'--overwite'. Did you mean --overwrite?"),
        (["segment", "a", "--out", "o", "--xyzzy"], "'--xyzzy'."),
    ],
)
def test_an_unknown_option_is_told_where_it_belongs(arguments: list[str], said: str, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"Error: No such option {said}"


def test_an_unexpected_failure_is_one_line_without_verbose(monkeypatch, capsys) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise ZeroDivisionError("Doe^Jane")

    monkeypatch.setattr(cli, "main", fail)
    with pytest.raises(SystemExit) as stopped:
        run(["compare"])
    said = capsys.readouterr().err
    assert stopped.value.code == 1
    assert "ZeroDivisionError" in said
    assert "Doe" not in said


def test_an_error_of_ours_carries_its_status_and_remedy(monkeypatch, capsys) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise FilmError("no pixels", where="film.dcm", remedy="Send the image, not its header.")

    monkeypatch.setattr(cli, "main", fail)
    with pytest.raises(SystemExit) as stopped:
        run(["segment"])
    assert stopped.value.code == 3
    assert capsys.readouterr().err == "Error: film.dcm: no pixels. Send the image, not its header.\n"
