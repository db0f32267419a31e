"""Streams looked into byte by byte."""

from __future__ import annotations

import base64
import builtins

import numpy as np
import pytest

from calcimeasure.io import codec_probes, jpeg_stream


def stream(name: str) -> bytes:
    return base64.b64decode(getattr(codec_probes, name))


@pytest.mark.parametrize(
    ("name", "syntax", "precision"),
    [
        ("_JPEG_8", "1.2.840.10008.1.2.4.50", 8),
        ("_JPEG_12", "1.2.840.10008.1.2.4.51", 12),
        ("_JPEG_LOSSLESS", "1.2.840.10008.1.2.4.70", 16),
        ("_JPEG_LS", "1.2.840.10008.1.2.4.80", 16),
        ("_JPEG_2000", "1.2.840.10008.1.2.4.91", None),
        ("_RLE", "1.2.840.10008.1.2.5", None),
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


@pytest.mark.parametrize("name", ["_JPEG_8", "_JPEG_12", "_JPEG_LOSSLESS", "_JPEG_LS", "_JPEG_2000"])
def test_a_stream_without_its_end(name):
    assert jpeg_stream.is_cut_off(stream(name)[:-12])
    assert not jpeg_stream.is_cut_off(stream(name) + b"\0\0")


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8rubbish of some length", b"\xff\xd8" + b"\xff" * 50]
)
def test_rubbish_has_no_frame_header(data):
    assert jpeg_stream.frame_header(data) is None


def test_12_bits_are_decoded_quietly(capfd):
    pixels = jpeg_stream.decode_extended(stream("_JPEG_12"), 16, 16)
    assert np.abs(pixels.astype(int) - np.arange(256).reshape(16, 16) * 4095 // 255).max() <= 8
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("name", "rows"), [("_JPEG_8", 16), ("_JPEG_12", 17), ("_RLE", 16)])
def test_what_is_not_12_bits_or_of_another_size_is_left_to_others(name, rows):
    assert jpeg_stream.decode_extended(stream(name), rows, 16) is None


def test_without_gdcm_there_is_no_answer(monkeypatch):
    real = builtins.__import__

    def without_gdcm(name, *arguments, **keywords):
        if name == "gdcm":
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without_gdcm)
    assert jpeg_stream.decode_extended(stream("_JPEG_12"), 16, 16) is None
