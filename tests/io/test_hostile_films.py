"""The films of `../shared/films/hostile`, each of which once failed: read rightly, or refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calcimeasure.errors import FilmError, LabelsError
from calcimeasure.io import film_from_array, read_film
from calcimeasure.io.label_images import read_labels

# File: the largest value, the basis of the spacing, and the codes of the warnings.
READ = {
    "IM1.dcm": (4095, "detector", []),
    "be_8bit_ow.dcm": (255, "detector", []),
    "deid_embedded_overlay.dcm": (4095, "detector", []),
    "deid_jpeg_com.dcm": (255, "detector", []),
    "j2k_pad100.dcm": (4095, "detector", []),
    "jpegexif.dcm": (255, "detector", []),
    "native_ts_but_jpll.dcm": (4095, "detector", ["pixel_coding_contradictory"]),
    "no_seq_delim.dcm": (4095, "detector", []),
    "nouid.dcm": (4095, "detector", []),
    "pal_permuted.dcm": (65535, "detector", []),
    "phys_300dpi.png": (255, "file_resolution", ["resolution_doubtful"]),
    "sat10_jpegext12.dcm": (1023, "detector", []),
    "sitk_png2dcm.dcm": (4095, "none", ["spacing_placeholder"]),
    "size_900x799.dcm": (4095, "detector", []),
    "un.dcm": (4095, "detector", []),
    "ybr_full_422.dcm": (255, "detector", []),
}
REFUSED = {
    "bitsstored_overflow.dcm": "BitsStored",
    "jpeg_12000_slow.jpg": "12000 x 12000",
    "tiff_ifd_loop2.tif": "lead back",
    "tiff_ifd_self_loop.tif": "lead back",
}


@pytest.fixture
def hostile(films_folder: Path) -> Path:
    folder = films_folder / "hostile"
    if not folder.is_dir():
        pytest.skip("the folder of hostile films is not there")
    return folder


@pytest.mark.parametrize("name", READ)
def test_a_film_that_once_failed_is_read(hostile: Path, name: str) -> None:
    largest, basis, codes = READ[name]
    film = read_film(hostile / name)
    assert film.pixels.max() == largest
    assert film.spacing.basis == basis
    assert [notice.code.value for notice in film.warnings] == codes


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_once_stalled_or_ended_the_process_is_refused(hostile: Path, name: str) -> None:
    with pytest.raises(FilmError) as caught:
        read_film(hostile / name)
    assert REFUSED[name] in caught.value.problem


def test_films_of_the_same_picture_read_alike(hostile: Path) -> None:
    """The palette, the luminance and the swapped words all hold the picture of the sample film."""
    expected = read_film(hostile / "j2k_pad100.dcm").pixels
    for name, scale in {"no_seq_delim.dcm": 1, "native_ts_but_jpll.dcm": 1, "be_8bit_ow.dcm": 16}.items():
        assert np.abs(read_film(hostile / name).pixels * scale - expected).max() <= scale, name
    for name in ("pal_permuted.dcm", "ybr_full_422.dcm", "sat10_jpegext12.dcm"):
        found = read_film(hostile / name).pixels
        assert np.corrcoef(found.ravel()[::7], expected.ravel()[::7])[0, 1] > 0.99, name


def test_the_orientation_tag_counts_whatever_the_compression(hostile: Path) -> None:
    plain, packed = (read_film(hostile / name).pixels for name in ("t_orient6.tif", "t_orient6_lzw.tif"))
    assert np.corrcoef(plain.ravel(), packed.ravel())[0, 1] > 0.999


def test_a_film_whose_colour_model_once_ended_the_process(hostile: Path) -> None:
    film = read_film(hostile / "j2k_ybr_ict_abort.dcm")
    assert "pixel_coding_contradictory" in [notice.code.value for notice in film.warnings]


def test_damaged_labels(hostile: Path) -> None:
    with pytest.raises(LabelsError):
        read_labels(hostile / "labels_truncated.tif", film_from_array(np.zeros((900, 800)) + np.eye(900, 800)))
