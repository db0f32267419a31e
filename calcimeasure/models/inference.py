"""The trained networks, loaded once a process."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib import resources
from typing import Any

from calcimeasure.errors import MissingExtraError

# Each cell's sum has one order whatever the number of threads: more of them change the time and no byte.
_MAX_THREADS = 2


def model_installed(model: str) -> bool:
    """Return whether a trained network ships with this installation."""
    return resources.files("calcimeasure.models").joinpath("weights", model).is_file()


@lru_cache(maxsize=4)
def open_session(model: str) -> Any:
    """Return the inference session of ONNX Runtime for a network of `models/weights`.

    Raises
    ------
    MissingExtraError
        When it is not part of this installation.
    """
    import onnxruntime

    file = resources.files("calcimeasure.models").joinpath("weights", model)
    if not file.is_file():
        raise MissingExtraError(
            "the trained network is not part of this installation", remedy="Use --method classical."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(_MAX_THREADS, int(os.environ.get("OMP_NUM_THREADS") or _MAX_THREADS))
    options.inter_op_num_threads = 1
    # Films differ in size: a memory plan made for one does not fit the next and only doubles the peak.
    options.enable_mem_pattern = False
    # Threads that wait for the next film must not keep a core busy.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])
