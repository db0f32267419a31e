"""Pictures show limbs, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.change.change_records import Comparison
from calcimeasure.export.film_picture import film_display_window, limb_mask, picture, viewport
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.radiograph import GreyScale, Radiograph, Spacing, SpacingBasis


def masks(measurement: FilmMeasurement) -> Anatomy:
    assert measurement.anatomy is not None
    return measurement.anatomy


def test_burned_in_text_is_blanked(pair: Comparison) -> None:
    film, anatomy = pair.baseline.film, masks(pair.baseline)
    limb = anatomy.on_film(anatomy.limbs) > 0
    text = (film.pixels > 3000) & ~limb
    assert np.count_nonzero(text) > 100
    # The whole film at its own size: every pixel of the text is looked at.
    everywhere = np.ones_like(anatomy.limbs)
    view = viewport(film, replace(anatomy, limbs=everywhere), longest_side=5000)
    assert (view.height, view.width) == film.shape
    shown = picture(film, anatomy, view)
    assert shown[text].max() == 0
    assert shown[limb].min() > 0


def test_without_a_limb_nothing_is_shown(pair: Comparison) -> None:
    film, anatomy = pair.baseline.film, masks(pair.baseline)
    bare = replace(anatomy, limbs=np.zeros_like(anatomy.limbs))
    view = viewport(film, bare, longest_side=300)
    assert picture(film, bare, view).max() == 0


def test_viewport_holds_limb_and_deposits(pair: Comparison) -> None:
    film, anatomy = pair.baseline.film, masks(pair.baseline)
    labels = np.zeros(film.shape, np.uint16)
    labels[2:4, 2:4] = 1
    narrow = viewport(film, anatomy, longest_side=300)
    wide = viewport(film, anatomy, longest_side=300, labels=labels)
    assert narrow.row0 > 4
    assert (wide.row0, wide.col0) == (0, 0)
    assert max(wide.height, wide.width) == 300
    assert narrow.rows >= np.ptp(np.flatnonzero(anatomy.limbs.any(axis=1))) * anatomy.step


def test_places_go_over_to_the_picture(pair: Comparison) -> None:
    film, anatomy = pair.baseline.film, masks(pair.baseline)
    view = viewport(film, anatomy, longest_side=100)
    corners = np.array([[view.row0 - 0.5, view.col0 - 0.5], [view.row0 + view.rows - 0.5, view.col0 + view.cols - 0.5]])
    np.testing.assert_allclose(view.to_picture(corners), [[0, 0], [view.width, view.height]])


def test_pixels_that_are_not_square_are_shown_square(pair: Comparison) -> None:
    film, anatomy = pair.baseline.film, masks(pair.baseline)
    tall = film.with_spacing(Spacing(row_mm=0.2, col_mm=0.1, basis=SpacingBasis.USER))
    view = viewport(tall, anatomy, longest_side=400)
    assert view.scale_row / view.scale_col == pytest.approx(2.0, rel=0.02)


def film_with_window(window: tuple[float, float] | None) -> Radiograph:
    return Radiograph(
        pixels=np.zeros((4, 4), np.float32), grey=GreyScale(lowest=0, highest=4095, window=window), sha256="0" * 64
    )


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ((90.0, 1200.0), (90.0, 1200.0)),  # suits the limb
        (None, (110.0, 1099.0)),
        ((2000.0, 3000.0), (110.0, 1099.0)),  # shows the limb black
        ((0.0, 60000.0), (110.0, 1099.0)),  # shows it flat
        ((500.0, 500.0), (110.0, 1099.0)),  # is none
    ],
)
def test_window(window: tuple[float, float] | None, expected: tuple[float, float]) -> None:
    values = np.linspace(100, 1100, 10_001, dtype=np.float32)
    assert film_display_window(film_with_window(window), values) == pytest.approx(expected, abs=0.2)


def test_window_of_a_flat_limb_is_not_empty() -> None:
    low, high = film_display_window(film_with_window(None), np.full(50, 7.0, np.float32))
    assert high > low


def test_limb_edge_is_where_the_mask_has_it(pair: Comparison) -> None:
    film, anatomy = pair.baseline.film, masks(pair.baseline)
    view = viewport(film, anatomy, longest_side=5000)
    inside = limb_mask(anatomy, view)
    exact = anatomy.on_film(anatomy.limbs)[view.row0 : view.row0 + view.rows, view.col0 : view.col0 + view.cols].astype(
        bool
    )
    assert np.count_nonzero(inside != exact) < 0.01 * exact.size
