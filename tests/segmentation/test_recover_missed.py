"""A deposit found on one film only: added where the other film shows it, and only there."""

from __future__ import annotations

import gc
import weakref

import cv2
import numpy as np
import pytest
from scipy import ndimage

from calcimeasure.anatomy import find_anatomy
from calcimeasure.change import compare
from calcimeasure.models.working_grid import nominal_spacing_mm
from calcimeasure.registration.alignment import inverse
from calcimeasure.registration.common_field import common_field
from calcimeasure.registration.film_registration import register
from calcimeasure.segmentation import accept_proposals
from calcimeasure.segmentation.presence import measure_presence, presence_image
from calcimeasure.segmentation.recover_missed import recover_missed
from calcimeasure.segmentation.segmenter import Proposals
from calcimeasure.simulation import ChangePlan, simulate_pair


class Visits:
    """A simulated pair laid on one another, with proposals made of its truth."""

    def __init__(self, seed: int, area_ratio: float = 1.0) -> None:
        plan = ChangePlan(area_ratio=area_ratio, new=2, gone=2)
        self.pair = simulate_pair(np.random.default_rng(seed), plan=plan, deposits=9, spacing_mm=0.25)
        self.films = (self.pair.baseline, self.pair.followup)
        self.anatomies = tuple(find_anatomy(side.film) for side in self.films)
        _, self.alignment = register(
            self.films[0].film,
            self.films[1].film,
            baseline_anatomy=self.anatomies[0],
            followup_anatomy=self.anatomies[1],
        )
        assert self.alignment is not None
        self.field = common_field(*self.anatomies, self.alignment)
        self.sights = tuple(
            presence_image(side.film, anatomy) for side, anatomy in zip(self.films, self.anatomies, strict=True)
        )

    def links(self, status: str) -> list:
        """Return the links of deposits of 3 mm² and more that lie wholly in both fields."""
        films = (self.pair.truth.baseline, self.pair.truth.followup)
        return [
            link
            for link in self.pair.truth.links
            if link.status == status
            and all(
                film.deposits[label - 1].area_mm2 >= 3.0 and film.deposits[label - 1].in_field > 0.99
                for film, labels in zip(films, (link.baseline_labels, link.followup_labels), strict=True)
                for label in labels
            )
        ]

    def proposals(self, which: int, without: set[int] = frozenset()) -> Proposals:
        """Return every true deposit of a film as found, but those named as missed."""
        side = self.films[which]
        count = len(side.labels)
        sure = np.array([0.0 if label in without else 0.9 for label in range(1, count + 1)])
        image = side.labels.image.copy()
        image[np.isin(image, list(without))] = 0
        whole = Proposals(
            image=np.zeros_like(image),
            probabilities=np.zeros(0),
            threshold=0.5,
            pixel_mm=nominal_spacing_mm(side.film, self.anatomies[which]),
            method="test/1",
        )
        return whole.repainted(image, sure)

    def looked(self, baseline: Proposals, followup: Proposals) -> tuple[Proposals, Proposals]:
        return recover_missed((self.sights[0], baseline), (self.sights[1], followup), self.alignment, self.field)


@pytest.fixture(scope="module", params=[8801, 8802])
def visits(request) -> Visits:
    return Visits(request.param)


def test_what_one_film_lacks_is_not_added(visits):
    baseline, followup = visits.proposals(0), visits.proposals(1)
    before, after = visits.looked(baseline, followup)
    assert len(before) == len(baseline)
    assert len(after) == len(followup)


def test_what_was_missed_is_found_again(visits):
    known = visits.links("matched")
    assert len(known) >= 2
    missed = {link.followup_labels[0] for link in known}
    baseline, followup = visits.proposals(0), visits.proposals(1, missed)
    before, after = visits.looked(baseline, followup)
    assert len(before) == len(baseline)
    truth, found = visits.films[1].labels.image, accept_proposals(after).image > 0
    overlap = {
        label: 2 * (found & (truth == label)).sum() / ((truth == label).sum() + found[_near(truth == label)].sum())
        for label in missed
    }
    assert np.mean([value > 0.6 for value in overlap.values()]) >= 0.7, overlap


def test_a_speck_of_it_is_not_the_deposit(visits):
    missed = [link.followup_labels[0] for link in visits.links("matched")]
    proposals = visits.proposals(1)
    image = proposals.image.copy()
    for label in missed:
        rows, cols = np.nonzero(image == label)
        image[image == label] = 0
        image[rows[:3], cols[:3]] = label
    specks = proposals.repainted(image, proposals.probabilities)
    _, after = visits.looked(visits.proposals(0), specks)
    found = accept_proposals(after).image > 0
    truth = visits.films[1].labels.image
    covered = [(found & (truth == label)).sum() / (truth == label).sum() for label in missed]
    assert np.mean(np.array(covered) > 0.5) >= 0.7, covered


def test_specks_too_small_to_look_for_are_looked_for_together(visits):
    of_baseline = visits.pair.truth.baseline.deposits
    known = [link for link in visits.links("matched") if of_baseline[link.baseline_labels[0] - 1].kind != "stipple"]
    assert known
    missed = {link.followup_labels[0] for link in known}
    shattered = visits.proposals(0)
    image = shattered.image.copy()
    row, col = np.indices(image.shape)
    gaps = (row % 4 >= 1) | (col % 4 >= 1)
    for link in known:
        image[(image == link.baseline_labels[0]) & gaps] = 0
    pieces, count = ndimage.label(image > 0, np.ones((3, 3)))
    sure = np.full(count, 0.9)
    baseline = shattered.repainted(pieces.astype(np.uint16), sure)
    _, after = visits.looked(baseline, visits.proposals(1, missed))
    found, truth = accept_proposals(after).image > 0, visits.films[1].labels.image
    covered = [(found & (truth == label)).sum() / (truth == label).sum() for label in missed]
    # One pixel in sixteen of each deposit was shown.
    assert np.mean(np.array(covered) > 0.03) >= 0.5, covered


def test_of_what_is_found_in_part_the_rest_is_added(visits):
    there = visits.pair.truth.followup.deposits
    labels = [link.followup_labels[0] for link in visits.links("matched")]
    halved = [label for label in labels if there[label - 1].area_mm2 >= 8.0 and there[label - 1].kind != "stipple"]
    assert halved
    proposals = visits.proposals(1)
    image = proposals.image.copy()
    for label in halved:
        rows, cols = np.nonzero(image == label)
        away = rows < np.quantile(rows, 0.55)
        image[rows[away], cols[away]] = 0
    _, after = visits.looked(visits.proposals(0), proposals.repainted(image, proposals.probabilities))
    found, truth = accept_proposals(after).image > 0, visits.films[1].labels.image
    covered = {label: (found & (truth == label)).sum() / (truth == label).sum() for label in halved}
    assert all(share > 0.75 for share in covered.values()), covered


@pytest.mark.parametrize("area_ratio", [0.6, 1.6])
def test_what_has_shrunk_or_grown_is_left_so(area_ratio: float):
    visits = Visits(8803, area_ratio)
    baseline, followup = visits.proposals(0), visits.proposals(1)
    before, after = visits.looked(baseline, followup)
    for looked, given in ((before, baseline), (after, followup)):
        assert (looked.image > 0).sum() <= 1.01 * (given.image > 0).sum()


def _near(mask: np.ndarray) -> tuple[slice, slice]:
    row, col = np.nonzero(mask)
    return slice(max(row.min() - 6, 0), row.max() + 7), slice(max(col.min() - 6, 0), col.max() + 7)


def test_the_films_are_treated_alike(visits):
    missed = {link.followup_labels[0] for link in visits.links("matched")[:2]}
    baseline, followup = visits.proposals(0), visits.proposals(1, missed)
    before, after = visits.looked(baseline, followup)
    back = inverse(visits.alignment, visits.films[1].film.shape)
    field = visits.field.swapped()
    swapped = recover_missed((visits.sights[1], followup), (visits.sights[0], baseline), back, field)
    np.testing.assert_array_equal(swapped[1].image, before.image)
    np.testing.assert_array_equal(swapped[0].image, after.image)


def test_presence_tells_a_deposit_that_stayed_from_one_that_is_gone(visits):
    cells = visits.sights[0].on_cells(visits.films[0].labels.image)

    def presence(label: int) -> float:
        seen = measure_presence(cells == label, (cells > 0) & (cells != label), *visits.sights, visits.alignment)
        assert seen is not None
        return seen.share

    stayed = [presence(link.baseline_labels[0]) for link in visits.links("matched")]
    gone = [presence(link.baseline_labels[0]) for link in visits.links("resolved")]
    assert np.median(stayed) > 0.8
    assert all(share < 0.6 for share in gone)


def test_nothing_around_it_says_nothing(visits):
    everything = np.ones(visits.sights[0].grey.shape, dtype=bool)
    one_cell = np.zeros_like(everything)
    one_cell[30, 30] = True
    for mask in (everything, one_cell):
        assert measure_presence(mask, np.zeros_like(mask), *visits.sights, visits.alignment) is None


def test_a_window_of_the_cells_says_what_all_of_them_do(visits):
    sight, image = visits.sights[0], visits.films[0].labels.image
    cells = sight.on_cells(image)
    shape = [round(pixels / factor) for pixels, factor in zip(image.shape, sight.factor, strict=True)]
    small = cv2.resize(image, shape[::-1], interpolation=cv2.INTER_NEAREST)
    np.testing.assert_array_equal(cells[: small.shape[0], : small.shape[1]], small)
    assert cells.sum() == small.sum(), "beyond the film is nothing"
    compared = 0
    for label, box in enumerate(ndimage.find_objects(image), start=1):
        mask, window = cells == label, sight.around(box)
        part = sight.on_cells(image, window)
        np.testing.assert_array_equal(part, cells[window])
        whole = measure_presence(mask, (cells > 0) & ~mask, *visits.sights, visits.alignment)
        corner, own = (window[0].start, window[1].start), part == label
        assert measure_presence(own, (part > 0) & ~own, *visits.sights, visits.alignment, corner=corner) == whole
        compared += whole is not None
    assert compared >= 5


def test_what_is_kept_of_compared_films_goes_with_them() -> None:
    pair = simulate_pair(np.random.default_rng(5), deposits=2, spacing_mm=0.3)
    films = [side.film for side in (pair.baseline, pair.followup)]
    watched = [weakref.ref(film) for film in films]
    compare(*films)
    del films, pair
    gc.collect()
    assert [film() for film in watched] == [None, None]
