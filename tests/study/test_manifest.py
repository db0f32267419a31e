"""films.csv: every mistake is reported with file, row, column and remedy; what is right reads back the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calcimeasure.errors import StudyError
from calcimeasure.study.manifest import FilmRow, manifest_text, read_manifest, write_manifest

GOOD = "subject,visit,body_part,side,view,path\nS001,baseline,HAND,L,PA,a.dcm\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "films.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_minimal_row(tmp_path: Path) -> None:
    (film,) = read_manifest(written(tmp_path, GOOD), visits=["baseline"])
    assert film == FilmRow(subject="S001", visit="baseline", body_part="HAND", side="L", view="PA", path="a.dcm")
    assert film.key == ("S001", "baseline", "HAND", "L", "PA", 1)
    assert film.name == "S001_baseline_HAND_L_PA_1"


def test_what_is_written_reads_back_the_same(tmp_path: Path) -> None:
    films = (
        FilmRow(
            film_id="ab12",
            subject="S001",
            visit="month 3",
            date="2026-01-31",
            body_part="HAND",
            side="B",
            view="PA",
            repeat=2,
            path="films/é, x.dcm",
            frame=3,
            spacing_mm=(0.15, 0.1),
            spacing_basis="user",
            invert=True,
            include=False,
            note='said "so"',
        ),
    )
    write_manifest(tmp_path / "films.csv", films)
    assert read_manifest(tmp_path / "films.csv") == films


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.builds(
            FilmRow,
            subject=st.from_regex(r"[A-Za-z0-9]{1,8}", fullmatch=True),
            visit=st.sampled_from(["baseline", "month 3"]),
            body_part=st.sampled_from(["HAND", "KNEE"]),
            side=st.sampled_from(["L", "R", "B"]),
            view=st.sampled_from(["PA", "AP"]),
            repeat=st.integers(1, 5),
            invert=st.sampled_from([None, True, False]),
            path=st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1).filter(str.strip),
        ),
        max_size=5,
        unique_by=(lambda film: film.key, lambda film: film.path.strip()),
    )
)
def test_any_manifest_reads_back(tmp_path_factory: pytest.TempPathFactory, films: list[FilmRow]) -> None:
    path = tmp_path_factory.mktemp("m") / "films.csv"
    path.write_text(manifest_text(films), encoding="utf-8", newline="")
    assert [film.key for film in read_manifest(path)] == [film.key for film in films]


@pytest.mark.parametrize(
    ("row", "column", "remedy"),
    [
        pytest.param("S001,baseline,HAND,,PA,a.dcm", "side", "Fill it in", id="side empty"),
        pytest.param("S001,baseline,HAND,X,PA,a.dcm", "side", "Write L, R", id="no side"),
        pytest.param("S001,month 9,HAND,L,PA,a.dcm", "visit", "The visits are", id="visit not known"),
        pytest.param("S/1,baseline,HAND,L,PA,a.dcm", "subject", "Use letters", id="subject that cannot be a folder"),
        pytest.param(",baseline,HAND,L,PA,a.dcm", "subject", "Fill it in", id="subject empty"),
        pytest.param("S001,baseline,HAND,L,PA,", "path", "Fill it in", id="path empty"),
    ],
)
def test_a_mistake_names_row_column_and_remedy(tmp_path: Path, row: str, column: str, remedy: str) -> None:
    path = written(tmp_path, GOOD + row + "\n")
    with pytest.raises(StudyError) as caught:
        read_manifest(path, visits=["baseline"])
    text = str(caught.value)
    assert text.startswith("films.csv")
    assert f"row 3, column {column}" in text
    assert remedy in text


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("repeat", "0"),
        ("repeat", "two"),
        ("date", "3/4/2026"),
        ("frame", "0"),
        ("row_spacing_mm", "-1"),
        ("include", "maybe"),
        ("invert", "perhaps"),
    ],
)
def test_mistakes_in_optional_columns(tmp_path: Path, column: str, value: str) -> None:
    path = written(tmp_path, f"subject,visit,body_part,side,view,path,{column}\nS1,baseline,HAND,L,PA,a.dcm,{value}\n")
    with pytest.raises(StudyError, match=f"row 2, column {column}"):
        read_manifest(path)


def test_all_mistakes_are_reported_at_once_and_long_lists_are_cut(tmp_path: Path) -> None:
    rows = "".join(f"S{n},baseline,HAND,Q,PA,{n}.dcm\n" for n in range(30))
    with pytest.raises(StudyError) as caught:
        read_manifest(written(tmp_path, GOOD + rows))
    assert "30 mistakes" in str(caught.value)
    assert "and 10 more" in str(caught.value)


def test_the_same_film_and_the_same_file_twice(tmp_path: Path) -> None:
    rows = "S001,baseline,HAND,L,PA,b.dcm\nS001,baseline,HAND,R,PA,a.dcm\n"
    with pytest.raises(StudyError) as caught:
        read_manifest(written(tmp_path, GOOD + rows))
    text = str(caught.value)
    assert "row 3, column repeat: is the same film as row 2" in text
    assert "row 4, column path: is the file of row 2 again" in text


def test_a_row_that_is_left_out_is_not_asked_for_anything(tmp_path: Path) -> None:
    text = "subject,visit,body_part,side,view,path,include\n,,,,,a.dcm,no\n"
    (film,) = read_manifest(written(tmp_path, text))
    assert film.include is False


def test_spreadsheets_may_write_semicolons_a_byte_order_mark_and_empty_lines(tmp_path: Path) -> None:
    path = tmp_path / "films.csv"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace(",", ";").encode() + b";;;;;\r\n")
    assert len(read_manifest(path)) == 1


def test_words_and_dates_as_people_write_them(tmp_path: Path) -> None:
    head = "Subject,Visit,Body Part,Side,View,Path,Date,Include\n"
    path = written(tmp_path, head + "S1,baseline,hand,left,pa,a  b.dcm,31.1.2026,Yes\n")
    (film,) = read_manifest(path)
    assert (film.side, film.date, film.path, film.include) == ("L", "2026-01-31", "a  b.dcm", True)
    with pytest.raises(StudyError, match="Did you mean 'month 3'"):
        read_manifest(written(tmp_path, GOOD + "S1,Month3,HAND,L,PA,c.dcm\n"), visits=["baseline", "month 3"])


def test_a_missing_column_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no column path"):
        read_manifest(written(tmp_path, "subject,visit,body_part,side,view\n"))
    with pytest.raises(StudyError, match="study init"):
        read_manifest(tmp_path / "nowhere.csv")


def test_a_user_spacing_is_applied_and_another_is_for_the_eyes(tmp_path: Path) -> None:
    head = "subject,visit,body_part,side,view,path,row_spacing_mm,col_spacing_mm,spacing_basis\n"
    path = written(tmp_path, head + "S1,b,HAND,L,PA,a,0.2,0.2,user\nS1,c,HAND,L,PA,b,0.2,0.2,detector\n")
    one, two = read_manifest(path)
    assert one.user_spacing_mm == (0.2, 0.2)
    assert two.user_spacing_mm is None
    with pytest.raises(StudyError, match="row_spacing_mm: is empty"):
        read_manifest(written(tmp_path, head + "S1,b,HAND,L,PA,a,,,user\n"))
