"""Films processed otherwise are told apart; the same film with other grey values is not."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.change.processing_check import processing_differs
from calcimeasure.radiograph import GreyScale, Radiograph, Spacing, SpacingBasis

SHAPE = (512, 512)


def limb(seed: int, blur_px: float = 0.0, sharpen: float = 0.0, intent: str | None = None) -> Radiograph:
    rng = np.random.default_rng(seed)
    pixels = np.full(SHAPE, 1000.0)
    pixels[:, 200:312] += 1500.0
    pixels = cv2.GaussianBlur(pixels, (0, 0), 1.2) + rng.normal(0, 20, SHAPE)
    if blur_px:
        pixels = cv2.GaussianBlur(pixels, (0, 0), blur_px)
    if sharpen:
        pixels = pixels + sharpen * (pixels - cv2.GaussianBlur(pixels, (0, 0), 3.0))
    return Radiograph(
        pixels=pixels.astype(np.float32),
        grey=GreyScale(lowest=0, highest=4095, processing_intent=intent),
        spacing=Spacing(row_mm=0.15, col_mm=0.15, basis=SpacingBasis.USER),
    )


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    cells = (SHAPE[0] // 4, SHAPE[1] // 4)
    bone = np.zeros(cells, dtype=bool)
    bone[:, 50:78] = True
    return Anatomy(
        step=4, field=np.ones(cells, dtype=bool), limbs=np.ones(cells, dtype=np.uint8), bone=bone, shape=SHAPE
    )


def test_the_same_processing_with_other_noise_and_windowing_is_no_difference(anatomy: Anatomy) -> None:
    one, two = limb(1), limb(2)
    two = replace(two, pixels=(two.pixels * 0.4 + 300).astype(np.float32), sha256="")
    assert processing_differs(one, two, anatomy, anatomy) is None


def test_smoothed_noise_is_told(anatomy: Anatomy) -> None:
    told = processing_differs(limb(1), limb(2, blur_px=1.0), anatomy, anatomy)
    assert told is not None
    assert "texture of the noise" in told


def test_enhanced_edges_are_told(anatomy: Anatomy) -> None:
    told = processing_differs(limb(1), limb(2, sharpen=1.5), anatomy, anatomy)
    assert told is not None
    assert "edges of the bones" in told


def test_headers_that_declare_different_intents_are_told(anatomy: Anatomy) -> None:
    told = processing_differs(limb(1, intent="FOR PROCESSING"), limb(2, intent="FOR PRESENTATION"), anatomy, anatomy)
    assert told is not None
    assert "FOR PROCESSING and FOR PRESENTATION" in told


def test_turned_round_the_answer_is_the_same_but_for_the_order(anatomy: Anatomy) -> None:
    one, two = limb(1), limb(2, blur_px=1.0)
    forward, backward = processing_differs(one, two, anatomy, anatomy), processing_differs(two, one, anatomy, anatomy)
    assert forward == backward
