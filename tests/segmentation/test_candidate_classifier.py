"""The classifier that ships, and what stands in for it."""

import json

import numpy as np
import pytest

from calcimeasure.segmentation.candidate_classifier import BoostedScorer, HandScorer, load_scorer
from calcimeasure.segmentation.candidate_features import FEATURE_NAMES

ROWS = np.random.default_rng(2).uniform(0.1, 2.0, (50, len(FEATURE_NAMES)))


@pytest.mark.parametrize("scorer", [HandScorer(), load_scorer()], ids=["hand", "shipped"])
def test_a_probability_a_row(scorer):
    values = scorer(ROWS)
    assert values.shape == (50,)
    assert ((values >= 0) & (values <= 1)).all()
    assert scorer(ROWS[:0]).shape == (0,)
    assert 0 < scorer.threshold < 1
    assert (scorer(ROWS) == values).all()


def test_the_trained_classifier_ships():
    assert isinstance(load_scorer(), BoostedScorer)


def test_the_hand_weights_prefer_what_stands_out_all_round():
    plain = dict.fromkeys(FEATURE_NAMES, 0.5) | {"elongation": 1.2, "compactness": 1.1, "peak_to_noise": 20.0}
    better = plain | {"drop_1.0_low": 1.0, "contrast": 0.9}
    worse = plain | {"elongation": 4.0, "outside_bone_share": 1.0}
    rows = np.array([[row[name] for name in FEATURE_NAMES] for row in (worse, plain, better)])
    assert (np.diff(HandScorer()(rows)) > 0).all()


def test_a_classifier_for_other_features_is_refused():
    with pytest.raises(ValueError, match="other features"):
        BoostedScorer(b"", json.loads('{"features": ["area"], "threshold": 0.5}'))
