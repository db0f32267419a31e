"""One deposit on the backgrounds that make its area hard to measure: bone edges, trabeculae, uneven soft tissue.

A patch is a few centimetres of film with one deposit of known footprint, a few milliseconds each: for calibrating and
for judging the estimator of area by the thousand. Whole films are `calcimeasure.simulation.simulate_film`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.radiograph import GreyScale, Radiograph, Spacing, SpacingBasis
from calcimeasure.simulation.calcium_deposits import CalciumDeposit, render_thickness
from calcimeasure.simulation.deposit_kinds import DepositKind, make_deposit
from calcimeasure.simulation.geometry import pixel_coverage

FILM_LEVEL = 1500.0
FILM_CONTRAST = 400.0


class Backdrop(StrEnum):
    """What lies behind the deposit."""

    SOFT = "soft"
    BONE_EDGE = "bone_edge"
    BONE = "bone"


@dataclass(frozen=True, kw_only=True, slots=True)
class PatchSettings:
    """How a patch is exposed.

    Attributes
    ----------
    spacing_mm
        (row, column) spacing.
    psf_sigma_px
        Gaussian blur, in units of the geometric mean pixel.
    psf_tail
        Share of the blur's weight in a tail three times as wide.
    cnr
        Contrast of the thickest place, before blur, over the noise's standard deviation in a pixel.
    noise_correlation_px
        Gaussian correlation of the noise.
    backdrop
        What lies behind.
    bone_contrast
        Contrast of the bone at its thickest over the deposit's.
    trabeculae
        Standard deviation of the bone's texture over the bone's contrast.
    unevenness
        Slope and curvature of the soft tissue over the patch, as a share of the deposit's contrast.
    hardening
        How much less than its proportional share the thickest place contrasts (beam hardening, tone curve).
    enhancement, enhancement_sigma_px, fine_enhancement, fine_sigma_px
        Strength and width of two unsharp masks over the finished picture, as vendors process in bands; 0 for none.
    margin_mm
        Film around the deposit.
    jitter_mm
        Standard deviation of the deposit's place on its background.
    """

    spacing_mm: tuple[float, float] = (0.15, 0.15)
    psf_sigma_px: float = 1.0
    psf_tail: float = 0.0
    cnr: float = 10.0
    noise_correlation_px: float = 0.6
    backdrop: Backdrop = Backdrop.SOFT
    bone_contrast: float = 1.5
    trabeculae: float = 0.03
    unevenness: float = 0.1
    hardening: float = 0.1
    enhancement: float = 0.0
    enhancement_sigma_px: float = 6.0
    fine_enhancement: float = 0.0
    fine_sigma_px: float = 2.0
    margin_mm: float = 6.0
    jitter_mm: float = 0.3


@dataclass(frozen=True, kw_only=True, eq=False)
class Patch:
    """A patch with its truth.

    Attributes
    ----------
    pixels
        float32, more calcium is larger.
    coverage
        Share of each pixel that the footprint covers.
    area_px
        True footprint area in pixels.
    noise_sd
        Standard deviation of the noise in a pixel, before any enhancement.
    spacing_mm
        (row, column) spacing.
    """

    pixels: NDArray[np.float32]
    coverage: NDArray[np.float32]
    area_px: float
    noise_sd: float
    spacing_mm: tuple[float, float]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """True on the pixels of which the footprint covers more than half."""
        return self.coverage > 0.5

    def film(self) -> Radiograph:
        """Return the patch as a film of 12-bit-like grey values."""
        row_mm, col_mm = self.spacing_mm
        return Radiograph(
            pixels=np.asarray(FILM_LEVEL + FILM_CONTRAST * self.pixels, dtype=np.float32),
            spacing=Spacing(row_mm=row_mm, col_mm=col_mm, basis=SpacingBasis.DETECTOR),
            grey=GreyScale(lowest=0.0, highest=4095.0),
        )


def render_patch(
    deposit: CalciumDeposit,
    settings: PatchSettings,
    rng: np.random.Generator,
    *,
    backdrop_rng: np.random.Generator | None = None,
) -> Patch:
    """Return a patch of film with a deposit near its middle, at a random place within the pixel.

    Parameters
    ----------
    deposit
        Anywhere; its thickest place has the contrast 1.
    settings
        The exposure.
    rng
        Decides place, noise and, unless `backdrop_rng` does, the background.
    backdrop_rng
        Two patches with equal ones show the same background: two films of one limb.
    """
    behind = rng if backdrop_rng is None else backdrop_rng
    row_mm, col_mm = settings.spacing_mm
    low, high = deposit.points_mm.min(axis=0), deposit.points_mm.max(axis=0)
    size = high - low + 2 * settings.margin_mm
    shape = (int(np.ceil(size[1] / row_mm)) + 1, int(np.ceil(size[0] / col_mm)) + 1)
    place = rng.uniform(0, 1, 2) * (col_mm, row_mm) + rng.normal(0, settings.jitter_mm, 2)
    placed = deposit.moved(np.eye(2), settings.margin_mm - low + place)
    thickness = np.zeros(shape, np.float32)
    part, where = render_thickness(placed, shape=shape, spacing_mm=settings.spacing_mm)
    thickness[where] = part
    relative = thickness / max(float(thickness.max()), 1e-9)
    signal = (1 + settings.hardening) * relative - settings.hardening * relative**2
    picture: NDArray[np.floating] = signal + _soft_tissue(shape, settings, behind)
    if settings.backdrop is not Backdrop.SOFT:
        picture = picture + _bone(shape, settings, float(np.sqrt(deposit.area_mm2)), behind)
    picture = _blur(picture.astype(np.float32), settings)
    noise_sd = 1.0 / settings.cnr
    picture = picture + noise_sd * _noise(shape, settings.noise_correlation_px, rng)
    picture = _enhanced(np.asarray(picture, np.float32), settings)
    share = pixel_coverage(placed.outlines, shape=shape, spacing_mm=settings.spacing_mm)
    return Patch(
        pixels=np.asarray(picture, np.float32),
        coverage=share,
        area_px=placed.area_mm2 / (row_mm * col_mm),
        noise_sd=noise_sd,
        spacing_mm=settings.spacing_mm,
    )


def patch_of_kind(
    kind: DepositKind | str, diameter_mm: float, seed: int, settings: PatchSettings | None = None
) -> Patch:
    """Return the patch of a seed with one deposit of a kind and a size.

    Parameters
    ----------
    kind, diameter_mm
        As for `make_deposit`.
    seed
        Decides everything else.
    settings
        The exposure; the standard one when None.
    """
    rng = np.random.default_rng(seed)
    deposit = make_deposit(kind, diameter_mm=diameter_mm, thickness_mm=1.0, rng=rng)
    return render_patch(deposit, PatchSettings() if settings is None else settings, rng)


def random_settings(
    rng: np.random.Generator, *, cnr: float | None = None, backdrop: Backdrop | None = None
) -> PatchSettings:
    """Return an exposure as films vary: detectors, doses, tissue and processing."""
    pixel_spacing = float(rng.uniform(0.1, 0.2))
    settings = PatchSettings(
        spacing_mm=(pixel_spacing, pixel_spacing),
        psf_sigma_px=float(rng.uniform(0.65, 1.55)),
        psf_tail=float(rng.uniform(0, 0.1)) if rng.random() < 0.5 else 0.0,
        cnr=float(np.exp(rng.uniform(np.log(2.5), np.log(40.0)))) if cnr is None else cnr,
        noise_correlation_px=float(rng.uniform(0.0, 0.9)),
        backdrop=Backdrop(rng.choice([b.value for b in Backdrop])) if backdrop is None else backdrop,
        bone_contrast=float(np.exp(rng.uniform(np.log(0.4), np.log(4.0)))),
        trabeculae=float(rng.uniform(0.0, 0.06)),
        unevenness=float(rng.exponential(0.12)),
    )
    return random_processing(settings, rng)


def random_processing(settings: PatchSettings, rng: np.random.Generator) -> PatchSettings:
    """Return the same exposure as another vendor would show it: none, light or strong enhancement, another curve."""
    pixel_spacing = float(np.sqrt(np.prod(settings.spacing_mm)))
    strength = float(rng.choice([0.0, 0.4, 1.0], p=[0.25, 0.5, 0.25]))
    return replace(
        settings,
        hardening=float(rng.uniform(-0.15, 0.4)),
        enhancement=strength * float(rng.uniform(0.0, 1.0)),
        enhancement_sigma_px=float(rng.uniform(0.5, 2.0)) / pixel_spacing,
        fine_enhancement=strength * float(rng.uniform(0.0, 0.6)),
        fine_sigma_px=float(rng.uniform(0.2, 0.4)) / pixel_spacing,
    )


def rough_mask(patch: Patch, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return a mask as segmenters make them: some level of the shadow, up to two pixels too tight or loose, uneven."""
    soft = cv2.GaussianBlur(patch.coverage, (0, 0), rng.uniform(0.6, 1.6))
    waves = _noise(patch.coverage.shape, 2.0, rng)
    level = np.clip(0.5 + 0.15 * rng.normal(), 0.2, 0.8)
    mask = (soft + 0.06 * waves * (soft > 0.02) > level).astype(np.uint8)
    steps = int(rng.choice([-2, -1, -1, 0, 0, 0, 1, 1, 2]))
    if steps:
        size = 2 * abs(steps) + 1
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        changed = cv2.dilate(mask, disc) if steps > 0 else cv2.erode(mask, disc)
        mask = changed if changed.any() else mask
    if not mask.any():
        mask = (patch.coverage >= 0.5 * patch.coverage.max()).astype(np.uint8)
    return np.asarray(mask, dtype=np.bool_)


def _soft_tissue(shape: tuple[int, int], settings: PatchSettings, rng: np.random.Generator) -> NDArray[np.float64]:
    row, col = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    slope, bend = rng.normal(0, 1, 2), rng.normal(0, 0.5, 3)
    plane = slope[0] * row + slope[1] * col + bend[0] * row**2 + bend[1] * col**2 + bend[2] * row * col
    pixel_spacing = float(np.sqrt(np.prod(settings.spacing_mm)))
    waves = _noise(shape, 2.5 / pixel_spacing, rng)
    return np.asarray(settings.unevenness * (plane + 0.4 * waves), np.float64)


def _bone(
    shape: tuple[int, int], settings: PatchSettings, size_mm: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return a tubular bone whose edge crosses the deposit, or whose shaft lies under it."""
    row_mm, col_mm = settings.spacing_mm
    y = (np.arange(shape[0]) - shape[0] / 2)[:, None] * row_mm
    x = (np.arange(shape[1]) - shape[1] / 2)[None, :] * col_mm
    rotation = rng.uniform(0, 2 * np.pi)
    across = x * np.cos(rotation) + y * np.sin(rotation)
    along = -x * np.sin(rotation) + y * np.cos(rotation)
    radius = rng.uniform(3.0, 9.0)
    if settings.backdrop is Backdrop.BONE_EDGE:
        offset = radius + rng.uniform(-0.5, 0.6) * size_mm
    else:
        offset = rng.uniform(-0.4, 0.4) * radius
    middle = offset + rng.uniform(-0.008, 0.008) * along**2 + rng.uniform(-0.15, 0.15) * along
    outer = np.clip(1 - ((across - middle) / radius) ** 2, 0, None)
    wall = rng.uniform(0.1, 0.35)
    inner = np.clip((1 - wall) ** 2 - ((across - middle) / radius) ** 2, 0, None)
    marrow = rng.uniform(0.3, 0.8)
    profile = np.sqrt(outer) - marrow * np.sqrt(inner)
    pixel_spacing = float(np.sqrt(row_mm * col_mm))
    texture = 0.6 * _noise(shape, 0.25 / pixel_spacing, rng) + 0.8 * _noise(shape, 0.6 / pixel_spacing, rng)
    return np.asarray(
        settings.bone_contrast * (profile + settings.trabeculae * texture * np.sqrt(outer)) / max(profile.max(), 0.3)
    )


def _blur(picture: NDArray[np.float32], settings: PatchSettings) -> NDArray[np.float32]:
    row_mm, col_mm = settings.spacing_mm
    pixel_spacing = float(np.sqrt(row_mm * col_mm))

    def gaussian(factor: float) -> NDArray[np.float32]:
        sigma = settings.psf_sigma_px * pixel_spacing * factor
        return np.asarray(
            cv2.GaussianBlur(
                picture, (0, 0), sigmaX=sigma / col_mm, sigmaY=sigma / row_mm, borderType=cv2.BORDER_REPLICATE
            )
        )

    if settings.psf_tail <= 0:
        return gaussian(1.0)
    return np.asarray((1 - settings.psf_tail) * gaussian(1.0) + settings.psf_tail * gaussian(3.0))


def _enhanced(picture: NDArray[np.float32], settings: PatchSettings) -> NDArray[np.float32]:
    enhanced = picture
    for gain, sigma in (
        (settings.enhancement, settings.enhancement_sigma_px),
        (settings.fine_enhancement, settings.fine_sigma_px),
    ):
        if gain:
            smooth = cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
            enhanced = enhanced + np.float32(gain) * (picture - smooth)
    return np.asarray(enhanced, np.float32)


def _noise(shape: tuple[int, int], correlation_px: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return noise of unit standard deviation with a Gaussian correlation."""
    if correlation_px <= 0.2:
        return rng.standard_normal(shape, dtype=np.float32)
    # Wide correlations are drawn on a coarse grid and enlarged: the same statistics for a fraction of the time.
    step = max(1, int(correlation_px // 2))
    coarse_shape = (shape[0] // step + 8, shape[1] // step + 8)
    sigma = correlation_px / step
    noise = cv2.GaussianBlur(
        rng.standard_normal(coarse_shape, dtype=np.float32), (0, 0), sigma, borderType=cv2.BORDER_REFLECT
    )
    noise = noise / np.float32(_blur_gain(sigma))
    if step == 1:
        return np.asarray(noise[4 : 4 + shape[0], 4 : 4 + shape[1]])
    enlarged = cv2.resize(noise, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
    return np.asarray(enlarged[3 * step : 3 * step + shape[0], 3 * step : 3 * step + shape[1]])


def _blur_gain(sigma: float) -> float:
    """Return the standard deviation that white noise of unit deviation keeps after a Gaussian blur."""
    half = int(np.ceil(5 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    return float(np.sum(kernel**2))
