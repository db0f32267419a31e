"""Deposits of known area put into a film that somebody else took."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from calcimeasure.anatomy import find_anatomy
from calcimeasure.errors import FilmError
from calcimeasure.simulation.bone_styles import STANDARD, known_style
from calcimeasure.simulation.deposit_placement import APART_MM, BACKGROUNDS, TRIES, draw_shape, room_for
from calcimeasure.simulation.deposit_styles import DEPOSIT_STYLES, resolved_style
from calcimeasure.simulation.film_appearance import CALCIUM_PER_MM, FilmLook, look_of
from calcimeasure.simulation.formats import FilmFormat
from calcimeasure.simulation.geometry import outline_gap, union_area
from calcimeasure.simulation.smoothing import blurred, correlated_noise, signed_distance
from calcimeasure.simulation.truth import FilmTruth
from calcimeasure.simulation.truth_description import add_calcium, describe_truth, true_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from calcimeasure.anatomy.anatomy_records import Anatomy
    from calcimeasure.deposits import DepositLabels
    from calcimeasure.radiograph import Radiograph
    from calcimeasure.simulation.calcium_deposits import CalciumDeposit

USUAL_LIMB_SPACING_MM = 0.2  # of a film that does not state its spacing
HARDENING_PER_MM = 0.04  # how much less a millimetre more takes away


@dataclass(frozen=True, kw_only=True, eq=False)
class InsertedFilm:
    """A real film with deposits of known area in it.

    Attributes
    ----------
    film
        As given, but for the deposits.
    labels
        The true label image of what was put in. What the film held before is not in it.
    truth
        The same truth as of a simulated film; `bone_overlap` rests on the film's anatomy as it was found.
    deposits
        In detector mm, at the spacing of the truth.
    """

    film: Radiograph
    labels: DepositLabels
    truth: FilmTruth
    deposits: tuple[CalciumDeposit, ...]


def insert_deposits(
    film: Radiograph,
    rng: np.random.Generator,
    *,
    count: int | None = None,
    spacing_mm: float | None = None,
    diameters_mm: tuple[float, float] = (0.8, 12.0),
    anatomy: Anatomy | None = None,
    deposit_style: str = STANDARD,
) -> InsertedFilm:
    """Return a film with deposits put in, a third each in soft tissue, touching bone and over bone.

    They are added in the film's canonical grey scale: as bright against their thickness as the film's bones are,
    running into its tone curve's ceiling, with its sharpness, and with the noise that the quanta they stop leave.

    Parameters
    ----------
    film
        Any radiograph of a limb.
    rng
        Decides everything; the same state gives the same film.
    count
        How many are tried for; 1 to 12 when None.
    spacing_mm
        Pixel spacing, for a film that states none; 0.2 mm when None.
    diameters_mm
        Range of the diameter of the circle of equal area.
    anatomy
        The film's, where it is known already.
    deposit_style
        ``standard``, ``blobs``, ``left_out`` or ``any`` (`calcimeasure.simulation.deposit_styles`).

    Raises
    ------
    FilmError
        When no limb is found on the film.
    UsageError
        When there is no style of that name.
    """
    known_style(deposit_style, DEPOSIT_STYLES, "deposits")
    anatomy = find_anatomy(film) if anatomy is None else anatomy
    if not anatomy.limb_count:
        raise FilmError("no limb was found to put deposits into", remedy="Give a radiograph of a limb.")
    spacing = film.spacing.mm or (spacing_mm or USUAL_LIMB_SPACING_MM,) * 2
    wanted = int(np.clip(rng.geometric(0.2), 1, 12)) if count is None else count
    shapes = draw_into(rng, anatomy, spacing, wanted, diameters_mm, deposit_style=resolved_style(rng, deposit_style))
    return insert_into(film, rng, shapes, anatomy=anatomy, spacing=spacing)


def insert_into(
    film: Radiograph,
    rng: np.random.Generator,
    deposits: Sequence[CalciumDeposit],
    *,
    anatomy: Anatomy,
    spacing: tuple[float, float],
    common: Sequence[CalciumDeposit] | None = None,
    identities: Sequence[int] | None = None,
    look: FilmLook | None = None,
) -> InsertedFilm:
    """Return a film with given deposits put in.

    Parameters
    ----------
    deposits
        In detector mm.
    common
        The same at the common pose; as `deposits` when None.
    identities
        Their numbers across visits; 1..n when None.
    look
        Estimated from the film when None.
    """
    look = look_of(film, anatomy) if look is None else look
    film_format = FilmFormat(shape=film.shape, spacing_mm=spacing)
    thickness, grey, peaks = add_calcium(deposits, (film.shape, spacing))
    pixels = _with_calcium(film.pixels, thickness, look, rng)
    if grey is not None:
        pixels = _with_grey(film, pixels, grey, look)
    made = replace(film, pixels=pixels, sha256="", path=None)
    bone = np.asarray(anatomy.on_film(anatomy.bone), bool)
    field = np.asarray(anatomy.on_film(anatomy.field), bool)
    common = deposits if common is None else common
    labels, records = describe_truth(
        common,
        deposits,
        identities=identities or range(1, len(deposits) + 1),
        peaks=peaks,
        bone=bone,
        field=field,
        film_format=film_format,
    )
    total = union_area([outline for deposit in deposits for outline in deposit.outlines])
    truth = FilmTruth(
        body_part=film.identity.body_part or "",
        side=film.identity.side or "",
        shape=film.shape,
        pixel_spacing_mm=spacing,
        total_area_mm2=total,
        total_area_px=total / film_format.pixel_mm2,
        total_area_common_mm2=sum(shape.area_mm2 for shape in common),
        deposits=records,
    )
    return InsertedFilm(
        film=made, labels=true_labels(labels, len(records), made.sha256), truth=truth, deposits=tuple(deposits)
    )


def _with_calcium(
    pixels: NDArray[np.float32], thickness: NDArray[np.float32], look: FilmLook, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the film with so much more calcium in the beam."""
    sharp = blurred(thickness, look.blur_px)
    attenuation = CALCIUM_PER_MM * sharp * (1 - HARDENING_PER_MM * sharp)
    touched = sharp > 1e-4
    whole = not np.any(np.mod(pixels[::7, ::7], 1))
    result = pixels.copy()
    room = np.maximum(np.float32(look.ceiling) - pixels[touched], np.float32(1e-3))
    rise = np.float32(look.grey_per_mm / CALCIUM_PER_MM) * attenuation[touched]
    # The tone curve flattens towards its ceiling: what is left of the room shrinks with what is added.
    gained = room * (1 - np.exp(-rise / room))
    noise = correlated_noise(pixels.shape, rng, look.noise_correlation_px, (1.0, 1.0))[touched]
    fewer_quanta = np.sqrt(np.maximum(np.exp(attenuation[touched]) - 1, 0))
    flattened = np.exp(-rise / room)
    result[touched] = pixels[touched] + gained + look.noise_sd * fewer_quanta * flattened * noise
    if whole:
        result = np.rint(result)
    return np.clip(result, float(pixels.min()), max(float(pixels.max()), look.ceiling)).astype(np.float32)


def _with_grey(
    film: Radiograph, pixels: NDArray[np.float32], grey_mm: NDArray[np.float32], look: FilmLook
) -> NDArray[np.float32]:
    """Return the film with grey deposits added, cut off where its coding ends."""
    added = pixels + grey_mm * np.float32(look.grey_per_mm)
    if not np.any(np.mod(pixels[::7, ::7], 1)):
        added = np.rint(added)
    return np.asarray(
        np.where(grey_mm > 0, np.minimum(added, max(film.grey.highest, look.ceiling)), pixels), np.float32
    )


def draw_into(
    rng: np.random.Generator,
    anatomy: Anatomy,
    spacing: tuple[float, float],
    count: int,
    diameters_mm: tuple[float, float],
    *,
    deposit_style: str = STANDARD,
) -> list[CalciumDeposit]:
    """Return deposits at places of the film's own anatomy."""
    cell = anatomy.step * float(np.sqrt(spacing[0] * spacing[1]))
    limb = (anatomy.limbs > 0) & anatomy.field
    to_skin = signed_distance(limb) * np.float32(cell)
    to_bone = -signed_distance(anatomy.bone & limb) * np.float32(cell)
    start = int(rng.integers(3))
    drawn: list[CalciumDeposit] = []
    for number in range(count):
        background = BACKGROUNDS[(start + number) % 3]
        for _ in range(TRIES):
            diameter = float(np.exp(rng.uniform(*np.log(diameters_mm))))
            shape, reach = draw_shape(rng, diameter, float(rng.uniform(0.7, 1.3)), style=deposit_style)
            rows, cols = np.nonzero(room_for(to_skin, to_bone, background, reach))
            if not len(rows):
                continue
            weight = 1 / (1 + np.maximum(to_bone[rows, cols] - 4, 0) / 4)
            chosen = int(rng.choice(len(rows), p=weight / weight.sum()))
            place = (np.array([cols[chosen], rows[chosen]]) + rng.uniform(0, 1, 2)) * anatomy.step
            placed = shape.moved(np.eye(2), place * np.array([spacing[1], spacing[0]]))
            if all(lie_apart(placed, other) for other in drawn):
                drawn.append(placed)
                break
    return drawn


def lie_apart(first: CalciumDeposit, second: CalciumDeposit) -> bool:
    """Return whether two deposits on one film stay two."""
    a, b = first.points_mm, second.points_mm
    gap = max(*(a.min(axis=0) - b.max(axis=0)), *(b.min(axis=0) - a.max(axis=0)))
    return bool(gap > APART_MM) or outline_gap(a[::4], b[::4]) > APART_MM
