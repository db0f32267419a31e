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
def desk(model: Any, material: Any) -> Any:
    from napari_calcimeasure.review_layers import ReviewLayers

    return ReviewLayers(model, ReviewSession(material))


def in_step(desk: Any) -> bool:
    return all(np.array_equal(desk.labels[which].data, desk.session.board.images[which]) for which in TimePoint)


def paint(desk: Any, which: TimePoint, number: int, places: list[tuple[float, float]]) -> None:
    """A stroke as napari makes it of one drag of the mouse."""
    layer = desk.labels[which]
    layer.mode = "paint"
    layer.selected_label = number
    with layer.block_history():
        for place in places:
            layer.paint(place, number, refresh=False)


def test_each_film_has_its_cell_and_units(desk: Any) -> None:
    grid = desk.viewer.canvas.grid
    assert grid.enabled
    assert [contents for _, contents in grid.iter_viewboxes(desk.viewer.layers)] == [(0, 1, 2, 3), (4, 5, 6, 7)]
    assert {str(unit) for layer in desk.viewer.layers for unit in layer.units} == {"millimeter"}
    assert np.allclose(desk.images[B].data_to_world((10, 20)), (2.0, 4.0))


def test_numbers_and_colours_match_across_the_films(desk: Any) -> None:
    assert list(desk.numbers[B].features["text"]) == ["1", "2", "3"]
    assert list(desk.numbers[F].features["text"]) == ["1", "2", "3", "4"]
    colour = [desk.labels[which].colormap.color_dict for which in TimePoint]
    for label in (1, 2, 3):
        assert np.allclose(colour[0][label], colour[1][label])
    assert not np.allclose(colour[1][1], colour[1][2])


def test_the_table_of_colours_is_naparis_own(desk: Any) -> None:
    from napari.utils.colormaps import DirectLabelColormap

    ours = desk.labels[F].colormap
    labels = np.arange(2**16, dtype=np.uint16)
    np.testing.assert_array_equal(ours.map(labels), DirectLabelColormap(color_dict=ours.color_dict).map(labels))


def test_a_stroke_is_one_step_and_undo_takes_it_from_the_layer(desk: Any) -> None:
    before = desk.session.board.images[B].copy()
    paint(desk, B, 1, [(46, 42), (48, 44), (50, 46)])
    assert desk.session.history.undo_name == "Paint deposit 1"
    assert in_step(desk)
    assert len(desk.labels[B]._undo_history) == 0
    assert desk.rows[0].origins == ("edited", "auto")
    desk.session.undo()
    assert in_step(desk)
    np.testing.assert_array_equal(desk.labels[B].data, before)
    assert desk.session.history.undo_name is None


def test_a_lasso_is_one_step(desk: Any) -> None:
    layer = desk.labels[B]
    layer.mode = "polygon"
    layer.selected_label = 1
    layer.paint_polygon([(60, 30), (60, 40), (70, 40), (70, 30)], 1)
    assert in_step(desk)
    assert desk.session.history.undo_name == "Paint deposit 1"
    assert (desk.session.board.images[B][61:70, 31:40] == 1).all()


def test_the_brush_stays_off_other_deposits(desk: Any) -> None:
    kept = (desk.session.board.images[B] == 2).sum()
    paint(desk, B, 1, [(42, 50), (42, 60), (42, 70)])
    assert (desk.session.board.images[B] == 2).sum() == kept


def test_napari_s_own_undo_has_nothing_to_undo(desk: Any) -> None:
    paint(desk, B, 1, [(46, 42)])
    desk.labels[B].undo()
    assert in_step(desk)


def test_an_edit_from_elsewhere_reaches_the_layer(desk: Any) -> None:
    desk.do(editing_tools.delete(desk.session.board, F, 4))
    assert in_step(desk)
    assert list(desk.numbers[F].features["text"]) == ["1", "2", "3"]
    desk.session.undo()
    assert list(desk.numbers[F].features["text"]) == ["1", "2", "3", "4"]


def test_another_finding_stands_beside_the_number(desk: Any) -> None:
    desk.do(editing_tools.set_finding(desk.session.board, B, 2, Finding.ARTICULAR))
    assert list(desk.numbers[B].features["text"])[1] == "2 articular"


def test_going_to_a_row_lays_the_same_place_of_both_films_on_one_another(desk: Any) -> None:
    row = desk.rows[1]
    desk.choose_row(row)
    places = [np.asarray(desk.labels[which].data_to_world(at)) for which, at in ((B, (42, 70)), (F, (42, 70)))]
    np.testing.assert_allclose(places[0], places[1], atol=0.05)
    np.testing.assert_allclose(desk.viewer.camera.center[-2:], places[0], atol=0.2)
    assert desk.chosen == {B: (2,), F: (2,)}


def test_the_pointer_shows_the_same_place_on_the_other_film(desk: Any) -> None:
    desk.show_pointer(B, (30.0, 40.0))
    np.testing.assert_allclose(desk.pointers[F].data, [[30.0, 40.0]], atol=0.01)
    assert len(desk.pointers[B].data) == 0
    desk.show_pointer(B, (-500.0, 40.0))
    assert len(desk.pointers[F].data) == 0


def test_closing_leaves_no_layer_and_no_listener(desk: Any) -> None:
    desk.close()
    assert len(desk.viewer.layers) == 0
    assert desk.session.changed == []


def test_a_film_alone_has_no_grid(model: Any, small_films: Any) -> None:
    from calcimeasure.review.review_input import ReviewInput
    from napari_calcimeasure.review_layers import ReviewLayers

    both = small_films.build_material()
    alone = ReviewInput(films={B: both.films[B]}, anatomies={B: both.anatomies[B]}, labels={B: both.labels[B]})
    desk = ReviewLayers(model, ReviewSession(alone))
    assert not model.canvas.grid.enabled
    assert [row.number for row in desk.rows] == [1, 2, 3]
    assert desk.rows[0].origins == (Origin.AUTO.value,)


@pytest.mark.parametrize("width", [1, 2, 5])
def test_outlines_are_napari_s_own(desk: Any, width: int) -> None:
    from napari.layers.labels._labels_utils import get_contours

    layer = desk.labels[F]
    layer.contour = width
    whole = tuple(slice(0, size) for size in layer.data.shape)
    np.testing.assert_array_equal(layer._calculate_contour(layer.data, whole), get_contours(layer.data, width, 0))
    part = (slice(30, 50), slice(28, 80))
    np.testing.assert_array_equal(layer._calculate_contour(layer.data, part), get_contours(layer.data, width, 0)[part])


def test_what_the_layers_show_after_edits_is_what_a_new_layer_would_show(desk: Any) -> None:
    board = desk.session.board
    for edit in (
        editing_tools.resize_deposit(board, F, 1, pixels=3),
        editing_tools.delete(board, F, 2),
        editing_tools.erase(board, F, np.hypot(*np.ogrid[-100:50, -50:80]) < 5),
    ):
        desk.do(edit)
    layer = desk.labels[F]
    shown = np.array(layer._slice.image.view)
    assert np.array_equal(layer.data, desk.session.board.images[F])
    layer.refresh()
    assert np.array_equal(shown, layer._slice.image.view)
    desk.session.undo()
    desk.session.undo()
    shown = np.array(layer._slice.image.view)
    layer.refresh()
    assert np.array_equal(shown, layer._slice.image.view)


def test_a_stroke_s_window_is_read_from_what_napari_tells(desk: Any) -> None:
    from napari_calcimeasure.review_layers import painted_window

    told: list[Any] = []
    layer = desk.labels[F]
    layer.events.paint.connect(lambda event: told.append(event.value))
    layer.mode, layer.brush_size = "paint", 5
    with layer.block_history():
        layer.paint((20, 100), 1, refresh=False)
        layer.paint((26, 108), 1, refresh=False)
    assert painted_window(told[0], layer.data.shape) == (slice(18, 29), slice(98, 111))
    layer.data_setitem((np.array([90, 94]), np.array([3, 1])), 1)
    assert painted_window(told[1], layer.data.shape) == (slice(90, 95), slice(1, 4))
    assert painted_window([("odd",)], layer.data.shape) is None
    assert painted_window(None, layer.data.shape) is None


def test_a_nameless_film_shows_the_limb_and_nothing_beside_it(material: Any) -> None:
    from dataclasses import replace

    from napari_calcimeasure.layer_styles import nameless

    film = material.films[F]
    anatomy = material.anatomies[F]
    limbs = np.zeros_like(anatomy.limbs)
    limbs[: limbs.shape[0] // 2] = 1
    half = replace(anatomy, limbs=limbs)
    image = material.labels[F].image
    shown = nameless(film, half, image)
    blank = shown == film.pixels.min()
    assert np.array_equal(shown[:75], film.pixels[:75])
    assert blank[90:][image[90:] == 0].mean() > 0.5
    assert not blank[image > 0].any(), "a deposit at the skin stays"
    assert np.array_equal(nameless(film, replace(anatomy, limbs=np.zeros_like(limbs)), image), film.pixels)
