"""Registration of two films: similarity, articulated block matching, displacement field, and whether it is one limb.

The pair is always registered in an order of its own (by the films' hashes), whichever film is the baseline; the
alignment returned is that one, or its inverse. So swapping the films swaps the result and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy import find_anatomy
from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.io.film_inputs import FilmLike, SpacingLike, as_film
from calcimeasure.radiograph import Radiograph
from calcimeasure.registration.alignment import inverse
from calcimeasure.registration.block_correlation import sample_bilinear
from calcimeasure.registration.block_matching import BlockMatches, match_blocks
from calcimeasure.registration.bone_scale import BoneScale, applies, measure_bone_scale
from calcimeasure.registration.displacement_field import (
    interpolate_displacements,
    refine_field,
    standard_error,
)
from calcimeasure.registration.registration_image import RegistrationImage, box_blur, registration_image
from calcimeasure.registration.registration_records import Alignment, Registration, grid_nodes
from calcimeasure.registration.similarity import Similarity, coarse_similarities

SCALES_WITH_SPACING = (1.0,)
SCALES_WITHOUT_SPACING = (0.7, 0.79, 0.89, 1.0, 1.12, 1.26, 1.42)
GRID_CELLS = 8.0
"""Cells of the registration image in a cell of the alignment's grid: about 4 mm."""
MIN_BLOCKS = 12
CONTRAST_SIGMA = 6.0
MIN_QUALITY = 0.70
"""Share of matched blocks times correlation: films of one limb reach 0.74 to 0.99 (simulated hands, knees, elbows and
forearms, tilt up to 15 degrees); real films of other parts, and most of other people, stay far below."""
HIGH_CORRELATION = 0.955
UNEQUAL_SE = 0.0040
"""Other people's hands can be bent to fit, but then each bone is of another size: where the correlation stays below
the first figure, a standard error of the bones' scale above the second reveals it. (One limb twice: one of the two
always holds; other people, and the same person's other hand mirrored: a correlation of 0.95 at most, errors mostly
above.)"""
EQUAL_SE, EQUAL_CORRELATION, EQUAL_SHARE = 0.0030, 0.90, 0.55
"""Bones whose sizes agree one by one within the first figure, at this correlation, are one limb also where fingers lie
so differently that no more blocks match than this share. (One limb twice: 0.0022; of 50 pairs of simulated hands of
different people, those above the second figure have 0.0042 at least.)"""
AMBIGUOUS, AMBIGUOUS_OF_SEVERAL = 0.75, 0.93
"""Below this quality the mirrored fit is tried too; two hands on one film are each other's mirror image, and the wrong
one has been seen to fit up to 0.91."""
MIRRORED_BETTER = 0.5
"""The mirrored fit wins where it leaves this share of what the unmirrored one leaves unexplained."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FilmFit:
    """The fit of the moving film to the fixed one, before it is judged.

    Attributes
    ----------
    alignment
        Fixed film to moving film.
    share
        Share of the limb's blocks inside both fields that match.
    correlation
        Median correlation over the limb's bone after alignment.
    rms_px
        Residual at bone in pixels of the fixed film: the mapping against the blocks, each matched by itself.
    bone_scale
        Size of the moving film's bones over the fixed one's, in mm or pixels; None where too little bone matches.
    """

    alignment: Alignment
    share: float
    correlation: float
    rms_px: float
    bone_scale: BoneScale | None

    @property
    def quality(self) -> float:
        """How surely the two films show the same limb, 0 to 1."""
        return self.share * max(self.correlation, 0.0)

    @property
    def good(self) -> bool:
        """Whether they show the same limb: bone by bone, or by quality where the bones do not contradict it."""
        log_se = None if self.bone_scale is None else self.bone_scale.log_se
        equal = log_se is not None and log_se <= EQUAL_SE
        if equal and self.correlation >= EQUAL_CORRELATION and self.share >= EQUAL_SHARE:
            return True
        unequal = log_se is not None and log_se > UNEQUAL_SE and self.correlation < HIGH_CORRELATION
        return self.quality >= MIN_QUALITY and not unequal


def register(
    baseline: FilmLike,
    followup: FilmLike,
    *,
    spacing_mm: SpacingLike | None = None,
    flip: bool = False,
    baseline_anatomy: Anatomy | None = None,
    followup_anatomy: Anatomy | None = None,
) -> tuple[Registration, Alignment | None]:
    """Return how the follow-up lies on the baseline, and how well that is known.

    Parameters
    ----------
    baseline, followup, spacing_mm
        The films and the spacing of both, as for `calcimeasure.compare`.
    flip
        Whether the follow-up shows the limb from the other side (or was turned over when scanned) and is mirrored.
    baseline_anatomy, followup_anatomy
        Their masks; found where they are not given.

    Returns
    -------
    registration : Registration
        Its status is ``failed`` or ``mirrored``, with the reason, where the films do not show the same limb.
    alignment : Alignment or None
        None unless the status is ``ok``. Its `transform` is the SimpleITK transform.

    Raises
    ------
    UsageError, FilmError
        When `baseline` or `followup` is not one film.

    Examples
    --------
    >>> baseline, followup = cm.sample_pair("unchanged")
    >>> registration, alignment = cm.register(baseline, followup)
    >>> registration.status
    'ok'
    >>> transform = alignment.transform(baseline.spacing.mm, followup.spacing.mm)
    >>> x_mm, y_mm = transform.TransformPoint((40.0, 60.0))
    """
    baseline = as_film(baseline, spacing_mm=spacing_mm, name="baseline")
    followup = as_film(followup, spacing_mm=spacing_mm, name="followup")
    if baseline.sha256 == followup.sha256 and baseline.shape == followup.shape and not flip:
        return _same_film(baseline)
    masks = baseline_anatomy or find_anatomy(baseline), followup_anatomy or find_anatomy(followup)
    for name, anatomy in zip(("baseline", "follow-up"), masks, strict=True):
        if anatomy.limb_count == 0:
            return Registration(status="failed", reason=f"no limb was found on the {name} film"), None
    swapped = (followup.sha256, followup.spacing.mm or ()) < (baseline.sha256, baseline.spacing.mm or ())
    films = (followup, baseline) if swapped else (baseline, followup)
    if swapped:
        masks = masks[::-1]
    fit = fit_films(*films, *masks, flip=flip)
    several = max(anatomy.limb_count for anatomy in masks) > 1
    if fit is None or fit.quality < (AMBIGUOUS_OF_SEVERAL if several else AMBIGUOUS):
        other = fit_films(*films, *masks, flip=not flip)
        if _mirrored_is_better(fit, other):
            if flip:
                return Registration(status="failed", reason="the films fit as they are, and not mirrored"), None
            return Registration(status="mirrored", reason="the follow-up fits the baseline only mirrored"), None
    if fit is None or not fit.good:
        return Registration(status="failed", reason=_failure_reason(fit)), None
    alignment = inverse(fit.alignment, films[1].shape) if swapped else fit.alignment
    return _registration(fit, alignment, baseline, followup, swapped=swapped), alignment


def fit_films(
    fixed: Radiograph, moving: Radiograph, fixed_anatomy: Anatomy, moving_anatomy: Anatomy, *, flip: bool
) -> FilmFit | None:
    """Return the best fit of the moving film to the fixed one, good or not; None where no start was found."""
    in_mm = fixed.spacing.known and moving.spacing.known
    image_1 = registration_image(fixed, fixed_anatomy, in_mm=in_mm)
    image_2 = registration_image(moving, moving_anatomy, in_mm=in_mm)
    seen_2 = image_2.mirrored() if flip else image_2
    found = _best_matches(image_1, seen_2, SCALES_WITH_SPACING if in_mm else SCALES_WITHOUT_SPACING)
    if found is None or int(found.good.sum()) < MIN_BLOCKS:
        return None
    matches = found.without_missing_limbs()
    step = max(1, round(GRID_CELLS * image_1.cell[1]))
    film_nodes = grid_nodes(fixed.shape, step)
    nodes = image_1.from_film(film_nodes)
    blended = interpolate_displacements(matches, nodes.reshape(-1, 2)).reshape(nodes.shape)
    region = cv2.dilate((image_1.limbs > 0).astype(np.uint8), np.ones((13, 13), np.uint8)) > 0
    mapped, correlation = refine_field(image_1, seen_2, nodes, blended, region)
    error = standard_error(matches, seen_2, nodes, mapped, correlation)
    bone = _over_bone(image_1, nodes) & (correlation != 0) & np.isfinite(error)
    target = mapped.copy()
    if flip:
        target[..., 1] = image_2.image.shape[1] - 1 - target[..., 1]
    target = image_2.to_film(target)
    matrix = _similarity_matrix(film_nodes, target, bone, (fixed, moving), flip=flip)
    affine = film_nodes @ matrix[:, :2].T + matrix[:, 2]
    cell_px = float(np.sqrt(image_1.cell[0] * image_1.cell[1]))
    return FilmFit(
        alignment=Alignment(
            matrix=matrix,
            residual=(target - affine).astype(np.float32),
            step=step,
            flipped=flip,
            uncertainty=(error * cell_px).astype(np.float32),
        ),
        share=matches.share,
        correlation=_typical_correlation(correlation[bone], image_1, nodes[bone]),
        rms_px=_rms_residual(matches, image_1, nodes, mapped) * cell_px,
        bone_scale=_film_scale(measure_bone_scale(image_1, seen_2, matches), (image_1, image_2), (fixed, moving)),
    )


def _rms_residual(
    matches: BlockMatches, image: RegistrationImage, nodes: NDArray[np.float64], mapped: NDArray[np.float64]
) -> float:
    """Return how far the blocks over bone, each matched by itself, lie from the mapping: rms in cells, 5 % trimmed."""
    over = matches.good & (sample_bilinear(image.bone.astype(np.float32), matches.fixed) > 0.5)
    if not over.any():
        return 0.0
    at = (matches.fixed[over] - nodes[0, 0]) / (nodes[-1, -1] - nodes[0, 0]) * (np.array(nodes.shape[:2]) - 1)
    places = np.stack([sample_bilinear(mapped[..., axis].astype(np.float32), at) for axis in (0, 1)], axis=1)
    squares = np.sort(((places - matches.moving[over]) ** 2).sum(axis=1))
    return float(np.sqrt(squares[: max(1, int(0.95 * len(squares)))].mean())) / matches.scale


def _typical_correlation(
    correlation: NDArray[np.float64], image: RegistrationImage, nodes: NDArray[np.float64]
) -> float:
    """Return the median correlation over the half of the bone that has the higher contrast."""
    if len(correlation) == 0:
        return 0.0
    contrast = sample_bilinear(box_blur(image.image * image.image, CONTRAST_SIGMA), nodes)
    return float(np.median(correlation[contrast >= np.median(contrast)]))


def _over_bone(image: RegistrationImage, nodes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which nodes lie over the limbs' bone and well inside the field."""
    bone = sample_bilinear((image.bone & (image.limbs > 0)).astype(np.float32), nodes) > 0.5
    inner = np.asarray(cv2.erode(image.field, np.ones((9, 9), np.uint8)), np.float32)
    return np.asarray(bone & (sample_bilinear(inner, nodes) > 0.5), np.bool_)


def _film_scale(
    scale: BoneScale | None, images: tuple[RegistrationImage, RegistrationImage], films: tuple[Radiograph, Radiograph]
) -> BoneScale | None:
    """Return the bones' scale in mm where both films have a spacing, else in pixels."""
    if scale is None:
        return None
    in_mm = all(film.spacing.known for film in films)
    areas = [
        image.cell[0] * image.cell[1] * ((film.spacing.pixel_area_mm2 or 1.0) if in_mm else 1.0)
        for image, film in zip(images, films, strict=True)
    ]
    return replace(scale, log_scale=scale.log_scale + 0.5 * float(np.log(areas[1]) - np.log(areas[0])))


def _mirrored_is_better(fit: FilmFit | None, mirrored: FilmFit | None) -> bool:
    if mirrored is None or not mirrored.good:
        return False
    return fit is None or not fit.good or 1.0 - mirrored.quality < MIRRORED_BETTER * (1.0 - fit.quality)


def _best_matches(
    fixed: RegistrationImage, moving: RegistrationImage, scales: tuple[float, ...]
) -> BlockMatches | None:
    """Return the matched blocks from the best similarity of every limb."""
    similarities: dict[int, Similarity] = {}
    for limb in range(1, int(fixed.limbs.max()) + 1):
        candidates = coarse_similarities(fixed, moving, fixed.limbs == limb, scales, 3)
        if not candidates:
            continue
        best = 0
        if len(candidates) > 1:
            tried = [match_blocks(fixed, moving, {limb: candidate}) for candidate in candidates]
            best = int(np.argmax([matches.score[matches.good].sum() for matches in tried]))
        similarities[limb] = candidates[best]
    return match_blocks(fixed, moving, similarities) if similarities else None


def _similarity_matrix(
    nodes: NDArray[np.float64],
    target: NDArray[np.float64],
    bone: NDArray[np.bool_],
    films: tuple[Radiograph, Radiograph],
    *,
    flip: bool,
) -> NDArray[np.float64]:
    """Return the (2, 3) matrix between the films' pixels that is a similarity in mm (in square pixels without)."""
    chosen = bone if bone.any() else np.ones_like(bone)
    size_1, size_2 = (np.asarray(film.spacing.mm or (film.spacing.pixel_aspect, 1.0)) for film in films)
    linear, translation = fit_similarity(nodes[chosen] * size_1, target[chosen] * size_2, flip=flip)
    return np.asarray(np.column_stack([linear * size_1, translation]) / size_2[:, None], np.float64)


def fit_similarity(
    points: NDArray[np.float64], targets: NDArray[np.float64], *, flip: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the (rotation and scale) matrix and the translation that map points to targets, robust to outliers.

    Least squares after Umeyama (1991, IEEE Trans. Pattern Anal. Mach. Intell. 13:376), reweighted five times.

    Parameters
    ----------
    points, targets
        float64, (n, 2).
    flip
        Whether the mapping mirrors.
    """
    weight = np.ones(len(points))
    for _ in range(5):
        weight /= weight.sum()
        mean_1, mean_2 = weight @ points, weight @ targets
        centered_1, centered_2 = points - mean_1, targets - mean_2
        u, singular, v = np.linalg.svd((centered_2 * weight[:, None]).T @ centered_1)
        wanted = -1.0 if flip else 1.0
        sign = np.array([1.0, wanted * np.sign(np.linalg.det(u @ v))])
        spread = max(float(weight @ (centered_1**2).sum(axis=1)), 1e-12)
        linear = (u * sign) @ v * (float((singular * sign).sum()) / spread)
        translation = mean_2 - linear @ mean_1
        distance = np.hypot(*(points @ linear.T + translation - targets).T)
        scale = max(float(np.median(distance)), 1e-6)
        weight = 1.0 / (1.0 + (distance / (2.0 * scale)) ** 2)
    return linear, translation


def _same_film(film: Radiograph) -> tuple[Registration, Alignment]:
    identity = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    rms_mm = 0.0 if film.spacing.known else None
    registration = Registration(status="ok", scale=1.0, scale_se=0.0, rms_mm=rms_mm, rms_px=0.0, rotation_deg=0.0)
    return registration, Alignment(matrix=identity)


def _registration(
    fit: FilmFit, alignment: Alignment, baseline: Radiograph, followup: Radiograph, *, swapped: bool
) -> Registration:
    """Return the record of a good fit, seen from the baseline."""
    matrix = alignment.matrix
    rms_px = fit.rms_px / alignment.scale if swapped else fit.rms_px
    pixel_mm2 = baseline.spacing.pixel_area_mm2
    registration = Registration(
        status="ok",
        rms_px=rms_px,
        rms_mm=None if pixel_mm2 is None else rms_px * float(np.sqrt(pixel_mm2)),
        rotation_deg=float(np.rad2deg(np.arctan2(matrix[1, 0], matrix[0, 0]))),
    )
    if fit.bone_scale is None:
        return registration
    log_scale = -fit.bone_scale.log_scale if swapped else fit.bone_scale.log_scale
    # A reciprocal, so that the films exchanged give exactly 1 / scale (see `AreaUnits.log_scale`).
    larger = float(np.exp(abs(log_scale)))
    scale = larger if log_scale >= 0.0 else 1.0 / larger
    log_se = fit.bone_scale.log_se
    return replace(
        registration, scale=scale, scale_se=scale * log_se, scale_applied=applies(baseline, followup, log_se)
    )


def _failure_reason(fit: FilmFit | None) -> str:
    if fit is None:
        return "no part of the limb on one film was found on the other"
    fits = f"{100 * fit.share:.0f} % of the limb fits with a correlation of {fit.correlation:.2f} over bone"
    if fit.quality >= MIN_QUALITY:
        return f"the bones differ in size one by one, as another person's do ({fits})"
    return f"the films do not show the same limb ({fits}; the product of the two has to reach {MIN_QUALITY:.2f})"
