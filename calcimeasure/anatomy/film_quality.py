"""Why a film may be outside what the product was built for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.image_filters import components, dilated, eroded, opened, square
from calcimeasure.notices import Notice, NoticeCode

if TYPE_CHECKING:
    from calcimeasure.anatomy.limb_masks import Limbs
    from calcimeasure.anatomy.reduced_film import ReducedFilm
    from calcimeasure.radiograph import Radiograph

_LIMB_WORDS = (
    *("HAND", "FINGER", "THUMB", "WRIST", "CARP", "FOREARM", "ELBOW", "RADIUS", "ULNA", "HUMERUS", "ARM"),
    *("SHOULDER", "CLAVICLE", "FOOT", "FEET", "TOE", "ANKLE", "LEG", "CALF", "KNEE", "PATELLA", "FEMUR", "TIBIA"),
    *("FIBULA", "THIGH", "HEEL", "CALCANEUS", "EXTREMIT", "LIMB", "PHALAN"),
)
_RADIOGRAPHIC_MODALITIES = {None, "", "CR", "DX", "RG", "RF", "XA", "SC", "OT", "MG", "IO", "PX", "XC"}
_MOST_LIMBS = 2
_CLIPPED_SHARE = 0.02
_METAL_SHARE = 0.004
_METAL_DROP = 0.3
_SMALLEST_METAL_CELLS = 12
_NOISE_SHARE = 0.06
_FEW_BONE_SHARE = 0.08
_RIM_CELLS = 9
_FILLED_RIM_SHARE = 0.8


def anatomy_warnings(
    film: Radiograph, reduced: ReducedFilm, field: NDArray[np.bool_], limbs: Limbs, bone: NDArray[np.bool_]
) -> tuple[Notice, ...]:
    """Return what a person should know of the film before trusting what is found on it."""
    if reduced.contrast <= 0:
        return (Notice(NoticeCode.FILM_UNIFORM, "The film holds one grey value only: there is no picture on it."),)
    limb = limbs.labels > 0
    if not limb.any():
        return (Notice(NoticeCode.FILM_WITHOUT_LIMB, "No limb was found on the film; nothing was looked for."),)
    doubt = _doubt_of_limb(field, limbs, bone)
    return (
        *_header_warnings(film),
        *([Notice(NoticeCode.LIMB_DOUBTFUL, doubt)] if doubt else []),
        *_exposure_warnings(film, reduced, limb),
    )


def _header_warnings(film: Radiograph) -> list[Notice]:
    warnings = []
    modality, part = film.identity.modality, (film.identity.body_part or "").upper()
    if modality not in _RADIOGRAPHIC_MODALITIES:
        text = f"The header says modality {modality}: the tool was built for plain radiographs."
        warnings.append(Notice(NoticeCode.MODALITY_UNEXPECTED, text))
    if part and not any(word in part for word in _LIMB_WORDS):
        text = f"The header says body part {part}: the tool was built for limbs."
        warnings.append(Notice(NoticeCode.BODY_PART_UNEXPECTED, text))
    return warnings


def _doubt_of_limb(field: NDArray[np.bool_], limbs: Limbs, bone: NDArray[np.bool_]) -> str | None:
    limb = limbs.labels > 0
    count = int(limbs.labels.max())
    rim = field & ~eroded(field, square(_RIM_CELLS))
    if count > _MOST_LIMBS:
        return f"The picture falls into {count} parts, where one or two limbs were expected: it may not be a limb."
    if not (rim & limb).any():
        return "Nothing on the picture leaves the field as a limb does: it may not be a limb."
    if limbs.air_level is None or float(limb[rim].mean()) > _FILLED_RIM_SHARE:
        return "The picture shows no air beside the limb: it may not be a limb, or is a part of one only."
    if bone.sum() < _FEW_BONE_SHARE * limb.sum():
        return "Hardly any bone was found on the picture: it may not be a limb."
    return None


def _exposure_warnings(film: Radiograph, reduced: ReducedFilm, limb: NDArray[np.bool_]) -> list[Notice]:
    warnings = []
    clipped = _clipped(film, reduced) & limb
    metal = _metal(reduced.grey, clipped)
    share = float((clipped & ~metal).sum()) / float(limb.sum())
    if share > _CLIPPED_SHARE:
        text = (
            f"{100 * share:.0f} % of the limb is at the brightest value on the film: what lies there can be neither "
            "seen nor measured."
        )
        warnings.append(Notice(NoticeCode.LIMB_CLIPPED, text))
    if metal.sum() > _METAL_SHARE * limb.sum():
        text = "There seems to be metal or another dense object over the limb: deposits near it are unsure."
        warnings.append(Notice(NoticeCode.METAL_OVER_LIMB, text))
    noise = _noise(reduced.grey, limb)
    if noise > _NOISE_SHARE:
        text = "The picture is very noisy: small and faint deposits will be missed."
        warnings.append(Notice(NoticeCode.FILM_NOISY, text))
    return warnings


def _clipped(film: Radiograph, reduced: ReducedFilm) -> NDArray[np.bool_]:
    """Return cells that mostly hold the brightest value on the film, where many pixels share it."""
    step = reduced.step
    brightest = float(film.pixels[::step, ::step].max())
    rows, cols = reduced.grey.shape
    sampled = film.pixels[step // 2 :: step, step // 2 :: step] >= brightest
    cells = np.zeros((rows, cols), dtype=np.bool_)
    cells[: sampled.shape[0], : sampled.shape[1]] = sampled
    return opened(cells, square(3))


def _metal(grey: NDArray[np.float32], clipped: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return clipped regions whose surroundings are far darker: bone is never so much denser than what is round it."""
    metal = np.zeros_like(clipped)
    labels, stats = components(clipped)
    for number, (*_, area) in enumerate(stats, start=1):
        if area < _SMALLEST_METAL_CELLS:
            continue
        region = labels == number
        ring = dilated(region, square(7)) & ~dilated(region, square(5))
        if ring.any() and float(grey[region].mean() - np.percentile(grey[ring], 60)) > _METAL_DROP:
            metal |= region
    return metal


def _noise(grey: NDArray[np.float32], limb: NDArray[np.bool_]) -> float:
    """Return the noise of a cell's mean as a share of the picture's grey range (Immerkaer's Laplacian difference)."""
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
    response = np.abs(cv2.filter2D(grey, cv2.CV_32F, kernel))[limb]
    return float(np.median(response)) / 0.6745 / 6.0
