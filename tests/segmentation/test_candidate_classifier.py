"""The classifier that ships."""

import json

import numpy as np
import pytest

from calcimeasure.segmentation.candidate_classifier import BoostedScorer, load_scorer
from calcimeasure.segmentation.candidate_features import FEATURE_NAMES

ROWS = np.random.default_rng(2).uniform(0.1, 2.0, (50, len(FEATURE_NAMES)))


def test_a_probability_a_row():
    scorer = load_scorer()
    values = scorer(ROWS)
    assert values.shape == (50,)
    assert ((values >= 0) & (values <= 1)).all()
    assert scorer(ROWS[:0]).shape == (0,)
    assert 0 < scorer.threshold < 1
    assert (scorer(ROWS) == values).all()


def test_the_trained_classifier_ships():
    assert isinstance(load_scorer(), BoostedScorer)


def test_a_classifier_for_other_features_is_refused():
    with pytest.raises(ValueError, match="other features"):
        BoostedScorer(b"", json.loads('{"features": ["area"], "threshold": 0.5}'))
