"""Laying one film of a pair on the other: turn, shift and size of the limb, then what moved on its own.

The pair is always registered in an order of its own (by the films' hashes), whichever film is the baseline; the
alignment asked for is that one, or it turned round. So swapping the films swaps the result and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.radiograph import Radiograph
from calcimeasure.registration.alignment import grid_nodes, inverse
from calcimeasure.registration.block_correlation import sample_bilinear
from calcimeasure.registration.block_matching import BlockMatches, match_blocks
from calcimeasure.registration.bone_scale import BoneScale, applies, measure_bone_scale
from calcimeasure.registration.displacement_field import (
    RefinedField,
    interpolate_displacements,
    refine_field,
    standard_error,
)
from calcimeasure.registration.registration_image import RegistrationImage, box_blur, registration_image
from calcimeasure.registration.registration_records import Alignment, Registration
from calcimeasure.registration.similarity import Similarity, coarse_similarities

SCALES_WITH_SPACING = (1.0,)
SCALES_WITHOUT_SPACING = (0.7, 0.79, 0.89, 1.0, 1.12, 1.26, 1.42)
GRID_CELLS = 8.0
"""Cells of the reduced picture a cell of the alignment's grid: about 4 mm."""
LEAST_WINDOWS = 12
PATTERN_SIGMA = 6.0
LEAST_QUALITY = 0.70
"""Share of fitting windows times correlation: films of one limb reach 0.74 to 0.99 (simulated hands, knees, elbows and
forearms, tilt up to 15 degrees); real films of other parts, and most of other people, stay far below."""
SURELY_ALIKE = 0.955
MOST_UNEQUAL = 0.0040
"""Other people's hands can be bent to fit, but then each bone is of another size: where the correlation stays below
the first figure, a standard error of the bones' scale above the second tells. (One limb twice: one of the two always
holds; other people, and the same person's other hand mirrored: a correlation of 0.95 at most, errors mostly above.)"""
EVEN, LEAST_CORRELATION, LEAST_SHARE = 0.0030, 0.90, 0.55
"""Bones whose sizes agree one by one within the first figure, at this correlation, are one limb also where fingers lie
so differently that no more windows fit than this share. (One limb twice: 0.0022; of 50 pairs of simulated hands of
different people, those above the second figure have 0.0042 at least.)"""
AMBIGUOUS, AMBIGUOUS_OF_SEVERAL = 0.75, 0.93
"""Below this quality the mirrored fit is tried too; two hands on one film are each other's mirror image, and the wrong
way round has been seen to fit up to 0.91."""
MIRRORED_BETTER = 0.5
"""The mirrored fit wins where it leaves this share of what the unmirrored one leaves unexplained."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FilmFit:
    """How one film was laid on the other, before it is judged.

    Attributes
    ----------
    alignment
        First film to second.
    share
        Share of the limb's windows inside both fields that fit.
    correlation
        Median correlation over the limb's bone after alignment.
    rms_px
        Residual at bone in pixels of the first film: the mapping against the windows, each matched by itself.
    bone_scale
        Size of the second film's bones over the first's, in mm or pixels; None where too little bone fits.
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
    def unequal(self) -> bool:
        """Whether the bones differ in size from one another, as another person's do."""
        uneven = self.bone_scale is not None and self.bone_scale.log_se > MOST_UNEQUAL
        return uneven and self.correlation < SURELY_ALIKE

    @property
    def good(self) -> bool:
        """Whether they show the same limb."""
        return self.even or (self.quality >= LEAST_QUALITY and not self.unequal)

    @property
    def even(self) -> bool:
        """Whether bone by bone the sizes agree as only one person's do."""
        agree = self.bone_scale is not None and self.bone_scale.log_se <= EVEN
        return agree and self.correlation >= LEAST_CORRELATION and self.share >= LEAST_SHARE


def register(
    baseline: Radiograph,
    followup: Radiograph,
    baseline_anatomy: Anatomy,
    followup_anatomy: Anatomy,
    *,
    flip: bool = False,
) -> tuple[Registration, Alignment | None]:
    """Return how the follow-up lies on the baseline, and how well that is known.

    Parameters
    ----------
    baseline, followup
        The films.
    baseline_anatomy, followup_anatomy
        Their masks.
    flip
        Whether the follow-up was laid down the other way (or turned over when scanned) and is to be mirrored.

    Returns
    -------
    registration : Registration
        Its status is ``failed`` or ``mirrored``, with the reason, where the films do not lie on one another.
    alignment : Alignment or None
        None unless the status is ``ok``.
    """
    if baseline.sha256 == followup.sha256 and baseline.shape == followup.shape and not flip:
        return _same_film(baseline)
    swapped = (followup.sha256, followup.spacing.mm or ()) < (baseline.sha256, baseline.spacing.mm or ())
    first, second = (followup, baseline) if swapped else (baseline, followup)
    masks = (followup_anatomy, baseline_anatomy) if swapped else (baseline_anatomy, followup_anatomy)
    for film, anatomy in ((baseline, baseline_anatomy), (followup, followup_anatomy)):
        if anatomy.limb_count == 0:
            which = "baseline" if film is baseline else "follow-up"
            return Registration(status="failed", reason=f"no limb was found on the {which} film"), None
    fit = fit_films(first, second, *masks, flip=flip)
    several = max(anatomy.limb_count for anatomy in masks) > 1
    if fit is None or fit.quality < (AMBIGUOUS_OF_SEVERAL if several else AMBIGUOUS):
        other = fit_films(first, second, *masks, flip=not flip)
        if _mirror_wins(fit, other):
            if flip:
                return Registration(status="failed", reason="the films fit as they are, and not mirrored"), None
            return Registration(status="mirrored", reason="the follow-up fits the baseline only mirrored"), None
    if fit is None or not fit.good:
        return Registration(status="failed", reason=_why(fit)), None
    alignment = inverse(fit.alignment, second.shape) if swapped else fit.alignment
    return _registration(fit, alignment, baseline, followup, swapped=swapped), alignment


def fit_films(
    first: Radiograph, second: Radiograph, first_anatomy: Anatomy, second_anatomy: Anatomy, *, flip: bool
) -> FilmFit | None:
    """Return the best fit of the second film to the first, good or not; None where not even a start was found."""
    in_mm = first.spacing.known and second.spacing.known
    picture_1 = registration_image(first, first_anatomy, in_mm=in_mm)
    picture_2 = registration_image(second, second_anatomy, in_mm=in_mm)
    turned = picture_2.mirrored() if flip else picture_2
    found = _best_matches(picture_1, turned, SCALES_WITH_SPACING if in_mm else SCALES_WITHOUT_SPACING)
    if found is None or int(found.good.sum()) < LEAST_WINDOWS:
        return None
    matches = found.without_strangers()
    step = max(1, round(GRID_CELLS * picture_1.cell[1]))
    nodes_film = grid_nodes(first.shape, step)
    nodes = picture_1.from_film(nodes_film)
    blended = interpolate_displacements(matches, nodes.reshape(-1, 2)).reshape(nodes.shape)
    reach = cv2.dilate((picture_1.limbs > 0).astype(np.uint8), np.ones((13, 13), np.uint8)) > 0
    polished = refine_field(picture_1, turned, nodes, blended, reach)
    error = standard_error(matches, polished, turned, nodes)
    bone = _over_bone(picture_1, nodes) & (polished.correlation != 0) & np.isfinite(error)
    target = polished.mapped.copy()
    if flip:
        target[..., 1] = turned.image.shape[1] - 1 - target[..., 1]
    target = picture_2.to_film(target)
    matrix = _similarity(nodes_film, target, bone, (first, second), flip=flip)
    affine = nodes_film @ matrix[:, :2].T + matrix[:, 2]
    cell_px = float(np.sqrt(picture_1.cell[0] * picture_1.cell[1]))
    return FilmFit(
        alignment=Alignment(
            matrix=matrix,
            residual=(target - affine).astype(np.float32),
            step=step,
            flipped=flip,
            uncertainty=(error * cell_px).astype(np.float32),
        ),
        share=matches.share,
        correlation=_typical_correlation(polished.correlation[bone], picture_1, nodes[bone]),
        rms_px=_residual(matches, picture_1, nodes, polished) * cell_px,
        bone_scale=_film_scale(measure_bone_scale(picture_1, turned, matches), (picture_1, picture_2), (first, second)),
    )


def _residual(
    matches: BlockMatches, picture: RegistrationImage, nodes: NDArray[np.float64], polished: RefinedField
) -> float:
    """Return how far the windows over bone, each matched by itself, lie from the mapping: rms in cells, 5 % trimmed."""
    over = matches.good & (sample_bilinear(picture.bone.astype(np.float32), matches.first) > 0.5)
    if not over.any():
        return 0.0
    at = (matches.first[over] - nodes[0, 0]) / (nodes[-1, -1] - nodes[0, 0]) * (np.array(nodes.shape[:2]) - 1)
    mapped = np.stack([sample_bilinear(polished.mapped[..., axis].astype(np.float32), at) for axis in (0, 1)], axis=1)
    apart = np.sort(((mapped - matches.second[over]) ** 2).sum(axis=1))
    return float(np.sqrt(apart[: max(1, int(0.95 * len(apart)))].mean())) / matches.scale


def _typical_correlation(
    correlation: NDArray[np.float64], picture: RegistrationImage, nodes: NDArray[np.float64]
) -> float:
    """Return the median correlation over the half of the bone that shows the more pattern."""
    if len(correlation) == 0:
        return 0.0
    pattern = sample_bilinear(box_blur(picture.image * picture.image, PATTERN_SIGMA), nodes)
    return float(np.median(correlation[pattern >= np.median(pattern)]))


def _over_bone(picture: RegistrationImage, nodes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which nodes lie over the limbs' bone and well inside the field."""
    bone = sample_bilinear((picture.bone & (picture.limbs > 0)).astype(np.float32), nodes) > 0.5
    inner = np.asarray(cv2.erode(picture.field, np.ones((9, 9), np.uint8)), np.float32)
    return np.asarray(bone & (sample_bilinear(inner, nodes) > 0.5), np.bool_)


def _film_scale(
    scale: BoneScale | None, pictures: tuple[RegistrationImage, RegistrationImage], films: tuple[Radiograph, Radiograph]
) -> BoneScale | None:
    """Return the bones' scale in mm where both films have a spacing, else in pixels."""
    if scale is None:
        return None
    in_mm = all(film.spacing.known for film in films)
    sizes = []
    for picture, film in zip(pictures, films, strict=True):
        area = picture.cell[0] * picture.cell[1] * ((film.spacing.pixel_area_mm2 or 1.0) if in_mm else 1.0)
        sizes.append(0.5 * float(np.log(area)))
    return replace(scale, log_scale=scale.log_scale + sizes[1] - sizes[0])


def _mirror_wins(fit: FilmFit | None, other: FilmFit | None) -> bool:
    if other is None or not other.good:
        return False
    return fit is None or not fit.good or 1.0 - other.quality < MIRRORED_BETTER * (1.0 - fit.quality)


def _best_matches(
    first: RegistrationImage, second: RegistrationImage, scales: tuple[float, ...]
) -> BlockMatches | None:
    """Return the matched windows of the best pose of every limb together."""
    poses: dict[int, Similarity] = {}
    for limb in range(1, int(first.limbs.max()) + 1):
        candidates = coarse_similarities(first, second, first.limbs == limb, scales, 3)
        if not candidates:
            continue
        poses[limb] = candidates[0]
        if len(candidates) > 1:
            tried = [match_blocks(first, second, {limb: pose}) for pose in candidates]
            best = max(range(len(tried)), key=lambda k: float(tried[k].score[tried[k].good].sum()))
            poses[limb] = candidates[best]
    return match_blocks(first, second, poses) if poses else None


def _similarity(
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
    """Return the turn-and-size matrix and shift that take points to targets best, outliers held down.

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
        apart_1, apart_2 = points - mean_1, targets - mean_2
        left, strength, right = np.linalg.svd((apart_2 * weight[:, None]).T @ apart_1)
        wanted = -1.0 if flip else 1.0
        sign = np.array([1.0, wanted * np.sign(np.linalg.det(left @ right))])
        spread = max(float(weight @ (apart_1**2).sum(axis=1)), 1e-12)
        linear = (left * sign) @ right * (float((strength * sign).sum()) / spread)
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
    """Return the record of a good fit, told from the baseline's side."""
    matrix = alignment.matrix
    rms_px = fit.rms_px
    if swapped:
        rms_px /= float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    pixel_mm2 = baseline.spacing.pixel_area_mm2
    told = Registration(
        status="ok",
        rms_px=rms_px,
        rms_mm=None if pixel_mm2 is None else rms_px * float(np.sqrt(pixel_mm2)),
        rotation_deg=float(np.rad2deg(np.arctan2(matrix[1, 0], matrix[0, 0]))),
    )
    if fit.bone_scale is None:
        return told
    log_scale = -fit.bone_scale.log_scale if swapped else fit.bone_scale.log_scale
    # A reciprocal, so that the films exchanged give exactly 1 / scale (see `Plane.log_scale`).
    larger = float(np.exp(abs(log_scale)))
    scale = larger if log_scale >= 0.0 else 1.0 / larger
    log_se = fit.bone_scale.log_se
    return replace(told, scale=scale, scale_se=scale * log_se, scale_applied=applies(baseline, followup, log_se))


def _why(fit: FilmFit | None) -> str:
    if fit is None:
        return "no part of the limb on one film was found on the other"
    fits = f"{100 * fit.share:.0f} % of the limb fits with a correlation of {fit.correlation:.2f} over bone"
    if fit.quality >= LEAST_QUALITY:
        return f"the bones differ in size one by one, as another person's do ({fits})"
    return f"the films do not show the same limb ({fits}; the product of the two has to reach {LEAST_QUALITY:.2f})"
