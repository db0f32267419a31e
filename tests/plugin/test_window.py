"""The real window: the whole way of a reading, the mouse and the keys, and that something is seen."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("napari", reason="the viewer extra is not installed")
pytest.importorskip("pytestqt", reason="the viewer's test tools are not installed")

from calcimeasure.deposits import Origin
from calcimeasure.measurement import measure_film
from calcimeasure.notices import TimePoint
from calcimeasure.review import editing_tools
from calcimeasure.review.reading_store import check_signature, signed_labels

pytestmark = pytest.mark.viewer
B, F = TimePoint.BASELINE, TimePoint.FOLLOWUP


class Mouse:
    """Sends mouse events to the canvas at places of a film."""

    def __init__(self, viewer: Any, layers: Any) -> None:
        self.canvas = viewer.window._qt_viewer.canvas
        self.layers = layers

    def at(self, visit: TimePoint, place: tuple[float, float]) -> Any:
        """Return where on the canvas a (row, col) of a film is seen."""
        from qtpy.QtCore import QPointF

        views = self.canvas.grid_views if self.layers.viewer.canvas.grid.enabled else [self.canvas.view]
        view = views[self.layers.order.index(visit) if len(views) > 1 else 0]
        origin = np.asarray(self.canvas._map_canvas2world(np.array([0.0, 0.0]), view))[-2:]
        down = np.asarray(self.canvas._map_canvas2world(np.array([0.0, 100.0]), view))[-2:]
        right = np.asarray(self.canvas._map_canvas2world(np.array([100.0, 0.0]), view))[-2:]
        world = np.asarray(self.layers.images[visit].data_to_world(place))[-2:]
        x, y = np.linalg.solve(np.column_stack([(right - origin) / 100, (down - origin) / 100]), world - origin)
        return QPointF(float(x), float(y))

    def send(self, kind: str, place: Any, *, shift: bool = False) -> None:
        """Press, move or release the left button at a place on the canvas."""
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest

        native, modifier = self.canvas.native, Qt.KeyboardModifier.NoModifier
        if shift:
            modifier = Qt.KeyboardModifier.ShiftModifier
        if kind == "move":
            QTest.mouseMove(native, place.toPoint())
            for _ in range(4):  # vispy drops moves within 10 ms of one another, napari's timer tells of them later
                QTest.qWait(12)
            return
        act = QTest.mousePress if kind == "press" else QTest.mouseRelease
        act(native, Qt.MouseButton.LeftButton, modifier, place.toPoint())

    def drag(self, visit: TimePoint, places: list[tuple[float, float]], *, shift: bool = False) -> None:
        """Press at the first place, move over the others, release at the last."""
        on_canvas = [self.at(visit, place) for place in places]
        self.send("move", on_canvas[0])
        self.send("press", on_canvas[0], shift=shift)
        for place in on_canvas[1:]:
            self.send("move", place)
        self.send("release", on_canvas[-1], shift=shift)

    def click(self, visit: TimePoint, place: tuple[float, float], *, shift: bool = False) -> None:
        """Click at a place."""
        self.drag(visit, [place], shift=shift)


@pytest.fixture
def controller(viewer: Any, small_case: Any, answers: Any, catch_up: Callable[[], None]) -> Any:
    from napari_calcimeasure.review_controller import open_review

    made = open_review(viewer, [small_case], ask=answers(), synchronous=True)
    catch_up()
    yield made
    made.leave()
    made.shut()


def canvas_spread(viewer: Any) -> float:
    return float(np.asarray(viewer.screenshot(canvas_only=True, flash=False))[..., :3].std())


def test_painting_with_the_mouse_changes_the_area_as_painted(controller: Any, viewer: Any, catch_up: Any) -> None:
    layers, mouse = controller.layers, Mouse(viewer, controller.layers)
    assert canvas_spread(viewer) > 5, "the canvas is blank"
    mouse.click(B, (40, 35))
    assert layers.selection[B] == (1,), "a click on a deposit chooses it"
    assert controller.panel.table.selectionModel().selectedRows()
    controller.tools.take("brush")
    layers.labels[B].brush_size = 5
    before = layers.session.state.images[B].copy()
    mouse.drag(B, [(55, 35), (58, 35), (61, 35), (64, 35)])
    catch_up()
    after = layers.session.state.images[B]
    painted = np.argwhere((before == 0) & (after == 1))
    assert 4 * 5 <= len(painted) <= 14 * 7
    assert painted[:, 0].min() in (52, 53, 54)
    assert painted[:, 0].max() in (65, 66, 67)
    assert abs(painted[:, 1].mean() - 35) < 1
    measured = layers.session.live[B].row(1)
    assert measured.area_px == (after == 1).sum()
    assert measured.origin is Origin.EDITED
    assert "draft" in controller.frame.title.text()
    assert controller.panel.table.links.rows[0].origins == ("edited", "auto")
    undo = controller.panel.buttons["undo"]
    assert undo.isEnabled()
    assert undo.toolTip().startswith("Undo: Paint deposit 1")
    undo.click()
    np.testing.assert_array_equal(layers.session.state.images[B], before)
    np.testing.assert_array_equal(layers.labels[B].data, before)
    assert not undo.isEnabled()
    assert undo.toolTip() == "There is nothing to undo."


def test_splitting_choosing_and_keys(controller: Any, viewer: Any, qtbot: Any, catch_up: Any) -> None:
    from qtpy.QtCore import Qt

    layers, mouse, native = controller.layers, Mouse(viewer, controller.layers), viewer.window._qt_viewer.canvas.native
    mouse.send("move", mouse.at(F, (20, 20)))
    assert layers.film is F, "the film under the mouse is the one that tools act on"
    assert viewer.layers.selection.active is layers.labels[F]
    qtbot.keyClick(native, Qt.Key.Key_X)
    assert controller.tools.tool.name == "split"
    mouse.drag(F, [(40, 20), (40, 35), (40, 50)])
    assert sorted(layers.session.state.deposits[F]) == [1, 2, 3, 4, 5]
    assert controller.panel.table.links.rows[0].status == "split"
    qtbot.keyClick(native, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert sorted(layers.session.state.deposits[F]) == [1, 2, 3, 4]
    qtbot.keyClick(native, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert sorted(layers.session.state.deposits[F]) == [1, 2, 3, 4, 5]
    qtbot.keyClick(native, Qt.Key.Key_Escape)
    mouse.click(F, (36, 35))
    first = layers.selection[F]
    mouse.click(F, (44, 35), shift=True)
    assert len(first) == 1
    assert len(layers.selection[F]) == 2
    qtbot.keyClick(native, Qt.Key.Key_M)
    assert sorted(layers.session.state.deposits[F]) == [1, 2, 3, 4]


def test_rows_flicker_blend_and_grey(controller: Any, viewer: Any, catch_up: Any) -> None:
    layers, view, panel = controller.layers, controller.view, controller.panel
    panel.table.selectRow(2)
    assert layers.selection.labels == {B: (3,), F: (3,)}
    for show in (view.flicker, view.flicker, view.blend):
        show()
        catch_up()
        assert canvas_spread(viewer) > 5
    assert not viewer.canvas.grid.enabled
    view.lay_side_by_side()
    assert viewer.canvas.grid.enabled
    assert len(viewer.layers) == 8
    panel.view_bar.same_grey.setChecked(True)
    assert tuple(layers.images[B].contrast_limits) == tuple(layers.images[F].contrast_limits)
    view.invert()
    assert layers.images[B].colormap.name == "gray_r"
    assert layers.row is not None, "the filter takes the chosen row away"
    panel.filter.setText("new")
    assert panel.table.proxy.rowCount() == 1
    panel.filter.setText("")
    assert panel.table.proxy.rowCount() == 4


def test_a_ruler_gives_a_film_its_millimetres(
    viewer: Any, tmp_path: Path, small_films: Any, answers: Any, catch_up: Any
) -> None:
    import cv2

    from napari_calcimeasure.review_controller import open_review
    from napari_calcimeasure.worklist import ReviewCase

    review_input = small_films.build_review_input()
    path = tmp_path / "film.png"
    cv2.imwrite(str(path), np.clip(review_input.films[B].pixels, 0, 65535).astype(np.uint16))
    case = ReviewCase(title="film", root=tmp_path, paths={B: path}, read_first=True)
    said = answers(length=20.0)
    controller = open_review(viewer, [case], ask=said, synchronous=True)
    catch_up()
    assert viewer.canvas.overlays.text.text == "pixels: no spacing known"
    controller.tools.take("ruler")
    Mouse(viewer, controller.layers).drag(B, [(20, 10), (20, 60), (20, 110)])
    catch_up()
    assert said.asked == ["reader", "length"], "going on after a calibration is not asked"
    spacing = controller.session.review_input.films[B].spacing
    assert spacing.mm == pytest.approx((0.2, 0.2), rel=0.02)
    assert viewer.canvas.overlays.text.text == "mm as given"
    assert controller.session.actions[-1]["what"].startswith("Calibrate baseline: 20 mm over ")
    assert controller.leave()
    controller.shut()


def test_a_reading_begins_inside_napari(
    viewer: Any, tmp_path: Path, small_films: Any, answers: Any, catch_up: Any
) -> None:
    import cv2

    path = tmp_path / "film.png"
    cv2.imwrite(str(path), np.clip(small_films.build_review_input().films[B].pixels, 0, 65535).astype(np.uint16))
    viewer.open(str(path), plugin="calcimeasure")
    _dock, start = viewer.window.add_plugin_dock_widget("calcimeasure", "CalciMeasure: review")
    assert start.message.text() == "Say who reads: a name or code, e.g. R1."
    start.reader.setText("Jane Doe")
    assert not start.button.isEnabled(), "a space cannot name a folder everywhere"
    start.reader.setText("R1")
    start.folder.setText(str(tmp_path / "kept"))
    assert start.button.isEnabled()
    assert start.baseline.currentText() == "film"
    start.start(ask=answers(), synchronous=True)
    catch_up()
    assert start.controller.session is not None, start.controller.frame.message.text()
    assert start.controller.session.location.root == tmp_path / "kept"
    assert start.why_not() == "A reading is open: close it first."
    assert start.controller.leave()
    start.controller.shut()


def test_closing_asks_and_cancel_stays(controller: Any, viewer: Any, answers: Any) -> None:
    controller.layers.session.do(editing_tools.delete(controller.layers.session.state, F, 4))
    controller.ask = answers(leave="cancel")
    assert not controller.window.close()
    assert controller.session is not None
    controller.ask = answers(leave="discard")
    place = controller.session.location
    assert controller.leave()
    assert not place.draft.exists()


def test_a_second_window_is_told_and_looks_only(
    controller: Any, viewer: Any, small_case: Any, answers: Any, catch_up: Any
) -> None:
    from napari_calcimeasure.review_controller import open_review

    controller.layers.session.do(editing_tools.delete(controller.layers.session.state, F, 4))
    answering = answers(locked="look only")
    other = open_review(viewer, [small_case], reader="R1", ask=answering, synchronous=True)
    catch_up()
    assert answering.asked == ["locked"]
    assert other.session.read_only
    assert "look at only" in other.panel.saving.text()
    assert not other.panel.buttons["delete"].isEnabled()
    assert other.leave()
    other.shut()


def test_a_second_reader_reads_as_somebody_else(
    controller: Any, viewer: Any, small_case: Any, answers: Any, catch_up: Any
) -> None:
    from napari_calcimeasure.review_controller import open_review

    answering = answers(locked="other reader", reader="R2")
    other = open_review(viewer, [small_case], reader="R1", ask=answering, synchronous=True)
    catch_up()
    assert answering.asked == ["locked", "reader"]
    assert other.session.location.reader == "R2"
    assert not other.session.read_only
    assert other.leave()
    other.shut()


def test_blinded_reading_hides_what_it_must_until_signed(
    viewer: Any, small_case: Any, answers: Any, catch_up: Any
) -> None:
    from qtpy.QtCore import Qt

    from napari_calcimeasure.link_table import CHANGE, STATUS
    from napari_calcimeasure.review_controller import open_review

    controller = open_review(viewer, [small_case], ask=answers(), blinded=True, seed=3, synchronous=True)
    catch_up()
    panel = controller.panel
    names = {layer.name for layer in viewer.layers} | {controller.frame.title.text(), panel.summary()}
    assert not any(word in text for text in names for word in ("Baseline", "Follow-up", "small films"))
    assert "once you have signed" in panel.summary()
    assert panel.table.isColumnHidden(CHANGE)
    assert panel.table.isColumnHidden(STATUS)
    heads = [panel.table.links.headerData(column, Qt.Orientation.Horizontal).split("\n")[0] for column in (2, 3)]
    assert heads == ["Film A", "Film B"], "the columns stand as the films do, whichever came first"
    controller.view.flicker()
    assert viewer.layers["Film B, laid over Film A (for looking only)"].visible
    controller.view.lay_side_by_side()
    controller.sign()
    assert "once you have signed" not in panel.summary()
    assert not panel.table.isColumnHidden(CHANGE)
    assert check_signature(controller.session.signed)["blinding"]["seed"] == 3
    controller.leave()
    controller.shut()


def test_the_whole_way_of_a_reading(
    viewer: Any, sample_images: Path, tmp_path: Path, answers: Any, catch_up: Any
) -> None:
    from napari_calcimeasure.review_controller import open_review
    from napari_calcimeasure.worklist import cases_of

    films = [sample_images / "grown" / f"{visit.value}.dcm" for visit in TimePoint]
    said = answers()
    controller = open_review(viewer, cases_of(films, out=tmp_path), ask=said, synchronous=True)
    catch_up()
    assert controller.session is not None, controller.frame.message.text()
    layers, commands, session = controller.layers, controller.commands, controller.session
    first = {visit: session.state.images[visit].tobytes() for visit in TimePoint}
    assert len(layers.rows) >= 4
    assert canvas_spread(viewer) > 10

    # A deposit is removed and found again with one click.
    number = layers.rows[0].deposits[F][0]
    found = session.live[F].row(number)
    place = (found.centroid_row, found.centroid_col)
    layers.selection.choose(F, number)
    commands.delete()
    commands.click(F, place)
    clicked = layers.selection[F][0]
    assert session.state.deposits[F][clicked].origin is Origin.CLICKED
    assert session.live[F].row(clicked).area_px == pytest.approx(found.area_px, rel=0.35)

    # Painted, split, linked.
    with layers.labels[F].block_history():
        layers.labels[F].paint(place, clicked, refresh=False)
        layers.labels[F].paint((place[0] + 8, place[1]), clicked, refresh=False)
    commands.perform(commands.split_edit(F, [(place[0] - 40, place[1]), (place[0] + 40, place[1])]))
    pieces = {n for n in session.state.deposits[F] if n >= clicked}
    assert len(pieces) >= 2
    layers.selection.choose(B, layers.rows[0].deposits[B][0])
    layers.selection.choose(F, max(pieces), add=True)
    commands.link()
    assert max(pieces) in layers.row.deposits[F]
    done = len(session.actions)
    assert done >= 5

    # To the start and back.
    last = {visit: session.state.images[visit].tobytes() for visit in TimePoint}
    for _ in range(done):
        commands.undo()
    assert {visit: session.state.images[visit].tobytes() for visit in TimePoint} == first
    assert session.history.undo_name is None
    for _ in range(done):
        commands.redo()
    assert {visit: session.state.images[visit].tobytes() for visit in TimePoint} == last
    assert all(np.array_equal(layers.labels[visit].data, session.state.images[visit]) for visit in TimePoint)

    # Kept, opened again, signed.
    assert controller.leave()
    assert len(viewer.layers) == 0
    controller.open()
    catch_up()
    assert said.asked == ["reader", "leave", "go on"]
    assert {visit: controller.session.state.images[visit].tobytes() for visit in TimePoint} == last
    areas = {visit: controller.session.measurement(visit).total_area_px for visit in TimePoint}
    controller.sign()
    version = controller.session.signed
    assert version is not None, controller.panel.message.text()
    record = json.loads((version / "comparison.json").read_text())
    assert {visit: record[visit.value]["total_area_px"] for visit in TimePoint} == areas
    with (version / "deposits.csv").open() as file:
        origins = {row["origin"] for row in csv.DictReader(file)}
    assert "edited" in origins
    labels = signed_labels(tmp_path, controller.session.review_input.films[F], "R1")
    again = measure_film(
        controller.session.review_input.films[F], labels, anatomy=controller.session.review_input.anatomies[F]
    )
    assert again.total_area_px == areas[F]
    assert not controller.panel.buttons["undo"].isEnabled()
    assert "signed" in controller.frame.title.text()
    controller.leave()
    controller.shut()
