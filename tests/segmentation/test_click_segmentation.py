"""Click-to-segment: the boundary under a click, pieces and their numbers, clicks on nothing."""

import numpy as np
import pytest

from calcimeasure.anatomy import find_anatomy
from calcimeasure.deposits import Origin
from calcimeasure.errors import UsageError
from calcimeasure.notices import NoticeCode
from calcimeasure.radiograph import GreyScale, Radiograph, Spacing, SpacingBasis
from calcimeasure.segmentation import segment_points

CENTRES = ((150, 190), (150, 230), (330, 205), (420, 330))
RADII_PX = (9, 9, 14, 11)
BONE = slice(190, 260)


@pytest.fixture(scope="module")
def film():
    """A limb with one bone: two discs 2.2 mm apart (edge to edge), one over the bone, one in soft tissue."""
    rows, cols = np.indices((600, 450), dtype=np.float32)
    picture = 300 + 900 * np.sqrt(np.clip(1 - ((cols - 225) / 190) ** 2, 0, 1))
    picture = picture + 900 * np.sqrt(np.clip(1 - ((cols - 225) / 35) ** 2, 0, 1))
    for (row, col), radius in zip(CENTRES, RADII_PX, strict=True):
        picture = picture + 500 * (np.hypot(rows - row, cols - col) <= radius)
    from calcimeasure.anatomy.image_filters import blur

    noise = np.random.default_rng(5).normal(0, 12, picture.shape)
    return Radiograph(
        pixels=(blur(picture.astype(np.float32), 0.8) + noise).astype(np.float32),
        spacing=Spacing(row_mm=0.1, col_mm=0.1, basis=SpacingBasis.USER),
        grey=GreyScale(lowest=0, highest=4095),
    )


@pytest.fixture(scope="module")
def anatomy(film):
    return find_anatomy(film)


def disc_mask(number):
    rows, cols = np.indices((600, 450))
    return np.hypot(rows - CENTRES[number][0], cols - CENTRES[number][1]) <= RADII_PX[number]


def dice(first, second):
    return 2 * (first & second).sum() / (first.sum() + second.sum())


def test_a_click_gives_the_disc_in_soft_tissue_and_over_bone(film, anatomy):
    labels = segment_points(film, [CENTRES[3], CENTRES[2]], anatomy=anatomy)
    assert len(labels) == 2
    assert all(deposit.origin is Origin.CLICKED and deposit.confidence == 1.0 for deposit in labels.deposits)
    assert labels.method == "points/1"
    assert labels.film_sha256 == film.sha256
    assert dice(labels.mask(1), disc_mask(3)) > 0.9
    assert dice(labels.mask(2), disc_mask(2)) > 0.85


@pytest.mark.parametrize("translation", [(0, 5), (-6, 0), (4, -4)])
def test_where_in_the_deposit_the_click_falls_hardly_matters(film, anatomy, translation):
    middle = segment_points(film, [CENTRES[3]], anatomy=anatomy)
    moved = segment_points(film, [np.add(CENTRES[3], translation)], anatomy=anatomy)
    assert dice(middle.mask(1), moved.mask(1)) > 0.97


def test_a_click_on_nothing_gives_a_small_outline_that_holds_it_and_a_warning(film, anatomy):
    labels = segment_points(film, [(523, 260), CENTRES[3]], anatomy=anatomy)
    assert len(labels) == 2
    number = int(labels.image[523, 260])
    assert number > 0
    assert labels.mask(number).sum() * 0.01 < 30.0  # mm2; within 3 mm of the click
    uncertain = [notice for notice in labels.warnings if notice.code is NoticeCode.CLICK_UNCERTAIN]
    assert ["row 523, column 260" in str(notice) for notice in uncertain] == [True]


def test_a_click_outside_the_limb_gives_no_deposit_and_a_warning(film, anatomy):
    labels = segment_points(film, [(300, 4)], anatomy=anatomy)
    assert len(labels) == 0
    assert NoticeCode.CLICK_WITHOUT_DEPOSIT in [notice.code for notice in labels.warnings]


@pytest.mark.parametrize("seed", range(4))
def test_any_click_in_a_limb_gives_one_piece_that_holds_it(film, anatomy, seed):
    from skimage.measure import label

    limb = np.argwhere(anatomy.on_film(anatomy.limbs > 0))
    for row, col in limb[np.random.default_rng(seed).integers(len(limb), size=5)]:
        labels = segment_points(film, [(row, col)], anatomy=anatomy)
        number = int(labels.image[row, col])
        assert number == 1
        assert label(labels.mask(1), connectivity=2).max() == 1


def test_pieces_that_share_a_number_are_one_deposit(film, anatomy):
    labels = segment_points(film, [CENTRES[3], CENTRES[2], CENTRES[0]], [7, 7, 2], anatomy=anatomy)
    assert len(labels) == 2
    assert dice(labels.mask(1), disc_mask(0)) > 0.8
    assert dice(labels.mask(2), disc_mask(3) | disc_mask(2)) > 0.85


def test_pieces_without_a_number_are_grouped_by_their_gap(film, anatomy):
    both = [CENTRES[0], CENTRES[1]]
    for pixel_mm, count in ((0.12, 2), (0.07, 1)):  # 2.6 and 1.5 mm apart
        sized = film.with_spacing(Spacing(row_mm=pixel_mm, col_mm=pixel_mm, basis=SpacingBasis.USER))
        assert len(segment_points(sized, both, anatomy=anatomy)) == count


def test_two_clicks_in_one_piece_are_one_deposit(film, anatomy):
    labels = segment_points(film, [CENTRES[3], np.add(CENTRES[3], (3, 3))], anatomy=anatomy)
    assert len(labels) == 1
    assert labels.image.max() == 1


def test_no_points_no_deposits(film, anatomy):
    for none in ([], np.zeros((0, 2))):
        labels = segment_points(film, none, anatomy=anatomy)
        assert len(labels) == 0
        assert not labels.image.any()


def test_the_same_clicks_give_the_same_pixels(film, anatomy):
    first, second = (segment_points(film, CENTRES, [1, 1, 2, 3], anatomy=anatomy) for _ in range(2))
    assert (first.image == second.image).all()


def test_clicks_on_a_film_without_a_limb(film):
    blank = Radiograph(pixels=np.full((200, 200), 5, np.float32), grey=GreyScale(lowest=0, highest=10))
    labels = segment_points(blank, [(100, 100)])
    assert len(labels) == 0
    assert len(labels.warnings) == 2


@pytest.mark.parametrize(
    ("points", "deposits", "words"),
    [
        ([(10, 10), (700, 10)], None, "point 2 at row 700, column 10 lies outside"),
        ([(10, -3)], None, "point 1"),
        ([(np.nan, 3)], None, "point 1"),
        ([1, 2, 3], None, "rows of"),
        ([(10, 10)], [1, 2], "1 points and 2 deposit numbers"),
    ],
)
def test_bad_points_are_named(film, anatomy, points, deposits, words):
    with pytest.raises(UsageError, match=words):
        segment_points(film, points, deposits, anatomy=anatomy)
