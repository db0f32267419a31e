"""A small archive that speaks DICOMweb, and a proxy that spoils its answers; both on loopback, for tests alone."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pydicom

BOUNDARY = "archive-boundary"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    # How much of the body is sent before the connection is closed; None sends all of it.
    sent_bytes: int | None = None


class Server:
    """A threading HTTP server on a free port of loopback, started and stopped as a context."""

    def __init__(self) -> None:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self._body()
                answer = server.answer(self.command, self.path, dict(self.headers), body)
                self.close_connection = True
                if answer is None:
                    self.connection.close()
                    return
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(answer.body if answer.sent_bytes is None else answer.body[: answer.sent_bytes])

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding", "") == "chunked":
                    parts = []
                    while size := int(self.rfile.readline().strip(), 16):
                        parts.append(self.rfile.read(size))
                        self.rfile.readline()
                    self.rfile.readline()
                    return b"".join(parts)
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))

            do_GET = do_POST = handle_any  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A client that went away is part of the tests."""

        self._http = Quiet(("127.0.0.1", 0), Handler)
        self.port = self._http.server_address[1]

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer | None:
        raise NotImplementedError

    def encrypt(self, context: ssl.SSLContext) -> None:
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)

    def __enter__(self):
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()


def dicom_json(answers: list[dict[str, Any]], status: int = 200) -> Answer:
    return Answer(status, {"Content-Type": "application/dicom+json"}, json.dumps(answers).encode())


class SmallArchive(Server):
    """Keeps objects in memory; `alter` changes what it gives back, `refuse` what it takes."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, bytes] = {}
        self.stored: list[str] = []
        self.refuse: int | None = None
        self.alter: Callable[[pydicom.Dataset], None] | None = None
        self.seen_headers: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/dicom-web"

    def put(self, content: bytes) -> str:
        uid = str(pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True).SOPInstanceUID)
        self.objects[uid] = content
        return uid

    def datasets(self) -> list[pydicom.Dataset]:
        return [pydicom.dcmread(io.BytesIO(content)) for content in self.objects.values()]

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer | None:
        self.seen_headers.append(headers)
        path, _, query = path.partition("?")
        asked = dict(part.split("=", 1) for part in query.split("&") if "=" in part)
        parts = path.removeprefix("/dicom-web").strip("/").split("/")
        if method == "POST":
            return self._store(headers, body)
        if len(parts) == 6:
            return self._retrieve(parts[5])
        return self._search(parts, asked)

    def _search(self, parts: list[str], asked: dict[str, str]) -> Answer:
        level = parts[-1]
        key = {"studies": "StudyInstanceUID", "series": "SeriesInstanceUID", "instances": "SOPInstanceUID"}[level]
        found: dict[str, dict[str, Any]] = {}
        for dataset in self.datasets():
            if len(parts) > 1 and dataset.StudyInstanceUID != parts[1]:
                continue
            if len(parts) > 3 and dataset.SeriesInstanceUID != parts[3]:
                continue
            if asked.get("PatientID", dataset.PatientID) != dataset.PatientID:
                continue
            for keyword in ("SpecificCharacterSet", "PixelData"):
                if keyword in dataset:
                    delattr(dataset, keyword)
            found[str(dataset[key].value)] = json.loads(dataset.to_json(suppress_invalid_tags=True))
        answers = list(found.values())
        offset = int(asked.get("offset", 0))
        return dicom_json(answers[offset : offset + int(asked.get("limit", len(answers) or 1))])

    def _retrieve(self, uid: str) -> Answer:
        if uid not in self.objects:
            return Answer(404, {}, b"")
        content = self.objects[uid]
        if self.alter is not None:
            dataset = pydicom.dcmread(io.BytesIO(content))
            self.alter(dataset)
            buffer = io.BytesIO()
            dataset.save_as(buffer, enforce_file_format=True)
            content = buffer.getvalue()
        head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
        return Answer(200, {"Content-Type": kind}, head + content + f"\r\n--{BOUNDARY}--\r\n".encode())

    def _store(self, headers: dict[str, str], body: bytes) -> Answer:
        boundary = re.search(r'boundary="?([^";]+)', headers["Content-Type"]).group(1)  # type: ignore[union-attr]
        for part in body.split(f"--{boundary}".encode())[1:-1]:
            content = part.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")
            dataset = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True)
            if self.refuse is not None:
                item = {"00081197": {"vr": "US", "Value": [self.refuse]}}
                answer = dicom_json([], status=409)
                answer.body = json.dumps({"00081198": {"vr": "SQ", "Value": [item]}}).encode()
                return answer
            self.stored.append(str(dataset.SOPInstanceUID))
            self.put(content)
        answer = dicom_json([])
        answer.body = b"{}"
        return answer


Fault = Callable[[Answer], Answer | None]


@dataclass
class Spoiled:
    """A fault and for which requests, and how often, it spoils the answer."""

    fault: Fault
    path: str = ""
    method: str = ""
    times: int = 10**6
    hits: int = field(default=0)


class FaultProxy(Server):
    """Hands requests on to an archive and spoils the answers that `spoil` names."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.upstream = port
        self.spoiled: list[Spoiled] = []
        self.requests = 0

    def url(self, root: str = "/dicom-web") -> str:
        return f"http://127.0.0.1:{self.port}{root}"

    def spoil(self, fault: Fault, *, path: str = "", method: str = "", times: int = 10**6) -> Spoiled:
        spoiled = Spoiled(fault, path, method, times)
        self.spoiled.append(spoiled)
        return spoiled

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer | None:
        self.requests += 1
        kept = {
            name: value
            for name, value in headers.items()
            if name.lower() not in ("host", "transfer-encoding", "connection", "content-length", "accept-encoding")
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=30)
        connection.request(method, path, body or None, kept)
        response = connection.getresponse()
        taken = ("content-type", "warning")
        answer: Answer | None = Answer(
            response.status,
            {name: value for name, value in response.getheaders() if name.lower() in taken},
            response.read(),
        )
        connection.close()
        for spoiled in self.spoiled:
            if spoiled.hits < spoiled.times and re.search(spoiled.path, path) and spoiled.method in ("", method):
                spoiled.hits += 1
                return spoiled.fault(answer)
        return answer


def dropped(_: Answer) -> None:
    """The connection ends without an answer."""


def cut(answer: Answer) -> Answer:
    """The connection ends in the middle of the body."""
    return Answer(answer.status, answer.headers, answer.body, sent_bytes=len(answer.body) // 2)


def shortened(answer: Answer) -> Answer:
    """The body is complete as a message, but the picture in it lacks its second half."""
    end = answer.body.rfind(b"\r\n--")
    return Answer(answer.status, answer.headers, answer.body[: end * 2 // 3] + answer.body[end:])


def status(code: int) -> Fault:
    return lambda _: Answer(code, {"Content-Type": "text/plain"}, b"no")


def garbage(_: Answer) -> Answer:
    return Answer(200, {"Content-Type": "text/html"}, b"<html>Welcome, please log in</html>")


def slow(seconds: float) -> Fault:
    def wait(answer: Answer) -> Answer:
        time.sleep(seconds)
        return answer

    return wait


def replaced(answer_of: Callable[[], Answer]) -> Fault:
    return lambda _: answer_of()


class CuttingProxy:
    """Hands bytes on to a server, and closes the connection after so many of its bytes; for any protocol."""

    def __init__(self, port: int) -> None:
        self.upstream = port
        self.cut_after: int | None = None
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> CuttingProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.upstream))
            threading.Thread(target=self._pump, args=(client, server, None), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, self.cut_after), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, limit: int | None) -> None:
        handed = 0
        try:
            while data := source.recv(65536):
                if limit is not None and handed + len(data) > limit:
                    target.sendall(data[: limit - handed])
                    self.cuts += 1
                    break
                target.sendall(data)
                handed += len(data)
        except OSError:
            pass
        finally:
            for end in (source, target):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
