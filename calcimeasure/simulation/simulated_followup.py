"""A second visit made of one real film: moved, bent a little, exposed and processed anew, deposits changed or not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from calcimeasure.anatomy import find_anatomy
from calcimeasure.simulation.bone_styles import STANDARD, known_style
from calcimeasure.simulation.changes import UNCHANGED, ChangePlan
from calcimeasure.simulation.deposit_styles import DEPOSIT_STYLES, resolved_style
from calcimeasure.simulation.film_appearance import FilmLook, look_of
from calcimeasure.simulation.geometry import inside
from calcimeasure.simulation.insertion import USUAL_LIMB_SPACING_MM, InsertedFilm, draw_into, insert_into, lie_apart
from calcimeasure.simulation.smoothing import blurred, correlated_noise, gaussian_blur
from calcimeasure.simulation.truth import LinkTruth, PairTruth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calcimeasure.anatomy.anatomy_records import Anatomy
    from calcimeasure.radiograph import Radiograph
    from calcimeasure.simulation.calcium_deposits import CalciumDeposit
    from calcimeasure.simulation.geometry import Points

BEND_MM = 28.0
BEND_GRID_MM = 4.0
INVERSE_STEPS = 12
CURVE_STEPS = 4096
FRAME_MM = 3.0
BRIGHT_PERCENT = 99.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Move:
    """Where each place of a film lies on the film of another visit.

    Attributes
    ----------
    matrix, translation_mm
        ``matrix @ first + translation_mm`` is the place on the second film but for the bend.
    bend_mm
        float32 (rows, columns, 2): what is taken off a place on the *second* film, (x, y), on a grid of `grid_mm`.
    grid_mm
        Spacing of that grid.
    """

    matrix: Points
    translation_mm: Points
    bend_mm: NDArray[np.float32]
    grid_mm: float

    def backward(self, points_mm: Points) -> Points:
        """Return where places of the second film come from."""
        unbent = points_mm - self._bend_at(points_mm)
        return np.asarray(np.linalg.solve(self.matrix, (unbent - self.translation_mm).T).T)

    def forward(self, points_mm: Points) -> Points:
        """Return where places of the first film go."""
        straight = points_mm @ self.matrix.T + self.translation_mm
        moved = straight
        for _ in range(INVERSE_STEPS):
            moved = straight + self._bend_at(moved)
        return np.asarray(moved)

    def moved(self, deposit: CalciumDeposit) -> CalciumDeposit:
        """Return a deposit as it lies on the second film: carried by the motion of its middle."""
        centre = np.array(deposit.centroid_mm)
        around = centre + np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        there = self.forward(around)
        matrix = np.stack([(there[1] - there[2]) / 2, (there[3] - there[4]) / 2], axis=1)
        return deposit.moved(matrix, there[0] - matrix @ centre)

    def _bend_at(self, points_mm: Points) -> Points:
        rows, cols = self.bend_mm.shape[:2]
        x = np.clip(points_mm[:, 0] / self.grid_mm, 0, cols - 1.001)
        y = np.clip(points_mm[:, 1] / self.grid_mm, 0, rows - 1.001)
        left, top = x.astype(np.int64), y.astype(np.int64)
        right, down = (x - left)[:, None], (y - top)[:, None]
        upper = self.bend_mm[top, left] * (1 - right) + self.bend_mm[top, left + 1] * right
        lower = self.bend_mm[top + 1, left] * (1 - right) + self.bend_mm[top + 1, left + 1] * right
        return np.asarray(upper * (1 - down) + lower * down, np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class InsertedPair:
    """A real film with deposits, and a second visit made of it, with the truth about the change."""

    baseline: InsertedFilm
    followup: InsertedFilm
    truth: PairTruth
    move: Move


def simulate_followup_of(
    film: Radiograph,
    rng: np.random.Generator,
    *,
    spacing_mm: float | None = None,
    anatomy: Anatomy | None = None,
    same_processing: bool = False,
    move: Move | None = None,
) -> tuple[Radiograph, Move]:
    """Return the same film as another visit would have shown it, and the motion between the two.

    Parameters
    ----------
    film
        Any radiograph of a limb.
    rng
        Decides everything; the same state gives the same film.
    spacing_mm
        Pixel spacing, for a film that states none; 0.2 mm when None.
    anatomy
        The film's, where it is known already.
    same_processing
        Keep its sharpness and tone curve; only the noise is new.
    move
        Drawn when None: up to 20 degrees, 3 cm, 3 % of size, and a smooth bend of about a millimetre.
    """
    anatomy = find_anatomy(film) if anatomy is None else anatomy
    spacing = film.spacing.mm or (spacing_mm or USUAL_LIMB_SPACING_MM,) * 2
    move = draw_move(rng, film.shape, spacing) if move is None else move
    look = look_of(film, anatomy)
    pixels = _warped(film, move, spacing, look)
    return _filmed_anew(film, pixels, look, rng, spacing, same_processing=same_processing), move


def insert_pair(
    film: Radiograph,
    rng: np.random.Generator,
    *,
    plan: ChangePlan = UNCHANGED,
    count: int | None = None,
    spacing_mm: float | None = None,
    diameters_mm: tuple[float, float] = (0.8, 12.0),
    anatomy: Anatomy | None = None,
    same_processing: bool = False,
    deposit_style: str = STANDARD,
) -> InsertedPair:
    """Return a real film with deposits of known area, and a follow-up of it with a known change.

    Parameters
    ----------
    film
        Any radiograph of a limb.
    plan
        What happens to the deposits; its splits and mergers do not take place here.
    count, spacing_mm, diameters_mm, anatomy, deposit_style
        As in `calcimeasure.simulation.insertion.insert_deposits`.
    same_processing
        As in `simulate_followup_of`.
    """
    known_style(deposit_style, DEPOSIT_STYLES, "deposits")
    anatomy = find_anatomy(film) if anatomy is None else anatomy
    spacing = film.spacing.mm or (spacing_mm or USUAL_LIMB_SPACING_MM,) * 2
    move = draw_move(rng, film.shape, spacing)
    wanted = int(np.clip(rng.geometric(0.2), 1, 12)) if count is None else count
    drawn = draw_into(
        rng, anatomy, spacing, wanted + plan.new, diameters_mm, deposit_style=resolved_style(rng, deposit_style)
    )
    shapes = [shape for shape in drawn
              if _stays_on_film(move.moved(shape), film.shape, spacing)]  # fmt: skip
    before, after = _apply(rng, shapes, plan)
    look = look_of(film, anatomy)
    first = insert_into(
        film, rng, list(before.values()), anatomy=anatomy, spacing=spacing, identities=list(before), look=look
    )
    moved = replace(film, pixels=_warped(film, move, spacing, look), sha256="", path=None)
    # Before it is processed anew: what the other visit does to the bones' edges and greys, it does to the deposits'.
    later = insert_into(
        moved,
        rng,
        [move.moved(shape) for shape in after.values()],
        anatomy=find_anatomy(moved),
        spacing=spacing,
        common=list(after.values()),
        identities=list(after),
        look=look,
    )
    second = _filmed_anew(film, later.film.pixels, look, rng, spacing, same_processing=same_processing)
    later = replace(later, film=second)
    return InsertedPair(baseline=first, followup=later, truth=_truth(first, later, before, after), move=move)


def draw_move(rng: np.random.Generator, shape: tuple[int, int], spacing: tuple[float, float]) -> Move:
    """Return a random motion: a similarity about the film's middle, and a smooth bend."""
    size = np.array([shape[1] * spacing[1], shape[0] * spacing[0]])
    rotation = np.deg2rad(float(np.clip(rng.normal(0, 7), -20, 20)))
    scale = float(np.exp(np.clip(rng.normal(0, 0.012), -0.03, 0.03)))
    matrix = scale * np.array([[np.cos(rotation), -np.sin(rotation)], [np.sin(rotation), np.cos(rotation)]])
    translation = np.clip(rng.normal(0, 5, 2), -30, 30) * min(1.0, float(size.min()) / 150)
    cells = (int(size[1] / BEND_GRID_MM) + 2, int(size[0] / BEND_GRID_MM) + 2)
    amount = float(rng.uniform(0.3, 1.2))
    waves = [blurred(rng.standard_normal(cells, dtype=np.float32), BEND_MM / BEND_GRID_MM) for _ in range(2)]
    bend = np.stack([amount * wave / max(float(wave.std()), 1e-6) for wave in waves], axis=-1).astype(np.float32)
    middle = size / 2
    return Move(
        matrix=matrix, translation_mm=middle + translation - matrix @ middle, bend_mm=bend, grid_mm=BEND_GRID_MM
    )


def _warped(film: Radiograph, move: Move, spacing: tuple[float, float], look: FilmLook) -> NDArray[np.float32]:
    # The map is smooth: every eighth pixel of it is worked out, the rest lies between.
    step = 8
    rows, cols = film.shape
    y, x = np.mgrid[0 : rows + step : step, 0 : cols + step : step].astype(np.float64)
    there = np.stack([(x.ravel() + 0.5) * spacing[1], (y.ravel() + 0.5) * spacing[0]], axis=1)
    here = move.backward(there)
    maps = []
    for axis, pixel_spacing in ((0, spacing[1]), (1, spacing[0])):
        coarse = (here[:, axis] / pixel_spacing - 0.5).reshape(x.shape).astype(np.float32)
        # Pixel r of the fine map lies at r / step of the coarse one.
        place = np.arange(max(rows, cols), dtype=np.float32) / step
        grid_x = np.repeat(place[None, :cols], rows, axis=0)
        grid_y = np.repeat(place[:rows, None], cols, axis=1)
        maps.append(cv2.remap(coarse, grid_x, grid_y, cv2.INTER_LINEAR))
    outside = float(min(look.floor, film.pixels.min()))
    warped = cv2.remap(film.pixels, maps[0], maps[1], cv2.INTER_CUBIC, borderValue=outside)
    return np.asarray(warped, np.float32)


def _filmed_anew(
    film: Radiograph,
    pixels: NDArray[np.float32],
    look: FilmLook,
    rng: np.random.Generator,
    spacing: tuple[float, float],
    *,
    same_processing: bool,
) -> Radiograph:
    """Return moved pixels of a film as another exposure and another vendor would have shown them."""
    # Quanta make the noise, before any processing: where a tone curve burns out, it burns out the noise as well.
    pixels = _noisy_anew(pixels, film, look, rng)
    if not same_processing:
        pixels = _processed_anew(pixels, look, rng, spacing)
    if not np.any(np.mod(film.pixels[::7, ::7], 1)):
        pixels = np.rint(pixels)
    lowest, highest = min(film.grey.lowest, float(film.pixels.min())), max(film.grey.highest, float(film.pixels.max()))
    return replace(film, pixels=np.clip(pixels, lowest, highest).astype(np.float32), sha256="", path=None, padding=None)


def _processed_anew(
    pixels: NDArray[np.float32], look: FilmLook, rng: np.random.Generator, spacing: tuple[float, float]
) -> NDArray[np.float32]:
    """Return the film in another vendor's look: sharpened or softened, and along another tone curve."""
    result = pixels
    if rng.random() < 0.6:
        width_mm = float(rng.uniform(0.4, 1.5))
        result = result + np.float32(rng.uniform(-0.15, 0.4)) * (result - gaussian_blur(result, width_mm, spacing))
    span = look.ceiling - look.floor
    power = float(np.exp(rng.normal(0, 0.12)))
    gain = float(np.exp(rng.normal(0, 0.08)))
    # Bones that the film shows are not burnt out by showing it otherwise.
    bright = float(np.percentile(pixels[::4, ::4], BRIGHT_PERCENT) - look.floor) / span
    gain = min(gain, max(1.0, min(max(bright, 0.1), 1.0) ** -power))
    unit = np.linspace(0, 1, CURVE_STEPS)
    table = (look.floor + span * np.minimum(gain * unit**power, 1.0)).astype(np.float32)
    place = np.clip((result - look.floor) / span, 0, 1) * (CURVE_STEPS - 1)
    low = np.minimum(place.astype(np.int32), CURVE_STEPS - 2)
    share = place - low
    curved = table[low] * (1 - share) + table[low + 1] * share
    # What lies below the curve's floor (beyond the collimation) stays as it is.
    return np.asarray(np.where(result < look.floor, result, curved), np.float32)


def _noisy_anew(
    pixels: NDArray[np.float32], film: Radiograph, look: FilmLook, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the film with as much noise as another exposure has; interpolation has smoothed away some of its own."""
    dose = float(np.exp(rng.normal(0, 0.25)))
    lost = 0.35  # of the variance, by cubic interpolation at random places
    variance = look.noise_sd**2 * max(1 / dose - 1 + lost, 0.1)
    fresh = correlated_noise(film.shape, rng, look.noise_correlation_px, (1.0, 1.0))
    beam = pixels > look.floor
    return np.asarray(pixels + np.float32(np.sqrt(variance)) * fresh * beam, np.float32)


def _stays_on_film(deposit: CalciumDeposit, shape: tuple[int, int], spacing: tuple[float, float]) -> bool:
    width, height = shape[1] * spacing[1] - FRAME_MM, shape[0] * spacing[0] - FRAME_MM
    frame = np.array([[FRAME_MM, FRAME_MM], [width, FRAME_MM], [width, height], [FRAME_MM, height]])
    return bool(np.all(inside(deposit.points_mm[::6], frame)))


def _apply(
    rng: np.random.Generator, shapes: list[CalciumDeposit], plan: ChangePlan
) -> tuple[dict[int, CalciumDeposit], dict[int, CalciumDeposit]]:
    """Return the deposits of both visits by identity, in the frame of the first film."""
    numbered = dict(enumerate(shapes, start=1))
    identities = [int(one) for one in rng.permutation(list(numbered))]
    new, gone = identities[: plan.new], identities[plan.new : plan.new + plan.gone]
    before = {identity: shape for identity, shape in numbered.items() if identity not in new}
    after: dict[int, CalciumDeposit] = {}
    for identity, shape in numbered.items():
        if identity in gone:
            continue
        after[identity] = shape
        if identity in new:
            continue
        ratio = plan.area_ratio * float(np.exp(plan.spread * rng.normal()))
        if plan.touched < 1 and rng.random() >= plan.touched:
            ratio = 1.0
        if ratio == 1.0 and plan.thickness_factor == 1.0:
            continue
        changed = shape.grown(ratio, thickness_factor=plan.thickness_factor)
        others = [after.get(key, other) for key, other in numbered.items() if key != identity]
        if ratio <= 1 or all(lie_apart(changed, other) for other in others):
            after[identity] = changed
    return before, after


def _truth(
    first: InsertedFilm, later: InsertedFilm, before: dict[int, CalciumDeposit], after: dict[int, CalciumDeposit]
) -> PairTruth:
    old = {deposit.identity: deposit for deposit in first.truth.deposits}
    new = {deposit.identity: deposit for deposit in later.truth.deposits}
    links = []
    for identity in sorted({*before, *after}):
        one, two = old.get(identity), new.get(identity)
        status = "matched" if one and two else "resolved" if one else "new"
        links.append(
            LinkTruth(
                status=status,
                baseline_labels=(one.label,) if one else (),
                followup_labels=(two.label,) if two else (),
                area_ratio=two.area_common_mm2 / one.area_common_mm2 if one and two else None,
            )
        )
    total = first.truth.total_area_common_mm2
    return PairTruth(
        total_area_ratio=later.truth.total_area_common_mm2 / total if total else None,
        baseline_total_area_mm2=first.truth.total_area_mm2,
        followup_total_area_mm2=later.truth.total_area_mm2,
        links=tuple(links),
        baseline=first.truth,
        followup=later.truth,
    )
