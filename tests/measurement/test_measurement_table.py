import numpy as np

import calcimeasure as cm
from calcimeasure.deposits import Origin, from_label_image
from calcimeasure.measurement.measurement_table import MEASUREMENT_COLUMNS
from training.deposit_patches import patch_of_kind

FIRST_COLUMNS = [
    "label",
    "finding",
    "area_mm2",
    "area_se_mm2",
    "area_px",
    "area_se_px",
    "area_method",
    "centroid_row",
    "centroid_col",
    "limb",
    "over_bone_fraction",
    "confidence",
    "origin",
    "integrated_contrast",
]


def test_the_documented_columns_come_first():
    assert list(MEASUREMENT_COLUMNS[: len(FIRST_COLUMNS)]) == FIRST_COLUMNS


def test_a_painted_square():
    film = patch_of_kind("slab", 4.0, 1).film()
    image = np.zeros(film.shape, int)
    image[20:30, 40:50] = 1
    table = cm.measure(film, from_label_image(image, origin=Origin.DRAWN))
    row = table.iloc[0]
    assert (row.label, row.finding, row.area_method, row.origin) == (1, "calcinosis", "outline", "drawn")
    assert row.area_px == 100
    assert np.isclose(row.area_mm2, 100 * 0.15**2)
    assert np.isclose(row.area_se_mm2, 36 * 0.15**2)
    assert (row.centroid_row, row.centroid_col) == (24.5, 44.5)
    assert np.isnan(row.integrated_contrast)


def test_an_empty_table_has_the_same_columns_and_types():
    patch = patch_of_kind("slab", 4.0, 1)
    full = cm.measure(patch.film(), from_label_image(patch.mask))
    empty = cm.measure(patch.film(), from_label_image(np.zeros(patch.pixels.shape, int)))
    assert len(empty) == 0
    assert empty.dtypes.equals(full.dtypes)
