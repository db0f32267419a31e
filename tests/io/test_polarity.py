"""The direction of grey judged from pictures that the project makes itself; real films are in test_real_films."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from calcimeasure import film_from_array, read_film
from calcimeasure.io.canonical_film import DECLARED_WARNING, GIVEN_WARNING
from calcimeasure.io.polarity import Polarity, PolarityCues, judge_polarity, polarity_cues


@pytest.fixture(scope="module")
def hands(sample_images) -> list[np.ndarray]:
    return [read_film(path).pixels for path in sorted(sample_images.glob("*/*.dcm"))]


def leg_with_white_borders() -> np.ndarray:
    """Return a straight leg in a collimated field whose borders are white, as on many computed radiographs."""
    pixels = np.full((900, 700), 1.0, np.float32)
    pixels[40:860, 180:520] = 0.05
    columns = np.arange(700)
    tissue = 0.45 * np.sqrt(np.clip(1 - ((columns - 350) / 110) ** 2, 0, None))
    bone = 0.4 * np.sqrt(np.clip(1 - ((columns - 330) / 35) ** 2, 0, None))
    marrow = 0.3 * np.sqrt(np.clip(1 - ((columns - 330) / 22) ** 2, 0, None))
    pixels[40:860] = np.maximum(
        pixels[40:860], np.where(np.abs(columns - 350) < 170, 0.05 + tissue + bone - marrow, 1.0)
    )
    noise = np.random.default_rng(3).normal(0, 0.01, pixels.shape).astype(np.float32)
    return np.clip(pixels + noise, 0, 1)


def test_hands_and_their_negatives(hands):
    assert len(hands) >= 4
    for pixels in hands:
        assert judge_polarity(pixels) is Polarity.BONE_HIGH
        assert judge_polarity(pixels.max() - pixels) is Polarity.BONE_LOW


def test_the_cues_rotation_their_signs_with_the_picture(hands):
    cues, turned = polarity_cues(hands[0]), polarity_cues(hands[0].max() - hands[0])
    for name in ("ridges", "detail", "enclosure", "edges"):
        assert getattr(turned, name) == pytest.approx(-getattr(cues, name), abs=0.05)


def test_white_borders_are_not_taken_for_air():
    assert judge_polarity(leg_with_white_borders()) is not Polarity.BONE_LOW


def test_rotation_and_size_do_not_matter(hands):
    pixels = hands[0]
    for changed in (np.rot90(pixels), pixels[::-1], cv2.resize(pixels, None, fx=2.0, fy=2.0)):
        assert judge_polarity(np.ascontiguousarray(changed)) is Polarity.BONE_HIGH


def test_padding_is_left_out(hands):
    """A white strip that the file declares empty must not count as anything."""
    pixels = np.pad(hands[0], ((0, 0), (0, 300)), constant_values=hands[0].max())
    padding = np.zeros(pixels.shape, bool)
    padding[:, -300:] = True
    assert judge_polarity(pixels, padding) is Polarity.BONE_HIGH


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((500, 400), np.float32),
        np.eye(20, dtype=np.float32),
        np.random.default_rng(0).normal(0, 1, (500, 400)).astype(np.float32),
        np.tile(np.linspace(0, 1, 400, dtype=np.float32), (500, 1)),
    ],
    ids=["constant", "tiny", "noise", "slope"],
)
def test_pictures_that_tell_nothing(pixels):
    assert judge_polarity(pixels) is Polarity.UNSURE


def test_everything_hidden_tells_nothing():
    assert polarity_cues(np.ones((200, 200), np.float32), np.ones((200, 200), bool)) is None


@pytest.mark.parametrize("weak", ["ridges", "detail", "enclosure", "edges"])
def test_one_weak_cue_is_enough_to_leave_a_film_alone(weak):
    strong = {"ridges": -0.9, "detail": -0.9, "enclosure": -0.9, "edges": -0.9}
    assert PolarityCues(**strong).agree(-1)
    assert not PolarityCues(**(strong | {weak: 0.0})).agree(-1)


def test_an_array_is_warned_of_and_not_turned_round(hands):
    negative = hands[0].max() - hands[0]
    film = film_from_array(negative)
    np.testing.assert_array_equal(film.pixels, negative)
    assert film.warnings == (GIVEN_WARNING,)
    assert film_from_array(negative, invert=True).warnings == ()
    assert film_from_array(negative, invert=False).warnings == ()


def test_a_file_is_turned_round_and_what_to_do_is_said(hands, tmp_path):
    negative = np.rint(60000 * (1 - (hands[0] - hands[0].min()) / np.ptp(hands[0]))).astype(np.uint16)
    Image.fromarray(negative).save(tmp_path / "negative.png")
    turned = read_film(tmp_path / "negative.png")
    assert turned.grey.inverted
    assert turned.warnings == (DECLARED_WARNING,)
    # The advice of the warning does turn it back; --invert says in words what the picture said.
    back = read_film(tmp_path / "negative.png", invert=False)
    assert not back.grey.inverted
    np.testing.assert_array_equal(back.pixels, negative)
    said = read_film(tmp_path / "negative.png", invert=True)
    np.testing.assert_array_equal(said.pixels, turned.pixels)
    assert back.warnings == said.warnings == ()
