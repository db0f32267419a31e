"""segment: odd films, determinism, simulated hands and a real one."""

import numpy as np
import pytest

from calcimeasure.anatomy import find_anatomy
from calcimeasure.deposits import Origin
from calcimeasure.errors import UsageError
from calcimeasure.io import read_film
from calcimeasure.radiograph import GreyScale, Radiograph
from calcimeasure.segmentation import accept_proposals, get_segmenter, segment
from calcimeasure.simulation import simulate_film


@pytest.mark.parametrize("level", [0.0, 4095.0, 100.0])
def test_a_constant_film_has_no_deposits_and_a_warning(level):
    film = Radiograph(pixels=np.full((300, 260), level, np.float32), grey=GreyScale(lowest=0, highest=4095))
    labels = segment(film)
    assert len(labels) == 0
    assert labels.warnings


def test_an_unknown_method_is_refused():
    with pytest.raises(UsageError, match="no method 'magic'"):
        get_segmenter("magic")


@pytest.fixture(scope="module")
def simulated():
    return [simulate_film(np.random.default_rng([31, seed]), deposits=6, spacing_mm=0.2) for seed in range(3)]


@pytest.fixture(scope="module")
def found(simulated):
    return [segment(made.film, method="classical") for made in simulated]


def test_the_labels_belong_to_the_film(simulated, found):
    for made, labels in zip(simulated, found, strict=True):
        assert labels.image.shape == made.film.shape
        assert labels.film_sha256 == made.film.sha256
        assert labels.method == "classical/1"
        assert all(deposit.origin is Origin.AUTO for deposit in labels.deposits)


def test_most_deposits_are_found_and_little_else(simulated, found):
    sizes, hits, false = [], [], 0
    for made, labels in zip(simulated, found, strict=True):
        truth = made.labels.image
        for number in range(1, int(truth.max()) + 1):
            mask = truth == number
            sizes.append(mask.sum() * made.film.spacing.pixel_area_mm2)
            hits.append((labels.image[mask] > 0).mean() > 0.3)
        false += sum((truth[labels.mask(label)] > 0).mean() < 0.1 for label in range(1, len(labels) + 1))
    large = np.array(sizes) >= 2.0
    assert large.sum() >= 6
    assert np.array(hits)[large].mean() >= 0.6
    assert false <= 6


def test_the_same_film_gives_the_same_pixels(simulated):
    film = simulated[0].film
    segmenter, anatomy = get_segmenter("classical"), find_anatomy(film)
    first, second = (segmenter.propose(film, anatomy) for _ in range(2))
    assert (first.image == second.image).all()
    assert (first.probabilities == second.probabilities).all()
    assert len(first) > len(accept_proposals(first))


def test_a_film_without_spacing_is_segmented(simulated):
    film = simulated[1].film
    without = Radiograph(pixels=film.pixels, grey=film.grey)
    labels = segment(without, method="classical")
    assert labels.image.shape == film.shape


def test_a_real_hand_without_calcinosis(films_folder):
    film = read_film(films_folder / "dicom" / "hand_pa_adult_cr_j2k.dcm")
    labels = segment(film, method="classical")
    assert len(labels) <= 5


REAL_NEGATIVES = ("synpic17961", "synpic21186", "synpic26448", "synpic31838")


def test_real_limbs_without_calcinosis(films_folder):
    counts = [
        len(segment(read_film(films_folder / "limbs" / f"{name}.jpg", spacing_mm=0.2), method="classical"))
        for name in REAL_NEGATIVES
    ]
    assert np.median(counts) <= 3
