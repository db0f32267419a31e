"""Simulated films: the truth adds up, the same seed gives the same film, and the files can be read."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace

import cv2
import numpy as np
import pytest

from calcimeasure.errors import OutputError, UsageError
from calcimeasure.io import read_film
from calcimeasure.radiograph import SpacingBasis
from calcimeasure.simulation import FilmFormat, simulate_film, write_dicom, write_image, write_truth
from calcimeasure.simulation.hand import make_hand
from calcimeasure.simulation.simulated_film import draw_sitting, placed_deposits, render_film
from calcimeasure.simulation.simulated_images import write_truth_labels
from calcimeasure.simulation.truth_description import background_of

COARSE = FilmFormat(shape=(640, 520), spacing_mm=(0.45, 0.45))


@pytest.fixture(scope="module")
def film():
    return simulate_film(np.random.default_rng(8), side="R", deposits=7, film_format=COARSE, bits=12)


def test_truth_adds_up(film):
    truth = film.truth
    assert len(truth.deposits) >= 4
    # Deposits lie apart, so the union is the sum.
    assert truth.total_area_mm2 == pytest.approx(sum(one.area_mm2 for one in truth.deposits), rel=1e-3)
    for one in truth.deposits:
        assert one.area_px == pytest.approx(one.area_mm2 / 0.45**2)
        assert one.background == background_of(one.bone_overlap)
        assert 0.99 <= one.in_field <= 1.0
        # Magnified by its height above the detector, shortened by no more than its tilt.
        assert 0.93 < one.area_mm2 / one.area_common_mm2 < 1.12


def test_labels_lie_where_the_truth_says(film):
    for one in film.truth.deposits:
        mask = film.labels.mask(one.label)
        assert mask.any()
        row, col = np.argwhere(mask).mean(axis=0)
        reach = 1.5 + np.sqrt(one.area_px)
        assert abs(row - one.centroid_row) < reach
        assert abs(col - one.centroid_col) < reach
        if one.area_px > 40 and one.kind != "stipple":
            assert mask.sum() == pytest.approx(one.area_px, rel=0.2)


def test_deposits_brighten_the_film(film):
    pixels = film.film.pixels
    for one in film.truth.deposits:
        if one.area_px < 15 or one.thickness_mm < 0.3 or one.background != "soft_tissue" or one.kind == "stipple":
            continue
        mask = film.labels.mask(one.label).astype(np.uint8)
        ring = cv2.dilate(mask, np.ones((9, 9))) - cv2.dilate(mask, np.ones((5, 5)))
        assert np.median(pixels[mask > 0]) > np.median(pixels[ring > 0])


def test_same_seed_same_bytes_whatever_the_threads(film):
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        again = simulate_film(np.random.default_rng(8), side="R", deposits=7, film_format=COARSE, bits=12)
    finally:
        cv2.setNumThreads(threads)
    assert np.array_equal(again.stored, film.stored)
    assert again.truth == film.truth


def test_monochrome1_stores_the_negative_of_the_same_film():
    rng = np.random.default_rng(2)
    sitting = draw_sitting(rng, deposits=0, film_format=COARSE)
    state = rng.bit_generator.state
    films = []
    for inverted in (False, True):
        rng.bit_generator.state = state
        films.append(render_film(replace(sitting, processing=replace(sitting.processing, monochrome1=inverted)), rng))
    assert np.array_equal(films[0].film.pixels, films[1].film.pixels)
    highest = 2 ** films[0].processing.bits - 1
    assert np.array_equal(films[0].stored, highest - films[1].stored)


@pytest.mark.parametrize("bits", [8, 14])
def test_bits_bound_the_values(bits):
    film = simulate_film(np.random.default_rng(3), deposits=0, film_format=COARSE, bits=bits)
    assert film.stored.max() < 2**bits
    assert film.stored.max() > 2 ** (bits - 1)


@pytest.mark.parametrize("modality", ["DX", "CR"])
def test_dicom_reads_back_as_the_same_film(film, tmp_path, modality):
    path = tmp_path / "film.dcm"
    write_dicom(film, path, modality=modality)
    read = read_film(path)
    assert np.array_equal(read.pixels, film.film.pixels)
    assert read.spacing.mm == pytest.approx((0.45, 0.45))
    assert read.spacing.basis is SpacingBasis.DETECTOR
    assert (read.identity.side, read.identity.body_part, read.identity.modality) == ("R", "HAND", modality)
    assert read.identity.age_years == film.film.identity.age_years
    assert read.warnings == ()


def test_dicom_bytes_depend_on_the_film_alone(film, tmp_path):
    for name in ("a.dcm", "b.dcm"):
        write_dicom(film, tmp_path / name)
    assert (tmp_path / "a.dcm").read_bytes() == (tmp_path / "b.dcm").read_bytes()


@pytest.mark.parametrize("modality", ["DX", "CR"])
def test_headers_satisfy_the_standards_validator(film, tmp_path, modality):
    validator = shutil.which("dciodvfy")
    if validator is None:
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools)")
    write_dicom(film, tmp_path / "film.dcm", modality=modality)
    said = subprocess.run([validator, str(tmp_path / "film.dcm")], capture_output=True, text=True, check=False)
    assert [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")] == []


def test_codes_are_those_of_the_standards_context_groups():
    """PS3.16 CID 4010 (views) and 4031 (regions), as pydicom's concept dictionary gives them."""
    from pydicom.sr.codedict import codes

    from calcimeasure.simulation.simulated_dicom import REGION_CODES, VIEW_CODES

    expected = {
        "PA": codes.SCT.PosteroAnterior,
        "AP": codes.SCT.AnteroPosterior,
        "HAND": codes.SCT.Hand,
        "FOREARM": codes.SCT.Forearm,
        "ELBOW": codes.SCT.ElbowJoint,
        "KNEE": codes.SCT.Knee,
    }
    assert {name: code for name, (code, _) in (VIEW_CODES | REGION_CODES).items()} == {
        name: concept.value for name, concept in expected.items()
    }


def test_truth_is_json_that_a_person_can_read(film, tmp_path):
    write_truth(film.truth, tmp_path / "truth.json")
    record = json.loads((tmp_path / "truth.json").read_text())
    assert record["schema"] == "calcimeasure.truth.film/1"
    first = record["deposits"][0]
    outline = np.array(first["outlines_px"][0])
    x, y = outline[:, 1], outline[:, 0]
    area = 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
    if len(first["outlines_px"]) == 1:
        assert area == pytest.approx(first["area_px"], rel=0.02)


def test_plain_images_keep_every_value(film, tmp_path):
    write_image(film, tmp_path / "film.png")
    read = cv2.imread(str(tmp_path / "film.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(read >> 4, film.film.pixels)
    write_truth_labels(film.labels, tmp_path / "labels.tif")
    assert np.array_equal(cv2.imread(str(tmp_path / "labels.tif"), cv2.IMREAD_UNCHANGED), film.labels.image)
    with pytest.raises(OutputError, match="keeps every value"):
        write_image(film, tmp_path / "film.jpg")


def test_a_nearer_source_magnifies_more():
    rng = np.random.default_rng(4)
    sitting = draw_sitting(rng, deposits=4, film_format=COARSE)
    sitting = replace(sitting, pose=replace(sitting.pose, tilt_deg=0.0, flexions_deg={}, height_mm=40.0))
    areas = []
    for distance in (900.0, 1800.0):
        exposure = replace(sitting.exposure, source_distance_mm=distance)
        areas.append(placed_deposits(replace(sitting, exposure=exposure))[0].area_mm2)
    held = sitting.deposits[0]
    height = 40.0 + held.z_mm
    # A few millimetres of difference in bone heights leave a small tolerance.
    assert areas[0] / areas[1] == pytest.approx(((900 / (900 - height)) / (1800 / (1800 - height))) ** 2, rel=0.01)


def test_unknown_part_is_named():
    with pytest.raises(UsageError, match="no part 'foot'"):
        simulate_film(np.random.default_rng(0), part="foot")


@pytest.mark.parametrize("side", ["L", "R"])
def test_a_hand_is_of_the_side_asked_for(side):
    limb = make_hand(np.random.default_rng(3), side=side)
    assert limb.side == side
    # Laid palm down, a right hand's thumb points to the left of the film and a left hand's to the right.
    assert np.sign(limb.segments["metacarpal_1"].joint_mm[0]) == (-1 if side == "R" else 1)
