"""The network that outlines what a reader clicked on: what it is shown, what it draws, and where it stays away."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from calcimeasure.anatomy import find_anatomy
from calcimeasure.models.network_input import network_input
from calcimeasure.radiograph import GreyScale, Radiograph
from calcimeasure.segmentation import click_outline
from calcimeasure.segmentation.click_outline import Click, piece_at, region_clicked
from calcimeasure.simulation import simulate_film


@pytest.fixture(scope="module")
def made():
    return simulate_film(np.random.default_rng([53, 4]), deposits=14, spacing_mm=0.2)


@pytest.fixture(scope="module")
def anatomy(made):
    return find_anatomy(made.film)


def middle_of(mask):
    rows, cols = np.nonzero(mask)
    nearest = np.argmin(np.hypot(rows - rows.mean(), cols - cols.mean()))
    return int(rows[nearest]), int(cols[nearest])


def on_film(region, shape):
    """Return a region of a film of 0.2 mm a pixel, which is the network's own grid, on that film."""
    mask = np.zeros(shape, bool)
    rows, cols = region.mask.shape
    mask[region.corner[0] : region.corner[0] + rows, region.corner[1] : region.corner[1] + cols] = region.mask
    return mask


def dice(first, second):
    return 2 * (first & second).sum() / (first.sum() + second.sum())


def test_what_is_clicked_is_outlined_on_every_background(made, anatomy):
    agreement = []
    for number in range(1, int(made.labels.image.max()) + 1):
        mask = made.labels.image == number
        if mask.sum() < 50 or made.truth.deposits[number - 1].kind in ("stipple", "cluster"):
            continue
        region = region_clicked(made.film, anatomy, Click(row=middle_of(mask)[0], col=middle_of(mask)[1]), [])
        agreement.append(0.0 if region is None else dice(on_film(region, made.film.shape), mask))
    assert len(agreement) >= 4
    assert np.median(agreement) > 0.85
    assert np.mean(np.array(agreement) > 0.6) > 0.7


def test_lobes_that_a_weak_trace_joins_are_one_piece(made, anatomy, monkeypatch):
    map_ = np.zeros(network_input(made.film, anatomy).limb.shape, np.float32)
    row, col = (int(value) for value in np.argwhere(network_input(made.film, anatomy).limb).mean(axis=0))
    map_[row : row + 8, col : col + 8] = map_[row : row + 8, col + 12 : col + 20] = 0.9
    map_[row + 3, col + 8 : col + 12] = 0.15
    monkeypatch.setattr(click_outline, "film_probability_map", lambda *_: map_)
    film = replace(made.film, sha256="")  # nothing is kept of it yet
    one, other = Click(row=row + 4, col=col + 4), Click(row=row + 4, col=col + 16)
    both = region_clicked(film, anatomy, one, [])
    alone = region_clicked(film, anatomy, one, [other])
    assert both is not None
    assert alone is not None
    assert both.mask.sum() == 2 * alone.mask.sum() == 128, "the trace itself is not drawn"
    assert both.corner == alone.corner == (row, col)


@pytest.fixture
def mapped(made, anatomy, monkeypatch):
    """A film whose search sees a square of 12 x 12 cells and a speck beside it, as sure as a test says."""
    seen = network_input(made.film, anatomy)
    row, col = (int(value) for value in np.argwhere(seen.limb).mean(axis=0))

    def with_map(sure):
        map_ = np.zeros(seen.limb.shape, np.float32)
        map_[row : row + 12, col : col + 12] = sure
        map_[row : row + 3, col + 14 : col + 17] = sure
        map_[row + 1, col + 12 : col + 14] = 0.15
        monkeypatch.setattr(click_outline, "film_probability_map", lambda *_: map_)
        return replace(made.film, sha256="")

    return with_map, (row, col)


def square(shape, cells, sure):
    """Return what the outline network would say of a square in the middle of its window."""
    share = np.zeros(shape, np.float32)
    first = shape[0] // 2 - cells // 2
    share[first : first + cells, first : first + cells] = sure
    return share, share


def seeing(monkeypatch, cells, told=None):
    """Let the outline network see a square of so many cells a side about each click, on either grid."""

    def answer(seen, shown, _first):
        if told is not None:
            told.append(np.argwhere(shown[1] == 1.0).tolist())
        return square(shown.shape[1:], cells // round(seen.factor[0]), 0.9)

    monkeypatch.setattr(click_outline, "predict_coverage", answer)


@pytest.mark.parametrize(("sure", "seen_cells", "expected"), [(0.9, 20, 144), (0.6, 20, 400), (0.6, 8, 144)])
def test_of_what_the_search_is_unsure_of_the_larger_region_is_taken(
    mapped, anatomy, monkeypatch, sure, seen_cells, expected
):
    with_map, (row, col) = mapped
    seeing(monkeypatch, seen_cells)
    film = with_map(sure)
    speck = Click(row=row + 1, col=col + 15)
    region = region_clicked(film, anatomy, Click(row=row + 5, col=col + 5), [speck])
    assert region is not None
    assert region.cells == expected


@pytest.mark.parametrize(("seen_cells", "expected"), [(2, 9), (3, 9), (5, 25)])
def test_of_a_speck_the_outline_network_knows_better_where_it_ends(mapped, anatomy, monkeypatch, seen_cells, expected):
    with_map, (row, col) = mapped
    seeing(monkeypatch, seen_cells)
    region = region_clicked(with_map(0.9), anatomy, Click(row=row + 1, col=col + 15), [Click(row=row + 5, col=col + 5)])
    assert region is not None
    assert region.cells == expected


def test_specks_of_one_deposit_are_told_from_one_another(mapped, anatomy, monkeypatch):
    with_map, (row, col) = mapped
    told = []
    seeing(monkeypatch, 3, told)
    film = with_map(0.9)
    speck, square = Click(row=row + 1, col=col + 15), Click(row=row + 5, col=col + 5)
    again = Click(row=row, col=col + 16)
    region = region_clicked(film, anatomy, speck, [], [square, again])
    assert region is not None
    assert region.cells == 9, "the trace joins it to the square, on which is clicked too"
    assert len(told[0]) == 1, "a second click on the same speck means the same"
    whole = region_clicked(film, anatomy, square, [], [Click(row=row + 9, col=col + 9)])
    assert whole is not None
    assert whole.cells == 144 + 9, "two clicks on one part leave it whole, with what a trace joins to it"


@pytest.mark.parametrize(
    ("fine", "probability", "coarse", "expected"),
    [
        (6, 0.95, 9, 81),  # 13 mm2 on the coarse grid, of which the fine one shows a corner
        (6, 0.95, 7, 36),  # 8 mm2: a small one looks so too
        (6, 0.85, 7, 49),  # the fine grid is unsure
        (2, 0.85, 3, 4),  # less than 2 mm2
        (17, 0.85, 9, 289),  # hardly larger
        (0, 0.0, 7, 49),
    ],
)
def test_what_the_search_missed_is_asked_for_on_a_coarser_grid_too(
    mapped, anatomy, monkeypatch, fine, probability, coarse, expected
):
    with_map, (row, col) = mapped
    film = with_map(0.9)

    def answer(seen, shown, _first):
        on_coarse = seen.limb.shape != network_input(film, anatomy).limb.shape
        return square(shown.shape[1:], *((coarse, 0.95) if on_coarse else (fine, probability)))

    monkeypatch.setattr(click_outline, "predict_coverage", answer)
    missed = Click(row=row + 50, col=col)
    region = region_clicked(film, anatomy, missed, [])
    assert region is not None
    assert region.cells == expected
    middle = region.corner[0] * region.factor[0] + region.mask.shape[0] * region.factor[0] / 2
    assert abs(middle - missed.row) <= 2, "both grids mean the same place"
    one_of_several = region_clicked(film, anatomy, missed, [], [Click(row=row + 90, col=col)])
    assert one_of_several is not None
    assert (one_of_several.probability == 0.0) == (fine == 0), "where nothing was found, a bright spot or a disc"
    if fine:
        assert one_of_several.cells == fine * fine, "a speck beside others is not what looks larger than it is"


def test_soft_tissue_without_a_deposit_gives_next_to_nothing(made, anatomy):
    seen = network_input(made.film, anatomy)
    truth = np.zeros(seen.limb.shape, bool)
    truth[: made.film.shape[0], : made.film.shape[1]] = made.labels.image > 0
    clear = seen.limb & ~seen.bone & (cv2.dilate(truth.astype(np.uint8), np.ones((17, 17), np.uint8)) == 0)
    rows, cols = np.nonzero(clear)
    picked = np.random.default_rng(3).choice(len(rows), 12, replace=False)
    drawn = [piece_at(seen, (int(rows[n]), int(cols[n])), []) for n in picked]
    # A click says that something is there: a speck may be drawn, no structure.
    assert sum(piece is not None and piece.mask.sum() >= 25 for piece in drawn) <= 2


def test_a_click_at_the_border_of_the_film_is_answered(made, anatomy):
    seen = network_input(made.film, anatomy)
    rows, cols = seen.limb.shape
    for at in ((0, 0), (rows - 1, cols - 1), (0, cols - 1)):
        found = piece_at(seen, at, [])
        if found is not None:
            assert found.corner[0] >= 0
            assert found.corner[1] >= 0
            assert found.corner[0] + found.mask.shape[0] <= rows
            assert found.corner[1] + found.mask.shape[1] <= cols


def test_the_same_click_gives_the_same_region(made, anatomy):
    place = Click(row=200.0, col=180.0)
    first, second = (region_clicked(made.film, anatomy, place, []) for _ in range(2))
    assert (first is None) == (second is None)
    if first is not None:
        np.testing.assert_array_equal(first.mask, second.mask)


def test_a_film_without_a_limb_can_be_clicked_on():
    blank = Radiograph(pixels=np.full((90, 300), 5, np.float32), grey=GreyScale(lowest=0, highest=10))
    assert region_clicked(blank, find_anatomy(blank), Click(row=3, col=4), [Click(row=50, col=50)]) is None
