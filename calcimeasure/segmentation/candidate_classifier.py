"""The probability of each candidate of the classical method: a gradient-boosted classifier."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from calcimeasure.segmentation.candidate_features import FEATURE_NAMES

MODEL_FILE = "classical.onnx"
SETTINGS_FILE = "classical.json"


class Scorer(Protocol):
    """Gives each row of features a probability."""

    @property
    def threshold(self) -> float:
        """The probability from which a candidate is accepted."""
        ...

    def __call__(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one probability a row; columns as in `FEATURE_NAMES`."""
        ...


class BoostedScorer:
    """The trained classifier, run by onnxruntime on one thread."""

    def __init__(self, model: bytes, settings: dict[str, Any]) -> None:
        import onnxruntime

        if tuple(settings["features"]) != FEATURE_NAMES:
            raise ValueError("the candidate classifier was trained on other features; run training/classical.py again")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._threshold = float(settings["threshold"])
        self._calibration = np.array(settings.get("calibration", [[0.0, 0.0], [1.0, 1.0]]), dtype=np.float64)

    @property
    def threshold(self) -> float:
        """The probability from which a candidate is accepted, chosen on validation films."""
        return self._threshold

    def __call__(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one probability a row."""
        if not len(features):
            return np.zeros(0)
        inputs = {self._session.get_inputs()[0].name: features.astype(np.float32)}
        outputs = self._session.run(None, inputs)
        raw = np.asarray(outputs[0][:, 0], dtype=np.float64)
        return np.asarray(np.interp(raw, self._calibration[:, 0], self._calibration[:, 1]))


@lru_cache(maxsize=1)
def load_scorer() -> Scorer:
    """Return the trained classifier that ships with the package."""
    folder = resources.files("calcimeasure.models").joinpath("weights")
    model, settings = folder.joinpath(MODEL_FILE), folder.joinpath(SETTINGS_FILE)
    return BoostedScorer(model.read_bytes(), json.loads(settings.read_text(encoding="utf-8")))
