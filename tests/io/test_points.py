"""Clicks from a CSV file: what is read, and which cell a complaint names."""

import os

import numpy as np
import pytest

from calcimeasure.errors import UsageError
from calcimeasure.io.points import read_points
from calcimeasure.radiograph import GreyScale, Radiograph

FILM = Radiograph(pixels=np.zeros((100, 50), dtype=np.float32), grey=GreyScale(lowest=0, highest=1))


def written(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "points.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("text", "points", "deposits"),
    [
        ("row,col\n1,2\n3.5,4\n", [[1, 2], [3.5, 4]], [None, None]),
        ("row,col,deposit\n1,2,1\n3,4,1\n5,6,\n", [[1, 2], [3, 4], [5, 6]], [1, 1, None]),
        ("col,row\n2,1\n", [[1, 2]], [None]),
        ("\ufeffRow, Col ,note\r\n1,2,here\r\n\r\n", [[1, 2]], [None]),
        ("row,col\n", [], []),
        ("row,col,deposit", [], []),
        ("row,col\n-0.5,49.4\n", [[-0.5, 49.4]], [None]),
    ],
    ids=["plain", "numbers", "other order", "mark, spaces and notes", "header only", "no line end", "at the edge"],
)
def test_what_is_read(tmp_path, text, points, deposits):
    got, numbers = read_points(written(tmp_path, text), FILM)
    assert got.tolist() == points
    assert got.shape == (len(points), 2)
    assert numbers == deposits


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("row,col\n1,2\nx,4\n", "points.csv, row 3, column 'row'"),
        ("row,col\n1,\n", "points.csv, row 2, column 'col'"),
        ("row,col\n1\n", "points.csv, row 2, column 'col'"),
        ("row,col\n1,nan\n", "points.csv, row 2, column 'col'"),
        ("row,col\n100,2\n", "points.csv, row 2, column 'row'"),
        ("row,col\n10,-1\n", "points.csv, row 2, column 'col'"),
        ("row,col,deposit\n10,1,0\n", "points.csv, row 2, column 'deposit'"),
        ("row,col,deposit\n10,1,1.5\n", "points.csv, row 2, column 'deposit'"),
        ("row,column\n10,1\n", "points.csv"),
        ("", "points.csv"),
    ],
)
def test_a_complaint_names_the_cell(tmp_path, text, where):
    with pytest.raises(UsageError) as caught:
        read_points(written(tmp_path, text), FILM)
    assert caught.value.where == f"{tmp_path}{os.sep}{where}"
    assert caught.value.remedy


def test_a_missing_file_and_a_file_that_is_no_text(tmp_path):
    with pytest.raises(UsageError, match="could not be read"):
        read_points(tmp_path / "absent.csv", FILM)
    with pytest.raises(UsageError, match="not a text file"):
        read_points(written(tmp_path, "row,cöl", encoding="utf-16"), FILM)


def test_a_spreadsheet_that_writes_semicolons_is_read(tmp_path):
    film = Radiograph(pixels=np.zeros((50, 60), np.float32), grey=GreyScale(lowest=0, highest=1))
    for name, text in (("comma.csv", "row,col\n10,20\n"), ("semicolon.csv", "row;col\n10;20\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        clicks, _ = read_points(tmp_path / name, film)
        np.testing.assert_array_equal(clicks, [[10, 20]])
