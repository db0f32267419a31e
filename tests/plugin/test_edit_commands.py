"""Commands: what each does, and what each says when it cannot. No window."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("napari", reason="the viewer extra is not installed")
pytest.importorskip("pytestqt", reason="the viewer's test tools are not installed")

from calcimeasure.change.change_records import LinkStatus
from calcimeasure.deposits import Deposit, DepositLabels, Finding, Origin
from calcimeasure.notices import TimePoint
from calcimeasure.review.review_session import ReviewSession

B, F = TimePoint.BASELINE, TimePoint.FOLLOWUP


@pytest.fixture
def messages() -> list[str]:
    return []


@pytest.fixture
def commands(model: Any, review_input: Any, messages: list[str]) -> Any:
    from napari_calcimeasure.edit_commands import EditCommands
    from napari_calcimeasure.review_layers import ReviewLayers

    made = EditCommands(ReviewLayers(model, ReviewSession(review_input)))
    made.message.connect(messages.append)
    return made


def run(commands: Any, name: str) -> bool:
    return commands.run(name)


@pytest.fixture
def clicks_find_a_disc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clicking finds a disc of 5 pixels around the click: what segmentation finds is tested where it lives."""

    def find(film: Any, points: Any, *_rest: Any, **_more: Any) -> DepositLabels:
        rows, cols = np.ogrid[: film.shape[0], : film.shape[1]]
        image = (np.hypot(rows - points[0][0], cols - points[0][1]) <= 5).astype(np.uint16)
        return DepositLabels(image=image, deposits=(Deposit(label=1, origin=Origin.CLICKED),))

    monkeypatch.setattr("napari_calcimeasure.edit_commands.segment_points", find)


def test_without_a_choice_a_command_says_what_to_do(commands: Any, messages: list[str]) -> None:
    assert not run(commands, "delete")
    assert messages == ["Choose a deposit first: click on it, or on its row."]
    assert not run(commands, "undo")
    assert messages[-1] == "There is nothing to undo."


def test_a_reading_to_look_at_refuses_every_change(model: Any, review_input: Any) -> None:
    from napari_calcimeasure.edit_commands import EDIT_COMMANDS, EditCommands
    from napari_calcimeasure.review_layers import ReviewLayers

    looking = EditCommands(ReviewLayers(model, ReviewSession(review_input, read_only=True)))
    for command in EDIT_COMMANDS.values():
        if command.name not in ("next_row", "previous_row"):
            assert command.why_not(looking) == "This reading is open to look at only."


def test_delete_tighten_loosen_and_undo(commands: Any) -> None:
    layers = commands.layers
    layers.selection.choose(B, 1)
    size = (layers.session.state.images[B] == 1).sum()
    assert run(commands, "loosen")
    assert (layers.session.state.images[B] == 1).sum() > size
    assert run(commands, "tighten")
    assert run(commands, "delete")
    assert 1 not in layers.session.state.deposits[B]
    for _ in range(3):
        assert run(commands, "undo")
    assert (layers.session.state.images[B] == 1).sum() == size
    assert run(commands, "redo")


def test_merge_needs_two_of_one_film(commands: Any, messages: list[str]) -> None:
    commands.layers.selection.choose(B, 1)
    assert not run(commands, "merge")
    assert "click on the second with Shift" in messages[-1]
    commands.layers.selection.choose(B, 2, add=True)
    assert run(commands, "merge")
    assert sorted(commands.layers.session.state.deposits[B]) == [1, 3]


def test_unlink_and_link_change_the_table(commands: Any) -> None:
    layers = commands.layers
    layers.select_row(layers.rows[0])
    assert run(commands, "unlink")
    assert [link.status for link in layers.session.links].count(LinkStatus.RESOLVED) == 1
    layers.selection.choose(B, 1)
    layers.selection.choose(F, 1, add=True)
    assert run(commands, "link")
    assert [link.status for link in layers.session.links].count(LinkStatus.RESOLVED) == 0


def test_a_finding_takes_both_films_in_one_step(commands: Any) -> None:
    layers = commands.layers
    layers.select_row(layers.rows[0])
    before = layers.session.measurement(B).total_area_px
    commands.set_finding(Finding.VASCULAR)
    assert layers.rows[0].findings == ("vascular",)
    assert layers.session.measurement(B).total_area_px < before
    run(commands, "undo")
    assert layers.rows[0].findings == ("calcinosis",)


def test_accepting_makes_sure(commands: Any, messages: list[str]) -> None:
    layers = commands.layers
    layers.select_row(layers.rows[0])
    assert layers.rows[0].confidence == 0.9
    run(commands, "accept")
    assert layers.rows[0].confidence == 1.0
    run(commands, "accept")
    assert messages[-1] == "They are accepted already."


@pytest.mark.usefixtures("clicks_find_a_disc")
def test_a_click_adds_a_deposit_and_shift_adds_a_piece(commands: Any) -> None:
    layers = commands.layers
    commands.click(B, (75.0, 100.0))
    number = layers.selection[B][0]
    assert layers.session.state.deposits[B][number].origin is Origin.CLICKED
    commands.click(B, (75.0, 112.0), add_piece=True)
    assert layers.session.state.images[B][75, 112] == number
    assert layers.session.history.undo_name == f"Add a piece to deposit {number}"


@pytest.mark.usefixtures("clicks_find_a_disc")
def test_the_same_place_is_proposed_on_the_other_film(commands: Any) -> None:
    layers = commands.layers
    layers.selection.choose(F, 4)
    assert run(commands, "find_on_other_film")
    assert layers.session.history.undo_name == "Propose the same place of deposit 4"
    assert layers.rows[-1].status == "matched"


def test_splitting_cuts_what_the_line_crosses(commands: Any) -> None:
    commands.perform(commands.split_edit(B, [(40.0, 20.0), (40.0, 50.0)]))
    assert sorted(commands.layers.session.state.deposits[B]) == [1, 2, 3, 4]


def test_searching_again_keeps_what_a_person_did(commands: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = commands.layers
    review_input = layers.session.review_input
    monkeypatch.setattr(
        "napari_calcimeasure.edit_commands.segment",
        lambda film, **_options: next(review_input.labels[w] for w in TimePoint if review_input.films[w] is film),
    )
    layers.selection.choose(B, 1)
    run(commands, "loosen")
    layers.selection.choose(B, 2)
    run(commands, "delete")
    kept = layers.session.state.images[B] == 1
    commands.detect_again()
    np.testing.assert_array_equal(layers.session.state.images[B] == 1, kept)
    assert not layers.session.state.images[B][42, 70], "what a person removed came back"


def test_next_and_previous_go_round_the_table(commands: Any) -> None:
    layers = commands.layers
    run(commands, "next_row")
    assert layers.row.number == 1
    run(commands, "previous_row")
    assert layers.row.number == len(layers.rows)


def test_after_a_delete_the_next_row_is_what_took_its_place(commands: Any) -> None:
    layers = commands.layers
    for _ in range(2):
        run(commands, "next_row")
    following = layers.rows[2].deposits
    run(commands, "delete")
    run(commands, "next_row")
    assert layers.row.deposits == following


def test_what_is_slow_runs_beside_and_can_be_dropped(qtbot: Any) -> None:
    from napari_calcimeasure.background_work import BackgroundWork

    background, results = BackgroundWork(), []
    background.run("Counting", lambda: 1 + 1, results.append, results.append)
    qtbot.waitUntil(lambda: results == [2], timeout=5000)
    background.run("Failing", lambda: 1 / 0, results.append, results.append)
    qtbot.waitUntil(lambda: isinstance(results[-1], ZeroDivisionError), timeout=5000)
    background.run("Dropped", lambda: 3, results.append, results.append)
    background.cancel()
    background.close()
    qtbot.wait(50)
    assert 3 not in results
    assert background.busy == ""


def test_several_deposits_of_both_films_go_in_one_step(commands: Any) -> None:
    layers = commands.layers
    first = {visit: layers.session.state.images[visit].tobytes() for visit in TimePoint}
    layers.select_row(layers.rows[0])
    run(commands, "link")
    layers.select_row(layers.rows[0])
    layers.selection.choose(F, 2, add=True)
    assert run(commands, "delete")
    assert layers.session.history.undo_name == "Delete deposit 1 and Delete deposits 1, 2"
    assert not layers.session.state.links
    run(commands, "undo")
    assert {visit: layers.session.state.images[visit].tobytes() for visit in TimePoint} == first
    assert len(layers.session.state.links) == 1
    layers.select_row(layers.rows[1])
    run(commands, "loosen")
    run(commands, "undo")
    assert {visit: layers.session.state.images[visit].tobytes() for visit in TimePoint} == first
