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
def told() -> list[str]:
    return []


@pytest.fixture
def commands(model: Any, material: Any, told: list[str]) -> Any:
    from napari_calcimeasure.edit_commands import EditCommands
    from napari_calcimeasure.review_layers import ReviewLayers

    return EditCommands(ReviewLayers(model, ReviewSession(material)), tell=told.append)


def run(commands: Any, name: str) -> bool:
    from napari_calcimeasure.edit_commands import EDIT_COMMANDS, give

    return give(commands, next(command for command in EDIT_COMMANDS if command.name == name))


@pytest.fixture
def clicks_find_a_disc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clicking finds a disc of 5 pixels around the click: what segmentation finds is tested where it lives."""

    def find(film: Any, points: Any, *_rest: Any, **_more: Any) -> DepositLabels:
        rows, cols = np.ogrid[: film.shape[0], : film.shape[1]]
        image = (np.hypot(rows - points[0][0], cols - points[0][1]) <= 5).astype(np.uint16)
        return DepositLabels(image=image, deposits=(Deposit(label=1, origin=Origin.CLICKED),))

    monkeypatch.setattr("napari_calcimeasure.edit_commands.segment_points", find)


def test_without_a_choice_a_command_says_what_to_do(commands: Any, told: list[str]) -> None:
    assert not run(commands, "delete")
    assert told == ["Choose a deposit first: click on it, or on its row."]
    assert not run(commands, "undo")
    assert told[-1] == "There is nothing to undo."


def test_a_reading_to_look_at_refuses_every_change(model: Any, material: Any) -> None:
    from napari_calcimeasure.edit_commands import EDIT_COMMANDS, READ_ONLY, EditCommands
    from napari_calcimeasure.review_layers import ReviewLayers

    looking = EditCommands(ReviewLayers(model, ReviewSession(material, read_only=True)))
    for command in EDIT_COMMANDS:
        if command.name not in ("next_row", "previous_row"):
            assert command.why_not(looking) == READ_ONLY


def test_delete_tighten_loosen_and_undo(commands: Any) -> None:
    desk = commands.desk
    desk.choose(B, 1)
    size = (desk.session.board.images[B] == 1).sum()
    assert run(commands, "loosen")
    assert (desk.session.board.images[B] == 1).sum() > size
    assert run(commands, "tighten")
    assert run(commands, "delete")
    assert 1 not in desk.session.board.deposits[B]
    for _ in range(3):
        assert run(commands, "undo")
    assert (desk.session.board.images[B] == 1).sum() == size
    assert run(commands, "redo")


def test_merge_needs_two_of_one_film(commands: Any, told: list[str]) -> None:
    commands.desk.choose(B, 1)
    assert not run(commands, "merge")
    assert "click on the second with Shift" in told[-1]
    commands.desk.choose(B, 2, add=True)
    assert run(commands, "merge")
    assert sorted(commands.desk.session.board.deposits[B]) == [1, 3]


def test_unlink_and_link_change_the_table(commands: Any) -> None:
    desk = commands.desk
    desk.choose_row(desk.rows[0])
    assert run(commands, "unlink")
    assert [link.status for link in desk.session.links].count(LinkStatus.RESOLVED) == 1
    desk.choose(B, 1)
    desk.choose(F, 1, add=True)
    assert run(commands, "link")
    assert [link.status for link in desk.session.links].count(LinkStatus.RESOLVED) == 0


def test_a_finding_takes_both_films_in_one_step(commands: Any) -> None:
    desk = commands.desk
    desk.choose_row(desk.rows[0])
    before = desk.session.measurement(B).total_area_px
    commands.name_it(Finding.VASCULAR)
    assert desk.rows[0].findings == ("vascular",)
    assert desk.session.measurement(B).total_area_px < before
    run(commands, "undo")
    assert desk.rows[0].findings == ("calcinosis",)


def test_accepting_makes_sure(commands: Any, told: list[str]) -> None:
    desk = commands.desk
    desk.choose_row(desk.rows[0])
    assert desk.rows[0].confidence == 0.9
    run(commands, "accept")
    assert desk.rows[0].confidence == 1.0
    run(commands, "accept")
    assert told[-1] == "They are accepted already."


@pytest.mark.usefixtures("clicks_find_a_disc")
def test_a_click_adds_a_deposit_and_shift_adds_a_piece(commands: Any) -> None:
    desk = commands.desk
    commands.click(B, (75.0, 100.0))
    number = desk.chosen[B][0]
    assert desk.session.board.deposits[B][number].origin is Origin.CLICKED
    commands.click(B, (75.0, 112.0), add_piece=True)
    assert desk.session.board.images[B][75, 112] == number
    assert desk.session.history.undo_name == f"Add a piece to deposit {number}"


@pytest.mark.usefixtures("clicks_find_a_disc")
def test_the_same_place_is_proposed_on_the_other_film(commands: Any) -> None:
    desk = commands.desk
    desk.choose(F, 4)
    assert run(commands, "same_place")
    assert desk.session.history.undo_name == "Propose the same place of deposit 4"
    assert desk.rows[-1].status == "matched"


def test_splitting_cuts_what_the_line_crosses(commands: Any) -> None:
    commands.split(B, [(40.0, 20.0), (40.0, 50.0)])
    assert sorted(commands.desk.session.board.deposits[B]) == [1, 2, 3, 4]


def test_searching_again_keeps_what_a_person_did(commands: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = commands.desk
    material = desk.session.material
    monkeypatch.setattr(
        "napari_calcimeasure.edit_commands.segment",
        lambda film, **_options: next(material.labels[w] for w in TimePoint if material.films[w] is film),
    )
    desk.choose(B, 1)
    run(commands, "loosen")
    desk.choose(B, 2)
    run(commands, "delete")
    kept = desk.session.board.images[B] == 1
    commands.search_again()
    np.testing.assert_array_equal(desk.session.board.images[B] == 1, kept)
    assert not desk.session.board.images[B][42, 70], "what a person removed came back"


def test_next_and_previous_go_round_the_table(commands: Any) -> None:
    desk = commands.desk
    run(commands, "next_row")
    assert desk.row.number == 1
    run(commands, "previous_row")
    assert desk.row.number == len(desk.rows)


def test_after_a_delete_the_next_row_is_what_took_its_place(commands: Any) -> None:
    desk = commands.desk
    for _ in range(2):
        run(commands, "next_row")
    following = desk.rows[2].deposits
    run(commands, "delete")
    run(commands, "next_row")
    assert desk.row.deposits == following


def test_what_is_slow_runs_beside_and_can_be_dropped(qtbot: Any) -> None:
    from napari_calcimeasure.background_work import InThread

    background, results = InThread(), []
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
    desk = commands.desk
    first = {which: desk.session.board.images[which].tobytes() for which in TimePoint}
    desk.choose_row(desk.rows[0])
    run(commands, "link")
    desk.choose_row(desk.rows[0])
    desk.choose(F, 2, add=True)
    assert run(commands, "delete")
    assert desk.session.history.undo_name == "Delete deposit 1 and Delete deposits 1, 2"
    assert not desk.session.board.links
    run(commands, "undo")
    assert {which: desk.session.board.images[which].tobytes() for which in TimePoint} == first
    assert len(desk.session.board.links) == 1
    desk.choose_row(desk.rows[1])
    run(commands, "loosen")
    run(commands, "undo")
    assert {which: desk.session.board.images[which].tobytes() for which in TimePoint} == first
