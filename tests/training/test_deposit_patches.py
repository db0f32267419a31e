import numpy as np
import pytest

from calcimeasure.simulation.deposit_kinds import make_deposit
from training.deposit_patches import (
    Backdrop,
    PatchSettings,
    patch_of_kind,
    random_settings,
    render_patch,
    rough_mask,
)


@pytest.mark.parametrize("backdrop", list(Backdrop))
def test_the_truth_is_the_area_of_the_coverage(backdrop):
    patch = patch_of_kind("lobulated", 5.0, 1, PatchSettings(backdrop=backdrop))
    assert patch.area_px == pytest.approx(np.pi / 4 * 5.0**2 / 0.15**2, rel=1e-3)
    assert patch.coverage.sum() == pytest.approx(patch.area_px, rel=1e-3)


def test_contrast_and_noise_are_as_asked():
    patch = patch_of_kind("slab", 8.0, 2, PatchSettings(cnr=20.0, unevenness=0.0, noise_correlation_px=0.0))
    inside, outside = patch.pixels[patch.coverage == 1], patch.pixels[patch.coverage == 0]
    assert np.median(inside) - np.median(outside) == pytest.approx(1.0, abs=0.02)
    assert np.std(outside[: outside.size // 4]) == pytest.approx(0.05, rel=0.1)


def test_one_seed_gives_the_same_bytes():
    first, second = (patch_of_kind("cluster", 3.0, 3, random_settings(np.random.default_rng(3))) for _ in range(2))
    assert first.pixels.tobytes() == second.pixels.tobytes()


def test_two_films_may_share_their_background():
    deposit = make_deposit("slab", diameter_mm=3.0, thickness_mm=1.0, rng=np.random.default_rng(4))
    settings = PatchSettings(cnr=200.0, backdrop=Backdrop.BONE_EDGE, jitter_mm=0.0)
    rng = np.random.default_rng(5)
    films = [render_patch(deposit, settings, rng, backdrop_rng=np.random.default_rng(6)) for _ in range(2)]
    away = (films[0].coverage + films[1].coverage) == 0
    away[30:-30, 30:-30] = False
    assert np.abs(films[0].pixels - films[1].pixels)[away].max() < 0.06


def test_a_rough_mask_means_the_deposit():
    patch = patch_of_kind("nodule", 4.0, 7)
    for seed in range(8):
        mask = rough_mask(patch, np.random.default_rng(seed))
        assert 0.5 < mask.sum() / patch.area_px < 1.6
        assert (mask & patch.mask).sum() > 0.8 * min(mask.sum(), patch.mask.sum())
