"""Text over the limb is blanked; calcium, however bright and however much of it, is not."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.export.burned_in_text import text_boxes
from calcimeasure.export.film_picture import picture, viewport
from calcimeasure.radiograph import GreyScale, Radiograph

SHAPE = (600, 500)


def tight_film(pixels: np.ndarray) -> tuple[Radiograph, Anatomy]:
    """A film that is limb from edge to edge."""
    film = Radiograph(pixels=pixels.astype(np.float32), grey=GreyScale(lowest=0, highest=4095))
    cells = np.ones((SHAPE[0] // 2, SHAPE[1] // 2), bool)
    return film, Anatomy(step=2, field=cells, limbs=cells.astype(np.uint8), bone=~cells, shape=SHAPE)


def limb(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rough = cv2.GaussianBlur(rng.normal(0, 1, SHAPE), (0, 0), 12) * 6000
    return np.clip(1800 + rough + rng.normal(0, 25, SHAPE), 300, 3600)


def written(pixels: np.ndarray, value: float, *, scale: float, thick: int, turned: bool) -> np.ndarray:
    canvas = np.zeros(SHAPE[::-1] if turned else SHAPE, np.uint8)
    cv2.putText(canvas, "DOE JANE 1949", (60, 200), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thick)
    text = (np.rot90(canvas) if turned else canvas) > 100
    return np.where(text, value, pixels)


@pytest.mark.parametrize("value", [4095.0, 0.0])
@pytest.mark.parametrize(("scale", "thick"), [(0.5, 1), (0.8, 2), (1.2, 3)])
@pytest.mark.parametrize("turned", [False, True])
def test_text_cannot_be_read(value: float, scale: float, thick: int, turned: bool) -> None:
    clean = limb()
    pixels = written(clean, value, scale=scale, thick=thick, turned=turned)
    film, anatomy = tight_film(pixels)
    shown = picture(film, anatomy, viewport(film, anatomy, longest_side=5000))
    # Not its shape either: it lies in boxes that are blank throughout.
    assert (shown[pixels != clean] == 0).all()
    boxes = text_boxes(film, anatomy)
    assert boxes
    for box in boxes:
        assert shown[box].max() == 0
    assert np.mean(shown == 0) < 0.25


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("sharpness_px", [0.6, 1.0, 2.0])
def test_over_exposed_calcium_is_shown(seed: int, sharpness_px: float) -> None:
    """Specks and nodules driven into the end of the grey scale, many and close together."""
    rng = np.random.default_rng(seed)
    thick = np.zeros(SHAPE, np.float32)
    for _ in range(60):
        centre = (int(rng.integers(150, 350)), int(rng.integers(200, 400)))
        cv2.circle(thick, centre, int(rng.integers(1, 8)), 1.0, -1)
    thick = cv2.GaussianBlur(thick, (0, 0), sharpness_px)
    film, anatomy = tight_film(np.clip(limb(seed) + 6000 * thick, 0, 4095))
    assert np.count_nonzero(film.pixels == 4095) > 300
    assert text_boxes(film, anatomy) == []


def test_nothing_to_find() -> None:
    film, anatomy = tight_film(np.full(SHAPE, 7.0))
    assert text_boxes(film, anatomy) == []
    film, anatomy = tight_film(limb())
    assert text_boxes(film, anatomy) == []
    bare = replace(anatomy, limbs=np.zeros_like(anatomy.limbs))
    assert text_boxes(film, bare) == []
