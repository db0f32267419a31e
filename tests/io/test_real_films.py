"""Every real film beside the project: what becomes of it."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from calcimeasure import read_film
from calcimeasure.errors import CalciMeasureError, FilmError
from calcimeasure.io.canonical_film import DECLARED_WARNING
from calcimeasure.io.polarity import Polarity, judge_polarity
from calcimeasure.radiograph import Radiograph

# file: shape, basis, mm, stored values inverted, part of a warning or None
READ = {
    "CR-ModalitySequenceLUT.dcm": ((1576, 1976), "detector", 0.15, True, None),
    "HasFragmentSequence.dcm": ((512, 512), "none", None, False, "fluoroscopy"),
    "Monochrome1-Jpeg.dcm": ((2446, 2010), "detector", 0.175, True, None),
    "OutOfBoundsOverlay.dcm": ((788, 1318), "detector", 0.085, False, "not a limb radiograph"),
    "RG1_J2KI.dcm": ((1955, 1841), "none", None, True, "not a limb radiograph"),
    "RG2_J2KR.dcm": ((2140, 1760), "assumed_detector", 0.2, False, None),
    "RG2_JLSL.dcm": ((2140, 1760), "assumed_detector", 0.2, False, None),
    "RG2_JPLL.dcm": ((2140, 1760), "assumed_detector", 0.2, False, None),
    "RG2_JPLY.dcm": ((2140, 1760), "assumed_detector", 0.2, False, None),
    "RG2_RLE.dcm": ((2140, 1760), "assumed_detector", 0.2, False, None),
    "RG3_J2KR.dcm": ((1760, 1760), "none", None, True, None),
    "RG3_JLSL.dcm": ((1760, 1760), "none", None, True, None),
    "RG3_JPLL.dcm": ((1760, 1760), "none", None, True, None),
    "RG3_RLE.dcm": ((1760, 1760), "none", None, True, None),
    "hand_pa_adult_cr_j2k.dcm": ((2500, 2048), "detector", 0.115, False, None),
    "mlut_18.dcm": ((512, 512), "none", None, False, None),
    "no_file_meta_mono1_chest": ((440, 440), "none", None, True, "not a limb radiograph"),
    "spacing_oracle_mg_ps_ips_ermf.dcm": ((512, 512), "calibrated", 0.25, False, "not a limb radiograph"),
    "vlut_04.dcm": ((512, 512), "none", None, False, None),
}
REFUSED = {
    "2026-05-26-oob-monochrome-46341.dcm": "46341 x 46341",
    "CR000000.dcm": "PixelData is missing",
    "HasFragmentSequence.dcm": "96 frames",
}
NEEDS_FRAME = {"HasFragmentSequence.dcm": 40}


def test_the_table_names_every_file(films_folder):
    assert {path.name for path in (films_folder / "dicom").iterdir()} == READ.keys() | REFUSED.keys()


@pytest.mark.parametrize("name", READ)
def test_film_is_read(films_folder, name):
    shape, basis, millimetres, inverted, warning = READ[name]
    film = read_film(films_folder / "dicom" / name, frame=NEEDS_FRAME.get(name))
    assert film.shape == shape
    assert film.spacing.basis == basis
    assert film.spacing.mm == (None if millimetres is None else pytest.approx((millimetres, millimetres)))
    assert film.grey.inverted is inverted
    assert film.grey.lowest <= film.pixels.min() < film.pixels.max() <= film.grey.highest
    if warning is None:
        assert film.warnings == ()
    else:
        assert any(warning in sentence for sentence in map(str, film.warnings))


@pytest.mark.parametrize("name", REFUSED)
def test_film_is_refused_with_its_name_and_a_remedy(films_folder, name):
    with pytest.raises(FilmError) as caught:
        read_film(films_folder / "dicom" / name)
    assert REFUSED[name] in caught.value.problem
    assert caught.value.where == str(films_folder / "dicom" / name)
    assert caught.value.remedy


@pytest.mark.parametrize("family", ["RG2", "RG3"])
def test_lossless_codecs_agree_to_the_bit(films_folder, family):
    films = [read_film(films_folder / "dicom" / f"{family}_{c}.dcm") for c in ("J2KR", "JLSL", "JPLL", "RLE")]
    for other in films[1:]:
        np.testing.assert_array_equal(other.pixels, films[0].pixels)
    assert len({film.sha256 for film in films}) == 4


def test_12_bit_jpeg_extended_is_close_to_the_lossless_film(films_folder):
    lossy = read_film(films_folder / "dicom" / "RG2_JPLY.dcm").pixels
    exact = read_film(films_folder / "dicom" / "RG2_RLE.dcm").pixels
    assert np.abs(lossy - exact).mean() < 5
    assert np.corrcoef(lossy.ravel(), exact.ravel())[0, 1] > 0.9995


def test_pixels_are_those_that_pydicom_gives(films_folder):
    import warnings

    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stored = pydicom.dcmread(films_folder / "dicom" / "RG3_RLE.dcm").pixel_array
    np.testing.assert_array_equal(read_film(films_folder / "dicom" / "RG3_RLE.dcm").pixels, 1023 - stored)


def test_the_oracle_of_spacing(films_folder):
    spacing = read_film(films_folder / "dicom" / "spacing_oracle_mg_ps_ips_ermf.dcm").spacing
    assert "FIDUCIAL" in spacing.note
    assert spacing.mm == (0.25, 0.25)


def test_frames_of_one_file_are_different_films(films_folder):
    path = films_folder / "dicom" / "HasFragmentSequence.dcm"
    first, last = read_film(path, frame=1), read_film(path, frame=96)
    assert (first.frame, last.frame) == (0, 95)
    assert first.sha256 != last.sha256
    assert not np.array_equal(first.pixels, last.pixels)
    with pytest.raises(FilmError, match="from 1 to 96"):
        read_film(path, frame=97)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from /proc")
def test_an_impossible_claim_costs_no_memory(films_folder):
    """46341 x 46341 pixels of 16 bits would be 4 GB; the limit is the project's own."""
    # The peak of this very program: getrusage would count what the test runner held before it started the child.
    code = """
import pathlib, sys
from calcimeasure import read_film
from calcimeasure.errors import FilmError
try:
    read_film(sys.argv[1])
except FilmError as error:
    status = pathlib.Path("/proc/self/status").read_text()
    print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""
    path = films_folder / "dicom" / "2026-05-26-oob-monochrome-46341.dcm"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert 0 < int(done.stdout) < 500


@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_no_film_that_is_cut_off_is_read(films_folder, tmp_path, share):
    target = tmp_path / "cut.dcm"
    for name in READ:
        data = (films_folder / "dicom" / name).read_bytes()
        target.write_bytes(data[: int(share * len(data))])
        with pytest.raises(FilmError, match="cut off"):
            read_film(target, frame=96 if name in NEEDS_FRAME else None)


@pytest.fixture(scope="module")
def limbs(films_folder) -> dict[str, Radiograph]:
    """All limb films, read once."""
    return {p.name: read_film(p, spacing_mm=0.2) for p in sorted((films_folder / "limbs").glob("*.jpg"))}


def test_limbs_come_out_with_bone_bright(limbs):
    """They are stored so; the check of the picture must not turn any of them round."""
    assert len(limbs) >= 30
    for name, film in limbs.items():
        assert not film.grey.inverted, name
        assert film.spacing.mm == (0.2, 0.2)
        assert film.warnings == (), name
        assert _limb_brighter_than_air(film.pixels), name


def _limb_brighter_than_air(pixels: np.ndarray) -> bool:
    """The middle of a limb film is limb more than its outer frame is: a criterion that the reader does not use."""
    rows, columns = pixels.shape
    middle = pixels[rows // 4 : 3 * rows // 4, columns // 4 : 3 * columns // 4]
    outside = np.concatenate([pixels[:, : columns // 20].ravel(), pixels[:, -columns // 20 :].ravel()])
    return bool(np.percentile(middle, 75) > np.percentile(outside, 25))


def test_polarity_of_real_limbs_and_their_negatives(limbs):
    """Never wrong, often sure, and the negative gives the opposite."""
    opposite = {
        Polarity.BONE_HIGH: Polarity.BONE_LOW,
        Polarity.BONE_LOW: Polarity.BONE_HIGH,
        Polarity.UNSURE: Polarity.UNSURE,
    }
    sure = 0
    for name, film in limbs.items():
        seen = judge_polarity(film.pixels)
        assert seen is not Polarity.BONE_LOW, name
        assert judge_polarity(255 - film.pixels) is opposite[seen], name
        sure += seen is Polarity.BONE_HIGH
    assert sure >= len(limbs) // 2


def test_white_borders_and_windows_do_not_rotation_a_limb_round(limbs):
    for name, film in list(limbs.items())[::3]:
        pixels = film.pixels
        pad = pixels.shape[1] // 6
        for changed in (
            np.pad(pixels, pad, constant_values=255),
            np.pad(pixels, pad, constant_values=0),
            np.clip((pixels - 50) * 2, 0, 255),
            255 * (pixels / 255) ** 0.5,
            pixels[: pixels.shape[0] // 2],
        ):
            assert judge_polarity(np.ascontiguousarray(changed, np.float32)) is not Polarity.BONE_LOW, name


def test_a_negative_of_a_hand_is_turned_round_and_said_so(films_folder, tmp_path):
    import cv2

    film = read_film(films_folder / "dicom" / "hand_pa_adult_cr_j2k.dcm")
    path = tmp_path / "negative.png"
    cv2.imwrite(str(path), (4095 - film.pixels).astype(np.uint16))
    negative = read_film(path)
    assert negative.grey.inverted
    assert negative.warnings == (DECLARED_WARNING,)
    assert np.corrcoef(negative.pixels[::9, ::9].ravel(), film.pixels[::9, ::9].ravel())[0, 1] > 0.9999
    as_asked = read_film(path, invert=True)
    np.testing.assert_array_equal(as_asked.pixels, negative.pixels)
    assert as_asked.warnings == ()
    # What the warning advises where the picture was misread.
    as_declared = read_film(path, invert=False)
    np.testing.assert_array_equal(as_declared.pixels, 4095 - film.pixels)
    assert as_declared.warnings == ()


def test_no_message_or_record_holds_the_name_in_a_header(films_folder):
    import warnings

    import pydicom

    for path in (films_folder / "dicom").iterdir():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            name = str(pydicom.dcmread(path, force=True, stop_before_pixels=True).get("PatientName", ""))
        try:
            film = read_film(path, frame=NEEDS_FRAME.get(path.name))
            told = " ".join(map(str, film.warnings)) + repr(film.identity) + film.spacing.note
        except CalciMeasureError as error:
            told = str(error)
        for word in name.replace("^", " ").split():
            # The spacing oracle is called after the tags that it is about.
            if len(word) > 3 and word not in path.name and not word.endswith("PixelSpacing"):
                assert word not in told, path.name


def test_window_is_kept_for_display_only(films_folder):
    film = read_film(films_folder / "dicom" / "RG3_RLE.dcm")
    # Centre 550, width 1024 of MONOCHROME1 values 0..1023, turned round with them.
    assert film.grey.window == pytest.approx((1023 - 1061, 1023 - 38))
    assert math.isclose(film.grey.highest, 1023)
