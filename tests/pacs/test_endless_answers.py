"""Answers of an archive that go on without end, plainly or once they are unpacked."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from calcimeasure.errors import PacsError
from calcimeasure.pacs import dicomweb
from calcimeasure.pacs.dicomweb import WebArchive
from calcimeasure.pacs.profiles import Patience, WebProfile

MOST = 4_000_000


class _Endless(BaseHTTPRequestHandler):
    """Sends much more than was asked for, packed where the path says so."""

    def do_GET(self) -> None:
        packed = "packed" in self.path
        piece = gzip.compress(bytes(40_000_000)) if packed else b" " * 100_000
        self.send_response(200)
        self.send_header("Content-Type", "application/dicom+json")
        if packed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        try:
            for _ in range(1 if packed else 1000):
                self.wfile.write(piece)
        except OSError:
            # The reader has had enough.
            return

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Endless)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("path", ["plain", "packed"])
def test_an_answer_without_end_is_not_read_to_its_end(port, monkeypatch, path) -> None:
    monkeypatch.setattr(dicomweb, "MOST_ANSWER_BYTES", MOST)
    profile = WebProfile(name="site", url=f"http://127.0.0.1:{port}/{path}", patience=Patience(attempts=1, answer_s=30))
    with WebArchive(profile) as archive, pytest.raises(PacsError, match="goes on without end") as caught:
        archive.check()
    assert caught.value.where == "site"
