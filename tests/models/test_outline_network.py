"""What the outline network is shown, and where what it says counts."""

import numpy as np
import pytest

from calcimeasure.anatomy import find_anatomy
from calcimeasure.models import outline_network
from calcimeasure.models.outline_network import TERRITORY_RADIUS_CELLS, click_planes, outline_network_input, territory
from calcimeasure.radiograph import GreyScale, Radiograph


def test_it_ships():
    assert outline_network.outline_network_installed()


def test_marks_are_one_at_a_click_and_nothing_far_from_it():
    own, others = click_planes((40, 50), [(5, 7)], [(30, 49), (-20, 3), (39, 0)])
    assert own.shape == others.shape == (40, 50)
    assert own.dtype == others.dtype == np.float32
    assert own[5, 7] == 1.0
    assert own[5, 9] == pytest.approx(np.exp(-0.5))
    assert not own[20:].any()
    assert others[30, 49] == others[39, 0] == 1.0
    assert (others == 1.0).sum() == 2


def test_a_territory_ends_at_its_reach():
    own, none = np.zeros((60, 60), bool), np.zeros((60, 60), bool)
    own[30, 30] = True
    rows, cols = np.indices(own.shape)
    np.testing.assert_array_equal(territory(own, none), np.hypot(rows - 30, cols - 30) <= TERRITORY_RADIUS_CELLS)


def test_a_territory_ends_half_way_to_another_deposit():
    own, others = np.zeros((40, 60), bool), np.zeros((40, 60), bool)
    own[20, 20] = others[20, 30] = True
    here = territory(own, others)
    assert here[20, 10:26].all()
    assert not here[:, 26:].any()


def test_a_film_without_a_limb_is_not_seen():
    blank = Radiograph(pixels=np.full((90, 300), 5, np.float32), grey=GreyScale(lowest=0, highest=10))
    assert outline_network_input(blank, find_anatomy(blank)) is None
