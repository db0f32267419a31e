"""One deposit on an even background with blur and noise: the plainest film with known truth.

For developing and testing the measurement of area, where anatomy would only get in the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from calcimeasure.radiograph import GreyScale, Radiograph, Spacing, SpacingBasis
from calcimeasure.simulation.calcium_deposits import CalciumDeposit, render_thickness
from calcimeasure.simulation.geometry import pixel_coverage
from calcimeasure.simulation.smoothing import correlated_noise, gaussian_blur

if TYPE_CHECKING:
    from numpy.typing import NDArray

GREY_PER_MM = 400.0
ATTENUATION_PER_MM = 0.52  # of thin hydroxyapatite behind 20 mm of soft tissue at 50 kVp
HARDENING_PER_MM2 = 0.022  # how much of it a millimetre more takes away


@dataclass(frozen=True, kw_only=True, eq=False)
class IsolatedFilm:
    """A film of one deposit with its truth.

    Attributes
    ----------
    film
        Canonical: more calcium is a larger value; its spacing is known.
    deposit
        As placed on the film, in detector mm.
    coverage
        float32, the share of each pixel that the footprint covers.
    area_mm2
        True footprint area.
    noise_sd
        Standard deviation of the noise in one pixel, in grey values.
    """

    film: Radiograph
    deposit: CalciumDeposit
    coverage: NDArray[np.float32]
    area_mm2: float
    noise_sd: float


def isolated_film(
    deposit: CalciumDeposit,
    rng: np.random.Generator,
    *,
    spacing_mm: tuple[float, float] = (0.15, 0.15),
    margin_mm: float = 6.0,
    psf_sigma_mm: float = 0.12,
    noise_correlation_mm: float = 0.1,
    cnr: float = 10.0,
    ramp: float = 0.1,
) -> IsolatedFilm:
    """Return a film of one deposit on a sloping background.

    Parameters
    ----------
    deposit
        Centred near (0, 0); it is put at a random sub-pixel position in the middle.
    spacing_mm
        (row, column) spacing.
    margin_mm
        Background around the deposit.
    psf_sigma_mm
        Gaussian blur of the detector, beside the averaging over a pixel.
    noise_correlation_mm
        Gaussian correlation of the noise; 0 for white noise.
    cnr
        Contrast of the thickest pixel, after blur, over the noise's standard deviation in a pixel.
    ramp
        Rise of the background over the film, as a share of the deposit's contrast.
    """
    low, high = deposit.points_mm.min(axis=0), deposit.points_mm.max(axis=0)
    size = high - low + 2 * margin_mm
    shape = (int(np.ceil(size[1] / spacing_mm[0])) + 1, int(np.ceil(size[0] / spacing_mm[1])) + 1)
    placed = deposit.moved(np.eye(2), margin_mm - low + rng.uniform(0, 1, 2) * spacing_mm[::-1])
    thickness = np.zeros(shape, np.float32)
    patch, where = render_thickness(placed, shape=shape, spacing_mm=spacing_mm)
    thickness[where] = patch
    signal = GREY_PER_MM * (ATTENUATION_PER_MM - HARDENING_PER_MM2 * thickness) * thickness / ATTENUATION_PER_MM
    signal = gaussian_blur(signal, psf_sigma_mm, spacing_mm)
    contrast = float(signal.max())
    noise_sd = contrast / cnr
    rotation = rng.uniform(0, 2 * np.pi)
    row, col = np.mgrid[-0.5 : 0.5 : shape[0] * 1j, -0.5 : 0.5 : shape[1] * 1j]
    background = 1000.0 + ramp * contrast * (row * np.sin(rotation) + col * np.cos(rotation))
    noise = correlated_noise(shape, rng, noise_correlation_mm, spacing_mm)
    pixels = (background + signal + noise_sd * noise).astype(np.float32)
    film = Radiograph(
        pixels=pixels,
        spacing=Spacing(row_mm=spacing_mm[0], col_mm=spacing_mm[1], basis=SpacingBasis.DETECTOR),
        grey=GreyScale(lowest=0.0, highest=65535.0),
    )
    share = pixel_coverage(placed.outlines, shape=shape, spacing_mm=spacing_mm)
    return IsolatedFilm(film=film, deposit=placed, coverage=share, area_mm2=placed.area_mm2, noise_sd=noise_sd)
