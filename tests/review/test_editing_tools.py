"""The reader's tools: what each changes, what it leaves alone, and that all of it can be taken back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcimeasure.deposits import Finding, Origin, from_label_image
from calcimeasure.errors import ReadingError
from calcimeasure.notices import TimePoint
from calcimeasure.review import editing_tools
from calcimeasure.review.annotation_state import AnnotationState, ManualLink
from calcimeasure.review.edit_history import EditHistory

SHAPE = (24, 30)
B, F = TimePoint.BASELINE, TimePoint.FOLLOWUP


def box(rows: slice, cols: slice) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[rows, cols] = True
    return mask


def two_films() -> AnnotationState:
    image = np.zeros(SHAPE, dtype=np.uint16)
    image[4:10, 4:12] = 1
    image[15:20, 5:9] = 2
    return AnnotationState.of({B: from_label_image(image), F: from_label_image(image)})


def snapshot(state: AnnotationState) -> tuple[object, ...]:
    return (
        tuple(state.images[visit].tobytes() for visit in state.images),
        tuple(tuple(sorted(state.deposits[visit].items())) for visit in state.deposits),
        state.links,
    )


def test_paint_grows_a_deposit_and_calls_it_edited_without_touching_its_neighbour() -> None:
    state = two_films()
    state.apply(editing_tools.paint(state, B, 1, box(slice(8, 18), slice(5, 8))))
    assert (state.images[B] == 2).sum() == 20
    assert state.images[B][12, 6] == 1
    assert state.deposits[B][1].origin is Origin.EDITED
    assert state.deposits[B][2].origin is Origin.AUTO


def test_paint_over_others_takes_their_pixels() -> None:
    state = two_films()
    state.apply(editing_tools.paint(state, B, 1, box(slice(15, 17), slice(5, 9)), over_others=True))
    assert (state.images[B] == 2).sum() == 12


def test_a_new_number_is_a_drawn_deposit_and_stays_drawn() -> None:
    state = two_films()
    state.apply(editing_tools.paint(state, F, 3, box(slice(0, 3), slice(20, 24))))
    state.apply(editing_tools.paint(state, F, 3, box(slice(0, 3), slice(24, 26))))
    assert state.deposits[F][3].origin is Origin.DRAWN
    assert (state.images[F] == 3).sum() == 18


def test_erasing_all_of_a_deposit_removes_its_entry_and_its_links() -> None:
    state = two_films()
    state.apply(editing_tools.link(state, 2, 1))
    edit = editing_tools.erase(state, B, box(slice(14, 21), slice(4, 10)))
    state.apply(edit)
    assert sorted(state.deposits[B]) == [1]
    assert state.links == frozenset()
    state.apply(edit.inverse)
    assert state.links == {ManualLink(baseline_label=2, followup_label=1)}


def test_split_gives_every_piece_a_number_and_loses_no_pixel() -> None:
    state = two_films()
    state.apply(editing_tools.split(state, B, 1, [(2, 7), (12, 7)]))
    image = state.images[B]
    assert sorted(np.unique(image).tolist()) == [0, 1, 2, 3]
    assert (np.isin(image, [1, 3])).sum() == 48
    assert (image == 3).sum() == 18


def test_a_line_that_does_not_part_is_refused() -> None:
    state = two_films()
    with pytest.raises(ReadingError, match="does not part deposit 1"):
        editing_tools.split(state, B, 1, [(6, 0), (6, 6)])


def test_merge_keeps_the_lowest_number_and_the_common_origin() -> None:
    state = two_films()
    state.apply(editing_tools.merge(state, B, [2, 1]))
    assert sorted(state.deposits[B]) == [1]
    assert state.deposits[B][1].origin is Origin.AUTO
    assert (state.images[B] == 1).sum() == 68


def test_tighten_then_loosen_a_box() -> None:
    state = two_films()
    state.apply(editing_tools.resize_deposit(state, B, 1, pixels=-1))
    assert (state.images[B] == 1).sum() == 4 * 6
    state.apply(editing_tools.resize_deposit(state, B, 1, pixels=1))
    assert (state.images[B] == 1).sum() == 4 * 6 + 2 * (4 + 6)


def test_link_and_unlink_replace_one_another() -> None:
    state = two_films()
    state.apply(editing_tools.link(state, 1, 1))
    state.apply(editing_tools.link(state, 1, 1, joined=False))
    assert state.links == {ManualLink(baseline_label=1, followup_label=1, joined=False)}


def test_a_finding_is_set_and_the_same_again_is_no_edit() -> None:
    state = two_films()
    history = EditHistory(state=state)
    assert history.do(editing_tools.set_finding(state, B, 1, Finding.VASCULAR))
    assert not history.do(editing_tools.set_finding(state, B, 1, Finding.VASCULAR))
    assert history.undo_name == "Call deposit 1 vascular"


def test_an_edit_for_another_state_is_refused_and_changes_nothing() -> None:
    state = two_films()
    stale = editing_tools.delete(state, B, 1)
    state.apply(editing_tools.erase(state, B, box(slice(4, 5), slice(4, 6))))
    before = snapshot(state)
    with pytest.raises(ReadingError, match="does not fit"):
        state.apply(stale)
    assert snapshot(state) == before


def test_state_numbers_keep_gaps_and_labels_have_none() -> None:
    state = two_films()
    state.apply(editing_tools.delete(state, B, 1))
    labels, numbers = state.labels(B)
    assert numbers == [2]
    assert len(labels) == 1
    assert labels.mask(1).sum() == 20


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 10_000)), max_size=25))
def test_any_edits_undone_to_the_start_give_the_first_state(steps: list[tuple[int, int]]) -> None:
    state = two_films()
    history = EditHistory(state=state)
    first = snapshot(state)
    seen = [first]
    for kind, seed in steps:
        if _random_edit(history, kind, seed):
            seen.append(snapshot(state))
    for expected in reversed(seen[:-1]):
        history.undo()
        assert snapshot(state) == expected
    for expected in seen[1:]:
        history.redo()
        assert snapshot(state) == expected


def _random_edit(history: EditHistory, kind: int, seed: int) -> bool:
    rng = np.random.default_rng(seed)
    state = history.state
    visit = B if rng.random() < 0.5 else F
    row, col = int(rng.integers(0, 20)), int(rng.integers(0, 26))
    mask = box(slice(row, row + int(rng.integers(1, 6))), slice(col, col + int(rng.integers(1, 8))))
    labels = sorted(state.deposits[visit]) or [1]
    label = int(rng.choice(labels))
    makers = [
        lambda: editing_tools.paint(state, visit, label, mask, over_others=bool(seed % 2)),
        lambda: editing_tools.erase(state, visit, mask),
        lambda: editing_tools.add(state, visit, mask, origin=Origin.CLICKED),
        lambda: editing_tools.delete(state, visit, label),
        lambda: editing_tools.resize_deposit(state, visit, label, pixels=int(rng.choice([-1, 1, 2]))),
        lambda: editing_tools.split(state, visit, label, [(row, 0), (row, 29)]),
        lambda: editing_tools.merge(state, visit, [label, int(rng.choice(labels))]),
        lambda: editing_tools.set_finding(state, visit, label, Finding.ARTEFACT),
        lambda: editing_tools.link(
            state, label, int(rng.choice(sorted(state.deposits[F]) or [1])), joined=bool(seed % 2)
        ),
    ]
    try:
        return history.do(makers[kind]())
    except ReadingError:
        return False


def test_a_new_search_leaves_alone_what_a_person_did() -> None:
    state = two_films()
    first, _ = state.labels(B)
    doubtful = {label: replace(entry, confidence=0.6) for label, entry in state.deposits[B].items()}
    state.deposits[B] = doubtful
    state.apply(editing_tools.paint(state, B, 1, box(slice(10, 12), slice(4, 12))))
    state.apply(editing_tools.delete(state, B, 2))
    kept = state.images[B].copy()
    image = np.zeros(SHAPE, np.uint16)
    image[4:11, 4:12] = 1  # lies on what was edited
    image[15:20, 5:9] = 2  # was removed by a person
    image[2:6, 20:26] = 3
    edit = editing_tools.adopt_labels(state, B, from_label_image(image, confidence=0.7), first=first)
    state.apply(edit)
    assert (state.images[B] == 1).sum() == (kept == 1).sum()
    assert sorted(state.deposits[B]) == [1, 2]
    np.testing.assert_array_equal(state.images[B] == 2, image == 3)
    assert state.deposits[B][2].confidence == 0.7
    state.apply(edit.inverse)
    np.testing.assert_array_equal(state.images[B], kept)


def test_accepting_changes_confidence_and_nothing_else() -> None:
    state = two_films()
    state.deposits[B] = {label: replace(entry, confidence=0.6) for label, entry in state.deposits[B].items()}
    state.apply(editing_tools.accept_deposit(state, B, [1]))
    assert [entry.confidence for _, entry in sorted(state.deposits[B].items())] == [1.0, 0.6]
    assert state.deposits[B][1].origin is Origin.AUTO
