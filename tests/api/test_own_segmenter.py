"""A segmenter of one's own is passed as `method`."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import label

import calcimeasure as cm
from calcimeasure.models.working_grid import nominal_spacing_mm


class Threshold:
    """Every connected component above a value is a deposit."""

    name = "threshold/1"
    limit_of_detection_mm2 = None

    def __init__(self, value: float) -> None:
        self.value = value

    def propose(self, film: cm.Radiograph, anatomy: object) -> cm.Proposals:
        image = label(film.pixels > self.value).astype(np.uint16)
        return cm.Proposals(
            image=image,
            probabilities=np.ones(image.max()),
            threshold=0.5,
            pixel_mm=nominal_spacing_mm(film, anatomy),
            method=self.name,
            film_sha256=film.sha256,
        )


def test_segment_takes_any_segmenter() -> None:
    pixels = np.random.default_rng(1).normal(100.0, 1.0, (200, 120))
    pixels[50:60, 50:60] = pixels[90:100, 50:60] = pixels[102:105, 50:60] = 200.0
    labels = cm.segment(pixels, spacing_mm=0.2, method=Threshold(150.0))
    assert labels.method == "threshold/1"
    # The third is 0.4 mm from the second: one deposit.
    assert [int(labels.mask(number).sum()) for number in (1, 2)] == [100, 130]
    assert labels.deposits[0].origin == "auto"


@pytest.mark.slow
def test_compare_takes_any_segmenter() -> None:
    baseline, followup = cm.sample_pair("grown")
    change = cm.compare(baseline, followup, method=Threshold(float(np.quantile(baseline.pixels, 0.998))))
    assert change.baseline.labels.method == "threshold/1"
    assert change.verdict != "not_comparable"
