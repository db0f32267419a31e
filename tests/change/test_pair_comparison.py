"""What `compare` does with its options, on films without a limb: no network has to run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from calcimeasure.anatomy import Anatomy
from calcimeasure.change import Verdict, compare
from calcimeasure.deposits import DepositLabels, Origin, from_label_image
from calcimeasure.radiograph import GreyScale, Identity, Radiograph
from calcimeasure.segmentation import Proposals, segment


def film(patient: str, seed: int) -> Radiograph:
    pixels = np.random.default_rng(seed).normal(1000.0, 5.0, (120, 100)).astype(np.float32)
    return Radiograph(pixels=pixels, grey=GreyScale(lowest=0, highest=4095), identity=Identity(patient_key=patient))


def square(film: Radiograph) -> DepositLabels:
    image: NDArray[np.uint16] = np.zeros(film.shape, np.uint16)
    image[40:50, 30:40] = 1
    return from_label_image(image, origin=Origin.DRAWN, film_sha256=film.sha256)


class WhiteSquare:
    """A segmenter of somebody else: one square, everywhere the same."""

    name = "square/3"
    limit_of_detection_mm2 = 7.5

    def propose(self, film: Radiograph, anatomy: Anatomy) -> Proposals:
        image = np.zeros(film.shape, np.uint16)
        image[40 : 40 + anatomy.step, 30:40] = 1
        return Proposals(
            image=image, probabilities=np.array([0.9]), threshold=0.5, pixel_mm=(1.0, 1.0), method=self.name
        )


TWO_PATIENTS = film("one", 1), film("two", 2)


def test_a_refused_pair_is_measured_with_the_method_asked_for() -> None:
    comparison = compare(*TWO_PATIENTS, method="classical")
    assert comparison.verdict is Verdict.NOT_COMPARABLE
    assert [side.labels.method for side in (comparison.baseline, comparison.followup)] == ["classical/1"] * 2


@pytest.mark.parametrize("precision", [0.05, 0.20])
def test_a_refused_pair_is_measured_with_the_readers_precision(precision: float) -> None:
    labels = [square(one) for one in TWO_PATIENTS]
    comparison = compare(*TWO_PATIENTS, baseline_labels=labels[0], followup_labels=labels[1], precision=precision)
    assert comparison.verdict is Verdict.NOT_COMPARABLE
    for side in (comparison.baseline, comparison.followup):
        assert side.deposits[0].area_px == 100.0
        assert side.deposits[0].area_se_px == pytest.approx(precision * 100.0)
        assert side.deposits[0].area_estimator == "outline"


def test_any_segmenter_is_a_method() -> None:
    labels = segment(TWO_PATIENTS[0], method=WhiteSquare())
    assert (labels.method, len(labels)) == ("square/3", 1)
    comparison = compare(*TWO_PATIENTS, method=WhiteSquare())
    assert [side.labels.method for side in (comparison.baseline, comparison.followup)] == ["square/3"] * 2


def test_the_values_of_the_change_are_those_of_the_comparison() -> None:
    comparison = compare(*TWO_PATIENTS, margin_ratio=(0.7, 1.5))
    assert comparison.change.margin_ratio == comparison.margin_ratio == (0.7, 1.5)
    assert comparison.reasons == comparison.change.reasons != ()
    assert replace(comparison, change=replace(comparison.change, reasons=("Other.",))).reasons == ("Other.",)
