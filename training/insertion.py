"""Deposits of known outline added to real films, to train on real backgrounds.

A deposit adds its own attenuation to what lies behind it. The films at hand are processed, so its contrast is drawn
as a share of the contrast of the film's own bone rather than computed from a thickness.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import find_anatomy
from calcimeasure.anatomy.image_filters import blur, depth_inside, dilated, disc, distance_to
from calcimeasure.anatomy.reduced_film import cell_mean
from calcimeasure.models.resampled_film import tissue_scale
from calcimeasure.radiograph import Radiograph
from calcimeasure.simulation.calcium_deposits import render_thickness
from calcimeasure.simulation.deposit_kinds import DepositKind, make_deposit
from calcimeasure.simulation.geometry import pixel_coverage

DIAMETERS_MM = (0.6, 14.0)
CONTRASTS = (0.15, 1.6)
BLUR_MM = 0.14
GAP_MM = 2.4
MOST_TRIES = 200


def insert_deposits(
    film: Radiograph, rng: np.random.Generator, *, count: int = 10
) -> tuple[Radiograph, NDArray[np.uint16]]:
    """Return the film with deposits added, a third each near, touching and over bone, and their label image."""
    anatomy = find_anatomy(film)
    spacing = film.spacing.mm
    labels = np.zeros(film.shape, dtype=np.uint16)
    if spacing is None or not (anatomy.limbs > 0).any():
        return film, labels
    limb = anatomy.limbs > 0
    cell_mm = anatomy.step * spacing[0]
    to_bone, in_bone, in_limb = (
        values * cell_mm for values in (distance_to(anatomy.bone), depth_inside(anatomy.bone), depth_inside(limb))
    )
    _, scale = tissue_scale(cell_mean(film.pixels, anatomy.step), limb, anatomy.bone, every=7)
    pixels = film.pixels.copy()
    placed = 0
    for _ in range(MOST_TRIES):
        diameter = float(np.exp(rng.uniform(*np.log(DIAMETERS_MM))))
        near = to_bone > diameter / 2 + 0.5
        touching = (to_bone < diameter / 2) & (to_bone > diameter / 4)
        over = in_bone > min(diameter / 3, 2.0)
        places = np.argwhere(limb & (in_limb > 0.4 * diameter) & (near, touching, over)[rng.integers(3)])
        if placed == count or not len(places):
            break
        centre = (places[rng.integers(len(places))] + rng.random(2)) * anatomy.step * np.array(spacing)
        deposit = make_deposit(str(rng.choice(list(DepositKind))), diameter_mm=diameter, thickness_mm=1.0, rng=rng)
        angle = rng.uniform(0, 2 * np.pi)
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        deposit = deposit.moved(rotation, centre[::-1])
        inside = pixel_coverage(deposit.outlines, shape=film.shape, spacing_mm=spacing) >= 0.5
        if inside.sum() < 3 or (labels[dilated(inside, disc(round(GAP_MM / spacing[0])))] > 0).any():
            continue
        thickness, where = render_thickness(deposit, shape=film.shape, spacing_mm=spacing)
        shadow = np.zeros(film.shape, dtype=np.float32)
        shadow[where] = thickness
        shadow = blur(shadow, BLUR_MM / spacing[0])
        contrast = scale * float(np.exp(rng.uniform(*np.log(CONTRASTS))))
        pixels += np.float32(contrast / float(np.percentile(shadow[inside], 95))) * shadow
        placed += 1
        labels[inside] = placed
    return replace(film, pixels=np.minimum(pixels, np.float32(film.grey.highest)), sha256=""), labels
