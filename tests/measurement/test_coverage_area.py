"""Areas as the outline network gives them: right, steady against the mask, and with an error that is meant."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from calcimeasure.anatomy import find_anatomy
from calcimeasure.deposits import Origin, from_label_image
from calcimeasure.measurement import influence_px, measure_film
from calcimeasure.measurement.area_ratio import AreaRatio, area_ratio, combine_ratios
from calcimeasure.measurement.coverage_area import AREA_SCALE, Coverage, ErrorLaw, coverage_outline, deposit_coverage
from calcimeasure.models.network_input import network_input
from calcimeasure.parallel import two_threads
from calcimeasure.simulation import ChangePlan, simulate_pair

LEAST_MM2 = 3.0


@pytest.fixture(scope="module")
def pair():
    return simulate_pair(np.random.default_rng([61, 3]), plan=ChangePlan(area_ratio=1.0), deposits=12, spacing_mm=0.2)


@pytest.fixture(scope="module", params=["baseline", "followup"])
def side(pair, request):
    made, truth = getattr(pair, request.param), getattr(pair.truth, request.param)
    anatomy = find_anatomy(made.film)
    large = [d for d in truth.deposits if d.area_mm2 >= LEAST_MM2 and d.in_field > 0.99]
    assert len(large) >= 3
    return made, anatomy, large


def measured(film, image, anatomy):
    return measure_film(film, from_label_image(image, origin=Origin.AUTO), anatomy=anatomy)


def moved_edge(image, label, by_px):
    own = (image == label).astype(np.uint8)
    size = 2 * abs(by_px) + 1
    change = cv2.dilate if by_px > 0 else cv2.erode
    mask = change(own, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))) > 0
    changed = np.where(image == label, 0, image)
    changed[mask & (changed == 0)] = label
    return changed


def test_areas_are_those_of_the_truth(side):
    made, anatomy, large = side
    rows = measured(made.film, made.labels.image, anatomy).deposits
    off = np.array([np.log(rows[d.label - 1].area_px / d.area_px) for d in large])
    assert abs(np.median(off)) < 0.06
    assert np.abs(off).max() < 0.6


def test_a_mask_a_pixel_off_changes_the_area_by_less_than_itself(side):
    made, anatomy, large = side
    image = made.labels.image
    followed = []
    for deposit in large:
        tight, wide = moved_edge(image, deposit.label, -1), moved_edge(image, deposit.label, 1)
        if not (tight == deposit.label).any():
            continue
        areas = [measured(made.film, one, anatomy).deposits[deposit.label - 1].area_px for one in (tight, wide)]
        masks = [(one == deposit.label).sum() for one in (tight, wide)]
        followed.append(np.log(areas[1] / areas[0]) / np.log(masks[1] / masks[0]))
    assert np.median(followed) < 0.45


def test_the_outline_holds_as_many_pixels_as_the_area_says(side):
    made, anatomy, large = side
    seen = network_input(made.film, anatomy)
    for deposit in large:
        mask = made.labels.image == deposit.label
        coverage = deposit_coverage(seen, mask, (made.labels.image > 0) & ~mask, (0, 0))
        found, box = coverage_outline(coverage, made.film.shape)
        assert found.shape == tuple(part.stop - part.start for part in box)
        assert found.sum() == pytest.approx(coverage.area_px, rel=0.03, abs=1.5)


def test_what_lies_far_away_changes_nothing(side):
    made, anatomy, large = side
    image, label = made.labels.image, large[0].label
    rows, cols = np.nonzero(image == label)
    reach = influence_px(made.film, anatomy)
    far = np.ones(image.shape, bool)
    far[max(rows.min() - reach, 0) : rows.max() + reach + 1, max(cols.min() - reach, 0) : cols.max() + reach + 1] = (
        False
    )
    other = image.copy()
    other[far & (image == 0)] = image.max() + 1
    before = measured(made.film, image, anatomy).deposits[label - 1]
    after = measured(made.film, other, anatomy).deposits[label - 1]
    assert before == after


def test_the_window_of_the_mask_does_not_matter(side):
    made, anatomy, large = side
    seen = network_input(made.film, anatomy)
    mask = made.labels.image == large[-1].label
    rows, cols = np.nonzero(mask)
    top, left = rows.min() - min(3, rows.min()), cols.min() - min(5, cols.min())
    part = (slice(top, rows.max() + 9), slice(left, cols.max() + 4))
    none = np.zeros_like(mask)
    whole = deposit_coverage(seen, mask, none, (0, 0))
    cut = deposit_coverage(seen, mask[part], none[part], (int(top), int(left)))
    assert cut.area_px == pytest.approx(whole.area_px, rel=1e-6)


def test_nothing_lies_beyond_the_film(side):
    made, anatomy, _ = side
    seen = network_input(made.film, anatomy)
    corner = np.zeros((12, 12), bool)
    corner[:6, :6] = True
    coverage = deposit_coverage(seen, corner, np.zeros_like(corner), (0, 0))
    beyond = coverage.share.copy()
    beyond[max(-coverage.first[0], 0) :, max(-coverage.first[1], 0) :] = 0
    assert not beyond.any()
    _, box = coverage_outline(coverage, made.film.shape)
    assert all(part.start >= 0 and part.stop <= size for part, size in zip(box, made.film.shape, strict=True))


def test_an_empty_mask_covers_nothing(side):
    made, anatomy, _ = side
    empty = np.zeros((10, 10), bool)
    assert deposit_coverage(network_input(made.film, anatomy), empty, empty, (5, 5)) is None


def test_pixels_that_are_not_square_measure_the_same_area(side):
    made, anatomy, large = side
    film = made.film
    shape = (film.shape[0], film.shape[1] // 2)
    pixels = film.pixels[:, : 2 * shape[1]].reshape(*shape, 2).mean(axis=2)
    spacing = replace(film.spacing, row_mm=0.2, col_mm=0.4)
    narrow = replace(film, pixels=np.ascontiguousarray(pixels, np.float32), spacing=spacing)
    image = np.ascontiguousarray(made.labels.image[:, : 2 * shape[1] : 2])
    squeezed = measured(narrow, image, find_anatomy(narrow)).deposits
    square = measured(film, made.labels.image, anatomy).deposits
    ratios = [squeezed[d.label - 1].area_mm2 / square[d.label - 1].area_mm2 for d in large]
    assert np.median(ratios) == pytest.approx(1.0, abs=0.1)


def test_the_error_law():
    share = np.full((4, 5), 0.5, np.float32)
    coverage = Coverage(share=share, first=(0, 0), factor=(2.0, 3.0), log_error=-2.0)
    law = ErrorLaw(gain=0.5, power=1.0, repeat_gain=1.0, repeat_power=2.0)
    estimate = law.estimate(coverage)
    assert estimate.area_px == pytest.approx(60.0 * AREA_SCALE)
    assert estimate.se_px == pytest.approx(60 * AREA_SCALE * np.exp(-1.5), abs=1e-3)
    assert estimate.se_repeat_px == pytest.approx(60 * AREA_SCALE * np.exp(-3.0), abs=1e-3)
    larger = ErrorLaw(gain=0.0, power=1.0, repeat_gain=1.0, repeat_power=0.0).estimate(coverage)
    assert larger.se_repeat_px == larger.se_px


def test_two_witnesses_count_by_their_certainty():
    sure, unsure = AreaRatio(log_ratio=0.10, se=0.02), AreaRatio(log_ratio=0.16, se=0.04)
    both = combine_ratios(sure, unsure)
    assert both.log_ratio == pytest.approx(0.112)
    assert both.se == pytest.approx(0.02 * 0.04 / np.hypot(0.02, 0.04) * 0.06 / np.hypot(0.02, 0.04), rel=1e-3)
    assert combine_ratios(unsure, sure) == both
    turned = combine_ratios(AreaRatio(log_ratio=-0.10, se=0.02), AreaRatio(log_ratio=-0.16, se=0.04))
    assert turned.log_ratio == -both.log_ratio
    assert turned.se == both.se


def test_witnesses_that_contradict_each_other_are_less_certain_than_either():
    both = combine_ratios(AreaRatio(log_ratio=0.0, se=0.02), AreaRatio(log_ratio=0.4, se=0.02))
    assert both.se > 0.1


def test_a_pair_unchanged_in_truth_repeats(pair):
    films = []
    for name in ("baseline", "followup"):
        made = getattr(pair, name)
        films.append(measured(made.film, made.labels.image, find_anatomy(made.film)))
    seen = {d.identity: d for d in pair.truth.followup.deposits if d.area_mm2 >= LEAST_MM2 and d.in_field > 0.99}
    off = [
        area_ratio(films[0], d.label, films[1], seen[d.identity].label).log_ratio
        - np.log(seen[d.identity].area_px / d.area_px)
        for d in pair.truth.baseline.deposits
        if d.identity in seen
    ]
    assert len(off) >= 3
    assert np.median(np.abs(off)) < 0.05
    assert all(film.measured_by_network == frozenset(range(1, len(film.deposits) + 1)) for film in films)
    assert area_ratio(films[0], 1, films[0], 1).log_ratio == 0.0


def test_asking_in_two_threads_gives_the_same(side):
    made, anatomy, large = side
    seen, image = network_input(made.film, anatomy), made.labels.image
    for deposit in large[:3]:
        own = image == deposit.label
        others = (image > 0) & ~own
        one = deposit_coverage(seen, own, others, (0, 0), mirrored=True)
        with two_threads():
            two = deposit_coverage(seen, own, others, (0, 0), mirrored=True)
        np.testing.assert_array_equal(one.share, two.share)
        assert one.log_error == two.log_error


def test_the_boxes_hold_the_deposits_and_no_more(side):
    made, anatomy, _ = side
    film = measured(made.film, made.labels.image, anatomy)
    assert sorted(film.boxes) == [deposit.label for deposit in film.deposits]
    for label, box in film.boxes.items():
        inside = film.labels.image[box] == label
        assert inside.sum() == (film.labels.image == label).sum()
        assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
