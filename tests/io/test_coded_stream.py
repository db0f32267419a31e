"""Streams looked into byte by byte."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from calcimeasure.io import codec_probes, coded_stream


def stream(name: str) -> bytes:
    return next(base64.b64decode(one["coded"]) for one in codec_probes.coded_pictures() if one["name"] == name)


@pytest.mark.parametrize(
    ("name", "syntax", "precision"),
    [
        ("JPEG baseline, 8 bits", "1.2.840.10008.1.2.4.50", 8),
        ("JPEG extended, 12 bits", "1.2.840.10008.1.2.4.51", 12),
        ("JPEG lossless", "1.2.840.10008.1.2.4.70", 16),
        ("JPEG-LS lossless", "1.2.840.10008.1.2.4.80", 16),
        ("JPEG 2000 lossless", "1.2.840.10008.1.2.4.91", 16),
        ("RLE", "1.2.840.10008.1.2.5", None),
    ],
)
def test_streams_are_known_by_their_first_bytes(name, syntax, precision):
    data = stream(name)
    assert coded_stream.guess_syntax(data) == syntax
    assert not coded_stream.is_cut_off(data)
    header = coded_stream.frame_header(data)
    assert (header is None) == (precision is None)
    if header is not None:
        assert (header.rows, header.columns, header.components) == (16, 16, 1)
        assert header.precision == precision


@pytest.mark.parametrize(
    "name",
    ["JPEG baseline, 8 bits", "JPEG extended, 12 bits", "JPEG lossless", "JPEG-LS lossless", "JPEG 2000 lossless"],
)
def test_a_stream_without_its_end(name):
    assert coded_stream.is_cut_off(stream(name)[:-12])
    assert not coded_stream.is_cut_off(stream(name) + b"\0\0")


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8rubbish of some length", b"\xff\xd8" + b"\xff" * 50]
)
def test_rubbish_has_no_frame_header(data):
    assert coded_stream.frame_header(data) is None


@pytest.mark.parametrize("probe", codec_probes.coded_pictures(), ids=lambda probe: probe["name"])
def test_streams_are_decoded_by_what_they_are(probe):
    data, expected = base64.b64decode(probe["coded"]), codec_probes._expected(probe["bits"])
    if coded_stream.stream_kind(data) is coded_stream.StreamKind.RLE:
        kind = np.dtype("<u2" if probe["bits"] > 8 else "<u1")
        pixels = coded_stream.decode_rle(data, (16, 16, 1), kind)[:, :, 0]
    else:
        pixels = coded_stream.decode(data)
    assert np.abs(pixels.astype(int) - expected).max() <= probe["largest_error"]


@pytest.mark.parametrize("shape", [(5, 7), (4, 6, 3), (300, 299)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_run_lengths_come_back(shape, kind):
    """Odd numbers of pixels too: pydicom's own encoder hands them to a library that ends the process."""
    pixels = np.random.default_rng(1).integers(0, 9, shape).astype(kind)
    stream = coded_stream.encode_rle(pixels)
    whole = (*shape, 1) if len(shape) == 2 else shape
    decoded = coded_stream.decode_rle(stream, whole, np.dtype(kind))
    np.testing.assert_array_equal(decoded.reshape(shape), pixels)


def test_a_stream_of_many_scans_is_too_much():
    baseline = stream("JPEG baseline, 8 bits")
    assert coded_stream.check_cost(baseline) is None
    assert "101 scans" in (coded_stream.check_cost(baseline[:-2] + b"\xff\xda" * 100) or "")
