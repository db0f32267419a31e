from __future__ import annotations

import numpy as np
import pytest

from calcimeasure.anatomy import Anatomy
from calcimeasure.models.working_grid import nominal_spacing_mm
from calcimeasure.radiograph import GreyScale, Radiograph, Spacing, SpacingBasis
from calcimeasure.segmentation.classical_segmenter import nothing_proposed


@pytest.fixture
def bare() -> Radiograph:
    """A film of unknown spacing whose pixels are twice as high as wide: 4600 by 1150 widths of a pixel."""
    return Radiograph(
        pixels=np.zeros((2300, 1150), np.float32),
        spacing=Spacing(pixel_aspect=2.0),
        grey=GreyScale(lowest=0, highest=1),
    )


def hand_on(film: Radiograph) -> Anatomy:
    """Half of the film's height, in cells of 10 pixels."""
    cells = np.zeros((230, 115), np.uint8)
    cells[60:175, 20:90] = 1
    return Anatomy(step=10, field=cells >= 0, limbs=cells, bone=cells > 0, shape=film.shape)


def test_a_film_without_spacing_gets_a_rough_size_for_reaches_only(bare: Radiograph) -> None:
    assert nominal_spacing_mm(bare) == pytest.approx((0.1, 0.05))
    known = bare.with_spacing(Spacing(row_mm=0.15, col_mm=0.1, basis=SpacingBasis.USER))
    assert nominal_spacing_mm(known) == (0.15, 0.1)
    assert nominal_spacing_mm(known, hand_on(known)) == (0.15, 0.1)


def test_the_size_follows_the_hand_not_the_film_around_it(bare: Radiograph) -> None:
    assert nominal_spacing_mm(bare, hand_on(bare)) == pytest.approx((0.2, 0.1))


def test_linking_and_grouping_take_the_same_size_for_a_film_without_spacing(bare: Radiograph) -> None:
    anatomy = hand_on(bare)
    rows, cols = nothing_proposed(bare, anatomy, method="test/1", threshold=0.5).group_within_px
    row_mm, col_mm = nominal_spacing_mm(bare, anatomy)
    assert (rows * row_mm, cols * col_mm) == pytest.approx((2.0, 2.0))
