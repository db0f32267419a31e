"""The table of `docs/records.md`, row by row."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calcimeasure.io.pixel_spacing import SpacingTags, choose_spacing, spacing_doubts
from calcimeasure.radiograph import Spacing, SpacingBasis

CASES = [
    # PixelSpacing, ImagerPixelSpacing, NominalScannedPixelSpacing, calibration type -> basis, mm
    ("nothing", None, None, None, None, "none", None),
    ("pixel larger than imager", (0.2, 0.2), (0.1, 0.1), None, None, "none", None),
    ("pixel larger on one axis", (0.1, 0.2), (0.1, 0.1), None, None, "none", None),
    ("pixel larger though calibrated", (0.2, 0.2), (0.1, 0.1), None, "FIDUCIAL", "none", None),
    ("pixel larger than scanned", (0.2, 0.2), None, (0.1, 0.1), None, "none", None),
    ("calibration type", (0.1, 0.1), None, None, "GEOMETRY", "calibrated", (0.1, 0.1)),
    ("calibration type and equal imager", (0.1, 0.1), (0.1, 0.1), None, "FIDUCIAL", "calibrated", (0.1, 0.1)),
    ("differs from imager", (0.08, 0.08), (0.1, 0.1), None, None, "calibrated", (0.08, 0.08)),
    ("differs on one axis", (0.1, 0.08), (0.1, 0.1), None, None, "calibrated", (0.1, 0.08)),
    ("differs from scanned", (0.08, 0.08), None, (0.1, 0.1), None, "calibrated", (0.08, 0.08)),
    ("imager is the reference before scanned", (0.1, 0.1), (0.1, 0.1), (0.3, 0.3), None, "detector", (0.1, 0.1)),
    ("blank calibration type", (0.1, 0.1), (0.1, 0.1), None, "  ", "detector", (0.1, 0.1)),
    ("equal within 0.5 %, below", (0.0995, 0.0995), (0.1, 0.1), None, None, "detector", (0.1, 0.1)),
    ("equal within 0.5 %, above", (0.1005, 0.1005), (0.1, 0.1), None, None, "detector", (0.1, 0.1)),
    ("just differs", (0.0994, 0.0994), (0.1, 0.1), None, None, "calibrated", (0.0994, 0.0994)),
    ("just larger", (0.1006, 0.1006), (0.1, 0.1), None, None, "none", None),
    ("imager alone", None, (0.1, 0.1), None, None, "detector", (0.1, 0.1)),
    ("anisotropic imager", None, (0.1, 0.2), None, None, "detector", (0.1, 0.2)),
    ("zero pixel, imager", (0.0, 0.0), (0.1, 0.1), None, None, "detector", (0.1, 0.1)),
    ("scanned alone", None, None, (0.17, 0.17), None, "scanned_film", (0.17, 0.17)),
    ("scanned equal pixel", (0.17, 0.17), None, (0.17, 0.17), None, "scanned_film", (0.17, 0.17)),
    ("pixel alone", (0.2, 0.2), None, None, None, "assumed_detector", (0.2, 0.2)),
    ("pixel with a zero imager", (0.2, 0.2), (0.0, 0.1), None, None, "assumed_detector", (0.2, 0.2)),
    ("pixel with a negative imager", (0.2, 0.2), (-0.1, -0.1), None, None, "assumed_detector", (0.2, 0.2)),
    ("pixel with an imager that is no number", (0.2, 0.2), (math.nan, 0.1), None, None, "assumed_detector", (0.2, 0.2)),
    ("zero", (0.0, 0.0), None, None, None, "none", None),
    ("half zero", (0.1, 0.0), None, None, None, "none", None),
    ("negative", (-0.1, 0.1), None, None, None, "none", None),
    ("not a number", (math.nan, 0.1), None, None, None, "none", None),
    ("infinite", (math.inf, 0.1), None, None, None, "none", None),
    ("one number", (0.1,), None, None, None, "none", None),
    ("three numbers", (0.1, 0.1, 0.1), None, None, None, "none", None),
    ("calibration type without spacing", None, None, None, "FIDUCIAL", "none", None),
]


@pytest.mark.parametrize(
    ("pixel", "imager", "scanned", "calibration", "basis", "millimetres"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_first_row_that_fits_decides(pixel, imager, scanned, calibration, basis, millimetres):
    tags = SpacingTags(pixel=pixel, imager=imager, nominal_scanned=scanned, calibration_type=calibration)
    spacing = choose_spacing(tags)
    assert spacing.basis == basis
    assert spacing.mm == millimetres


def test_the_user_comes_first_and_keeps_rows_and_columns_apart():
    tags = SpacingTags(pixel=(0.2, 0.2), imager=(0.1, 0.1), aspect_ratio=(4.0, 3.0))
    spacing = choose_spacing(tags, user_mm=(0.12, 0.15), magnification_corrected=True)
    assert (spacing.basis, spacing.mm) == (SpacingBasis.USER, (0.12, 0.15))


@pytest.mark.parametrize(
    ("factor", "basis", "row_mm"),
    [
        (1.5, SpacingBasis.MAGNIFICATION_CORRECTED, 0.1),
        (1.0, SpacingBasis.DETECTOR, 0.15),
        (0.8, SpacingBasis.DETECTOR, 0.15),
        (-1.5, SpacingBasis.DETECTOR, 0.15),
        (math.nan, SpacingBasis.DETECTOR, 0.15),
        (math.inf, SpacingBasis.DETECTOR, 0.15),
        (None, SpacingBasis.DETECTOR, 0.15),
    ],
)
def test_magnification_is_corrected_only_above_one(factor, basis, row_mm):
    spacing = choose_spacing(SpacingTags(imager=(0.15, 0.3), magnification=factor), magnification_corrected=True)
    assert spacing.basis is basis
    assert spacing.mm == pytest.approx((row_mm, 2 * row_mm))


def test_magnification_is_left_alone_unless_asked_for():
    spacing = choose_spacing(SpacingTags(imager=(0.15, 0.15), magnification=1.5))
    assert (spacing.basis, spacing.row_mm) == (SpacingBasis.DETECTOR, 0.15)


@pytest.mark.parametrize(
    "tags",
    [
        SpacingTags(pixel=(0.1, 0.1), magnification=1.5),
        SpacingTags(pixel=(0.1, 0.1), calibration_type="FIDUCIAL", magnification=1.5),
        SpacingTags(nominal_scanned=(0.1, 0.1), magnification=1.5),
    ],
    ids=["assumed", "calibrated", "scanned"],
)
def test_magnification_is_corrected_only_at_the_detector_and_says_so(tags):
    spacing = choose_spacing(tags, magnification_corrected=True)
    assert spacing.row_mm == 0.1
    (doubt,) = spacing_doubts(spacing, tags, (1000, 1000), magnification_corrected=True)
    assert "not applied" in doubt.text
    assert str(spacing.basis) in doubt.text


def test_aspect_ratio_survives_without_millimetres():
    spacing = choose_spacing(SpacingTags(pixel=(0.0, 0.0), aspect_ratio=(6.0, 5.0)))
    assert (spacing.mm, spacing.pixel_aspect) == (None, pytest.approx(1.2))
    assert "PixelAspectRatio" in spacing.note


@pytest.mark.parametrize("ratio", [(0.0, 1.0), (1.0,), (math.nan, 1.0), (-1.0, 1.0)])
def test_aspect_ratio_that_is_none_counts_as_square(ratio):
    assert choose_spacing(SpacingTags(aspect_ratio=ratio)).pixel_aspect == 1.0


def test_contradiction_names_both_tags_and_keeps_the_shape_of_a_pixel():
    spacing = choose_spacing(SpacingTags(pixel=(0.4, 0.2), imager=(0.1, 0.1)))
    assert "PixelSpacing 0.4\\0.2" in spacing.note
    assert "ImagerPixelSpacing 0.1\\0.1" in spacing.note
    assert spacing.pixel_aspect == 2.0
    assert "--spacing" in spacing_doubts(spacing, SpacingTags(pixel=(0.4, 0.2)), (1000, 1000))[0].text


@pytest.mark.parametrize(
    ("tags", "named"),
    [
        (SpacingTags(pixel=(0.1, 0.1), calibration_type="FIDUCIAL"), ["PixelSpacing", "FIDUCIAL"]),
        (SpacingTags(pixel=(0.08, 0.08), imager=(0.1, 0.1)), ["PixelSpacing", "differs from ImagerPixelSpacing"]),
        (SpacingTags(imager=(0.1, 0.1)), ["ImagerPixelSpacing 0.1"]),
        (SpacingTags(nominal_scanned=(0.1, 0.1)), ["NominalScannedPixelSpacing"]),
        (SpacingTags(pixel=(0.0, 0.0)), ["PixelSpacing 0\\0"]),
    ],
)
def test_the_note_names_the_tags(tags, named):
    note = choose_spacing(tags).note
    assert all(name in note for name in named)


def test_a_film_of_impossible_size_is_doubted():
    tags = SpacingTags(imager=(10.0, 10.0))
    assert "no film is" in spacing_doubts(choose_spacing(tags), tags, (1000, 1000))[0].text
    assert spacing_doubts(choose_spacing(SpacingTags(imager=(0.1, 0.1))), tags, (2500, 2000)) == []


def test_a_given_spacing_that_contradicts_the_aspect_ratio_is_doubted():
    tags = SpacingTags(aspect_ratio=(2.0, 1.0))
    assert spacing_doubts(choose_spacing(tags, user_mm=(0.1, 0.1)), tags, (1000, 1000))
    assert not spacing_doubts(choose_spacing(tags, user_mm=(0.2, 0.1)), tags, (1000, 1000))


NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.floats(0.01, 1.0)
PAIRS = st.none() | st.lists(NUMBERS, min_size=0, max_size=3).map(tuple)
TAGS = st.builds(
    SpacingTags,
    pixel=PAIRS,
    imager=PAIRS,
    nominal_scanned=PAIRS,
    calibration_type=st.none() | st.sampled_from(["", "FIDUCIAL", "GEOMETRY"]),
    aspect_ratio=PAIRS,
    magnification=st.none() | NUMBERS,
)


@given(tags=TAGS, asked=st.booleans())
def test_any_header_gives_a_valid_spacing(tags, asked):
    spacing = choose_spacing(tags, magnification_corrected=asked)
    assert isinstance(spacing, Spacing)
    assert spacing.known == (spacing.basis is not SpacingBasis.NONE)
    assert spacing.note
    spacing_doubts(spacing, tags, (100, 100), magnification_corrected=asked)


LENGTHS = st.floats(0.01, 1.0)


@given(row=LENGTHS, col=LENGTHS, row_share=st.floats(0.5, 1.5), col_share=st.floats(0.5, 1.5))
def test_pixel_against_imager(row, col, row_share, col_share):
    """Larger contradicts, smaller is calibrated, and equal is the detector, on both axes."""
    spacing = choose_spacing(SpacingTags(pixel=(row * row_share, col * col_share), imager=(row, col)))
    shares = (row_share, col_share)
    if all(abs(share - 1) < 0.00499 for share in shares):
        assert (spacing.basis, spacing.mm) == (SpacingBasis.DETECTOR, (row, col))
    elif any(share > 1.00501 for share in shares):
        assert spacing.basis is SpacingBasis.NONE
    elif max(shares) < 1.00499 and min(shares) < 0.99499:
        assert (spacing.basis, spacing.mm) == (SpacingBasis.CALIBRATED, (row * row_share, col * col_share))
