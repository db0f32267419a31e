"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest_plugins = ["tests.fixtures.drawn_pairs", "tests.fixtures.pairs"]

# As the program does for itself: small matrices are quicker on one thread, above all on a busy machine.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def films_folder() -> Path:
    """The folder of real radiographs beside the project; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("CALCIMEASURE_FILMS", REPOSITORY.parent / "shared" / "films"))
    if not folder.is_dir():
        pytest.skip("real films are not part of the project; set CALCIMEASURE_FILMS to their folder")
    return folder


@pytest.fixture(scope="session")
def sample_images() -> Path:
    """The simulated films that ship with the project."""
    return REPOSITORY / "sample_images"
