"""Pieces within 2.0 mm, edge to edge, are one deposit."""

import numpy as np
import pytest

from calcimeasure.errors import LabelsError
from calcimeasure.label_arrays import group_pieces
from calcimeasure.segmentation import Proposals, accept_proposals


def proposals(image, probabilities, within=(10.0, 10.0)):
    return Proposals(
        image=image,
        probabilities=np.array(probabilities, dtype=float),
        threshold=0.5,
        pixel_mm=(2.0 / within[0], 2.0 / within[1]),
        method="test/1",
        film_sha256="abc",
    )


def two_squares(gap, *, axis=1, shape=(40, 60)):
    """Two squares of 5 pixels with `gap` empty pixels between them: edge to edge the gap is `gap` pixels."""
    image = np.zeros(shape, dtype=np.uint16)
    image[10:15, 10:15] = 1
    if axis == 1:
        image[10:15, 15 + gap : 20 + gap] = 2
    else:
        image[15 + gap : 20 + gap, 10:15] = 2
    return image


@pytest.mark.parametrize(("gap", "deposits"), [(0, 1), (9, 1), (10, 1), (11, 2), (20, 2)])
@pytest.mark.parametrize("axis", [0, 1])
def test_the_gap_is_measured_between_edges(gap, deposits, axis):
    assert len(accept_proposals(proposals(two_squares(gap, axis=axis), [0.9, 0.8]))) == deposits


def test_oblong_pixels_have_a_reach_of_their_own_along_each_axis():
    across, down = two_squares(8, axis=1), two_squares(8, axis=0)
    assert len(accept_proposals(proposals(across, [0.9, 0.9], within=(5.0, 10.0)))) == 1
    assert len(accept_proposals(proposals(down, [0.9, 0.9], within=(5.0, 10.0)))) == 2


def test_a_chain_is_one_deposit():
    image = np.zeros((10, 80), dtype=np.uint16)
    for number in range(1, 6):
        image[4:6, 14 * number : 14 * number + 5] = number
    groups = group_pieces(image, np.arange(1, 6), (10.0, 10.0))
    assert groups.tolist() == [0, 1, 1, 1, 1, 1]


def test_what_is_not_wanted_does_not_bridge():
    image = np.zeros((10, 80), dtype=np.uint16)
    for number in range(1, 4):
        image[4:6, 14 * number : 14 * number + 5] = number
    labels = accept_proposals(proposals(image, [0.9, 0.2, 0.7]))
    assert len(labels) == 2
    assert [deposit.confidence for deposit in labels.deposits] == [0.9, 0.7]
    assert not labels.image[image == 2].any()


def test_a_deposit_is_as_sure_as_its_surest_piece():
    labels = accept_proposals(proposals(two_squares(3), [0.6, 0.95]))
    assert labels.deposits[0].confidence == 0.95
    assert labels.method == "test/1"
    assert labels.film_sha256 == "abc"


def test_the_threshold_can_be_given():
    weak = proposals(two_squares(20), [0.3, 0.6])
    assert len(accept_proposals(weak)) == 1
    assert len(accept_proposals(weak, 0.2)) == 2
    assert len(accept_proposals(weak, 0.99)) == 0
    assert len(accept_proposals(weak.with_probabilities(np.array([0.7, 0.7])))) == 2


@pytest.mark.parametrize("values", [[0.5], [0.5, 1.2], [0.1, 0.2, 0.3]])
def test_proposals_cannot_hold_an_invalid_state(values):
    with pytest.raises(LabelsError):
        proposals(two_squares(3), values)
