"""A session: what is shown follows every edit, every edit can be taken back, and a signed reading is what was shown."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calcimeasure.change.change_records import LinkStatus
from calcimeasure.change.contour_propagation import AreaRatioEstimator
from calcimeasure.change.links import link_deposits
from calcimeasure.change.pair_comparison import assess_pair
from calcimeasure.change.unmatched import pair_limit_of_detection
from calcimeasure.deposits import AreaMethod, Finding, Origin
from calcimeasure.errors import ReadingError, UsageError
from calcimeasure.io.label_images import read_labels
from calcimeasure.measurement import measure_film
from calcimeasure.notices import TimePoint
from calcimeasure.review import editing_tools, live_measurement
from calcimeasure.review.annotation_state import AnnotationEdit, AnnotationState, ManualLink
from calcimeasure.review.manual_links import apply_manual_links, link_manually, manual_decisions
from calcimeasure.review.reading_lock import LOCK_NAME, LockedError
from calcimeasure.review.reading_store import (
    ReadingLocation,
    check_signature,
    latest_version,
    read_signature,
    signed_labels,
)
from calcimeasure.review.review_input import ReviewInput
from calcimeasure.review.review_session import ReviewSession, SessionStep, unfinished, with_signed

B, F = TimePoint.BASELINE, TimePoint.FOLLOWUP
UNDO = 9
"""After the kinds of `random_edit`."""


def at_noon() -> datetime:
    return datetime(2026, 3, 1, 12, tzinfo=UTC)


def disc(session: ReviewSession, visit: TimePoint, row: float, col: float, radius: float) -> np.ndarray:
    rows, cols = np.ogrid[: session.state.images[visit].shape[0], : session.state.images[visit].shape[1]]
    return np.hypot(rows - row, cols - col) <= radius


def contents(session: ReviewSession) -> tuple[object, ...]:
    state = session.state
    return (
        tuple(state.images[visit].tobytes() for visit in TimePoint),
        tuple(tuple(sorted(state.deposits[visit].items())) for visit in TimePoint),
        state.links,
    )


def shown(session: ReviewSession) -> tuple[object, ...]:
    comparison = session.comparison
    assert comparison is not None
    return (
        comparison.links,
        comparison.verdict,
        comparison.ci95_percent,
        comparison.warnings,
        tuple(session.measurement(visit).deposits for visit in TimePoint),
        tuple(session.measurement(visit).total_area_se_px for visit in TimePoint),
        tuple(session.measurement(visit).warnings for visit in TimePoint),
    )


def afresh(session: ReviewSession) -> tuple[object, ...]:
    """What the program would say of these labels and hand links, had it never seen the edits."""
    review_input = session.review_input
    start = review_input.comparison
    assert start is not None
    assert start.alignment is not None
    assert review_input.common is not None
    measured, numbers = {}, {}
    for visit in TimePoint:
        labels, numbers[visit] = session.state.labels(visit, film_sha256=review_input.films[visit].sha256)
        labels = replace(labels, warnings=review_input.labels[visit].warnings)
        measured[visit] = measure_film(review_input.films[visit], labels, anatomy=review_input.anatomies[visit])
    decided = manual_decisions(session.state.links, numbers)
    links = link_manually(measured[B], measured[F], start.alignment, review_input.common, decided)
    limit = pair_limit_of_detection(
        (measured[B], measured[F]), review_input.limit_of_detection_mm2, review_input.labels.values()
    )
    comparison = assess_pair(
        measured[B], measured[F], start.registration, start.alignment, links, limit_of_detection_mm2=limit
    )
    return (
        comparison.links,
        comparison.verdict,
        comparison.ci95_percent,
        comparison.warnings,
        tuple(measured[visit].deposits for visit in TimePoint),
        tuple(measured[visit].total_area_se_px for visit in TimePoint),
        tuple(measured[visit].warnings for visit in TimePoint),
    )


def cut_in_two(state: AnnotationState, visit: TimePoint, number: int) -> AnnotationEdit:
    rows, cols = np.nonzero(state.images[visit] == number)
    return editing_tools.split(state, visit, number, [(rows.min() - 2.0, cols.mean()), (rows.max() + 2.0, cols.mean())])


def random_edit(session: ReviewSession, kind: int, seed: int) -> AnnotationEdit | None:
    """One edit of a kind, at a place that the seed chooses; None where the tool rightly refuses."""
    rng = np.random.default_rng(seed)
    state = session.state
    visit = B if rng.random() < 0.5 else F
    known = sorted(state.deposits[visit])
    mask = disc(session, visit, rng.uniform(10, 140), rng.uniform(10, 120), rng.uniform(2, 7))
    some = int(rng.choice(known)) if known else state.free_label(visit)
    others = [int(rng.choice(sorted(state.deposits[side]) or [1])) for side in TimePoint]
    joined = bool(rng.random() < 0.5)
    made = (
        lambda: editing_tools.paint(state, visit, some, mask),
        lambda: editing_tools.erase(state, visit, mask),
        lambda: editing_tools.delete(state, visit, some),
        lambda: editing_tools.resize_deposit(state, visit, some, pixels=1 if joined else -1),
        lambda: cut_in_two(state, visit, some),
        lambda: editing_tools.merge(state, visit, known[:2]),
        lambda: editing_tools.set_finding(state, visit, some, Finding.ARTICULAR),
        lambda: editing_tools.add(state, visit, mask, origin=Origin.CLICKED),
        lambda: editing_tools.link(state, *others, joined=joined),
    )
    try:
        return made[kind]() if known or kind == 0 else None
    except ReadingError:
        return None


def test_the_first_state_is_what_compare_found(review_input: ReviewInput) -> None:
    session = ReviewSession(review_input)
    assert session.comparison is not None
    assert session.comparison.links == review_input.comparison.links
    assert [link.status for link in session.links].count(LinkStatus.MATCHED) == 3
    assert [link.status for link in session.links].count(LinkStatus.NEW) == 1


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 10_000)), min_size=2, max_size=5))
def test_every_step_equals_a_fresh_measurement_and_undo_leads_back(
    review_input: ReviewInput, steps: list[tuple[int, int]]
) -> None:
    session = ReviewSession(review_input)
    first_state, first_shown = contents(session), shown(session)
    states = []
    for kind, seed in steps:
        edit = random_edit(session, kind, seed)
        if edit is not None and session.do(edit):
            states.append((contents(session), shown(session)))
    assert shown(session) == afresh(session)
    done = len(states)
    for expected in reversed([(first_state, first_shown), *states][:-1] if states else []):
        session.undo()
        assert (contents(session), shown(session)) == expected
    assert (contents(session), shown(session)) == (first_state, first_shown)
    for expected in states:
        session.redo()
        assert (contents(session), shown(session)) == expected
    assert len(session.actions) == 3 * done


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.integers(0, UNDO), st.integers(0, 100_000)), max_size=25))
def test_long_sessions_equal_a_fresh_measurement_at_every_step(
    review_input: ReviewInput, steps: list[tuple[int, int]]
) -> None:
    session = ReviewSession(review_input)
    for kind, seed in steps:
        if kind == UNDO:
            changed = session.history.undo_name is not None and session.undo() is not None
        else:
            edit = random_edit(session, kind, seed)
            changed = edit is not None and session.do(edit)
        if changed:
            assert shown(session) == afresh(session)


def test_what_compare_measured_is_taken_over_and_equals_a_fresh_measurement(
    review_input: ReviewInput, monkeypatch
) -> None:
    with monkeypatch.context() as unused:
        unused.setattr("calcimeasure.review.live_measurement.measure_raw", None)  # measuring would fail
        session = ReviewSession(review_input)
        assert shown(session) == afresh(session)
    fresh = replace(
        review_input, comparison=replace(review_input.comparison, baseline=review_input.comparison.followup)
    )
    assert shown(ReviewSession(fresh)) == shown(session), "another film's measurement is not taken over"
    session.do(editing_tools.delete(session.state, B, 2))
    assert shown(session) == afresh(session)


def test_a_search_measured_beforehand_equals_one_measured_then(review_input: ReviewInput) -> None:
    found = replace(review_input.labels[F], image=np.roll(review_input.labels[F].image, 2, axis=0))
    session, other = ReviewSession(review_input), ReviewSession(review_input)
    state = session.snapshot()
    edit = editing_tools.adopt_labels(state, F, found, first=review_input.labels[F])
    preview = session.preview(state, edit)
    assert session.state.fits(edit)
    assert not session.actions, "looking ahead changes nothing"
    session.do(edit, preview)
    other.do(editing_tools.adopt_labels(other.state, F, found, first=review_input.labels[F]))
    assert shown(session) == shown(other) == afresh(session)
    late = ReviewSession(review_input)
    late.do(editing_tools.erase(late.state, F, disc(late, F, 42, 70, 3)))
    assert not late.state.fits(edit)
    late.do(editing_tools.adopt_labels(late.state, F, found, first=review_input.labels[F]), preview)
    assert shown(late) == afresh(late), "what was previewed of other labels is not taken over"


def test_what_was_previewed_is_neither_measured_nor_asked_nor_linked_again(
    review_input: ReviewInput, monkeypatch
) -> None:
    found = replace(review_input.labels[F], image=np.roll(review_input.labels[F].image, 2, axis=0))
    session = ReviewSession(review_input)
    state = session.snapshot()
    edit = editing_tools.adopt_labels(state, F, found, first=review_input.labels[F])
    asked = counted_ratios(monkeypatch)
    preview = session.preview(state, edit)
    assert asked, "in the background, where nobody waits"
    with monkeypatch.context() as unused:
        unused.setattr("calcimeasure.review.live_measurement.measure_raw", None)
        unused.setattr("calcimeasure.review.live_links.LiveLinks.update", None)
        asked.clear()
        session.do(edit, preview)
        assert not asked
    assert shown(session) == afresh(session)
    session.do(editing_tools.delete(session.state, F, min(session.state.deposits[F])))
    assert shown(session) == afresh(session), "the links that were previewed follow the next edit"


def test_what_is_taken_back_is_neither_measured_nor_asked_again(review_input: ReviewInput, monkeypatch) -> None:
    session = ReviewSession(review_input)
    first = shown(session)
    session.do(editing_tools.erase(session.state, F, disc(session, F, 42, 70, 3)))
    second = shown(session)
    asked, measured = counted_ratios(monkeypatch), []
    find = live_measurement.measure_raw

    def counting(film, labels, numbers, **options):
        measured.extend(numbers)
        return find(film, labels, numbers, **options)

    monkeypatch.setattr(live_measurement, "measure_raw", counting)
    session.undo()
    assert shown(session) == first
    session.redo()
    assert shown(session) == second
    assert not measured
    assert not asked


def counted_ratios(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Return the labels whose outlines are carried from now on."""
    asked: list[tuple[int, int]] = []
    carried = AreaRatioEstimator.propagate

    def counting(self, baseline, baseline_label, followup, followup_label):
        asked.append((baseline_label, followup_label))
        return carried(self, baseline, baseline_label, followup, followup_label)

    monkeypatch.setattr(AreaRatioEstimator, "propagate", counting)
    return asked


def test_two_hundred_steps_can_be_taken_back(review_input: ReviewInput) -> None:
    session = ReviewSession(review_input)
    first = contents(session)
    for step in range(220):
        finding = (Finding.ARTEFACT, Finding.CALCINOSIS)[step % 2]
        session.do(editing_tools.set_finding(session.state, B, 1, finding))
    for _ in range(220):
        session.undo()
    assert contents(session) == first
    with pytest.raises(ReadingError, match="nothing to undo"):
        session.undo()


def test_painting_changes_area_origin_and_verdict_and_is_logged(review_input: ReviewInput, tmp_path: Path) -> None:
    session = ReviewSession(
        review_input, location=ReadingLocation(root=tmp_path, key=review_input.key, reader="R1"), now=at_noon
    )
    before = session.measurement(B).deposits[0]
    session.do(editing_tools.paint(session.state, B, 1, disc(session, B, 40, 44, 5)))
    after = session.measurement(B).deposits[0]
    assert after.origin is Origin.EDITED
    assert after.area_method is AreaMethod.OUTLINE
    assert after.area_px == (session.state.images[B] == 1).sum()
    (action,) = session.actions
    assert (action["who"], action["when"]) == ("R1", "2026-03-01T12:00:00+00:00")
    assert action["what"] == "Paint deposit 1"
    assert action["deposits"] == [
        {"film": "baseline", "number": 1, "area_before_px": before.area_px, "area_after_px": after.area_px}
    ]
    session.close()


def test_links_by_hand_override_what_was_found(review_input: ReviewInput) -> None:
    session = ReviewSession(review_input)
    session.do(editing_tools.link(session.state, 1, 1, joined=False))
    statuses = [link.status for link in session.links]
    assert statuses.count(LinkStatus.RESOLVED) == 1
    assert statuses.count(LinkStatus.NEW) == 2
    session.do(editing_tools.link(session.state, 1, 4))
    joined = next(link for link in session.links if link.baseline_labels == (1,))
    assert joined.followup_labels == (4,)
    assert joined.status is LinkStatus.MATCHED
    session.undo()
    session.undo()
    assert session.links == ReviewSession(review_input).links


def test_without_a_decision_the_links_are_those_that_were_found(review_input: ReviewInput) -> None:
    start = review_input.comparison
    found = link_deposits(start.baseline, start.followup, start.alignment, review_input.common)
    assert link_manually(start.baseline, start.followup, start.alignment, review_input.common, {}) == found


def test_a_graph_overridden_keeps_what_was_not_decided() -> None:
    assert apply_manual_links([(1, 1), (2, 3)], {(1, 1): False, (4, 4): True}) == [(2, 3), (4, 4)]


def test_a_hand_link_of_a_deposit_that_is_gone_says_nothing() -> None:
    links = {ManualLink(baseline_label=2, followup_label=7), ManualLink(baseline_label=5, followup_label=7)}
    assert manual_decisions(links, {B: [5, 9], F: [7]}) == {(1, 1): True}


def test_an_edit_is_saved_by_itself_and_can_be_gone_on_with(review_input: ReviewInput, tmp_path: Path) -> None:
    location = ReadingLocation(root=tmp_path, key=review_input.key, reader="R1")
    session = ReviewSession(review_input, location=location, autosave_s=0.05)
    assert unfinished(location) is None
    session.do(editing_tools.delete(session.state, F, 4))
    until = time.monotonic() + 5.0
    while session.unsaved or not location.draft.is_file():
        assert time.monotonic() < until, "not saved within 5 s"
        time.sleep(0.02)
    kept, said = contents(session), shown(session)
    session.close()
    assert not (location.folder / LOCK_NAME).exists()
    again = ReviewSession(review_input, location=location, draft=unfinished(location))
    assert (contents(again), shown(again)) == (kept, said)
    assert again.edited
    again.do(editing_tools.delete(again.state, F, 1))
    again.close(keep=False)
    assert [action["what"] for action in unfinished(location).actions] == ["Delete deposit 4"]
    anew = ReviewSession(review_input, location=ReadingLocation(root=tmp_path, key=review_input.key, reader="R2"))
    anew.do(editing_tools.delete(anew.state, F, 1))
    anew.save()
    anew.close(keep=False)
    assert not anew.location.draft.exists()


def test_a_disk_that_is_full_is_told_and_tried_again(review_input: ReviewInput, tmp_path: Path, monkeypatch) -> None:
    reported: list[Exception | None] = []
    session = ReviewSession(
        review_input, location=ReadingLocation(root=tmp_path, key=review_input.key, reader="R1"), autosave_s=0.01
    )
    session.save_failed.connect(reported.append)
    monkeypatch.setattr("calcimeasure.review.autosave.RETRY_S", 0.05)
    with monkeypatch.context() as broken:

        def full(*_arguments: object) -> None:
            raise OSError(28, "No space left on device")

        broken.setattr("calcimeasure.review.draft_storage.write_draft", full)
        session.do(editing_tools.delete(session.state, F, 4))
        until = time.monotonic() + 5.0
        while not reported and time.monotonic() < until:
            time.sleep(0.01)
        assert isinstance(reported[0], OSError)
        assert session.unsaved
    while reported[-1] is not None and time.monotonic() < until:
        time.sleep(0.01)
    assert reported[-1] is None
    session.close()


def test_a_second_reader_of_the_same_reading_looks_only(review_input: ReviewInput, tmp_path: Path) -> None:
    location = ReadingLocation(root=tmp_path, key=review_input.key, reader="R1")
    first = ReviewSession(review_input, location=location)
    with pytest.raises(LockedError, match="read-only, or start a reading of your own"):
        ReviewSession(review_input, location=location)
    looking = ReviewSession(review_input, location=location, read_only=True)
    with pytest.raises(ReadingError, match="to look at only"):
        looking.do(editing_tools.delete(looking.state, F, 4))
    other = ReviewSession(review_input, location=ReadingLocation(root=tmp_path, key=review_input.key, reader="R2"))
    other.do(editing_tools.delete(other.state, F, 4))
    for session in (first, looking, other):
        session.close()


def test_a_signed_reading_holds_the_documented_files_and_stays(review_input: ReviewInput, tmp_path: Path) -> None:
    location = ReadingLocation(root=tmp_path, key=review_input.key, reader="R1")
    session = ReviewSession(review_input, location=location, now=at_noon)
    session.do(editing_tools.delete(session.state, F, 4))
    session.do(editing_tools.paint(session.state, B, 1, disc(session, B, 40, 44, 5)))
    session.save()
    version = session.sign()
    assert version == tmp_path / "readings" / review_input.key / "R1" / "v1"
    names = {path.relative_to(version).as_posix() for path in version.rglob("*") if path.is_file()}
    assert names == {
        "comparison.json", "links.csv", "deposits.csv", "report.html", "history.jsonl", "signature.json",
        "baseline/labels.tif", "baseline/overlay.png", "followup/labels.tif", "followup/overlay.png",
        "baseline_to_followup.tfm",
    }  # fmt: skip
    record = json.loads((version / "comparison.json").read_text())
    first = record["baseline"]["deposits"][0]
    assert (first["origin"], first["area_method"]) == ("edited", "outline")
    assert first["area_px"] == session.measurement(B).deposits[0].area_px
    assert record["verdict"] == session.comparison.verdict
    assert len((version / "history.jsonl").read_text().splitlines()) == 2
    assert check_signature(version)["films"]["baseline"]["version"] == 1
    assert not location.draft.exists()
    with pytest.raises(ReadingError, match="signed"):
        session.undo()
    labels = signed_labels(tmp_path, review_input.films[B], "R1")
    np.testing.assert_array_equal(labels.image, session.state.images[B])
    assert labels.deposits[0].origin is Origin.EDITED
    assert measure_film(review_input.films[B], labels, anatomy=review_input.anatomies[B]).deposits == tuple(
        session.measurement(B).deposits
    )


def test_a_later_change_is_a_new_version_of_what_changed_only(review_input: ReviewInput, tmp_path: Path) -> None:
    location = ReadingLocation(root=tmp_path, key=review_input.key, reader="R1")
    first = ReviewSession(review_input, location=location, now=at_noon)
    first.do(editing_tools.delete(first.state, F, 4))
    old = first.sign()
    kept = (old / "followup" / "labels.tif").read_bytes()
    second = ReviewSession(with_signed(review_input, location), location=location, now=at_noon)
    assert sorted(second.state.deposits[F]) == [1, 2, 3]
    second.do(editing_tools.delete(second.state, F, 3))
    new = second.sign()
    assert new.name == "v2"
    said = read_signature(new)
    assert said["follows_version"] == 1
    assert said["films"] == {
        "baseline": {"sha256": review_input.films[B].sha256, "version": 1},
        "followup": {"sha256": review_input.films[F].sha256, "version": 2},
    }
    assert (old / "followup" / "labels.tif").read_bytes() == kept
    assert len(read_labels(new / "followup" / "labels.tif", review_input.films[F])) == 2
    film_folder = tmp_path / "readings" / review_input.films[B].film_id / "R1"
    assert latest_version(film_folder) == film_folder / "v1"


def test_altered_signed_files_are_noticed(review_input: ReviewInput, tmp_path: Path) -> None:
    session = ReviewSession(review_input, location=ReadingLocation(root=tmp_path, key=review_input.key, reader="R1"))
    version = session.sign()
    (version / "links.csv").chmod(0o644)
    (version / "links.csv").write_text("nothing\n")
    with pytest.raises(ReadingError, match=r"'links.csv' is not what was signed"):
        check_signature(version)


def test_signing_that_fails_leaves_the_draft_and_no_version(
    review_input: ReviewInput, tmp_path: Path, monkeypatch
) -> None:
    location = ReadingLocation(root=tmp_path, key=review_input.key, reader="R1")
    session = ReviewSession(review_input, location=location)
    session.do(editing_tools.delete(session.state, F, 4))
    session.save()

    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("calcimeasure.review.reading_store.write_comparison", full)
        with pytest.raises(OSError, match="No space left"):
            session.sign()
    assert location.versions() == []
    assert location.draft.is_file()
    assert session.sign().name == "v1"


@pytest.mark.parametrize("reader", ["", "../x", "a/b", "x" * 33, ".hidden", "R1."])
def test_a_reader_needs_a_code_that_names_a_folder(reader: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be a reader's code"):
        ReadingLocation(root=tmp_path, key="k", reader=reader)


def test_a_step_tells_what_it_was(review_input: ReviewInput) -> None:
    session = ReviewSession(review_input)
    steps = []
    session.changed.connect(lambda changed: steps.append((changed.step, changed.edit.name)))
    session.do(editing_tools.delete(session.state, B, 1))
    session.undo()
    session.redo()
    assert steps == [
        (SessionStep.DO, "Delete deposit 1"),
        (SessionStep.UNDO, "Delete deposit 1"),
        (SessionStep.REDO, "Delete deposit 1"),
    ]


def test_what_compare_asked_of_unmatched_deposits_holds_while_nobody_touches_any(review_input: ReviewInput) -> None:
    start = review_input.comparison
    assert start is not None
    links = tuple(
        replace(link, absent_probability=0.8) if link.status is LinkStatus.NEW else link for link in start.links
    )
    session = ReviewSession(replace(review_input, comparison=replace(start, change=replace(start.change, links=links))))
    plain = ReviewSession(review_input)

    def unmatched(one: ReviewSession) -> list[float | None]:
        return [link.absent_probability for link in one.links if link.status is LinkStatus.NEW]

    def width(one: ReviewSession) -> float:
        assert one.comparison is not None
        assert one.comparison.ci95_percent is not None
        return one.comparison.ci95_percent[1] - one.comparison.ci95_percent[0]

    assert (unmatched(session), unmatched(plain)) == ([0.8], [None])
    assert width(session) > width(plain), "the doubt widens the interval that the reader is shown"
    session.do(editing_tools.delete(session.state, B, 2))
    assert unmatched(session) == [None, 0.8], "what it left alone is not known, what was alone is as before"
    session.undo()
    session.do(editing_tools.paint(session.state, F, 4, disc(session, F, 105, 99, 3)))
    assert unmatched(session) == [None]
    session.undo()
    assert unmatched(session) == [0.8]
