"""Layers follow the session, and what is painted on them becomes one step of it. No window."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("napari", reason="the viewer extra is not installed")
pytest.importorskip("pytestqt", reason="the viewer's test tools are not installed")

from calcimeasure.deposits import Finding, Origin
from calcimeasure.notices import TimePoint
from calcimeasure.review import editing_tools
from calcimeasure.review.review_session import ReviewSession

B, F = TimePoint.BASELINE, TimePoint.FOLLOWUP


@pytest.fixture
def layers(model: Any, review_input: Any) -> Any:
    """The layers with the tools that take strokes, as in the window."""
    from napari_calcimeasure.edit_commands import EditCommands
    from napari_calcimeasure.film_view import FilmView
    from napari_calcimeasure.mouse_tools import MouseTools
    from napari_calcimeasure.review_layers import ReviewLayers

    made = ReviewLayers(model, ReviewSession(review_input))
    made.tools = MouseTools(made, EditCommands(made), FilmView(made))
    return made


def in_step(layers: Any) -> bool:
    return all(np.array_equal(layers.labels[visit].data, layers.session.state.images[visit]) for visit in TimePoint)


def paint(layers: Any, visit: TimePoint, number: int, places: list[tuple[float, float]]) -> None:
    """A stroke as napari makes it of one drag of the mouse."""
    layer = layers.labels[visit]
    layer.mode = "paint"
    layer.selected_label = number
    with layer.block_history():
        for place in places:
            layer.paint(place, number, refresh=False)


def test_each_film_has_its_cell_and_units(layers: Any) -> None:
    grid = layers.viewer.canvas.grid
    assert grid.enabled
    assert [contents for _, contents in grid.iter_viewboxes(layers.viewer.layers)] == [(0, 1, 2, 3), (4, 5, 6, 7)]
    assert {str(unit) for layer in layers.viewer.layers for unit in layer.units} == {"millimeter"}
    assert np.allclose(layers.images[B].data_to_world((10, 20)), (2.0, 4.0))


def test_numbers_and_colours_match_across_the_films(layers: Any) -> None:
    assert list(layers.numbers[B].features["text"]) == ["1", "2", "3"]
    assert list(layers.numbers[F].features["text"]) == ["1", "2", "3", "4"]
    colour = [layers.labels[visit].colormap.color_dict for visit in TimePoint]
    for label in (1, 2, 3):
        assert np.allclose(colour[0][label], colour[1][label])
    assert not np.allclose(colour[1][1], colour[1][2])


def test_the_table_of_colours_is_naparis_own(layers: Any) -> None:
    from napari.utils.colormaps import DirectLabelColormap

    ours = layers.labels[F].colormap
    labels = np.arange(2**16, dtype=np.uint16)
    np.testing.assert_array_equal(ours.map(labels), DirectLabelColormap(color_dict=ours.color_dict).map(labels))


def test_a_stroke_is_one_step_and_undo_takes_it_from_the_layer(layers: Any) -> None:
    before = layers.session.state.images[B].copy()
    paint(layers, B, 1, [(46, 42), (48, 44), (50, 46)])
    assert layers.session.history.undo_name == "Paint deposit 1"
    assert in_step(layers)
    assert len(layers.labels[B]._undo_history) == 0
    assert layers.rows[0].origins == ("edited", "auto")
    layers.session.undo()
    assert in_step(layers)
    np.testing.assert_array_equal(layers.labels[B].data, before)
    assert layers.session.history.undo_name is None


def test_a_lasso_is_one_step(layers: Any) -> None:
    layer = layers.labels[B]
    layer.mode = "polygon"
    layer.selected_label = 1
    layer.paint_polygon([(60, 30), (60, 40), (70, 40), (70, 30)], 1)
    assert in_step(layers)
    assert layers.session.history.undo_name == "Paint deposit 1"
    assert (layers.session.state.images[B][61:70, 31:40] == 1).all()


def test_the_brush_stays_off_other_deposits(layers: Any) -> None:
    kept = (layers.session.state.images[B] == 2).sum()
    paint(layers, B, 1, [(42, 50), (42, 60), (42, 70)])
    assert (layers.session.state.images[B] == 2).sum() == kept


def test_napari_s_own_undo_has_nothing_to_undo(layers: Any) -> None:
    paint(layers, B, 1, [(46, 42)])
    layers.labels[B].undo()
    assert in_step(layers)


def test_an_edit_from_elsewhere_reaches_the_layer(layers: Any) -> None:
    layers.session.do(editing_tools.delete(layers.session.state, F, 4))
    assert in_step(layers)
    assert list(layers.numbers[F].features["text"]) == ["1", "2", "3"]
    layers.session.undo()
    assert list(layers.numbers[F].features["text"]) == ["1", "2", "3", "4"]


def test_another_finding_stands_beside_the_number(layers: Any) -> None:
    layers.session.do(editing_tools.set_finding(layers.session.state, B, 2, Finding.ARTICULAR))
    assert list(layers.numbers[B].features["text"])[1] == "2 articular"


def test_going_to_a_row_lays_the_same_place_of_both_films_on_one_another(layers: Any) -> None:
    row = layers.rows[1]
    layers.select_row(row)
    places = [np.asarray(layers.labels[visit].data_to_world(at)) for visit, at in ((B, (42, 70)), (F, (42, 70)))]
    np.testing.assert_allclose(places[0], places[1], atol=0.05)
    np.testing.assert_allclose(layers.viewer.camera.center[-2:], places[0], atol=0.2)
    assert layers.selection.labels == {B: (2,), F: (2,)}


def test_the_pointer_shows_the_same_place_on_the_other_film(layers: Any) -> None:
    layers.show_pointer(B, (30.0, 40.0))
    np.testing.assert_allclose(layers.pointers[F].data, [[30.0, 40.0]], atol=0.01)
    assert len(layers.pointers[B].data) == 0
    layers.show_pointer(B, (-500.0, 40.0))
    assert len(layers.pointers[F].data) == 0


def test_closing_leaves_no_layer_and_no_listener(layers: Any) -> None:
    layers.close()
    assert len(layers.viewer.layers) == 0
    assert len(layers.session.changed) == 0


def test_a_film_alone_has_no_grid(model: Any, small_films: Any) -> None:
    from calcimeasure.review.review_input import ReviewInput
    from napari_calcimeasure.review_layers import ReviewLayers

    both = small_films.build_review_input()
    alone = ReviewInput(films={B: both.films[B]}, anatomies={B: both.anatomies[B]}, labels={B: both.labels[B]})
    layers = ReviewLayers(model, ReviewSession(alone))
    assert not model.canvas.grid.enabled
    assert [row.number for row in layers.rows] == [1, 2, 3]
    assert layers.rows[0].origins == (Origin.AUTO.value,)


@pytest.mark.parametrize("width", [1, 2, 5])
def test_outlines_are_napari_s_own(layers: Any, width: int) -> None:
    from napari.layers.labels._labels_utils import get_contours

    layer = layers.labels[F]
    layer.contour = width
    whole = tuple(slice(0, size) for size in layer.data.shape)
    np.testing.assert_array_equal(layer._calculate_contour(layer.data, whole), get_contours(layer.data, width, 0))
    part = (slice(30, 50), slice(28, 80))
    np.testing.assert_array_equal(layer._calculate_contour(layer.data, part), get_contours(layer.data, width, 0)[part])


def test_what_the_layers_show_after_edits_is_what_a_new_layer_would_show(layers: Any) -> None:
    state = layers.session.state
    for edit in (
        editing_tools.resize_deposit(state, F, 1, pixels=3),
        editing_tools.delete(state, F, 2),
        editing_tools.erase(state, F, np.hypot(*np.ogrid[-100:50, -50:80]) < 5),
    ):
        layers.session.do(edit)
    layer = layers.labels[F]
    shown = np.array(layer._slice.image.view)
    assert np.array_equal(layer.data, layers.session.state.images[F])
    layer.refresh()
    assert np.array_equal(shown, layer._slice.image.view)
    layers.session.undo()
    layers.session.undo()
    shown = np.array(layer._slice.image.view)
    layer.refresh()
    assert np.array_equal(shown, layer._slice.image.view)


def test_a_stroke_s_window_is_read_from_what_napari_tells(layers: Any) -> None:
    from napari_calcimeasure.mouse_tools import painted_window

    reported: list[Any] = []
    layer = layers.labels[F]
    layer.events.paint.connect(lambda event: reported.append(event.value))
    layer.mode, layer.brush_size = "paint", 5
    with layer.block_history():
        layer.paint((20, 100), 1, refresh=False)
        layer.paint((26, 108), 1, refresh=False)
    assert painted_window(reported[0], layer.data.shape) == (slice(18, 29), slice(98, 111))
    layer.data_setitem((np.array([90, 94]), np.array([3, 1])), 1)
    assert painted_window(reported[1], layer.data.shape) == (slice(90, 95), slice(1, 4))
    assert painted_window([("odd",)], layer.data.shape) is None
    assert painted_window(None, layer.data.shape) is None


def test_a_nameless_film_shows_the_limb_and_nothing_beside_it(review_input: Any) -> None:
    from dataclasses import replace

    from napari_calcimeasure.layer_styles import blinded_pixels

    film = review_input.films[F]
    anatomy = review_input.anatomies[F]
    limbs = np.zeros_like(anatomy.limbs)
    limbs[: limbs.shape[0] // 2] = 1
    half = replace(anatomy, limbs=limbs)
    image = review_input.labels[F].image
    shown = blinded_pixels(film, half, image)
    blank = shown == film.pixels.min()
    assert np.array_equal(shown[:75], film.pixels[:75])
    assert blank[90:][image[90:] == 0].mean() > 0.5
    assert not blank[image > 0].any(), "a deposit at the skin stays"
    assert np.array_equal(blinded_pixels(film, replace(anatomy, limbs=np.zeros_like(limbs)), image), film.pixels)
