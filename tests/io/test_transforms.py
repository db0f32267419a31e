from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from calcimeasure.errors import UsageError
from calcimeasure.io.transforms import read_transform, write_transform
from calcimeasure.registration.alignment import map_points
from calcimeasure.registration.registration_records import Alignment

SPACINGS = (0.2, 0.1), (0.15, 0.15)


def bent() -> Alignment:
    """12 degrees, 10 % larger, and a finger that bends: 3 pixels at most, on nodes 10 pixels apart."""
    rows, cols = np.mgrid[0:9, 0:11] * 10.0
    residual = 3.0 * np.stack([np.sin(cols / 25.0), np.cos(rows / 25.0)], axis=-1)
    cos, sin = 1.1 * np.cos(np.deg2rad(12.0)), 1.1 * np.sin(np.deg2rad(12.0))
    return Alignment(
        matrix=np.array([[cos, -sin, 7.0], [sin, cos, -3.0]]), residual=residual.astype(np.float32), step=10
    )


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "pair" / "transform.tfm"
    write_transform(bent().transform(*SPACINGS, dimension=3), path)
    return path


def test_a_file_read_back_maps_points_in_millimetres_as_the_alignment_does_in_pixels(written: Path) -> None:
    transform = SimpleITK.ReadTransform(str(written))
    for row, col in np.random.default_rng(0).uniform(0, 79, (50, 2)):
        x, y, z = transform.TransformPoint((0.1 * col, 0.2 * row, 0.0))
        assert (y / 0.15, x / 0.15) == pytest.approx(map_points(bent(), np.array([row, col])), abs=1e-6)
        assert z == 0.0


def test_slicer_finds_one_composite_of_the_kinds_it_knows(written: Path) -> None:
    kinds = [line.split(": ")[1] for line in written.read_text().splitlines() if line.startswith("Transform: ")]
    assert kinds == [
        "CompositeTransform_double_3_3",
        "AffineTransform_double_3_3",
        "DisplacementFieldTransform_double_3_3",
    ]


def test_the_same_alignment_gives_the_same_bytes(written: Path) -> None:
    again = written.with_name("again.tfm")
    write_transform(bent().transform(*SPACINGS, dimension=3), again)
    assert again.read_bytes() == written.read_bytes()


def test_an_alignment_made_from_the_file_is_the_one_that_was_written(written: Path) -> None:
    again = Alignment.from_transform(
        read_transform(written), (80, 100), step=10, baseline_spacing_mm=SPACINGS[0], followup_spacing_mm=SPACINGS[1]
    )
    points = np.random.default_rng(1).uniform(0, 79, (200, 2))
    assert map_points(again, points) == pytest.approx(map_points(bent(), points), abs=1e-5)
    assert not again.flipped


def test_a_mirroring_similarity_of_another_program_becomes_an_alignment() -> None:
    """Mirrored left to right about column 49.5 and moved down by 4 rows: (3, 9) lies at (7, 90)."""
    affine = SimpleITK.AffineTransform(2)
    affine.SetMatrix((-1.0, 0.0, 0.0, 1.0))
    affine.SetTranslation((99.0, 4.0))
    alignment = Alignment.from_transform(affine, (80, 100))
    assert alignment.flipped
    assert map_points(alignment, np.array([3.0, 9.0])) == pytest.approx([7.0, 90.0])


def test_resampling_by_the_transform_lays_the_followup_on_the_baseline() -> None:
    """A bright square at rows 30 to 39 of the follow-up lies 5 rows higher on the baseline."""
    followup = np.zeros((80, 100), np.float32)
    followup[30:40, 50:60] = 1.0
    transform = Alignment(matrix=np.array([[1.0, 0.0, 5.0], [0.0, 1.0, -8.0]])).transform()
    laid = SimpleITK.GetArrayFromImage(SimpleITK.Resample(SimpleITK.GetImageFromArray(followup), transform))
    assert np.argwhere(laid > 0.5).min(axis=0).tolist() == [25, 58]
    assert np.argwhere(laid > 0.5).max(axis=0).tolist() == [34, 67]


@pytest.mark.parametrize("content", [None, "not a transform\n"])
def test_a_file_without_a_transform_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "other.tfm"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=r"other\.tfm: there is no transform"):
        read_transform(path)


def test_other_containers_are_refused_because_their_bytes_differ_from_run_to_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Let the name end in \.tfm"):
        write_transform(SimpleITK.TranslationTransform(2), tmp_path / "transform.h5")
