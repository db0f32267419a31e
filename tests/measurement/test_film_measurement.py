import numpy as np
import pytest

from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.deposits import Deposit, DepositLabels, Finding, Origin, from_label_image
from calcimeasure.errors import LabelsError, UsageError
from calcimeasure.measurement import influence_px, measure_deposits, measure_film, total_area
from calcimeasure.radiograph import GreyRelationship, GreyScale, Radiograph, Spacing, SpacingBasis
from training.deposit_patches import Patch, PatchSettings, patch_of_kind

# Deposits on patches of background: the outline network wants a limb around them.
pytestmark = pytest.mark.usefixtures("edge_model")


def film_of(pixels, *, spacing_mm=(0.15, 0.15), relationship=GreyRelationship.UNKNOWN, highest=4095.0) -> Radiograph:
    """Return a film with the given canonical pixels."""
    if spacing_mm is None:
        spacing = Spacing()
    else:
        spacing = Spacing(row_mm=spacing_mm[0], col_mm=spacing_mm[1], basis=SpacingBasis.USER)
    return Radiograph(
        pixels=np.ascontiguousarray(pixels, dtype=np.float32),
        spacing=spacing,
        grey=GreyScale(lowest=0.0, highest=highest, relationship=relationship),
    )


def anatomy_of(shape: tuple[int, int]) -> Anatomy:
    """Return masks with limb 1 on the left half, limb 2 on the right, and bone in the lower half."""
    rows, cols = np.indices(shape)
    return Anatomy(
        step=1,
        field=np.ones(shape, bool),
        limbs=np.where(cols < shape[1] // 2, 1, 2).astype(np.uint8),
        bone=rows >= shape[0] // 2,
        shape=shape,
    )


@pytest.fixture
def slab() -> Patch:
    """A sharp-edged 4 mm deposit at CNR 10 and 0.15 mm a pixel."""
    return patch_of_kind("slab", 4.0, 1)


def flat_film(shape=(80, 120), *, spacing_mm=(0.1, 0.1)) -> Radiograph:
    noise = np.random.default_rng(0).normal(0, 5, shape)
    return film_of(1000 + noise, spacing_mm=spacing_mm)


def painted(*boxes, shape=(80, 120), origin=Origin.DRAWN) -> DepositLabels:
    image = np.zeros(shape, np.uint16)
    for number, (top, bottom, left, right) in enumerate(boxes, start=1):
        image[top:bottom, left:right] = number
    return from_label_image(image, origin=origin)


def measured(film, labels, **options):
    return measure_film(film, labels, anatomy=anatomy_of(film.shape), **options)


class TestPainted:
    def test_every_column_of_a_square(self):
        result = measured(flat_film(), painted((10, 20, 30, 40)))
        (row,) = result.deposits
        assert row.label == 1
        assert row.finding is Finding.CALCINOSIS
        assert row.area_method == "outline"
        assert row.origin is Origin.DRAWN
        assert row.confidence == 1.0
        assert row.area_px == 100
        assert row.area_mm2 == pytest.approx(1.0)
        assert row.area_se_px == 36
        assert row.area_se_mm2 == pytest.approx(0.36)
        assert (row.centroid_row, row.centroid_col) == (14.5, 34.5)
        assert row.limb == 1
        assert row.over_bone_fraction == 0.0
        assert row.integrated_contrast is None

    def test_pixels_that_are_not_square(self):
        film = flat_film(spacing_mm=(0.1, 0.2))
        (row,) = measured(film, painted((10, 20, 30, 40))).deposits
        assert row.area_px == 100
        assert row.area_mm2 == pytest.approx(2.0)

    def test_a_film_without_spacing_has_pixels_only(self):
        result = measured(flat_film(spacing_mm=None), painted((10, 20, 30, 40)))
        assert result.total_area_px == 100
        assert result.deposits[0].area_mm2 is None
        assert result.deposits[0].area_se_mm2 is None
        assert result.total_area_mm2 is None
        assert result.total_area_se_mm2 is None

    def test_limb_and_bone_follow_the_pixels(self):
        boxes = (10, 20, 90, 100), (50, 60, 10, 20), (35, 45, 10, 20)
        right, low, across = measured(flat_film(), painted(*boxes)).deposits
        assert (right.limb, low.limb) == (2, 1)
        assert (right.over_bone_fraction, low.over_bone_fraction) == (0.0, 1.0)
        assert across.over_bone_fraction == pytest.approx(0.5)

    def test_precision(self):
        result = measured(flat_film(), painted((10, 20, 30, 40)), precision=0.04)
        assert result.deposits[0].area_se_px == pytest.approx(4.0)
        for wrong in (0.0, -0.1, float("nan")):
            with pytest.raises(UsageError, match="precision"):
                measured(flat_film(), painted((10, 20, 30, 40)), precision=wrong)

    def test_one_person_draws_all_outlines_alike(self):
        result = measured(flat_film(), painted((10, 20, 30, 40), (50, 60, 30, 40)))
        assert result.total_area_px == 200
        assert result.total_area_se_px == pytest.approx(72)


class TestTotal:
    def test_only_calcinosis_counts(self):
        labels = painted((10, 20, 30, 40), (50, 60, 30, 45))
        labels = labels.replaced(Deposit(label=2, finding=Finding.VASCULAR, origin=Origin.DRAWN))
        result = measured(flat_film(), labels)
        assert result.deposits[1].area_px == 150
        assert result.total_area_px == 100
        assert result.total_area_se_px == 36

    def test_automatic_errors_are_mostly_their_own(self):
        film, labels = row_of_deposits(4)
        rows = measured(film, labels).deposits
        total, se = total_area(rows)
        errors = np.array([row.area_se_px for row in rows])
        assert total == pytest.approx(sum(row.area_px for row in rows))
        assert np.sqrt((errors**2).sum()) < se < errors.sum()

    def test_no_deposits(self):
        film = flat_film()
        result = measured(film, from_label_image(np.zeros(film.shape, int)))
        assert result.deposits == ()
        assert (result.total_area_px, result.total_area_se_px) == (0.0, 0.0)
        assert (result.total_area_mm2, result.total_area_se_mm2) == (0.0, 0.0)


def row_of_deposits(count: int, gap_px: int = 60) -> tuple[Radiograph, DepositLabels]:
    """Return a film with the same nodule a number of times, and its labels."""
    patch = patch_of_kind("nodule", 2.0, 3, PatchSettings(cnr=40.0, unevenness=0.0, jitter_mm=0.0))
    tall, wide = patch.pixels.shape
    image, labels = np.zeros((tall, gap_px * (count - 1) + wide), np.float32), None
    labels = np.zeros(image.shape, np.uint16)
    signal = patch.pixels - np.median(patch.pixels)
    signal[patch.coverage == 0] *= (
        np.hypot(*np.indices(signal.shape) - np.array(signal.shape)[:, None, None] / 2)[patch.coverage == 0] < 20
    )
    for number in range(count):
        window = (slice(None), slice(number * gap_px, number * gap_px + wide))
        image[window] += signal
        labels[window][patch.coverage > 0.5] = number + 1
    noise = np.random.default_rng(4).normal(0, 0.03, image.shape)
    return film_of(1000 + 500 * (image + noise)), from_label_image(labels)


class TestMany:
    def test_two_hundred_deposits(self):
        patch = patch_of_kind("slab", 1.5, 5, PatchSettings(cnr=12.0, unevenness=0.0, margin_mm=2.0, jitter_mm=0.0))
        tile, truth = patch.pixels[:36, :36], patch.coverage[:36, :36] > 0.5
        assert truth.sum() > 50
        film = film_of(1000 + 300 * np.tile(tile, (10, 20)))
        numbers = np.kron(np.arange(1, 201).reshape(10, 20), np.ones(tile.shape, int))
        labels = from_label_image(np.where(np.tile(truth, (10, 20)), numbers, 0))
        result = measured(film, labels)
        assert len(result.deposits) == 200
        inner = [row.area_px for row in result.deposits if 36 < row.centroid_row < 320 and 36 < row.centroid_col < 680]
        assert np.std(inner) < 0.05 * np.mean(inner)

    def test_some_of_them_to_the_last_digit(self):
        film, labels = row_of_deposits(5)
        anatomy = anatomy_of(film.shape)
        whole = measure_film(film, labels, anatomy=anatomy).deposits
        assert measure_deposits(film, labels, [4, 2], anatomy=anatomy) == (whole[3], whole[1])
        with pytest.raises(LabelsError, match="no deposit 6"):
            measure_deposits(film, labels, [6], anatomy=anatomy)

    def test_a_changed_mask_out_of_reach_changes_nothing(self):
        film, labels = row_of_deposits(2, gap_px=150)
        image = labels.image.copy()
        cols = np.nonzero(image == 1)[1]
        beyond = image[:, cols.max() + 1 + influence_px(film, anatomy_of(film.shape)) :]
        beyond[beyond == 2] = 0
        image[-3:, -3:] = 2
        first = measured(film, labels).deposits[0]
        assert measured(film, from_label_image(image)).deposits[0] == first

    def test_a_neighbour_is_not_measured_along(self):
        alone_film, alone = row_of_deposits(1)
        both_film, both = row_of_deposits(2, gap_px=30)
        area = measured(alone_film, alone).deposits[0].area_px
        for row in measured(both_film, both).deposits:
            assert row.area_px == pytest.approx(area, rel=0.10)


class TestSameAnswer:
    def test_again_and_from_a_copy_of_the_labels(self, slab):
        film = slab.film()
        labels = from_label_image(slab.coverage > 0.5)
        copied = from_label_image(labels.image.astype(np.int64))
        assert measured(film, labels).deposits == measured(film, copied).deposits

    def test_gain_offset_and_polarity(self, slab):
        labels = from_label_image(slab.coverage > 0.5)
        reference = measured(film_of(slab.pixels), labels).deposits[0]
        for pixels in (1000 + 37 * slab.pixels, 0.01 * slab.pixels - 3, 4095 - (4095 - (200 + 900 * slab.pixels))):
            row = measured(film_of(pixels), labels).deposits[0]
            assert row.area_px == pytest.approx(reference.area_px, rel=2e-3)
            assert row.area_se_px == pytest.approx(reference.area_se_px, rel=2e-2)

    def test_turned_by_a_quarter(self, slab):
        mask = slab.coverage > 0.5
        upright = measured(film_of(slab.pixels), from_label_image(mask)).deposits[0]
        turned = measured(film_of(np.rot90(slab.pixels)), from_label_image(np.rot90(mask))).deposits[0]
        # Cells of background fall otherwise: a part of the noise, far below the standard error.
        assert abs(turned.area_px - upright.area_px) < upright.area_se_repeat_px


class TestHardCases:
    def test_one_pixel_says_which_deposit_is_meant(self, slab):
        middle = np.argwhere(slab.coverage == 1).mean(axis=0).astype(int)
        image = np.zeros(slab.pixels.shape, int)
        image[tuple(middle)] = 1
        (row,) = measured(slab.film(), from_label_image(image)).deposits
        assert np.isfinite(row.area_px)
        assert row.area_px > 0
        assert row.area_se_px > 0

    def test_one_pixel_of_noise_is_small_and_uncertain(self):
        image = np.zeros((80, 120), int)
        image[40, 60] = 1
        (row,) = measured(flat_film(), from_label_image(image)).deposits
        assert 0 < row.area_px < 60
        assert row.area_se_px > 0.2 * row.area_px

    @pytest.mark.parametrize("side", ["top", "left", "corner"])
    def test_a_deposit_cut_by_the_border_of_the_film(self, side):
        patch = patch_of_kind("slab", 4.0, 6, PatchSettings(cnr=15.0))
        row, col = (int(v) for v in np.argwhere(patch.coverage > 0).mean(axis=0))
        window = {
            "top": (slice(row, None), slice(None)),
            "left": (slice(None), slice(col, None)),
            "corner": (slice(row, None), slice(col, None)),
        }[side]
        truth = float(patch.coverage[window].sum())
        film = film_of(1000 + 300 * patch.pixels[window])
        (found,) = measured(film, from_label_image(patch.coverage[window] > 0.5)).deposits
        assert found.area_px == pytest.approx(truth, rel=0.12)

    def test_a_constant_film(self):
        film = film_of(np.full((60, 60), 7.0))
        labels = painted((20, 30, 20, 30), shape=(60, 60), origin=Origin.AUTO)
        (row,) = measured(film, labels).deposits
        assert np.isfinite([row.area_px, row.area_se_px]).all()

    def test_padding_is_no_background(self, slab):
        pixels = 1500 + 400 * slab.pixels
        padding = np.zeros(pixels.shape, bool)
        padding[:, :12] = True
        plain = film_of(pixels.copy())
        pixels[padding] = 0.0
        padded = Radiograph(pixels=pixels.astype(np.float32), spacing=plain.spacing, grey=plain.grey, padding=padding)
        labels = from_label_image(slab.coverage > 0.5)
        areas = [measured(film, labels).deposits[0].area_px for film in (plain, padded)]
        assert areas[1] == pytest.approx(areas[0], rel=0.02)

    def test_over_exposed_deposits_are_named(self, slab):
        pixels = np.minimum(1500 + 400 * slab.pixels, 1800)
        film = film_of(pixels, highest=1800.0)
        result = measured(film, from_label_image(slab.coverage > 0.5))
        assert any("Deposit 1: over-exposed" in sentence for sentence in map(str, result.warnings))


class TestWrongLabels:
    def test_another_shape(self):
        with pytest.raises(LabelsError, match="label image"):
            measured(flat_film(), painted((1, 2, 1, 2), shape=(10, 10)))

    def test_another_film(self):
        labels = DepositLabels(image=np.zeros((80, 120), np.uint16), film_sha256="0" * 64)
        with pytest.raises(LabelsError, match="another film"):
            measured(flat_film(), labels)


class TestIntegratedContrast:
    def test_a_logarithmic_film_is_summed(self, slab):
        film = film_of(500 + 100 * slab.pixels, relationship=GreyRelationship.LOGARITHMIC)
        (row,) = measured(film, from_label_image(slab.coverage > 0.5)).deposits
        assert row.integrated_contrast == pytest.approx(100 * slab.area_px, rel=0.05)

    def test_a_linear_film_is_turned_into_attenuation(self, slab):
        intensity = 4095 * np.exp(-1.0 - 0.3 * slab.pixels)
        film = film_of(4095 - intensity, relationship=GreyRelationship.LINEAR)
        (row,) = measured(film, from_label_image(slab.coverage > 0.5)).deposits
        assert row.integrated_contrast == pytest.approx(0.3 * slab.area_px, rel=0.05)

    def test_an_undeclared_film_has_none(self, slab):
        (row,) = measured(slab.film(), from_label_image(slab.coverage > 0.5)).deposits
        assert row.integrated_contrast is None


def test_the_anatomy_is_found_when_not_given(slab):
    result = measure_film(slab.film(), from_label_image(slab.coverage > 0.5))
    assert result.anatomy is not None
    assert result.anatomy.shape == slab.pixels.shape
