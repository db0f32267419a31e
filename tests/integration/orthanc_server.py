"""A real Orthanc on loopback with a folder and ports of its own: for the tests, and to try `calcimeasure pacs`.

    python tests/integration/orthanc_server.py --folder /tmp/archive

starts one, prints the profiles to put into a file, and stops it at Ctrl-C. It needs the Debian packages `orthanc` and
`orthanc-dicomweb`. Orthanc before 1.12.10 cannot be bound to one address: it then refuses every host but this one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

CALLED_AE, CALLING_AE = "ORTHANC", "CALCIMEASURE"
_PLUGIN_NAMES = ("libOrthancDicomWeb.so", "OrthancDicomWeb.dll", "libOrthancDicomWeb.dylib")
_PLUGIN_FOLDERS = (
    Path("/usr/share/orthanc/plugins"),
    Path("/usr/lib/orthanc"),
    Path("/usr/local/share/orthanc/plugins"),
)


def find_program() -> str | None:
    return shutil.which("Orthanc") or shutil.which("orthanc")


def find_plugin() -> Path | None:
    """Return the DICOMweb plug-in."""
    for folder in _PLUGIN_FOLDERS:
        for name in _PLUGIN_NAMES:
            if (folder / name).exists():
                return folder / name
    return None


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class OrthancServer:
    """Orthanc as a context: started on entering, stopped on leaving."""

    def __init__(self, folder: Path, *, web_port: int | None = None, dicom_port: int | None = None) -> None:
        self.folder = folder
        self.web_port = web_port or free_port()
        self.dicom_port = dicom_port or free_port()
        self.move_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}/dicom-web"

    def configuration(self) -> dict[str, object]:
        us = {
            "AET": CALLING_AE,
            "Host": "127.0.0.1",
            "Port": self.move_port,
            **dict.fromkeys(("AllowEcho", "AllowFind", "AllowGet", "AllowMove", "AllowStore"), True),
        }
        return {
            "Name": "calcimeasure trial",
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "index"),
            "Plugins": [str(find_plugin())],
            "HttpPort": self.web_port,
            "HttpBindAddresses": ["127.0.0.1"],
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomAet": CALLED_AE,
            "DicomPort": self.dicom_port,
            "DicomCheckCalledAet": True,
            "DicomCheckModalityHost": True,
            "DicomAlwaysAllowEcho": False,
            "DicomAlwaysAllowStore": False,
            "DicomModalities": {"us": us},
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            "OverwriteInstances": False,
            "CheckRevisions": False,
        }

    def profiles(self) -> str:
        """Return the profiles that reach it, as a configuration file."""
        return (
            f'[trial]\nkind = "dicomweb"\nurl = "{self.url}"\n\n'
            f'[trial-dimse]\nkind = "dimse"\nhost = "127.0.0.1"\nport = {self.dicom_port}\n'
            f'called_ae = "{CALLED_AE}"\ncalling_ae = "{CALLING_AE}"\n'
        )

    def __enter__(self) -> OrthancServer:
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = self.folder / "orthanc.json"
        settings.write_text(json.dumps(self.configuration(), indent=1))
        with (self.folder / "orthanc.log").open("wb") as log:
            self._process = subprocess.Popen([str(find_program()), str(settings)], stdout=log, stderr=log)
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait(self, seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._process is not None and self._process.poll() is not None:
                raise RuntimeError(f"Orthanc stopped: {(self.folder / 'orthanc.log').read_text()[-2000:]}")
            try:
                with urllib.request.urlopen(f"{self.url}/studies?limit=1", timeout=2) as answer:  # noqa: S310
                    answer.read()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError(f"Orthanc did not answer within {seconds:g} s")

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where it keeps its objects")
    parser.add_argument("--web-port", type=int, default=8042)
    parser.add_argument("--dicom-port", type=int, default=4242)
    arguments = parser.parse_args()
    if find_program() is None or find_plugin() is None:
        sys.stderr.write("Orthanc is not installed: apt-get install orthanc orthanc-dicomweb\n")
        return 1
    # Being told to stop (kill, a closed terminal) stops Orthanc too.
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: sys.exit(0))
    with OrthancServer(arguments.folder, web_port=arguments.web_port, dicom_port=arguments.dicom_port) as server:
        profiles = arguments.folder / "pacs.toml"
        profiles.write_text(server.profiles())
        sys.stdout.write(
            f"Orthanc runs; look at it under http://127.0.0.1:{server.web_port}/app/explorer.html\n"
            f"Try: calcimeasure pacs check --profile trial --config {profiles}\nStop it with Ctrl-C.\n"
        )
        sys.stdout.flush()
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return 0


if __name__ == "__main__":
    sys.exit(main())
