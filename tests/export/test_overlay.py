"""overlay.png: the outlines are drawn, the text outside is not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from calcimeasure.change.change_records import Comparison
from calcimeasure.export.film_picture import LONGEST_SIDE, viewport
from calcimeasure.export.outline_marks import film_marks
from calcimeasure.export.overlay import BASIS_WORDS, dashed, overlay_png, ring_around, scale_bar
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.radiograph import Spacing, SpacingBasis


def drawn(measurement: FilmMeasurement) -> np.ndarray:
    assert measurement.anatomy is not None
    data = overlay_png(measurement.film, measurement.anatomy, film_marks(measurement), measurement.labels.image)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert image is not None
    return image


def test_outlines_are_in_colour_and_the_film_is_grey(pair: Comparison) -> None:
    image = drawn(pair.baseline).astype(int)
    assert max(image.shape) <= LONGEST_SIDE + 200
    colourful = np.ptp(image, axis=2) > 60
    assert 100 < np.count_nonzero(colourful) < 0.1 * colourful.size
    assert image.std() > 20
    blue = np.abs(image - [0x56, 0xB4, 0xE9]).sum(axis=2) < 40
    assert np.count_nonzero(blue) > 20


def test_burned_in_text_is_gone(pair: Comparison) -> None:
    """The same film with and without the text gives the same picture."""
    film, anatomy = pair.baseline.film, pair.baseline.anatomy
    assert anatomy is not None
    outside = anatomy.on_film(anatomy.limbs) == 0
    pixels = film.pixels.copy()
    # One pixel of room: resampling mixes a pixel with its neighbours.
    pixels[cv2.erode(outside.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0] = 0
    from dataclasses import replace

    cleaned = replace(pair.baseline, film=replace(film, pixels=pixels))
    np.testing.assert_array_equal(drawn(cleaned), drawn(pair.baseline))


def test_same_bytes(pair: Comparison) -> None:
    np.testing.assert_array_equal(drawn(pair.followup), drawn(pair.followup))


def test_no_deposits(build_pair) -> None:
    image = drawn(build_pair(height=200, baseline_blobs=(), followup_blobs=(), links=()).baseline)
    assert np.ptp(image[: image.shape[0] // 2].astype(int), axis=2).max() == 0


@pytest.mark.parametrize("mm", [0.05, 0.143, 0.2])
def test_scale_bar_is_a_round_number(pair: Comparison, mm: float) -> None:
    film = pair.baseline.film.with_spacing(Spacing(row_mm=mm, col_mm=mm, basis=SpacingBasis.USER))
    assert pair.baseline.anatomy is not None
    view = viewport(film, pair.baseline.anatomy, longest_side=300)
    length, words = scale_bar(film, view)
    number, unit = words.split()
    assert unit == "mm"
    assert float(number) == pytest.approx(length * mm / view.scale_col)
    assert 0.08 * view.width <= length <= 0.2 * view.width


def test_scale_bar_without_spacing_is_in_pixels(pair: Comparison) -> None:
    film = pair.baseline.film.with_spacing(Spacing())
    assert pair.baseline.anatomy is not None
    view = viewport(film, pair.baseline.anatomy, longest_side=300)
    assert scale_bar(film, view)[1].endswith(" px")


def test_every_basis_has_words() -> None:
    assert set(BASIS_WORDS) == set(SpacingBasis)


def test_dashes_cover_their_share() -> None:
    square = np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 100.0], [0.0, 100.0], [0.0, 0.0]])
    strokes = dashed(square, (6.0, 4.0))
    length = sum(np.hypot(*np.diff(stroke, axis=0).T).sum() for stroke in strokes)
    assert len(strokes) == 40
    assert length == pytest.approx(240.0)
    (whole,) = dashed(square, ())
    np.testing.assert_array_equal(whole, square)


def test_a_ring_leaves_a_small_deposit_free() -> None:
    square = np.array([[10.0, 10.0], [14.0, 10.0], [14.0, 14.0], [10.0, 14.0]])
    found = ring_around([square], 3.0)
    assert found is not None
    assert np.hypot(*(found[0] - 12.0).T) == pytest.approx(5.0)
    assert ring_around([square * 10], 3.0) is None
