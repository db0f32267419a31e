"""Outlines of deposits as polygons, and their file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calcimeasure.deposits import Finding, Origin, from_label_image
from calcimeasure.errors import LabelsError
from calcimeasure.io.polygons import deposit_polygons, read_polygons, write_polygons


def area_of(ring: np.ndarray) -> float:
    """Return the area a ring encloses, by the shoelace formula."""
    rows, cols = ring.T
    return abs(float(rows @ np.roll(cols, 1) - cols @ np.roll(rows, 1))) / 2


def test_a_rectangle_is_outlined_half_way_to_the_next_pixels() -> None:
    image = np.zeros((30, 40), np.int64)
    image[5:15, 20:24] = 1
    ((ring,),) = deposit_polygons(from_label_image(image)).values()
    assert ring.min(axis=0).tolist() == [4.5, 19.5]
    assert ring.max(axis=0).tolist() == [14.5, 23.5]
    assert len(ring) == 8  # the four corners are cut at the middles of the pixels' sides
    assert area_of(ring) == pytest.approx(40 - 4 / 8)


def test_a_hole_and_a_second_piece_are_rings_of_their_own() -> None:
    image = np.zeros((30, 40), np.int64)
    image[5:15, 5:15] = 1
    image[8:11, 8:11] = 0
    image[20:22, 30:33] = 1
    rings = deposit_polygons(from_label_image(image))[1]
    assert sorted(round(area_of(ring), 3) for ring in rings) == [5.5, 8.5, 99.5]


def test_the_outline_of_a_deposit_at_the_border_is_closed() -> None:
    image = np.zeros((10, 10), np.int64)
    image[:4, :] = 1
    ((ring,),) = deposit_polygons(from_label_image(image)).values()
    assert ring.min(axis=0).tolist() == [-0.5, -0.5]
    assert ring.max(axis=0).tolist() == [3.5, 9.5]


def test_the_file_gives_the_same_pixels_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    image = np.repeat(np.repeat(rng.integers(0, 4, (30, 20)), 3, axis=0), 2, axis=1)
    image[rng.random(image.shape) < 0.2] = 0  # holes, single pixels, corners that touch
    labels = from_label_image(image, origin=Origin.DRAWN, finding=Finding.VASCULAR, film_sha256="ab" * 32)
    write_polygons(tmp_path / "polygons.json", labels)
    back = read_polygons(tmp_path / "polygons.json")
    np.testing.assert_array_equal(back.image, labels.image)
    assert (back.deposits, back.film_sha256) == (labels.deposits, labels.film_sha256)
    record = json.loads((tmp_path / "polygons.json").read_text())
    assert (record["schema"], record["shape"]) == ("calcimeasure.polygons/1", [90, 40])


def test_what_is_no_file_of_polygons_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"deposits": [{"label": 1}]}')
    with pytest.raises(LabelsError, match="polygons could not be read"):
        read_polygons(tmp_path / "other.json")
