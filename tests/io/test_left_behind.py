"""What a process that was ended left behind is swept when the same results are written again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calcimeasure.io.atomic_output import check_output_folder, whole_folder
from calcimeasure.io.processes import machine_mark

DEAD = 2**22 - 3


def left(folder: Path, name: str, content: str = "half") -> Path:
    path = folder / name
    path.mkdir()
    (path / "measurement.json").write_text(content)
    return path


@pytest.mark.parametrize("name", [f".out.partial-{DEAD}-0", f".out.partial-{machine_mark()}-{DEAD}-0"])
def test_the_stage_of_a_dead_process_goes_at_the_next_start(tmp_path, name):
    stage = left(tmp_path, name)
    check_output_folder(tmp_path / "out")
    assert not stage.exists()


def test_the_stage_of_a_living_process_and_of_another_machine_stays(tmp_path):
    stages = [
        left(tmp_path, f".out.partial-{machine_mark()}-{os.getppid()}-0"),
        left(tmp_path, f".out.partial-00000000-{DEAD}-0"),
        left(tmp_path, f".other.partial-{machine_mark()}-{DEAD}-0"),
    ]
    with whole_folder(tmp_path / "out") as folder:
        (folder / "measurement.json").write_text("{}")
    assert all(stage.exists() for stage in stages)
    os.utime(stages[1], (time.time() - 2 * 86400,) * 2)
    check_output_folder(tmp_path / "new")
    with whole_folder(tmp_path / "out", overwrite=True) as folder:
        (folder / "measurement.json").write_text("{}")
    assert not stages[1].exists()


def test_results_that_were_set_aside_come_back(tmp_path):
    """The process ended between the two renames that put new results in the place of old ones."""
    left(tmp_path, f".out.old-{machine_mark()}-{DEAD}-0", "old results")
    left(tmp_path, f".out.partial-{machine_mark()}-{DEAD}-0", "new results")
    with pytest.raises(Exception, match="not empty"):
        check_output_folder(tmp_path / "out")
    assert (tmp_path / "out" / "measurement.json").read_text() == "old results"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be asked to end there")
def test_a_request_to_end_leaves_nothing(tmp_path):
    program = """
import sys, time
from pathlib import Path
from calcimeasure.cli import main
import click

@click.command()
def slow():
    from calcimeasure.io.atomic_output import whole_folder
    with whole_folder(sys.argv[1]) as folder:
        (folder / "measurement.json").write_text("half")
        print("writing", flush=True)
        time.sleep(600)

main.cli = slow
main.run([])
"""
    command = [sys.executable, "-c", program, str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("encoding", ["cp932", "cp1251", "cp1252", "ascii"])
def test_consoles_that_lack_our_signs(encoding):
    program = "from calcimeasure.cli import main; import click\n"
    program += "main.cli = click.Command('x', callback=lambda: click.echo('58.4 mm\\u00b2 \\u2265 5'))\nmain.run([])"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(b"58.4 mm")


def test_errors_of_the_system_are_named():
    program = "from calcimeasure.cli import main; import click\n"
    program += (
        "def fail(): open('/no/such/folder/file', 'w')\nmain.cli = click.Command('x', callback=fail)\nmain.run([])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr == (
        "Error: a file or folder could not be read or written: no such file or directory (file). "
        "Check rights and free space.\n"
    )
