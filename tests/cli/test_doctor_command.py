"""`calcimeasure doctor` tries things; here some of them are taken away."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest
from click.testing import CliRunner

from calcimeasure.cli import doctor_command as module
from calcimeasure.io import codec_probes
from calcimeasure.io.pixel_decoding import StoredPixels


def run(*arguments: str):
    return CliRunner().invoke(module.doctor, arguments, standalone_mode=False)


@pytest.fixture
def without_extras(monkeypatch):
    """Leave the optional parts out: importing them is slow and not what the test is about."""
    monkeypatch.setattr(module, "_EXTRAS", {})


def test_this_installation_works(without_extras):
    result = run()
    assert result.return_value == 0, result.output
    assert "JPEG 2000 lossless" in result.output
    assert "Films can be read" in result.output


def test_json_says_the_same(without_extras):
    result = run("--json")
    findings = json.loads(result.output)
    assert findings["works"] is True
    assert result.return_value == 0
    assert {check["name"] for check in findings["libraries"]} >= {"numpy", "pydicom", "onnxruntime", "imagecodecs"}
    assert all(check["detail"] for check in findings["libraries"])
    assert {"1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.90"} <= {
        check["detail"] for check in findings["codings"] if check["works"]
    }


def test_every_coding_is_decoded_here():
    checks = codec_probes.check_codings()
    assert [check.name for check in checks if not check.decoded] == []
    assert len({check.transfer_syntax for check in checks}) == len(checks) == 10


def test_a_wrong_decoder_is_found_out(monkeypatch):
    """A check that only asked whether a decoder is installed would not see this."""
    wrong = StoredPixels(values=codec_probes._expected(12) + 50, limits=(0, 65535))
    monkeypatch.setattr(codec_probes, "stored_values", lambda *_: wrong)
    assert not any(check.decoded for check in codec_probes.check_codings())


def test_a_library_that_is_missing(without_extras, monkeypatch):
    monkeypatch.setattr(module, "_BASE", {"numpy": "numpy", "nothing-of-that-name": "nothing_of_that_name"})
    result = run()
    assert result.return_value == 1
    assert "pip install nothing-of-that-name" in result.output
    assert "not tried" in result.output


def test_a_coding_that_is_missing(without_extras, monkeypatch):
    coding = codec_probes.CodingCheck(name="JPEG-LS lossless", transfer_syntax="1.2.840.10008.1.2.4.80", decoded=False)
    monkeypatch.setattr(codec_probes, "check_codings", lambda: [coding])
    result = run("--json")
    findings = json.loads(result.output)
    assert result.return_value == 1
    assert "imagecodecs" in findings["codings"][0]["remedy"]


def test_an_extra_that_is_missing_names_its_command(monkeypatch):
    monkeypatch.setattr(module, "_EXTRAS", {"viewer": ("correcting", {"no-such-thing": "no_such_thing"})})
    check = module.check_extra("viewer")
    assert not check.works
    assert "missing no-such-thing" in check.detail
    assert check.remedy == "pip install 'calcimeasure[viewer]'"


def test_an_extra_that_is_there_but_broken(monkeypatch):
    monkeypatch.setattr(module, "_EXTRAS", {"pacs": ("archives", {"numpy": "numpy.no_such_part"})})
    check = module.check_extra("pacs")
    assert not check.works
    assert "no_such_part" in check.detail


def test_an_extra_that_lacks_a_system_library(monkeypatch):
    def fails(code: str) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 1, "", "ImportError: libGL.so.1: cannot open shared object file")

    monkeypatch.setattr(module, "_EXTRAS", {"viewer": ("correcting", {"numpy": "numpy"})})
    monkeypatch.setattr(module, "_python", fails)
    assert "libgl1" in module.check_extra("viewer").remedy


def test_an_extra_that_works(monkeypatch):
    monkeypatch.setattr(module, "_EXTRAS", {"pacs": ("archives", {"click": "click"})})
    check = module.check_extra("pacs")
    assert check.works, check.detail
    assert "click" in check.detail


unix_only = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="these systems have their own screen")


@unix_only
def test_no_display(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    check = module.check_display()
    assert not check.works
    assert "xvfb-run" in check.remedy


@unix_only
@pytest.mark.parametrize("display", [":4711", "localhost:4711", "nonsense", ":x"])
def test_a_display_that_does_not_answer(monkeypatch, display):
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", display)
    check = module.check_display()
    assert not check.works
    assert display in check.detail


@unix_only
def test_a_display_that_answers(monkeypatch, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(tmp_path / "wayland-9"))
        server.listen()
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-9")
        assert module.check_display().works


@unix_only
def test_a_remote_display_that_answers(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1] - 6000
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        monkeypatch.setenv("DISPLAY", f"127.0.0.1:{number}.0")
        assert module.check_display().works
