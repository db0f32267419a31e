"""One simulated film: a limb in a pose, its deposits, an exposure and a vendor's processing, with the truth."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from calcimeasure.radiograph import GreyRelationship, GreyScale, Identity, Radiograph, Spacing, SpacingBasis
from calcimeasure.simulation.bone_styles import STANDARD
from calcimeasure.simulation.collimation_and_markers import (
    Furniture,
    burn_text,
    collimated_field,
    draw_furniture,
    field_corners,
    lead_marker,
)
from calcimeasure.simulation.deposit_placement import HeldDeposit, draw_deposits, project_deposits, site_of
from calcimeasure.simulation.deposit_styles import resolved_style
from calcimeasure.simulation.drawing_style import USUAL_STYLE, DrawingStyle
from calcimeasure.simulation.exposure import XrayExposure, draw_exposure, expose
from calcimeasure.simulation.film_appearance import BONE_CONTRAST_MM
from calcimeasure.simulation.film_styles import (
    PLAIN,
    FilmFinish,
    draw_finish,
    draw_spacing,
    finish_film,
    scattered,
)
from calcimeasure.simulation.formats import FilmFormat, format_at
from calcimeasure.simulation.geometry import inside, union_area
from calcimeasure.simulation.hardware import Hardware, draw_hardware, mark_detector, trace_hardware
from calcimeasure.simulation.limb import Limb, LimbPose, place_limb
from calcimeasure.simulation.limb_parts import part_named
from calcimeasure.simulation.rays import trace_limb
from calcimeasure.simulation.truth import FilmTruth
from calcimeasure.simulation.truth_description import add_calcium, describe_truth, true_labels
from calcimeasure.simulation.vendor_processing import Processing, draw_processing, process

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from calcimeasure.deposits import DepositLabels
    from calcimeasure.simulation.calcium_deposits import CalciumDeposit
    from calcimeasure.simulation.rays import Grid, Rays

COARSE_MM = 1.0
WITHIN_LIMB = 0.9
LEAST_CONTRAST = 0.04  # of bone over soft tissue, as a share of the range
POSE_KEYS = {"rotations_deg": "turns_deg", "translation_mm": "shift_mm"}
"""Keys of a pose in truth.json that are not the fields' names: keys of files stay as they were."""
SHUTTER_LEAK = 0.012  # what of the beam comes through the collimator and around it


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedFilm:
    """A film with its truth.

    Attributes
    ----------
    stored
        uint16 pixel values as a file holds them (inverted for MONOCHROME1).
    film
        The same as the product reads it: canonical, with spacing and identity.
    labels
        The true label image: pixels more than half covered by a deposit.
    truth
        Everything else.
    """

    stored: NDArray[np.uint16]
    film: Radiograph
    labels: DepositLabels
    truth: FilmTruth
    processing: Processing


@dataclass(frozen=True, kw_only=True, eq=False)
class Sitting:
    """Everything that decides one film but chance.

    Attributes
    ----------
    limb, deposits, part
        The subject, and which part of it is shown.
    pose, exposure, processing, furniture, hardware, film_format
        The visit.
    patient
        Pseudonym; identity of the film.
    study_date
        ISO date.
    style
        How everything is drawn.
    finish
        What becomes of the processed film.
    """

    limb: Limb
    deposits: tuple[HeldDeposit, ...]
    pose: LimbPose
    exposure: XrayExposure = field(default_factory=XrayExposure)
    processing: Processing = field(default_factory=Processing)
    furniture: Furniture = field(default_factory=Furniture)
    hardware: Hardware = field(default_factory=Hardware)
    film_format: FilmFormat = field(default_factory=FilmFormat)
    part: str = "hand"
    patient: str = "SIM-0000"
    study_date: str = "2025-01-15"
    style: DrawingStyle = USUAL_STYLE
    finish: FilmFinish = PLAIN


def simulate_film(
    rng: np.random.Generator,
    *,
    part: str = "hand",
    side: str | None = None,
    deposits: int | None = None,
    spacing_mm: float | None = None,
    film_format: FilmFormat | None = None,
    bits: int | None = None,
    monochrome1: bool | None = None,
    style: str = STANDARD,
    film_style: str | None = None,
    deposit_style: str = STANDARD,
) -> SimulatedFilm:
    """Return a random film of a limb, with its truth.

    Parameters
    ----------
    rng
        Decides everything that is not given; the same state gives the same bytes.
    part
        A key of `calcimeasure.simulation.limb_parts.PARTS`.
    side
        ``L`` or ``R``.
    deposits
        How many deposits are tried for; 0 to 12 when None, one film in eight without any.
    spacing_mm
        Pixel spacing on a film of 288 x 236 mm; 0.115 mm, so 2500 x 2048 pixels, when None. The film style ``any``
        draws it from 0.15 to 0.6 mm when None.
    film_format
        The whole pixel grid, instead of `spacing_mm`.
    bits, monochrome1
        Of the stored values.
    style
        Of the bones, one of `calcimeasure.simulation.bone_styles.BONE_STYLES`.
    film_style
        ``standard`` or ``any`` (`calcimeasure.simulation.film_styles`); that of the bones' style when None.
    deposit_style
        ``standard``, ``blobs``, ``left_out`` or ``any`` (`calcimeasure.simulation.deposit_styles`).

    Raises
    ------
    UsageError
        When there is no part or style of a name.
    """
    drawn = DrawingStyle.of(style=style, film_style=film_style, deposit_style=deposit_style)
    film_format = film_format or styled_format(rng, drawn, spacing_mm, part=part)
    sitting = draw_sitting(
        rng,
        part=part,
        side=side,
        deposits=deposits,
        film_format=film_format,
        bits=bits,
        monochrome1=monochrome1,
        style=drawn,
    )
    return render_film(sitting, rng)


def styled_format(rng: np.random.Generator, style: DrawingStyle, spacing_mm: float | None, *, part: str) -> FilmFormat:
    """Return the usual film of a part at a spacing, which the style of the film draws when None."""
    if spacing_mm is None and style.film != STANDARD:
        spacing_mm = draw_spacing(rng)
    return format_at(spacing_mm, part=part)


def draw_sitting(
    rng: np.random.Generator,
    *,
    part: str = "hand",
    side: str | None = None,
    deposits: int | None = None,
    film_format: FilmFormat | None = None,
    bits: int | None = None,
    monochrome1: bool | None = None,
    style: DrawingStyle = USUAL_STYLE,
) -> Sitting:
    """Return a random subject with deposits at a first visit; see `simulate_film`."""
    style = replace(style, deposits=resolved_style(rng, style.deposits))
    chosen = part_named(part)
    side = str(rng.choice(chosen.sides)) if side is None else side
    film_format = film_format or format_at(None, part=part)
    limb = chosen.make(rng, side=side, style=style.bones)
    count = draw_count(rng) if deposits is None else deposits
    held = draw_deposits(rng, limb, site_of(limb, part=part), count, style=style.deposits) if count else []
    processing = draw_processing(rng, bits=bits, part=part)
    if monochrome1 is not None:
        processing = replace(processing, monochrome1=monochrome1)
    sitting = Sitting(
        limb=limb,
        deposits=tuple(held),
        pose=chosen.pose(rng, limb),
        exposure=draw_exposure(rng, part=part),
        processing=processing,
        furniture=draw_furniture(rng, side=side),
        hardware=draw_hardware(rng, limb),
        film_format=film_format,
        part=part,
        patient=f"SIM-{int(rng.integers(1_000_000)):06d}",
        style=style,
        finish=draw_finish(rng, style.film),
    )
    seen = shown_whole(sitting)
    return replace(sitting, deposits=tuple(deposit for deposit in held if deposit.identity in seen))


def draw_count(rng: np.random.Generator) -> int:
    """Return how many deposits a film has: none on one in eight, mostly few, sometimes many."""
    return 0 if rng.random() < 0.125 else int(np.clip(rng.geometric(0.2), 1, 14))


def placed_deposits(sitting: Sitting) -> list[CalciumDeposit]:
    """Return the sitting's deposits as its film shows them, in film mm."""
    placed = place_limb(
        sitting.limb,
        sitting.pose,
        film_mm=sitting.film_format.size_mm,
        source_distance_mm=sitting.exposure.source_distance_mm,
    )
    return [project_deposits(held, placed[held.bone]) for held in sitting.deposits]


def shown_whole(sitting: Sitting) -> set[int]:
    """Return the identities of the deposits that lie wholly on the film, in its collimated field and in the limb."""
    size = sitting.film_format.size_mm
    coarse: Grid = ((int(size[0] / COARSE_MM), int(size[1] / COARSE_MM)), (COARSE_MM, COARSE_MM))
    placed = place_limb(
        sitting.limb, sitting.pose, film_mm=size, source_distance_mm=sitting.exposure.source_distance_mm
    )
    limb = trace_limb(sitting.limb, placed, coarse, np.random.default_rng(0)).limb
    corners = field_corners(sitting.furniture, size)
    frame = np.array([[0, 0], [size[1], 0], [size[1], size[0]], [0, size[0]]])
    seen = set()
    for held, deposit in zip(sitting.deposits, placed_deposits(sitting), strict=True):
        points = deposit.points_mm[::6]
        if not (np.all(inside(points, corners)) and np.all(inside(points, frame))):
            continue
        cells = np.clip((points / COARSE_MM).astype(int), 0, np.array(limb.shape)[::-1] - 1)
        if float(np.mean(limb[cells[:, 1], cells[:, 0]])) >= WITHIN_LIMB:
            seen.add(held.identity)
    return seen


def render_film(sitting: Sitting, rng: np.random.Generator) -> SimulatedFilm:
    """Return the film of a sitting; `rng` decides noise, folds of the skin and where the marker lies."""
    grid: Grid = (sitting.film_format.shape, sitting.film_format.spacing_mm)
    placed = place_limb(
        sitting.limb,
        sitting.pose,
        film_mm=sitting.film_format.size_mm,
        source_distance_mm=sitting.exposure.source_distance_mm,
    )
    rays = trace_limb(sitting.limb, placed, grid, rng)
    on_film = [project_deposits(held, placed[held.bone]) for held in sitting.deposits]
    calcium, grey, peaks = add_calcium(on_film, grid)
    thickness = {"muscle": rays.muscle, "fat": rays.fat, "bone": rays.mineral}
    if on_film:
        thickness["hydroxyapatite"] = calcium
    collimation = collimated_field(sitting.furniture, grid)
    lead = lead_marker(sitting.furniture, grid, collimation, rays.limb, rng)
    if lead is not None:
        thickness["lead"] = lead
    thickness |= trace_hardware(sitting.hardware, placed, grid, rays.limb)
    signal = expose(thickness, scattered(sitting.exposure, sitting.finish), grid, rng)
    mark_detector(signal, sitting.hardware, grid, rng)
    signal = np.where(collimation, signal, signal * np.float32(SHUTTER_LEAK))
    canonical = process(signal, collimation, sitting.processing, grid, ranged=part_named(sitting.part).ranged)
    highest = 2**sitting.processing.bits - 1
    if grey is not None:
        canonical = _with_grey(canonical, grey, rays, collimation, highest)
    burn_text(canonical, sitting.furniture, highest)
    canonical = finish_film(canonical, sitting.finish, highest, grid, rng)
    labels, truth = _truth(sitting, on_film, peaks, rays.bone_depth > 0, collimation)
    return finish(sitting, canonical, labels, truth)


def _with_grey(
    canonical: NDArray[np.uint16], grey_mm: NDArray[np.float32], rays: Rays, field: NDArray[np.bool_], highest: int
) -> NDArray[np.uint16]:
    """Return the film with grey deposits added, a millimetre as bright as one of calcium would be beside its bones."""
    bone, soft = ((mask & field)[::3, ::3] for mask in (rays.bone_depth > 0, rays.limb & (rays.bone_depth <= 0)))
    thinned = canonical[::3, ::3]
    levels = [float(np.median(thinned[mask])) if mask.any() else 0.0 for mask in (bone, soft)]
    contrast = max(levels[0] - levels[1], LEAST_CONTRAST * highest)
    added = canonical + grey_mm * np.float32(contrast / BONE_CONTRAST_MM)
    return np.asarray(np.where(field, np.rint(np.clip(added, 0, highest)), canonical), np.uint16)


def finish(
    sitting: Sitting, canonical: NDArray[np.uint16], labels: NDArray[np.uint16], truth: FilmTruth
) -> SimulatedFilm:
    """Return the film with its identity, spacing and grey scale as a file would give them."""
    processing = sitting.processing
    highest = 2**processing.bits - 1
    film = Radiograph(
        pixels=canonical.astype(np.float32),
        spacing=Spacing(
            row_mm=sitting.film_format.spacing_mm[0],
            col_mm=sitting.film_format.spacing_mm[1],
            basis=SpacingBasis.DETECTOR,
            note="simulated",
        ),
        grey=GreyScale(
            lowest=0.0,
            highest=float(highest),
            relationship=GreyRelationship.UNKNOWN,
            processing_intent="FOR PRESENTATION",
            inverted=processing.monochrome1,
        ),
        identity=Identity(
            patient_key=sitting.patient,
            side=sitting.limb.side,
            body_part=sitting.limb.part,
            view=part_named(sitting.part).view,
            study_date=sitting.study_date,
            modality="DX",
            age_years=float(sitting.limb.age_years),
        ),
    )
    stored = np.uint16(highest) - canonical if processing.monochrome1 else canonical
    return SimulatedFilm(
        stored=stored,
        film=film,
        labels=true_labels(labels, len(truth.deposits), film.sha256),
        truth=truth,
        processing=processing,
    )


def _truth(
    sitting: Sitting,
    on_film: Sequence[CalciumDeposit],
    peaks: Sequence[float],
    bone: NDArray[np.bool_],
    collimation: NDArray[np.bool_],
) -> tuple[NDArray[np.uint16], FilmTruth]:
    film_format = sitting.film_format
    common = [held.shape for held in sitting.deposits]
    identities = [held.identity for held in sitting.deposits]
    labels, records = describe_truth(
        common,
        on_film,
        identities=identities,
        peaks=peaks,
        bone=bone,
        field=collimation,
        film_format=film_format,
    )
    total = union_area([outline for deposit in on_film for outline in deposit.outlines])
    truth = FilmTruth(
        body_part=sitting.limb.part,
        side=sitting.limb.side,
        shape=film_format.shape,
        pixel_spacing_mm=film_format.spacing_mm,
        total_area_mm2=total,
        total_area_px=total / film_format.pixel_mm2,
        total_area_common_mm2=sum(shape.area_mm2 for shape in common),
        deposits=records,
        pose={POSE_KEYS.get(name, name): value for name, value in asdict(sitting.pose).items()},
        exposure=asdict(sitting.exposure),
        processing=asdict(sitting.processing),
        styles={} if sitting.style == USUAL_STYLE else asdict(sitting.style),
    )
    return labels, truth
