"""find_anatomy: field, limbs and bone on drawn films, on odd ones and on real ones."""

import numpy as np
import pytest

from calcimeasure.anatomy import find_anatomy
from calcimeasure.anatomy.image_filters import blur
from calcimeasure.io import read_film
from calcimeasure.radiograph import GreyScale, Identity, Radiograph

GREY = GreyScale(lowest=0.0, highest=4095.0)


def drawn_film(shape=(700, 560), *, centres=(280,), half_width=90, bone_half_width=25, tilt_deg=0.0, **kwargs):
    """Limbs from top to bottom on uneven air, with a bone each, inside a tilted collimated field."""
    rows, cols = np.indices(shape, dtype=np.float32)
    angle = np.deg2rad(tilt_deg)
    across = (cols - shape[1] / 2) * np.cos(angle) + (rows - shape[0] / 2) * np.sin(angle)
    along = (rows - shape[0] / 2) * np.cos(angle) - (cols - shape[1] / 2) * np.sin(angle)
    picture = 400 + 0.15 * rows
    girth = 1 + 0.12 * np.sin(along / 90)
    for centre in centres:
        offset = across - (centre - shape[1] / 2)
        depth = np.clip(1 - (offset / (half_width * girth)) ** 2, 0, 1)
        picture = picture + 900 * np.sqrt(depth) * (along > -0.45 * shape[0])
        bone = np.clip(1 - (offset / (bone_half_width * girth)) ** 2, 0, 1)
        picture = picture + 1100 * np.sqrt(bone) * (along > -0.40 * shape[0])
    picture = blur(picture.astype(np.float32), 1.2)
    field = (np.abs(across) < 0.46 * shape[1]) & (np.abs(along) < 0.48 * shape[0])
    picture = np.where(field, picture, 60)
    noise = np.random.default_rng(1).normal(0, 8, shape)
    return Radiograph(pixels=(picture + noise).astype(np.float32), grey=GREY, **kwargs), field


@pytest.mark.parametrize("tilt_deg", [0.0, 6.0, -15.0])
def test_field_and_limb_of_a_tilted_film(tilt_deg):
    film, field = drawn_film(tilt_deg=tilt_deg)
    anatomy = find_anatomy(film)
    found = anatomy.on_film(anatomy.field)
    assert (found & field).sum() / (found | field).sum() > 0.93
    assert anatomy.limb_count == 1
    assert not ((anatomy.limbs > 0) & ~anatomy.field).any()


def test_bone_lies_in_the_limb_and_where_it_was_drawn():
    film, _ = drawn_film()
    anatomy = find_anatomy(film)
    bone = anatomy.on_film(anatomy.bone)
    middle = bone[350]
    assert middle[264:296].all()
    assert not middle[:240].any()
    assert not middle[320:].any()
    assert not (anatomy.bone & (anatomy.limbs == 0)).any()


def test_two_limbs_are_numbered_from_left_to_right():
    film, _ = drawn_film(centres=(150, 410), half_width=70)
    anatomy = find_anatomy(film)
    limbs = anatomy.on_film(anatomy.limbs)
    assert anatomy.limb_count == 2
    assert limbs[400, 150] == 1
    assert limbs[400, 410] == 2


def test_limbs_that_touch_are_parted_when_the_header_says_both():
    film, _ = drawn_film(centres=(190, 370), half_width=92, identity=Identity(side="B"))
    anatomy = find_anatomy(film)
    limbs = anatomy.on_film(anatomy.limbs)
    assert (limbs[500, 190], limbs[500, 370]) == (1, 2)


def test_the_masks_do_not_depend_on_windowing():
    film, _ = drawn_film()
    other = Radiograph(pixels=(film.pixels * 3 + 500).astype(np.float32), grey=GreyScale(lowest=0, highest=65535))
    first, second = find_anatomy(film), find_anatomy(other)
    for name in ("field", "limbs", "bone"):
        assert (getattr(first, name) != getattr(second, name)).mean() < 0.002, name


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((300, 200)),
        np.full((300, 200), 4095.0),
        np.full((1, 1), 7.0),
        np.full((5, 400), 7.0),
        np.where(np.arange(90000).reshape(300, 300) == 45150, 1.0, 0.0),
        np.random.default_rng(0).normal(1000, 100, (300, 200)),
    ],
    ids=["black", "white", "one pixel", "strip", "one bright pixel", "noise"],
)
def test_a_film_without_a_limb_gives_empty_masks_and_a_sentence(pixels):
    anatomy = find_anatomy(Radiograph(pixels=pixels.astype(np.float32), grey=GREY))
    assert anatomy.limb_count == 0
    assert not anatomy.bone.any()
    assert len(anatomy.warnings) == 1
    assert anatomy.warnings[0].text.endswith(".")


def test_padding_is_outside_the_field():
    film, _ = drawn_film()
    padding = np.zeros(film.shape, dtype=np.bool_)
    padding[:, :120] = True
    anatomy = find_anatomy(Radiograph(pixels=film.pixels, grey=GREY, padding=padding))
    assert not anatomy.on_film(anatomy.field)[:, :115].any()


@pytest.mark.parametrize(
    ("identity", "word"),
    [(Identity(modality="CT"), "CT"), (Identity(body_part="CHEST"), "CHEST")],
)
def test_the_header_may_say_that_it_is_not_a_limb(identity, word):
    film, _ = drawn_film(identity=identity)
    assert any(word in sentence for sentence in map(str, find_anatomy(film).warnings))


@pytest.mark.parametrize("part", ["HAND", "LOWER LEG", "WRIST", "RIGHT FOOT", "EXTREMITY"])
def test_a_limb_by_its_header_is_not_warned_of(part):
    film, _ = drawn_film(identity=Identity(modality="DX", body_part=part))
    assert not any(part in sentence for sentence in map(str, find_anatomy(film).warnings))


def test_a_clipped_limb_is_warned_of():
    film, _ = drawn_film()
    clipped = Radiograph(pixels=np.minimum(film.pixels, 2200), grey=GreyScale(lowest=0, highest=2200))
    assert any("brightest value" in sentence for sentence in map(str, find_anatomy(clipped).warnings))


REAL_LIMBS = {
    "synpic16486.jpg": 2,  # two hands
    "synpic21186.jpg": 2,  # two hands, tips touching
    "synpic17961.jpg": 1,
    "synpic26448.jpg": 1,  # tilted collimation
    "synpic43474.jpg": 1,  # turned field with a white frame on grey
    "synpic39751.jpg": 1,  # small field on black
    "synpic18187.jpg": 1,  # elbow leaving two sides
    "synpic32240.jpg": 1,
}


@pytest.mark.parametrize(("name", "count"), REAL_LIMBS.items())
def test_limbs_of_real_films(films_folder, name, count):
    film = read_film(films_folder / "limbs" / name, spacing_mm=0.2)
    anatomy = find_anatomy(film)
    assert anatomy.limb_count == count
    assert 0.25 < anatomy.bone.sum() / (anatomy.limbs > 0).sum() < 0.65
    assert not anatomy.warnings


def test_a_spacing_changes_nothing(films_folder):
    path = films_folder / "limbs" / "synpic17961.jpg"
    with_spacing, without = find_anatomy(read_film(path, spacing_mm=0.2)), find_anatomy(read_film(path))
    assert (with_spacing.limbs == without.limbs).all()
    assert (with_spacing.bone == without.bone).all()


def test_a_hand_in_a_tilted_field_beside_a_bright_band(films_folder):
    film = read_film(films_folder / "dicom" / "hand_pa_adult_cr_j2k.dcm")
    anatomy = find_anatomy(film)
    limb = anatomy.on_film(anatomy.limbs) > 0
    assert anatomy.limb_count == 1
    assert limb[1300, 1050]
    assert limb[500, 1080]  # tip of the middle finger
    assert not limb[300, 200:1800].any()  # scatter beside the upper blade
    assert not limb[470, 1750]  # the lead marker
    assert 0.2 < limb.mean() < 0.36
