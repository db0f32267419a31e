from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import highdicom as hd
import numpy as np
import pydicom
import pytest

from calcimeasure.change.change_records import Change, Comparison, Link, LinkStatus, Verdict
from calcimeasure.errors import OutputError
from calcimeasure.export.dicom import DicomFiles, write_change_report, write_comparison_dicom
from calcimeasure.export.dicom.tracking_ids import track_film, track_pair
from calcimeasure.registration.registration_records import Registration
from tests.fixtures.drawn_pairs import with_change

LINKS = (
    Link(
        status=LinkStatus.MATCHED,
        baseline_labels=(1,),
        followup_labels=(2,),
        area_change_percent=3.1,
        ci95_percent=(-4.0, 10.8),
        detectable=False,
    ),
    Link(status=LinkStatus.SPLIT, baseline_labels=(2,), followup_labels=(1, 3), area_change_percent=1.0),
    Link(status=LinkStatus.RESOLVED, baseline_labels=(3,)),
    Link(status=LinkStatus.NEW, followup_labels=(4,)),
    Link(status=LinkStatus.NOT_EVALUABLE, baseline_labels=(4,), reason="Outside the field of the other film."),
)


def squares(shape: tuple[int, int], count: int) -> np.ndarray:
    image = np.zeros(shape, np.uint16)
    for number in range(count):
        image[10 + 20 * number : 18 + 21 * number, 5 : 12 + number] = number + 1
    return image


@pytest.fixture(scope="module")
def comparison(kit: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    folder = tmp_path_factory.mktemp("films")
    films = [kit.film("dx_detector", folder, seed=seed) for seed in (1, 2)]
    kit.source("dx_detector", films[1].path, seed=2, StudyDate="20250603", ContentDate="20250603")
    measurements = [kit.measured(film, kit.labels(squares(film.shape, 4), film)) for film in films]
    return Comparison(
        baseline=measurements[0],
        followup=measurements[1],
        registration=Registration(status="ok"),
        alignment=None,
        change=Change(
            links=LINKS,
            verdict=Verdict.INDETERMINATE,
            baseline_common_area_mm2=1.25,
            followup_common_area_mm2=1.5,
            baseline_common_area_px=100.0,
            followup_common_area_px=120.0,
            total_area_change_percent=20.0 / 3,
            ci95_percent=(-3.1, 17.9),
            ci90_percent=(-2.2, 15.0),
            total_area_change_mm2=0.25,
            smallest_detectable_change_percent=11.0,
            detectable=False,
            beyond_margin=False,
            reasons=("The interval holds both.",),
        ),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def files(comparison: Comparison, folder: Path) -> DicomFiles:
    return write_comparison_dicom(comparison, folder, followup_visit="month 3")


def groups_of(folder: Path):
    content = hd.sr.srread(folder / "change.sr.dcm").content
    return content.get_planar_roi_measurement_groups(), content.get_image_measurement_groups()


def named(group, code: str) -> object:
    """Return the number or coded answer that a group gives under one of our codes."""
    for item in group[0].ContentSequence:
        if item.ConceptNameCodeSequence[0].CodeValue == code:
            if item.ValueType == "NUM":
                return float(item.MeasuredValueSequence[0].FloatingPointValue)
            return item.ConceptCodeSequence[0].CodeValue if item.ValueType == "CODE" else item
    return None


def test_files_have_the_documented_names(files: DicomFiles, folder: Path, dciodvfy) -> None:
    assert files.written == ("baseline/segmentation.dcm", "followup/segmentation.dcm", "change.sr.dcm")
    assert files.notes == ()
    for name in files.written:
        assert dciodvfy.errors(folder / name) == []


def test_a_link_has_one_tracking_uid_at_both_visits(files, folder: Path) -> None:
    planar, other = groups_of(folder)
    baseline, followup = planar[:4], planar[4:]

    assert baseline[0].tracking_uid == followup[1].tracking_uid
    assert baseline[0].tracking_identifier == followup[1].tracking_identifier == "deposit 1"
    assert followup[3].tracking_identifier == "follow-up deposit 4"
    others = [group.tracking_uid for group in (*baseline[1:], followup[0], *followup[2:])]
    assert len(set(others)) == len(others)
    assert baseline[0].tracking_uid not in others
    # The group of the link itself speaks of the same thing.
    links = [group for group in other if named(group, "link")]
    assert links[0].tracking_uid == baseline[0].tracking_uid


def test_parts_of_a_split_share_a_group(files, folder: Path) -> None:
    planar, _ = groups_of(folder)
    group_uids = [getattr(named(group, "group_uid"), "UID", None) for group in planar]

    assert group_uids[1] == group_uids[4] == group_uids[6] is not None
    assert [uid is None for uid in group_uids] == [True, False, True, True, False, True, False, True]


def test_the_segmentations_carry_the_same_tracking(files, folder: Path) -> None:
    planar, _ = groups_of(folder)
    for name, groups in (("baseline", planar[:4]), ("followup", planar[4:])):
        segments = pydicom.dcmread(folder / name / "segmentation.dcm").SegmentSequence
        assert [segment.TrackingUID for segment in segments] == [group.tracking_uid for group in groups]


def test_time_points_say_which_visit_and_how_long_after(files, folder: Path, dsrdump) -> None:
    text = subprocess.run(
        [dsrdump, str(folder / "change.sr.dcm")], capture_output=True, text=True, errors="replace", check=True
    ).stdout
    assert text.count('Time Point")="baseline"') == 5
    assert text.count('Time Point")="month 3"') == 5
    # 1 March to 3 June 2025.
    assert 'Longitudinal Temporal Offset from Event")="94' in text
    assert '(C1442488,UMLS,"Baseline")' in text


def test_change_interval_and_verdict(files, comparison: Comparison, folder: Path) -> None:
    change = groups_of(folder)[1][-1]

    assert named(change, "change_percent") == comparison.total_area_change_percent
    assert (named(change, "ci95_low"), named(change, "ci95_high")) == comparison.ci95_percent
    assert (named(change, "ci90_low"), named(change, "ci90_high")) == comparison.ci90_percent
    assert named(change, "change_mm2") == 0.25
    assert named(change, "change") == "82334004"  # Indeterminate
    assert named(change, "detectable") == "373067005"  # No
    assert (named(change, "margin_low"), named(change, "margin_high")) == (0.80, 1.25)


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (Verdict.INCREASE, "15454001"),
        (Verdict.DECREASE, "19776001"),
        (Verdict.NO_CHANGE, "129723006"),
        (Verdict.INDETERMINATE, "82334004"),
        (Verdict.NO_DEPOSITS, "no_deposits"),
        (Verdict.NOT_COMPARABLE, "not_comparable"),
    ],
)
def test_every_verdict_is_coded_and_valid(comparison, tmp_path: Path, verdict, code, dciodvfy) -> None:
    path = tmp_path / "change.sr.dcm"
    write_change_report(with_change(comparison, verdict=verdict, links=()), path)

    assert named(groups_of(tmp_path)[1][-1], "change") == code
    assert dciodvfy.errors(path) == []


def test_links_say_how_and_how_much(files, folder: Path) -> None:
    links = [group for group in groups_of(folder)[1] if named(group, "link")]

    assert [named(group, "link") for group in links] == [
        "matched",
        "split",
        "resolved",
        "129721008",  # New finding
        "not_evaluable",
    ]
    assert named(links[0], "change_percent") == 3.1
    assert named(links[2], "change_percent") is None


def test_it_belongs_to_the_follow_ups_study_and_refers_to_both(files, comparison, folder: Path) -> None:
    report = pydicom.dcmread(folder / "change.sr.dcm")
    sources = [pydicom.dcmread(side.film.path) for side in (comparison.baseline, comparison.followup)]

    assert report.StudyInstanceUID == sources[1].StudyInstanceUID
    assert report.PatientID == sources[1].PatientID
    assert report.ContentDate == "20250603"
    referenced = {
        instance.ReferencedSOPInstanceUID
        for study in (*report.CurrentRequestedProcedureEvidenceSequence, *report.PertinentOtherEvidenceSequence)
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    }
    assert {source.SOPInstanceUID for source in sources} < referenced
    assert len(referenced) == 4


def test_two_patients_get_no_report(comparison, kit, tmp_path: Path) -> None:
    path = kit.source("dx_detector", tmp_path / "other.dcm", seed=2, PatientID="OTHER")
    followup = replace(comparison.followup, film=replace(comparison.followup.film, path=path))
    with pytest.raises(OutputError, match="name different patients") as caught:
        write_change_report(replace(comparison, followup=followup), tmp_path / "change.sr.dcm")
    assert "OTHER" not in str(caught.value)


def test_films_without_deposits_have_a_report_and_no_segmentation(comparison, kit, tmp_path: Path, dciodvfy) -> None:
    empty = [
        kit.measured(side.film, kit.labels(np.zeros(side.film.shape, np.uint16), side.film))
        for side in (comparison.baseline, comparison.followup)
    ]
    bare = Comparison(
        baseline=empty[0],
        followup=empty[1],
        registration=Registration(status="ok"),
        alignment=None,
        change=Change(verdict=Verdict.NO_DEPOSITS),
    )
    (tmp_path / "out").mkdir()
    files = write_comparison_dicom(bare, tmp_path / "out")

    assert files.written == ("change.sr.dcm",)
    assert files.notes == (
        "The baseline film has no deposits, so no DICOM segmentation was written for it.",
        "The follow-up film has no deposits, so no DICOM segmentation was written for it.",
    )
    assert dciodvfy.errors(tmp_path / "out" / "change.sr.dcm") == []


def test_a_drawn_pair_from_plain_films_is_valid_throughout(pair: Comparison, tmp_path: Path, dciodvfy) -> None:
    files = write_comparison_dicom(pair, tmp_path)

    assert "baseline/image.dcm" in files.written
    assert len(files.written) == 5
    for name in files.written:
        assert dciodvfy.errors(tmp_path / name) == [], name


def test_a_refused_pair_is_reported_too(not_comparable: Comparison, tmp_path: Path, dciodvfy) -> None:
    write_comparison_dicom(not_comparable, tmp_path)

    assert dciodvfy.errors(tmp_path / "change.sr.dcm") == []


def test_the_same_pair_gives_the_same_bytes(files, folder: Path, comparison, tmp_path: Path) -> None:
    write_comparison_dicom(comparison, tmp_path, followup_visit="month 3")
    for name in files.written:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_a_deposit_keeps_its_uid_at_every_later_visit(kit, comparison, tmp_path: Path) -> None:
    film = kit.film("dx_detector", tmp_path, seed=3)
    kit.source("dx_detector", film.path, seed=3, StudyDate="20250901", ContentDate="20250901")
    later = kit.measured(film, kit.labels(squares(film.shape, 2), film))
    links = (Link(status=LinkStatus.MATCHED, baseline_labels=(1,), followup_labels=(1,)),)
    first = track_pair(comparison)
    second = track_pair(with_change(replace(comparison, followup=later), links=links))

    assert first[1][1] == second[1][0] == first[0][0] == track_film(comparison.baseline)[0]
