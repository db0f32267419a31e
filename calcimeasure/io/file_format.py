"""Find a file's format by its content, whatever its name says."""

from __future__ import annotations

from enum import StrEnum

_DICOM_GROUPS = (b"\x02\x00", b"\x08\x00")
_HEADER_BYTES = 132


class FileFormat(StrEnum):
    """Formats a film can come in."""

    DICOM = "DICOM"
    DICOM_WITHOUT_META = "DICOM without file meta header"
    PNG = "PNG"
    JPEG = "JPEG"
    TIFF = "TIFF"


_STARTS = (
    (b"\x89PNG\r\n\x1a\n", FileFormat.PNG),
    (b"\xff\xd8\xff", FileFormat.JPEG),
    (b"II*\0", FileFormat.TIFF),
    (b"MM\0*", FileFormat.TIFF),
    (b"II+\0", FileFormat.TIFF),
    (b"MM\0+", FileFormat.TIFF),
)


def find_format(data: bytes | memoryview) -> FileFormat | None:
    """Return the format that the bytes show, or None when they show none that can hold a film.

    A DICOM file without its file meta header starts with an element of group 0002 or 0008 in little endian; the
    element number must be a plausible one, so that a text file is not taken for it.
    """
    head = bytes(data[:_HEADER_BYTES])
    if head[128:132] == b"DICM":
        return FileFormat.DICOM
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if len(head) >= 12 and head[:2] in _DICOM_GROUPS and head[3:4] == b"\0":
        return FileFormat.DICOM_WITHOUT_META
    return None


def describe_content(data: bytes | memoryview) -> str:
    """Return in words what a file that is no film seems to be."""
    head = bytes(data[:512])
    for start, name in (
        (b"%PDF", "a PDF document"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"GIF8", "a GIF picture"),
        (b"BM", "a BMP picture"),
        (b"\0\0\0\x0cjP", "a bare JPEG 2000 picture"),
    ):
        if head.startswith(start):
            return name
    if not any(byte < 9 for byte in head):
        return "text"
    return "an unknown format"
