"""How well and how fast two visits are aligned, and whether SimpleITK's own search would do for the similarity.

    python benchmarks/registration.py [--pairs 12 --other-limbs 12 --parts hand,knee]
    python benchmarks/registration.py --similarity [--pairs 8]
    python benchmarks/registration.py --articulated [--pairs 8]

The first aligns simulated pairs of one limb, which differ in spread, flexion, tilt, place, exposure and processing. The
error is that of the deposits' centers (what both visits show in full), so that it includes what a tilt moves deposits
against the bone beside them. A quarter of the pairs has the follow-up rotated by 90 degrees. Films of different limbs
follow, which have to be refused.

The second compares the coarse search (`registration/similarity.py`) with `SimpleITK.ImageRegistrationMethod` from many
initial rotations, on the same images and masks. Every hand is resampled under known motions, rotated by up to 20
degrees about each quarter turn, moved by up to 3 cm, scaled by up to 3 % and exposed anew: whole, and with a third of
the follow-up cut off. Captured: a median error below 6 mm at bone, which block matching mends.

The third compares the whole registration with two deformable ones of SimpleITK, from the same similarity, at the
deposits of two visits with fingers spread anew.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK

from calcimeasure.anatomy import find_anatomy
from calcimeasure.radiograph import Radiograph
from calcimeasure.registration.alignment import map_points
from calcimeasure.registration.film_registration import register
from calcimeasure.registration.registration_image import RegistrationImage, registration_image
from calcimeasure.registration.similarity import CoarseImage, Similarity, coarse_images, coarse_similarities
from calcimeasure.simulation import ChangePlan, SimulatedPair, simulate_film, simulate_pair

CAPTURED_MM = 6.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=12, help="pairs of one limb, a part (hands with --similarity)")
    parser.add_argument("--other-limbs", type=int, default=12, help="pairs of different limbs")
    parser.add_argument("--parts", default="hand", help="comma-separated: hand,hands,forearm,elbow,knee")
    parser.add_argument("--spacing", type=float, default=0.2, help="mm a pixel")
    parser.add_argument("--first-seed", type=int, default=400_000)
    parser.add_argument("--similarity", action="store_true", help="compare searches for the similarity instead")
    parser.add_argument("--articulated", action="store_true", help="compare deformable registrations instead")
    options = parser.parse_args()
    if options.articulated:
        compare_deformable(options.pairs, options.first_seed)
        return
    if options.similarity:
        compare_searches(options.pairs, options.first_seed)
        return
    parts = options.parts.split(",")
    print(f"{'part':8} {'aligned':>9} {'median mm':>10} {'95 % mm':>8} {'max mm':>7} {'scale z-SD':>10} {'CPU s':>6}")
    films = []
    for part in parts:
        rows = [one_pair(options.first_seed + k, part, options.spacing) for k in range(options.pairs)]
        films += [row["film"] for row in rows]
        errors = np.concatenate([row["errors"] for row in rows if row["ok"]] or [np.zeros(0)])
        z = [row["z"] for row in rows if row["z"] is not None]
        quantiles = np.percentile(errors, [50, 95, 100]) if errors.size else [np.nan] * 3
        spread = np.sqrt(np.mean(np.square(z))) if z else np.nan
        aligned = f"{sum(row['ok'] for row in rows)}/{len(rows)}"
        seconds = np.median([row["seconds"] for row in rows])
        error = f"{quantiles[0]:10.2f} {quantiles[1]:8.2f} {quantiles[2]:7.2f}"
        print(f"{part:8} {aligned:>9} {error} {spread:10.2f} {seconds:6.2f}")
    refused, tried = different_limbs(films, options.other_limbs, options.first_seed)
    print(f"different limbs refused: {refused}/{tried}")


def one_pair(seed: int, part: str, spacing_mm: float) -> dict[str, object]:
    pair = simulate_pair(np.random.default_rng(seed), plan=ChangePlan(area_ratio=1.0), part=part, spacing_mm=spacing_mm)
    quarters = 1 if seed % 4 == 0 else 0
    baseline, followup = pair.baseline.film, rotated(pair.followup.film, quarters)
    anatomies = {"baseline_anatomy": find_anatomy(baseline), "followup_anatomy": find_anatomy(followup)}
    start = time.process_time()
    registration, alignment = register(baseline, followup, **anatomies)
    seconds = time.process_time() - start
    result = {"film": baseline, "ok": alignment is not None, "seconds": seconds, "errors": np.zeros(0), "z": None}
    if alignment is None:
        print(f"  {part} {seed}: {registration.status}: {registration.reason}")
        return result
    before, after = shown_twice(pair)
    places = map_points(alignment, before)
    expected = after if not quarters else np.stack([pair.followup.film.shape[1] - 1 - after[:, 1], after[:, 0]], axis=1)
    result["errors"] = np.hypot(*(places - expected).T) * spacing_mm
    if registration.scale is not None and registration.scale_se:
        expected_scale = true_size(pair.followup.truth) / true_size(pair.baseline.truth)
        result["z"] = float(np.log(registration.scale / expected_scale)) * registration.scale / registration.scale_se
    return result


def shown_twice(pair: SimulatedPair) -> tuple[np.ndarray, np.ndarray]:
    """Centers of the deposits that both films show in full."""
    later = {deposit.identity: deposit for deposit in pair.followup.truth.deposits if deposit.in_field > 0.99}
    both = [(d, later[d.identity]) for d in pair.baseline.truth.deposits if d.identity in later and d.in_field > 0.99]
    centers = [[(d.centroid_row, d.centroid_col) for d in side] for side in zip(*both, strict=True)] or [[], []]
    return np.reshape(centers[0], (-1, 2)), np.reshape(centers[1], (-1, 2))


def true_size(truth: object) -> float:
    """Magnification at the limb's height, shortened by tilt as bone and flat deposits are."""
    distance = truth.exposure["source_distance_mm"]
    return distance / (distance - truth.pose["height_mm"]) * np.sqrt(np.cos(np.deg2rad(truth.pose["tilt_deg"])))


def rotated(film: Radiograph, quarters: int) -> Radiograph:
    if not quarters:
        return film
    pixels = np.ascontiguousarray(np.rot90(film.pixels, quarters))
    return replace(film, pixels=pixels, sha256="", padding=None)


def different_limbs(films: list[Radiograph], count: int, seed: int) -> tuple[int, int]:
    rng = np.random.default_rng(seed)
    refused = tried = 0
    while tried < count and len(films) > 1:
        one, other = rng.choice(len(films), 2, replace=False)
        registration, _ = register(films[one], films[other])
        if registration.status == "ok":
            print(f"  films {one} and {other} of different subjects pass (scale +- {registration.scale_se:.4f})")
        refused += registration.status != "ok"
        tried += 1
    return refused, tried


@dataclass(frozen=True)
class Motion:
    """A hand's registration image and that of the same hand resampled under a known motion."""

    fixed: RegistrationImage
    moving: RegistrationImage
    points: np.ndarray
    targets: np.ndarray
    spacing_mm: float

    def error_mm(self, found: list[Similarity]) -> float:
        """Median over the bone of the distance from where the motion took it."""
        if not found:
            return float("inf")
        cells = found[0].apply(self.fixed.from_film(self.points))
        apart = (self.moving.to_film(cells) - self.targets) * self.spacing_mm
        return float(np.median(np.hypot(*apart.T)))


def resampled(film: Radiograph, rng: np.random.Generator, cut: float) -> Motion:
    """Return the film and itself moved, exposed anew and, if asked for, cut off at one side."""
    spacing_mm = film.spacing.row_mm
    rows, cols = film.shape
    quarters = int(rng.integers(4))
    shape = (cols, rows) if quarters % 2 else (rows, cols)
    direction = rng.uniform(0, 2 * np.pi)
    motion = SimpleITK.Similarity2DTransform()
    motion.SetCenter(((shape[1] - 1) / 2, (shape[0] - 1) / 2))
    motion.SetAngle(np.deg2rad(90.0 * quarters + rng.choice([-20.0, 20.0, rng.uniform(-20, 20)])))
    motion.SetScale(float(np.exp(rng.uniform(-0.03, 0.03))))
    move = rng.uniform(10.0, 30.0) / spacing_mm * np.array([np.cos(direction), np.sin(direction)])
    motion.SetTranslation(tuple(np.array([cols - shape[1], rows - shape[0]]) / 2 + move))
    floor = float(film.pixels.min())
    image = SimpleITK.GetImageFromArray(film.pixels)
    moved = SimpleITK.GetArrayFromImage(
        SimpleITK.Resample(image, shape[::-1], motion, SimpleITK.sitkLinear, (0, 0), (1, 1), (), floor)
    )
    moved = moved[int(cut * shape[0]) :]
    share = np.clip((moved - floor) / np.ptp(film.pixels), 0, 1) ** rng.choice([0.6, 0.8, 1.3, 1.6])
    pixels = np.ascontiguousarray(3000.0 * (share + rng.normal(0, 0.005, moved.shape)), np.float32)
    followup = replace(film, pixels=pixels, sha256="", padding=None)
    films = film, followup
    anatomies = [find_anatomy(one) for one in films]
    points = np.argwhere(anatomies[0].on_film(anatomies[0].bone & (anatomies[0].limbs > 0)))[::397].astype(float)
    inverse = motion.GetInverse()
    targets = np.array([inverse.TransformPoint(point[::-1])[::-1] for point in points]) - [int(cut * shape[0]), 0]
    shown = (targets > 20).all(axis=1) & (targets < np.array(followup.shape) - 20).all(axis=1)
    images = [
        registration_image(one, masks, in_mm=True) for one, masks in zip((film, followup), anatomies, strict=True)
    ]
    return Motion(*images, points[shown], targets[shown], spacing_mm)


def compare_searches(hands: int, first_seed: int) -> None:
    searches: dict[str, Callable[[Motion], list[Similarity]]] = {
        "masked FFT cross-correlation (similarity.py)": coarse,
        "ImageRegistrationMethod, correlation, 12 starts": lambda motion: multi_start(motion, starts=12),
        "ImageRegistrationMethod, correlation, 24 starts": lambda motion: multi_start(motion, starts=24),
        "ImageRegistrationMethod, correlation, 24 on half the size, best 3": lambda motion: multi_start(
            motion, starts=24, first_shrink=2, kept=3
        ),
        "ImageRegistrationMethod, Mattes MI, 24 starts": lambda motion: multi_start(motion, starts=24, mattes=True),
    }
    rng = np.random.default_rng(first_seed)
    sets: dict[str, list[Motion]] = {"whole": [], "a third cut off": []}
    for k in range(hands):
        film = simulate_film(np.random.default_rng(first_seed + k), spacing_mm=0.3, deposits=8).film
        for name, cut in (("whole", 0.0), ("whole", 0.0), ("a third cut off", 1 / 3)):
            sets[name].append(resampled(film, rng, cut))
    print("| follow-up | search | captured | median mm | worst mm | CPU s |")
    print("|---|---|---|---|---|---|", flush=True)
    for name, motions in sets.items():
        for label, search in searches.items():
            errors, seconds = [], []
            for motion in motions:
                start = time.process_time()
                found = search(motion)
                seconds.append(time.process_time() - start)
                errors.append(motion.error_mm(found))
            captured = sum(error < CAPTURED_MM for error in errors)
            figures = f"{np.median(errors):.1f} | {max(errors):.0f} | {np.median(seconds):.2f}"
            print(f"| {name} | {label} | {captured}/{len(motions)} | {figures} |", flush=True)


def coarse(motion: Motion) -> list[Similarity]:
    return coarse_similarities(motion.fixed, motion.moving, motion.fixed.limbs > 0, (1.0,), 3)


def multi_start(
    motion: Motion, *, starts: int, mattes: bool = False, first_shrink: int = 1, kept: int = 0
) -> list[Similarity]:
    """Return the best of gradient descents from evenly spaced rotations about the limbs' centroids."""
    fixed, moving = coarse_images(motion.fixed, motion.moving, motion.fixed.limbs > 0)
    images = [SimpleITK.GetImageFromArray(one.image) for one in (fixed, moving)]
    masks = [SimpleITK.GetImageFromArray((one.mask > 0.5).astype(np.uint8)) for one in (fixed, moving)]
    method = SimpleITK.ImageRegistrationMethod()
    if mattes:
        method.SetMetricAsMattesMutualInformation(32)
    else:
        method.SetMetricAsCorrelation()
    method.SetMetricFixedMask(masks[0])
    method.SetMetricMovingMask(masks[1])
    method.SetInterpolator(SimpleITK.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 0.02, 60, gradientMagnitudeTolerance=1e-5)
    method.SetOptimizerScalesFromPhysicalShift()
    centroids = [
        limb_centroid(one, reduced) for one, reduced in zip((motion.fixed, motion.moving), (fixed, moving), strict=True)
    ]
    candidates = []
    for angle in np.arange(starts) * (2 * np.pi / starts):
        start = SimpleITK.Similarity2DTransform(1.0, float(angle), centroids[1] - centroids[0], centroids[0])
        candidates.append(start)
    shrinks = (first_shrink, 1) if kept else (first_shrink,)
    for shrink in shrinks:
        method.SetShrinkFactorsPerLevel([shrink])
        method.SetSmoothingSigmasPerLevel([0.5 * (shrink - 1)])
        ended = []
        for start in candidates:
            method.SetInitialTransform(SimpleITK.Similarity2DTransform(start), inPlace=False)
            try:
                final = method.Execute(*images)
            except RuntimeError:  # all samples outside the moving mask
                continue
            ended.append(
                (
                    method.GetMetricValue(),
                    SimpleITK.Similarity2DTransform(SimpleITK.CompositeTransform(final).GetNthTransform(0)),
                )
            )
        ended.sort(key=lambda one: one[0])
        candidates = [final for _, final in ended[: kept or 1]]
    if not candidates:
        return []
    best = candidates[0]
    origin = best.TransformPoint((0.0, 0.0))
    found = Similarity(rotation_rad=-best.GetAngle(), scale=best.GetScale(), translation=(origin[1], origin[0]))
    return [found.on_finer_grid(fixed.cell, moving.cell)]


def limb_centroid(reduced: RegistrationImage, coarse_image: CoarseImage) -> np.ndarray:
    """Return the (x, y) centroid of the limbs on the coarse grid."""
    center = np.argwhere(reduced.limbs > 0).mean(axis=0)
    return ((center + 0.5) / np.asarray(coarse_image.cell) - 0.5)[::-1]


def compare_deformable(pairs: int, first_seed: int) -> None:
    names = ("similarity alone", "block matching and flow (ours)", "SimpleITK B-spline", "SimpleITK demons")
    errors: dict[str, list[float]] = {name: [] for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for k in range(pairs):
        rng = np.random.default_rng(first_seed + k)
        pair = simulate_pair(rng, plan=ChangePlan(area_ratio=1.0), deposits=8, spacing_mm=0.3)
        films = pair.baseline.film, pair.followup.film
        masks = [find_anatomy(film) for film in films]
        before, after = shown_twice(pair)
        fixed, moving = (registration_image(*one, in_mm=True) for one in zip(films, masks, strict=True))
        start = time.process_time()
        similarity = coarse_similarities(fixed, moving, fixed.limbs > 0, (1.0,), 1)[0]
        spent = [time.process_time() - start]
        _, alignment = register(*films, baseline_anatomy=masks[0], followup_anatomy=masks[1])
        spent.append(time.process_time() - start - spent[0])
        affine = SimpleITK.AffineTransform(2)
        affine.SetMatrix(similarity.linear[::-1, ::-1].ravel())
        affine.SetTranslation(similarity.translation[::-1])
        cells = fixed.from_film(before)
        places = [similarity.apply(cells), moving.from_film(map_points(alignment, before))]
        for deformable in (b_spline, demons):
            start = time.process_time()
            transform = SimpleITK.CompositeTransform([affine, deformable(fixed, moving, affine)])
            spent.append(time.process_time() - start)
            places.append(np.array([transform.TransformPoint(point[::-1])[::-1] for point in cells]))
        for name, place, one in zip(names, places, spent, strict=True):
            errors[name] += (np.hypot(*(moving.to_film(place) - after).T) * 0.3).tolist()
            seconds[name].append(one)
    print("| method | deposits | median mm | 90 % mm | over 3 mm | CPU s |\n|---|---|---|---|---|---|")
    for name in names:
        middle, most = np.percentile(errors[name], [50, 90])
        over = sum(error > 3.0 for error in errors[name])
        print(f"| {name} | {len(errors[name])} | {middle:.1f} | {most:.1f} | {over} | {np.median(seconds[name]):.1f} |")


def b_spline(fixed: RegistrationImage, moving: RegistrationImage, affine: SimpleITK.Transform) -> SimpleITK.Transform:
    """Return a B-spline of 10 by 12 cells that maximises the correlation over the limbs, from coarse to fine."""
    images = [SimpleITK.GetImageFromArray(one.image) for one in (fixed, moving)]
    around = SimpleITK.BinaryDilate(SimpleITK.GetImageFromArray((fixed.limbs > 0).astype(np.uint8)), (6, 6))
    method = SimpleITK.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricFixedMask(around * SimpleITK.GetImageFromArray((fixed.field > 0).astype(np.uint8)))
    method.SetMetricMovingMask(SimpleITK.GetImageFromArray((moving.field > 0).astype(np.uint8)))
    method.SetInterpolator(SimpleITK.sitkLinear)
    method.SetMovingInitialTransform(affine)
    transform = SimpleITK.BSplineTransformInitializer(images[0], [10, 12], 3)
    method.SetInitialTransformAsBSpline(transform, inPlace=True, scaleFactors=[1, 1, 2])
    method.SetShrinkFactorsPerLevel([8, 4, 2])
    method.SetSmoothingSigmasPerLevel([4, 2, 1])
    method.SetOptimizerAsLBFGS2(solutionAccuracy=1e-5, numberOfIterations=80, deltaConvergenceTolerance=1e-5)
    method.Execute(*images)
    return transform


def demons(fixed: RegistrationImage, moving: RegistrationImage, affine: SimpleITK.Transform) -> SimpleITK.Transform:
    """Return the displacement field of symmetric demons, from coarse to fine."""
    image = SimpleITK.GetImageFromArray(fixed.image)
    warped = SimpleITK.Resample(SimpleITK.GetImageFromArray(moving.image), image, affine, SimpleITK.sitkLinear)
    identity = SimpleITK.Transform(2, SimpleITK.sitkIdentity)
    field = SimpleITK.TransformToDisplacementField(identity, SimpleITK.sitkVectorFloat64, image.GetSize())
    for shrink in (8, 4, 2):
        small = [
            SimpleITK.Shrink(SimpleITK.SmoothingRecursiveGaussian(one, shrink / 2), (shrink, shrink))
            for one in (image, warped)
        ]
        method = SimpleITK.FastSymmetricForcesDemonsRegistrationFilter()
        method.SetNumberOfIterations(60)
        method.SetStandardDeviations(1.5)
        field = method.Execute(*small, SimpleITK.Resample(field, small[0]))
    return SimpleITK.DisplacementFieldTransform(SimpleITK.Resample(field, image))


if __name__ == "__main__":
    main()
