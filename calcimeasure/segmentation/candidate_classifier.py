"""The probability of each candidate: a gradient-boosted classifier, or a hand-weighted score where it is missing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from calcimeasure.segmentation.candidate_features import FEATURE_NAMES

MODEL_FILE = "classical.onnx"
SETTINGS_FILE = "classical.json"
HAND_THRESHOLD = 0.5


class Scorer(Protocol):
    """Gives each row of features a probability."""

    @property
    def threshold(self) -> float:
        """The probability from which a candidate is accepted."""
        ...

    def __call__(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one probability a row; columns as in `FEATURE_NAMES`."""
        ...


@dataclass(frozen=True, kw_only=True)
class HandScorer:
    """A logistic score whose weights were set by hand: what a compact, sharply bordered shadow looks like."""

    threshold: float = HAND_THRESHOLD

    def __call__(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one probability a row."""
        column = {name: features[:, number] for number, name in enumerate(FEATURE_NAMES)}
        evidence = (
            -6.0
            + 2.0 * np.clip(column["drop_1.0_low"], -1, 1.2)
            + 1.5 * np.clip(np.log(column["contrast_to_roughness"]), -1, 2)
            + 1.0 * np.clip(np.log(column["peak_to_noise"] / 10), -1, 2)
            + 2.5 * np.clip(column["contrast"], 0, 1)
            - 1.2 * np.clip(column["elongation"] - 1.5, 0, 3)
            - 1.0 * np.clip(column["compactness"] - 1.3, 0, 4)
            - 1.5 * column["outside_bone_share"]
            - 3.0 * column["clipped_share"]
            - 0.08 * np.clip(column["crowd"], 0, 20)
        )
        return np.asarray(1 / (1 + np.exp(-evidence)))


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
    """Return the trained classifier that ships with the package, or the hand-weighted score where it does not."""
    folder = resources.files("calcimeasure.models").joinpath("weights")
    model, settings = folder.joinpath(MODEL_FILE), folder.joinpath(SETTINGS_FILE)
    if not (model.is_file() and settings.is_file()):
        return HandScorer()
    return BoostedScorer(model.read_bytes(), json.loads(settings.read_text(encoding="utf-8")))
