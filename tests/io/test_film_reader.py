"""Bad input: what is said, and what is not."""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from calcimeasure import read_film
from calcimeasure.errors import FilmError, SpacingError, UsageError
from calcimeasure.io.file_format import FileFormat, find_format


def test_a_missing_file(tmp_path):
    with pytest.raises(FilmError, match="no such file") as caught:
        read_film(tmp_path / "absent.dcm")
    assert caught.value.where == str(tmp_path / "absent.dcm")
    assert caught.value.exit_status == 3


def test_a_folder(tmp_path):
    with pytest.raises(FilmError, match="folder"):
        read_film(tmp_path)


def test_an_empty_file(tmp_path):
    path = tmp_path / "film.dcm"
    path.touch()
    with pytest.raises(FilmError, match="empty"):
        read_film(path)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="everything may be read here")
def test_a_file_that_may_not_be_read(tmp_path):
    path = tmp_path / "film.dcm"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(FilmError, match="cannot be opened"):
        read_film(path)


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes of this kind")
def test_a_pipe_is_not_waited_for(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(FilmError, match="not a file"):
        read_film(path)


def test_a_name_that_no_file_can_have():
    with pytest.raises(FilmError, match="no such file"):
        read_film("film\0.dcm")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"Dear Dr Smith, here is the film.\n" * 20, "text"),
        ("Grüße\n".encode() * 40, "text"),
        (b"%PDF-1.7 \0\1\2", "a PDF document"),
        (b"PK\x03\x04\0\0", "a zip archive"),
        (b"\0\1\2\3" * 100, "an unknown format"),
    ],
)
def test_a_file_that_is_no_film_is_named_for_what_it_is(tmp_path, content, told):
    path = tmp_path / "film.dcm"
    path.write_bytes(content)
    with pytest.raises(FilmError, match=told) as caught:
        read_film(path)
    assert "DICOM, PNG, TIFF and JPEG" in caught.value.remedy


@pytest.mark.parametrize(
    "content",
    [
        b"\0" * 128 + b"DICM",
        b"\0" * 128 + b"DICM" + b"\xff" * 500,
        b"\0" * 128 + b"DICM" + bytes(range(256)) * 4,
        b"\x08\0\5\0CS" + b"\xff" * 100,
        b"II*\0" + b"\xff" * 100,
        b"MM\0*\0\0\0\x08" + b"\0" * 100,
        b"II*\0",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
        b"\xff\xd8\xff",
    ],
)
def test_damaged_files_of_every_format_are_film_errors(tmp_path, content):
    path = tmp_path / "film"
    path.write_bytes(content)
    with pytest.raises(FilmError) as caught:
        read_film(path)
    assert caught.value.where == str(path)
    assert caught.value.remedy


def test_no_byte_of_a_header_can_bring_the_reader_down(write_film):
    """A film with any one stretch of its header overwritten is read or refused, never an unnamed failure."""
    path = write_film(
        ImagerPixelSpacing=[0.15, 0.15], WindowCenter="10", WindowWidth="20", NumberOfFrames=1, BodyPartExamined="HAND"
    )
    data = path.read_bytes()
    generator = np.random.default_rng(7)
    outcomes, told = set(), []
    for _ in range(200):
        changed = bytearray(data)
        at = int(generator.integers(132, len(data) - 2400))
        changed[at : at + int(generator.integers(1, 5))] = generator.bytes(int(generator.integers(1, 5)))
        path.write_bytes(changed)
        try:
            read_film(path)
            outcomes.add("read")
        except FilmError as error:
            outcomes.add("refused")
            told.append(str(error))
    assert outcomes == {"read", "refused"}
    assert not any("Sylvia" in sentence for sentence in told)


def test_a_message_names_the_file_as_it_was_given(tmp_path, monkeypatch):
    # Two folders may hold files of one name.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "month 3").mkdir()
    (tmp_path / "month 3" / "film.dcm").touch()
    with pytest.raises(FilmError) as caught:
        read_film("month 3/film.dcm")
    assert str(caught.value).startswith(f"{Path('month 3/film.dcm')}: the file is empty.")


def test_no_message_holds_header_text(write_film):
    path = write_film(Rows=4000, PatientComments="Secret")
    with pytest.raises(FilmError) as caught:
        read_film(path)
    assert "Secret" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301


@pytest.mark.parametrize("spacing", [0, -0.1, float("nan"), float("inf"), (0.1, 0), (0.1, 0.1, 0.1), (), "wide"])
def test_a_given_spacing_that_is_no_length(write_film, spacing):
    with pytest.raises(SpacingError):
        read_film(write_film(), spacing_mm=spacing)


@pytest.mark.parametrize("frame", [0, -1])
def test_frames_are_counted_from_one(write_film, frame):
    with pytest.raises(UsageError, match="does not exist"):
        read_film(write_film(), frame=frame)


def test_a_frame_that_the_file_does_not_have(write_film):
    with pytest.raises(FilmError, match="frame 2 was asked for"):
        read_film(write_film(), frame=2)


def test_the_hash_is_that_of_the_file(write_film):
    path = write_film()
    assert read_film(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_the_user_says_overrides_the_header(write_film):
    path = write_film(ImageLaterality="R", BodyPartExamined="HAND", ViewPosition="PA")
    identity = read_film(path, side="left", body_part=" foot ", view="oblique").identity
    assert (identity.side, identity.body_part, identity.view) == ("L", "FOOT", "OBLIQUE")


def test_a_side_that_is_none(write_film):
    with pytest.raises(UsageError, match="not a side"):
        read_film(write_film(), side="top")


@pytest.mark.parametrize("value", [0, 4095])
def test_films_of_one_value_are_read_and_warned_of(write_film, value):
    film = read_film(write_film(np.full((300, 200), value, np.uint16)))
    assert "same value" in film.warnings[0].text


def test_reading_twice_gives_the_same(write_film):
    path = write_film(PhotometricInterpretation="MONOCHROME1")
    first, second = read_film(path), read_film(path)
    assert first.pixels.tobytes() == second.pixels.tobytes()
    assert (first.grey, first.identity, first.spacing) == (second.grey, second.identity, second.spacing)


def test_formats_are_found_by_content():
    assert find_format(b"MM\0+" + b"\0" * 20) is FileFormat.TIFF
    assert find_format(b"\x02\0\0\0UL\4\0" + b"\0" * 20) is FileFormat.DICOM_WITHOUT_META
    assert find_format(b"") is None
