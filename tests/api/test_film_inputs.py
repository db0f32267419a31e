"""What people pass for films and labels: it works, or the message says what to pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK

import calcimeasure as cm
from calcimeasure.errors import CalciMeasureError, FilmError, LabelsError, UsageError
from calcimeasure.io.film_inputs import as_film

SHAPE = (200, 120)


@pytest.fixture
def mask() -> np.ndarray:
    """Five squares of 8 x 10 pixels, 20 pixels apart."""
    marked = np.zeros(SHAPE, bool)
    for row in range(20, 160, 28):
        marked[row : row + 8, 50:60] = True
    return marked


@pytest.fixture
def pixels(mask: np.ndarray) -> np.ndarray:
    return np.random.default_rng(1).normal(100.0, 5.0, SHAPE) + 50.0 * mask


@pytest.mark.parametrize("kind", ["array", "path", "radiograph", "SimpleITK", "SimpleITK slice"])
def test_every_kind_of_film_and_mask_gives_the_same_table(
    kind: str, pixels: np.ndarray, mask: np.ndarray, tmp_path: Path
) -> None:
    stored = pixels.astype(np.uint16)
    spacing_mm: tuple[float, float] | None = (0.2, 0.1)
    film: object = stored
    if kind == "path":
        film = tmp_path / "film.tif"
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(stored), film)
    elif kind == "radiograph":
        film, spacing_mm = cm.film_from_array(stored, spacing_mm=spacing_mm), None
    elif kind.startswith("SimpleITK"):
        film = SimpleITK.GetImageFromArray(stored[np.newaxis] if kind.endswith("slice") else stored)
        film.SetSpacing((0.1, 0.2, 1.0)[: film.GetDimension()])
        spacing_mm = None
    table = cm.measure(film, mask, spacing_mm=spacing_mm)
    assert table["label"].tolist() == [1, 2, 3, 4, 5]
    assert table["area_px"].tolist() == [80.0] * 5
    assert table["area_mm2"].tolist() == pytest.approx([80 * 0.02] * 5)
    assert table["centroid_row"].tolist() == [23.5, 51.5, 79.5, 107.5, 135.5]


def test_labels_may_be_a_path_or_a_simpleitk_image(pixels: np.ndarray, mask: np.ndarray, tmp_path: Path) -> None:
    film = cm.film_from_array(pixels, spacing_mm=0.1)
    numbered = (np.cumsum(mask.any(axis=1) & ~np.roll(mask.any(axis=1), 1))[:, None] * mask).astype(np.uint8)
    image = SimpleITK.GetImageFromArray(numbered)
    SimpleITK.WriteImage(image, tmp_path / "labels.tif")
    for labels in (numbered, image, tmp_path / "labels.tif", str(tmp_path / "labels.tif")):
        assert cm.measure(film, labels)["area_px"].tolist() == [80.0] * 5


def test_an_array_without_spacing_is_measured_in_pixels_with_a_warning(pixels: np.ndarray, mask: np.ndarray) -> None:
    with pytest.warns(UserWarning, match=r"no pixel spacing: areas are in pixels.*Pass spacing_mm") as caught:
        table = cm.measure(pixels, mask)
    assert caught[0].filename == __file__
    assert table["area_px"].tolist() == [80.0] * 5
    assert table["area_mm2"].isna().all()
    # Said on purpose, nothing is warned of: warnings are errors in these tests.
    assert cm.measure(cm.film_from_array(pixels), mask)["area_mm2"].isna().all()


def test_one_millimetre_of_simpleitk_is_no_spacing(pixels: np.ndarray) -> None:
    image = SimpleITK.GetImageFromArray(pixels)
    with pytest.warns(UserWarning, match="no pixel spacing"):
        assert not as_film(image).spacing.known
    assert as_film(image, spacing_mm=1.0).spacing.mm == (1.0, 1.0)


@pytest.mark.parametrize(
    ("film", "problem"),
    [
        (None, "a NoneType is not a film. Pass a Radiograph"),
        (["a.dcm", "b.dcm"], "a list is not a film"),
        (np.zeros(SHAPE, bool), "a mask, not a film. The film comes before its labels"),
        (np.zeros((3, *SHAPE)), r"shape \(3, 200, 120\) is not one film"),
        ("nowhere.dcm", "nowhere.dcm: there is no such file"),
        (np.array([{"a": 1}]), "a ndarray is not a film"),
    ],
)
def test_what_is_no_film_is_refused_in_a_sentence(film: object, problem: str, mask: np.ndarray) -> None:
    for call in (lambda: cm.segment(film), lambda: cm.measure(film, mask), lambda: cm.compare(film, film)):
        with pytest.raises((UsageError, FilmError), match=problem):
            call()


def test_film_and_labels_exchanged(pixels: np.ndarray, mask: np.ndarray) -> None:
    film = cm.film_from_array(pixels, spacing_mm=0.1)
    for swapped in (cm.labels_from_array(mask, film), mask):
        with pytest.raises(UsageError, match="The film comes before its labels"):
            cm.measure(swapped, film)
    with pytest.raises(UsageError, match="a Radiograph is not a label image"):
        cm.measure(film, film)


def test_a_radiograph_has_its_own_spacing(pixels: np.ndarray) -> None:
    with pytest.raises(UsageError, match="Give spacing_mm to read_film or film_from_array"):
        cm.segment(cm.film_from_array(pixels, spacing_mm=0.1), spacing_mm=0.2)


def test_a_float32_is_a_spacing(pixels: np.ndarray) -> None:
    assert cm.film_from_array(pixels, spacing_mm=np.float32(0.25)).spacing.mm == (0.25, 0.25)


def test_precision_of_the_reader_is_the_standard_error(pixels: np.ndarray, mask: np.ndarray) -> None:
    table = cm.measure(pixels, mask, spacing_mm=0.2, precision=0.05)
    assert table["area_se_px"].tolist() == pytest.approx([4.0] * 5)
    with pytest.raises(UsageError, match="precision"):
        cm.measure(pixels, mask, spacing_mm=0.2, precision=-1)


@pytest.mark.parametrize("bad", ["labels.nii", 3, None, [1, 2]])
def test_what_is_no_label_image_is_refused_in_a_sentence(bad: object, pixels: np.ndarray) -> None:
    with pytest.raises(CalciMeasureError, match=r"not a label image. Pass DepositLabels|there is no such file"):
        cm.measure(cm.film_from_array(pixels, spacing_mm=0.1), bad)


def test_labels_of_another_film_are_refused(pixels: np.ndarray, mask: np.ndarray) -> None:
    film, other = (cm.film_from_array(array, spacing_mm=0.1) for array in (pixels, pixels + 1))
    with pytest.raises(LabelsError, match="another film"):
        cm.measure(film, cm.labels_from_array(mask, other))


def test_results_of_a_film_and_what_is_no_result(pixels: np.ndarray, mask: np.ndarray, tmp_path: Path) -> None:
    film = cm.film_from_array(pixels, spacing_mm=0.2)
    measured = cm.measure_film(film, mask)
    folder = cm.write_results(measured, tmp_path / "out")
    assert (folder / "measurement.json").is_file()
    assert len(cm.read_labels(folder / "labels.tif", film)) == 5
    with pytest.raises(UsageError, match="overwrite"):
        cm.write_results(measured, folder)
    with pytest.raises(UsageError, match=r"a DataFrame is not a result. Pass what compare"):
        cm.write_results(cm.measure(film, mask), tmp_path / "other")


def test_sample_pairs() -> None:
    for name in ("unchanged", "grown"):
        baseline, followup = cm.sample_pair(name)
        assert baseline.identity.body_part == followup.identity.body_part == "HAND"
    with pytest.raises(UsageError, match="Choose one of unchanged, grown"):
        cm.sample_pair("shrunk")
