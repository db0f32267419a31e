"""Encrypted archives: a certificate that nobody vouches for is refused, one of a named authority is taken."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from calcimeasure.errors import PacsError
from calcimeasure.pacs.dicomweb import WebArchive
from calcimeasure.pacs.dimse import DimseArchive
from calcimeasure.pacs.profiles import DimseProfile, Patience, WebProfile
from calcimeasure.pacs.retries import retry

PATIENCE = Patience(connect_s=3, answer_s=3, attempts=3, first_wait_s=0)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that signs itself, with its key in the same file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed, so no certificate can be made")
    folder = tmp_path_factory.mktemp("tls")
    asked = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    files = ["-keyout", "key.pem", "-out", "certificate.pem"]
    subprocess.run(["openssl", *asked.split(" "), *files], cwd=folder, check=True, capture_output=True)
    return folder / "certificate.pem"


@pytest.fixture
def context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context


def test_dicomweb(servers, context, certificate) -> None:
    archive = servers.SmallArchive()
    archive.encrypt(context)
    with archive:
        url = archive.url.replace("http:", "https:")
        trusting = WebArchive(WebProfile(name="t", url=url, ca_bundle=certificate, patience=PATIENCE))
        wary = WebArchive(WebProfile(name="t", url=url, patience=PATIENCE))

        assert retry(trusting.check, PATIENCE) == ("t: the archive answers over DICOMweb", 1)
        with pytest.raises(PacsError, match="the archive's certificate is not trusted") as caught:
            retry(wary.check, PATIENCE, sleep=lambda _: pytest.fail("waited"))
        assert "ca_bundle" in caught.value.remedy


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # sockets that pynetdicom leaves open
def test_dimse(context, certificate) -> None:
    entity = AE(ae_title="ARCHIVE")
    entity.add_supported_context(Verification)
    server = entity.start_server(("127.0.0.1", 0), block=False, ssl_context=context)
    try:
        settings = {"name": "t", "host": "127.0.0.1", "port": server.server_address[1], "called_ae": "ARCHIVE"}
        trusting = DimseArchive(DimseProfile(**settings, tls=True, ca_bundle=certificate, patience=PATIENCE))
        wary = DimseArchive(DimseProfile(**settings, tls=True, patience=PATIENCE))

        assert trusting.check() == "t: the archive answers over DIMSE"
        with pytest.raises(PacsError):
            wary.check()
    finally:
        server.shutdown()
