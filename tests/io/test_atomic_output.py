"""A folder of results is there whole or not at all, whatever goes wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from calcimeasure.errors import OutputError, UsageError
from calcimeasure.io import atomic_output
from calcimeasure.io.atomic_output import check_output_folder, whole_folder, write_bytes, write_text


def everything(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() if p.is_file() else "/" for p in sorted(folder.rglob("*"))}


def old_results(folder: Path) -> Path:
    (folder / "baseline").mkdir(parents=True)
    (folder / "comparison.json").write_text("old")
    (folder / "baseline" / "labels.tif").write_text("old")
    return folder


def fill(stage: Path, text: str = "new") -> None:
    write_text(stage / "comparison.json", text)
    write_bytes(stage / "followup" / "labels.tif", text.encode())


def fail_with(error: BaseException, target: Path) -> None:
    with whole_folder(target, overwrite=True) as stage:
        fill(stage)
        raise error


NEW = {"comparison.json": "new", "followup": "/", "followup/labels.tif": "new"}


@pytest.mark.parametrize("target", ["out", "a/b/out"])
def test_a_new_folder(tmp_path: Path, target: str) -> None:
    with whole_folder(tmp_path / target) as stage:
        assert not (tmp_path / target).exists()
        fill(stage)
    assert everything(tmp_path / target) == NEW
    assert [p.name for p in (tmp_path / target).parent.iterdir()] == ["out"]


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o750)
    with whole_folder(tmp_path / "out") as stage:
        fill(stage)
    assert everything(tmp_path / "out") == NEW
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o750


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    out = old_results(tmp_path / "out")
    before = everything(tmp_path)
    with pytest.raises(UsageError, match="not empty") as caught, whole_folder(out):
        pytest.fail("the block must not be reached")
    assert "--overwrite" in caught.value.remedy
    assert caught.value.exit_status == 2
    assert everything(tmp_path) == before


def test_overwrite_replaces_all_of_it(tmp_path: Path) -> None:
    out = old_results(tmp_path / "out")
    with whole_folder(out, overwrite=True) as stage:
        assert (out / "comparison.json").read_text() == "old"
        fill(stage)
    assert everything(tmp_path) == {"out": "/", **{f"out/{name}": text for name, text in NEW.items()}}


@pytest.mark.parametrize("name", ["thesis.docx", "baseline/notes.txt", "comparison.json/x", "baseline/deep/labels.tif"])
def test_overwrite_never_touches_what_is_not_ours(tmp_path: Path, name: str) -> None:
    path = tmp_path / "out" / name
    path.parent.mkdir(parents=True)
    path.write_text("precious")
    for overwrite in (False, True):
        with pytest.raises(UsageError), whole_folder(tmp_path / "out", overwrite=overwrite):
            pytest.fail("the block must not be reached")
    assert path.read_text() == "precious"


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UsageError, match="a file, not a folder"), whole_folder(tmp_path / "out", overwrite=True):
        pytest.fail("the block must not be reached")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("bug"), KeyboardInterrupt()])
@pytest.mark.parametrize("existing", [False, True])
def test_nothing_is_left_of_a_failure(tmp_path: Path, error: BaseException, existing: bool) -> None:
    out = old_results(tmp_path / "out") if existing else tmp_path / "made" / "out"
    before = everything(tmp_path)
    expected = OutputError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        fail_with(error, out)
    assert everything(tmp_path) == before


def test_the_reason_of_a_failed_write_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No space left on device") as caught, whole_folder(tmp_path / "out"):
        raise OSError(28, "No space left on device")
    assert caught.value.remedy
    assert caught.value.exit_status == 1


def test_a_failed_sync_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(atomic_output.os, "fsync", refuse)
    with pytest.raises(OutputError, match="Input/output error"), whole_folder(tmp_path / "out") as stage:
        fill(stage)
    assert everything(tmp_path) == {}


def test_a_failed_swap_leaves_the_old_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = old_results(tmp_path / "out")
    before = everything(tmp_path)
    rename = Path.rename

    def fail_for_new(self: Path, target: Path) -> Path:
        if ".partial-" in self.name:
            raise OSError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_new)
    with pytest.raises(OutputError, match="Permission denied"), whole_folder(out, overwrite=True) as stage:
        fill(stage)
    assert everything(tmp_path) == before


def test_the_current_folder_stays_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that stands in the folder must not find itself in a deleted one."""
    out = old_results(tmp_path / "out")
    monkeypatch.chdir(out)
    node = out.stat().st_ino
    with whole_folder(".", overwrite=True) as stage:
        fill(stage)
    assert out.stat().st_ino == node
    assert everything(tmp_path) == {"out": "/", **{f"out/{name}": text for name, text in NEW.items()}}


def test_a_failure_in_the_current_folder_leaves_the_old_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = old_results(tmp_path / "out")
    before = everything(tmp_path)
    monkeypatch.chdir(out)
    rename = Path.rename

    def fail_for_record(self: Path, target: Path) -> Path:
        if self.name == "comparison.json" and ".partial-" in self.parent.name and ".old" not in str(self):
            raise OSError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_record)
    with pytest.raises(OutputError), whole_folder(".", overwrite=True) as stage:
        fill(stage)
    assert everything(tmp_path) == before


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with whole_folder(tmp_path / "link") as stage:
        fill(stage)
    assert (tmp_path / "link").is_symlink()
    assert everything(tmp_path / "real") == NEW


def test_two_writers_do_not_share_a_stage(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "out") as first:
        fill(first)
        with pytest.raises(OutputError):
            fail_with(OSError(28, "No space left on device"), tmp_path / "out")
    assert everything(tmp_path / "out") == NEW


def enter(target: Path) -> None:
    with whole_folder(target):
        pytest.fail("the block must not be reached")


@pytest.mark.parametrize("work", [check_output_folder, enter])
def test_a_folder_is_named_as_it_was_given(tmp_path: Path, monkeypatch, work: Callable[[Path], None]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "mine.txt").write_text("precious")
    with pytest.raises(UsageError, match=r"^results: the folder is not empty\."):
        work(Path("results"))


# Permissions do not bind the superuser; these hold for everybody.
@pytest.mark.parametrize(
    "name", ["file/out", "file/deep/out", "n" * 300], ids=["in a file", "deep in a file", "too long"]
)
@pytest.mark.parametrize("work", [check_output_folder, enter])
def test_a_folder_that_cannot_be_made(tmp_path: Path, work: Callable[[Path], None], name: str) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(OutputError) as caught:
        work(tmp_path / name)
    assert "choose another with --out" in caught.value.remedy
    assert caught.value.where == str(tmp_path / name)
    assert everything(tmp_path) == {"file": "precious"}


@pytest.mark.parametrize("work", [check_output_folder, enter])
def test_a_folder_that_is_not_writable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: Callable[[Path], None]
) -> None:
    """The system's own refusal, given for it: where tests run as the superuser it refuses nothing."""

    def refuse(self: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    folder = tmp_path / "locked"
    folder.mkdir()
    monkeypatch.setattr(atomic_output.os, "access", lambda _, mode: not mode & os.W_OK)
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OutputError, match=r"Permission denied|nothing can be written in 'locked'") as caught:
        work(folder / "out")
    assert caught.value.exit_status == 1
    assert everything(tmp_path) == {"locked": "/"}


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on the size of files there")
def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    """A limit on the size of files fails a write half way, as a full disk does."""
    code = f"""
import resource
from calcimeasure.errors import OutputError
from calcimeasure.io.atomic_output import whole_folder, write_bytes
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    with whole_folder({str(tmp_path / "new" / "out")!r}) as stage:
        write_bytes(stage / "labels.tif", bytes(5_000))
        write_bytes(stage / "overlay.png", bytes(50_000))
except OutputError as error:
    print("refused:", error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "refused:" in done.stdout, done.stderr
    assert "File too large" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_checking_beforehand(tmp_path: Path) -> None:
    check_output_folder(tmp_path / "new" / "out")
    with pytest.raises(UsageError, match="not empty"):
        check_output_folder(old_results(tmp_path / "out"))
    check_output_folder(tmp_path / "out", overwrite=True)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        check_output_folder(tmp_path / "file" / "out")
