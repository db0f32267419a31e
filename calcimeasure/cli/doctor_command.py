"""`calcimeasure doctor`: imports the libraries, decodes every pixel coding and connects to the display."""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
import warnings
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from calcimeasure import __version__

# distribution: module that it brings. What `calcimeasure compare` needs.
_BASE = {
    "numpy": "numpy", "scipy": "scipy", "opencv-python-headless": "cv2", "pandas": "pandas", "pyarrow": "pyarrow",
    "statsmodels": "statsmodels", "onnxruntime": "onnxruntime", "pydicom": "pydicom", "highdicom": "highdicom",
    "pylibjpeg": "pylibjpeg", "pylibjpeg-openjpeg": "openjpeg", "imagecodecs": "imagecodecs", "pillow": "PIL",
    "tifffile": "tifffile", "jinja2": "jinja2", "click": "click", "tqdm": "tqdm", "scikit-image": "skimage",
    "simpleitk": "SimpleITK",
}  # fmt: skip
_EXTRAS = {
    "viewer": ("correcting by hand", {"napari": "napari", "npe2": "npe2", "qtpy": "qtpy.QtWidgets"}),
    "pacs": ("archives", {"pynetdicom": "pynetdicom", "dicomweb-client": "dicomweb_client"}),
    "cluster": ("many machines", {"distributed": "distributed"}),
}
_REINSTALL = "pip install --force-reinstall calcimeasure"
_SYSTEM_LIBRARIES = (
    "on Debian: apt install libgl1 libegl1 libdbus-1-3 libfontconfig1 libglib2.0-0 libxkbcommon-x11-0 libxcb-cursor0 "
    "libxcb-icccm4 libxcb-keysyms1 libxcb-shape0"
)
_OPEN_WINDOW = "; qtpy.QtWidgets.QApplication([])"
_IMPORT_LIMIT_S = 120
_CONNECT_LIMIT_S = 2.0
_NO_DISPLAY = "the viewer needs a screen: work at a desktop, or run it under xvfb-run (Debian package xvfb)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One check: its name, whether it passed, the version or what is wrong, and what to do."""

    name: str
    works: bool
    detail: str = ""
    remedy: str = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(as_json: bool) -> int:
    """Print what is installed, what is missing and what to do about it.

    The exit status is 0 when films can be read, compared and measured, and 1 when they cannot. The viewer, archives and
    clusters are optional.
    """
    libraries = [check_library(distribution, module) for distribution, module in _BASE.items()]
    codings = _codings() if all(check.works for check in libraries) else []
    display = check_display()
    extras = [check_extra(name, window=display.works) for name in _EXTRAS]
    works = bool(codings) and all(check.works for check in (*libraries, *codings))
    if as_json:
        findings = {
            "calcimeasure_version": __version__,
            "python_version": platform.python_version(),
            "platform": platform.platform(),
            "works": works,
            "libraries": [asdict(check) for check in libraries],
            "codings": [asdict(check) for check in codings],
            "extras": [asdict(check) for check in extras],
            "display": asdict(display),
        }
        click.echo(json.dumps(findings, indent=1, ensure_ascii=False))
        return 0 if works else 1
    click.echo(f"calcimeasure {__version__}, Python {platform.python_version()}, {platform.platform()}")
    for title, checks in (
        ("Libraries", libraries),
        ("Pixels that can be decoded", codings),
        ("Optional parts", extras),
        ("Screen", [display]),
    ):
        click.echo(_section(title, checks))
    click.echo("\nFilms can be read, measured and compared." if works else f"\nThis cannot work yet: {_REINSTALL}")
    return 0 if works else 1


def check_library(distribution: str, module: str) -> Check:
    """Import a library and return its version."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import_module(module)
    except Exception as error:  # a broken library may raise anything: that is the finding
        return Check(name=distribution, works=False, detail=type(error).__name__, remedy=f"pip install {distribution}")
    return Check(name=distribution, works=True, detail=_version(distribution))


def check_extra(name: str, *, window: bool = False) -> Check:
    """Import the libraries of an optional part in a process of their own, which may then start Qt or crash.

    Parameters
    ----------
    name
        As in the brackets of ``pip install calcimeasure[...]``.
    window
        Whether the viewer's window system is to be started too, for which there must be a display.
    """
    purpose, modules = _EXTRAS[name]
    remedy = f"pip install 'calcimeasure[{name}]'"
    absent = [distribution for distribution in modules if _version(distribution) == ""]
    if absent:
        return Check(name=name, works=False, detail=f"{purpose}; missing {', '.join(absent)}", remedy=remedy)
    code = f"import {', '.join(modules.values())}" + (_OPEN_WINDOW if window and name == "viewer" else "")
    try:
        done = _python(code)
    except subprocess.TimeoutExpired:
        return Check(name=name, works=False, detail=f"{purpose}; importing takes too long", remedy=remedy)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it stopped without a word"])[-1]
        system = any(word in done.stderr for word in ("shared object", "xcb", "platform plugin"))
        return Check(
            name=name, works=False, detail=f"{purpose}; {last}", remedy=_SYSTEM_LIBRARIES if system else remedy
        )
    versions = ", ".join(f"{distribution} {_version(distribution)}" for distribution in modules)
    return Check(name=name, works=True, detail=f"{purpose}; {versions}")


def check_display() -> Check:
    """Connect to the display that the environment names."""
    if sys.platform in ("win32", "darwin"):
        return Check(name="display", works=True, detail="the system's own")
    wayland, x11 = os.environ.get("WAYLAND_DISPLAY"), os.environ.get("DISPLAY")
    if not wayland and not x11:
        return Check(name="display", works=False, detail="DISPLAY is not set", remedy=_NO_DISPLAY)
    if wayland and _reaches_unix(str(Path(os.environ.get("XDG_RUNTIME_DIR", "/"), wayland))):
        return Check(name="display", works=True, detail=f"Wayland {wayland}")
    if x11 and _reaches_x11(x11):
        return Check(name="display", works=True, detail=f"X11 {x11}")
    return Check(name="display", works=False, detail=f"nothing answers at {x11 or wayland}", remedy=_NO_DISPLAY)


def _codings() -> list[Check]:
    from calcimeasure.io.codec_probes import check_codings

    return [
        Check(
            name=coding.name,
            works=coding.decoded,
            detail=coding.transfer_syntax,
            remedy="" if coding.decoded else "pip install imagecodecs",
        )
        for coding in check_codings()
    ]


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own interpreter and our own words
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=_IMPORT_LIMIT_S, check=False
    )


def _reaches_x11(display: str) -> bool:
    host, _, rest = display.rpartition(":")
    number = rest.split(".")[0]
    if not number.isdigit():
        return False
    if host in ("", "unix"):
        socket_path = f"/tmp/.X11-unix/X{number}"  # noqa: S108 - where X keeps its sockets
        return _reaches_unix(socket_path) or _reaches_unix("\0" + socket_path)
    try:
        socket.create_connection((host, 6000 + int(number)), timeout=_CONNECT_LIMIT_S).close()
    except OSError:
        return False
    return True


def _reaches_unix(address: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_CONNECT_LIMIT_S)
        try:
            connection.connect(address)
        except OSError:
            return False
    return True


def _section(title: str, checks: list[Check]) -> str:
    if not checks:
        return f"\n{title}\n  not tried: a library is missing"
    width = max(len(check.name) for check in checks)
    lines = [f"\n{title}"]
    for check in checks:
        state = "ok" if check.works else "--"
        line = f"  {state}  {check.name:<{width}}  {check.detail}".rstrip()
        lines.append(f"{line}\n      {check.remedy}" if check.remedy else line)
    return "\n".join(lines)
