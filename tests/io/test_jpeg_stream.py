"""Streams looked into byte by byte."""

from __future__ import annotations

import base64
import builtins

import numpy as np
import pytest

from calcimeasure.io import codec_probes, jpeg_stream


def stream(name: str) -> bytes:
    return next(base64.b64decode(one["coded"]) for one in codec_probes.coded_pictures() if one["name"] == name)


@pytest.mark.parametrize(
    ("name", "syntax", "precision"),
    [
        ("JPEG baseline, 8 bits", "1.2.840.10008.1.2.4.50", 8),
        ("JPEG extended, 12 bits", "1.2.840.10008.1.2.4.51", 12),
        ("JPEG lossless", "1.2.840.10008.1.2.4.70", 16),
        ("JPEG-LS lossless", "1.2.840.10008.1.2.4.80", 16),
        ("JPEG 2000 lossless", "1.2.840.10008.1.2.4.91", None),
        ("RLE", "1.2.840.10008.1.2.5", None),
    ],
)
def test_streams_are_known_by_their_first_bytes(name, syntax, precision):
    data = stream(name)
    assert jpeg_stream.guess_syntax(data) == syntax
    assert not jpeg_stream.is_cut_off(data)
    header = jpeg_stream.frame_header(data)
    assert (header is None) == (precision is None)
    if header is not None:
        assert (header.rows, header.columns, header.components) == (16, 16, 1)
        assert header.precision == precision


@pytest.mark.parametrize(
    "name",
    ["JPEG baseline, 8 bits", "JPEG extended, 12 bits", "JPEG lossless", "JPEG-LS lossless", "JPEG 2000 lossless"],
)
def test_a_stream_without_its_end(name):
    assert jpeg_stream.is_cut_off(stream(name)[:-12])
    assert not jpeg_stream.is_cut_off(stream(name) + b"\0\0")


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8rubbish of some length", b"\xff\xd8" + b"\xff" * 50]
)
def test_rubbish_has_no_frame_header(data):
    assert jpeg_stream.frame_header(data) is None


def test_12_bits_are_decoded_quietly(capfd):
    pixels = jpeg_stream.decode_extended(stream("JPEG extended, 12 bits"), 16, 16)
    assert np.abs(pixels.astype(int) - np.arange(256).reshape(16, 16) * 4095 // 255).max() <= 8
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("name", "rows"), [("JPEG baseline, 8 bits", 16), ("JPEG extended, 12 bits", 17), ("RLE", 16)])
def test_what_is_not_12_bits_or_of_another_size_is_left_to_others(name, rows):
    assert jpeg_stream.decode_extended(stream(name), rows, 16) is None


def test_without_gdcm_there_is_no_answer(monkeypatch):
    real = builtins.__import__

    def without_gdcm(name, *arguments, **keywords):
        if name == "gdcm":
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without_gdcm)
    assert jpeg_stream.decode_extended(stream("JPEG extended, 12 bits"), 16, 16) is None
