"""Styles: each draws a film of its own with a truth that holds, and no other draws what is left out of training."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from calcimeasure.cli.main import run
from calcimeasure.cli.simulate_command import simulate
from calcimeasure.errors import UsageError
from calcimeasure.simulation import ChangePlan, insert_deposits, insert_pair, simulate_film, simulate_pair
from calcimeasure.simulation.bone_styles import BONE_STYLES, BoneStyle, draw_style
from calcimeasure.simulation.bones import GRID_MM, make_drawn_bone, make_long_bone, make_short_bone
from calcimeasure.simulation.calcium_deposits import render_thickness
from calcimeasure.simulation.deposit_styles import BLOB_KINDS, DEPOSIT_STYLES, make_grey_deposit, resolved_style
from calcimeasure.simulation.drawing_style import DrawingStyle
from calcimeasure.simulation.film_styles import PLAIN, FilmFinish, draw_finish, finish_film
from calcimeasure.simulation.formats import format_at
from calcimeasure.simulation.geometry import pixel_coverage, polygon_area
from calcimeasure.simulation.simulated_film import draw_sitting

SPACING_MM = 0.6
SEED = 21
GREY_STYLES = ("blobs", "left_out")


def film_of(**styles):
    return simulate_film(np.random.default_rng(SEED), side="R", deposits=3, spacing_mm=SPACING_MM, **styles)


@pytest.fixture(scope="module")
def standard():
    return film_of()


def long_bone(**style):
    return make_long_bone("metacarpal_3", "metacarpal", 64.0, np.random.default_rng(1), style=BoneStyle(**style))


def mean_between(bone, low, high):
    """Return the mean mineral of the middle third of a bone between two shares of its length."""
    rows = slice(*(int((share * 64 - bone.origin_mm[1]) / GRID_MM) for share in (low, high)))
    cols = bone.mineral_mm.shape[1]
    return float(bone.mineral_mm[rows, cols // 3 : -cols // 3].mean())


@pytest.mark.parametrize("style", [name for name in BONE_STYLES if name != "standard"])
def test_a_style_of_bones_makes_the_same_film_again_and_not_the_standard_one(style, standard):
    film = film_of(style=style)
    assert not np.array_equal(film.stored, standard.stored)
    assert film.stored.shape == standard.stored.shape
    assert film.truth.styles["bones"] == style
    assert np.array_equal(film_of(style=style).stored, film.stored)


def test_the_standard_style_draws_nothing(standard):
    rng = np.random.default_rng(3)
    before = rng.bit_generator.state
    usual = BoneStyle(cortex=0.4)
    assert draw_style(rng, "standard", usual=usual) == usual
    assert draw_finish(rng, "standard") == PLAIN
    assert resolved_style(rng, "standard") == "standard"
    film = np.arange(12, dtype=np.uint16).reshape(3, 4)
    assert finish_film(film, PLAIN, 255, ((3, 4), (0.2, 0.2)), rng) is film
    assert rng.bit_generator.state == before
    assert standard.truth.styles == {}


def test_any_never_draws_what_is_left_out():
    rng = np.random.default_rng(0)
    drawn = [draw_style(rng) for _ in range(3000)]
    for name in set(BONE_STYLES) - {"left_out", "any"}:
        drawn += [draw_style(rng, name) for _ in range(100)]
    assert all(len(style.properties_of_left_out) <= 1 and not style.tubular for style in drawn)
    left_out = [draw_style(rng, "left_out") for _ in range(100)]
    assert all(len(style.properties_of_left_out) == 4 for style in left_out)
    # Each property by itself is common in training.
    for held in ("hollow", "capped", "smooth"):
        assert sum(style.properties_of_left_out == {held} for style in drawn[:3000]) > 150
    assert {resolved_style(rng, "any") for _ in range(200)} == {"standard", "blobs"}


def test_blobs_are_four_films_in_ten_of_any():
    rng = np.random.default_rng(1)
    assert np.mean([resolved_style(rng, "any") == "blobs" for _ in range(2000)]) == pytest.approx(0.4, abs=0.04)


def test_marrow_goes_from_shell_to_solid():
    shell, usual, solid = (mean_between(long_bone(marrow_spongy=share), 0.45, 0.55) for share in (0.0, 0.1, 0.8))
    assert shell < usual < 0.85 * solid


def test_caps_are_dense_ends_and_leave_the_shaft():
    usual, capped = long_bone(), long_bone(cap=0.8)
    assert mean_between(capped, 0.93, 0.98) > 1.3 * mean_between(usual, 0.93, 0.98)
    assert mean_between(capped, 0.4, 0.6) == pytest.approx(mean_between(usual, 0.4, 0.6), rel=0.01)


def test_without_trabeculae_a_bone_is_smooth():
    rough, smooth = (
        bone.mineral_mm - cv2.GaussianBlur(bone.mineral_mm, (0, 0), 4)
        for bone in (long_bone(trabecular_amplitude=2.0), long_bone(trabecular_amplitude=0.0))
    )
    middle = slice(rough.shape[1] // 3, -rough.shape[1] // 3)
    assert smooth[300:400, middle].std() < 0.65 * rough[300:400, middle].std()


@pytest.mark.parametrize("outgrowth", ["osteophytes", "exostoses"])
def test_outgrowths_add_bone_outside_the_outline(outgrowth):
    usual, grown = long_bone(), long_bone(**{outgrowth: 4.0})
    added = abs(polygon_area(grown.outline_mm)) - abs(polygon_area(usual.outline_mm))
    assert 1.0 < added < 0.35 * abs(polygon_area(usual.outline_mm))


def test_bones_left_out_are_tubes_with_round_ends():
    usual, tube = long_bone(), long_bone(tubular=True)

    def width(bone, share):
        y = bone.outline_mm[:, 1]
        return np.ptp(bone.outline_mm[np.abs(y - share * 64) < 1.5, 0])

    assert width(tube, 0.5) == pytest.approx(width(usual, 0.5), rel=0.15)
    assert width(tube, 0.88) < 0.8 * width(usual, 0.88)
    assert tube.outline_mm[:, 1].max() == pytest.approx(usual.outline_mm[:, 1].max(), abs=0.5)
    short = make_short_bone("lunate", "lunate", np.random.default_rng(1), style=BoneStyle(tubular=True))
    low, high = short.outline_mm.min(axis=0), short.outline_mm.max(axis=0)
    assert abs(polygon_area(short.outline_mm)) == pytest.approx(np.pi / 4 * np.prod(high - low), rel=0.01)


def test_large_bones_grow_near_the_joint_when_they_grow():
    box = np.array([(15.0, 190.0), (14.0, 60.0), (30.0, 5.0), (0.0, -6.0), (-30.0, 5.0), (-14.0, 60.0), (-15.0, 190.0)])
    adult, child = (
        make_drawn_bone("femur", box, np.random.default_rng(0), style=style, joints=(True, False))
        for style in (BoneStyle(), BoneStyle(growth_plate_mm=2.0, large_growth_plates=True))
    )
    ratio = child.mineral_mm.sum(axis=1) / np.maximum(adult.mineral_mm.sum(axis=1), 1e-6)
    darkest = int(np.argmin(ratio[50:-50])) + 50
    assert ratio[darkest] < 0.75
    assert 5 < child.origin_mm[1] + darkest * GRID_MM + 6 < 30


def test_hardware_is_brighter_than_any_bone(standard):
    sitting = draw_sitting(
        np.random.default_rng(2), deposits=0, film_format=format_at(1.0), style=DrawingStyle(bones="hardware")
    )
    assert sitting.hardware.implants
    assert {implant.bone for implant in sitting.hardware.implants} <= set(sitting.limb.segments)
    assert len(film_of(style="hardware").truth.deposits) <= 3
    assert standard.truth.deposits


@pytest.mark.parametrize("diameter_mm", [1.0, 4.0, 11.0])
@pytest.mark.parametrize(("style", "kind"), [*(("blobs", kind) for kind in BLOB_KINDS), ("left_out", None)])
def test_grey_deposits_have_the_area_asked_for_in_outline_label_and_thickness(style, kind, diameter_mm):
    deposit = make_grey_deposit(style, diameter_mm=diameter_mm, rng=np.random.default_rng(4), kind=kind)
    wanted = np.pi / 4 * diameter_mm**2
    assert deposit.area_mm2 == pytest.approx(wanted, rel=1e-3)
    placed = deposit.moved(np.eye(2), np.array([20.3, 20.2]))
    grid = {"shape": (800, 800), "spacing_mm": (0.05, 0.05)}
    covered = pixel_coverage(placed.outlines, **grid)
    assert covered.sum() * 0.05**2 == pytest.approx(wanted, rel=1e-3)
    patch, where = render_thickness(placed, **grid)
    # What is drawn is the footprint: no thickness outside it, none missing inside.
    assert np.all(patch[covered[where] > 0.99] > 0)
    assert patch[covered[where] == 0].sum() < 0.005 * patch.sum()
    assert patch.sum() * 0.05**2 == pytest.approx(placed.volume_mm3, rel=5e-3)
    assert deposit.grown(1.3).area_mm2 / deposit.area_mm2 == pytest.approx(1.3, rel=1e-6)
    assert deposit.grey_blur_mm is not None


@pytest.mark.parametrize("style", GREY_STYLES)
def test_a_followup_in_a_style_of_deposits_keeps_the_ratio(style):
    plan = ChangePlan(area_ratio=1.3, new=1, gone=1, split=1)
    pair = simulate_pair(
        np.random.default_rng(31), plan=plan, deposits=5, spacing_mm=SPACING_MM, deposit_style=style, style="dense_ends"
    )
    matched = [link.area_ratio for link in pair.truth.links if link.status == "matched"]
    assert len(matched) >= 2
    assert all(ratio == pytest.approx(1.3, rel=1e-6) or ratio == pytest.approx(1.0, rel=1e-6) for ratio in matched)
    kinds = {one.kind for film in (pair.baseline, pair.followup) for one in film.truth.deposits}
    assert kinds <= ({*BLOB_KINDS, "cluster"} if style == "blobs" else {"polygons", "cluster"})
    assert pair.truth.baseline.styles == pair.truth.followup.styles


@pytest.mark.parametrize("style", GREY_STYLES)
def test_inserted_in_a_film_they_brighten_it_where_they_are_and_keep_the_ratio(style):
    film = simulate_film(np.random.default_rng(17), side="R", deposits=0, spacing_mm=0.4, bits=12).film
    made = insert_deposits(film, np.random.default_rng(1), count=6, deposit_style=style)
    near = cv2.dilate((made.labels.image > 0).astype(np.uint8), np.ones((15, 15))) > 0
    assert np.array_equal(made.film.pixels[~near], film.pixels[~near])
    assert len(made.truth.deposits) >= 4
    for one in made.truth.deposits:
        mask = made.labels.mask(one.label)
        assert made.film.pixels[mask].mean() > film.pixels[mask].mean()
        if one.area_px > 40:
            assert mask.sum() == pytest.approx(one.area_px, rel=0.1)
    pair = insert_pair(film, np.random.default_rng(2), plan=ChangePlan(area_ratio=0.7), count=5, deposit_style=style)
    assert [link.area_ratio for link in pair.truth.links] == pytest.approx([0.7] * len(pair.truth.links), rel=1e-4)


def test_what_becomes_of_a_film():
    shape, spacing = (200, 160), (0.2, 0.2)
    rng = np.random.default_rng(0)
    film = np.clip(rng.normal(1500, 200, shape) + 1000 * (np.arange(160) > 80), 0, 4095).astype(np.uint16)

    def finished(**finish):
        return finish_film(film, replace(PLAIN, **finish), 4095, (shape, spacing), np.random.default_rng(1)).astype(
            float
        )

    assert len(np.unique(finished(jpeg_quality=90))) <= 256
    assert finished(jpeg_quality=95) == pytest.approx(film, abs=400)
    assert finished(pixel_mm=0.6)[:, :70].std() < 0.6 * film[:, :70].std()
    assert finished(tone_power=1.5).mean() < film.mean()
    halo = finished(halo_gain=1.0, halo_mm=1.0).mean(axis=0)
    assert halo[82] > film.mean(axis=0)[120] + 100
    assert finished(grain=0.03)[:, :70].std() > 1.1 * film[:, :70].std()
    vignetted = finished(vignette=0.2)
    corners = np.mean([(vignetted - film)[part][:, 60:100].mean() for part in (slice(0, 20), slice(-20, None))])
    assert corners > (vignetted - film)[90:110, 60:100].mean()
    assert np.mean(finished(dust=40) != film) > 0.001


def test_any_film_differs_from_film_to_film_and_stays_mostly_at_the_next_visit():
    rng = np.random.default_rng(5)
    drawn = [draw_finish(rng, "any") for _ in range(400)]
    assert 0.15 < np.mean([finish == PLAIN for finish in drawn]) < 0.35
    assert min(one.pixel_mm for one in drawn if one.pixel_mm) >= 0.15
    assert max(one.pixel_mm for one in drawn) <= 0.6
    first = FilmFinish(jpeg_quality=50)
    assert 0.5 < np.mean([draw_finish(rng, "any", near=first) == first for _ in range(300)]) < 0.7


def test_films_of_any_style_have_coarse_pixels_when_none_are_asked_for():
    spacings = set()
    for seed in range(3):
        film = simulate_film(np.random.default_rng(seed), deposits=1, style="any")
        spacings.add(film.film.spacing.mm[0])
        assert 0.15 <= film.film.spacing.mm[0] <= 0.6
        assert film.truth.styles["film"] == "any"
    assert len(spacings) == 3


@pytest.mark.parametrize(
    ("styles", "names"),
    [
        ({"style": "glass"}, BONE_STYLES),
        ({"deposit_style": "glass"}, DEPOSIT_STYLES),
        ({"film_style": "glass"}, ("any",)),
    ],
)
def test_unknown_styles_are_named_with_those_that_exist(styles, names):
    with pytest.raises(UsageError, match="no style 'glass'") as refused:
        film_of(**styles)
    assert all(name in str(refused.value) for name in names)


def test_command_draws_in_a_style_and_records_it(tmp_path):
    arguments = ["film", "--out", str(tmp_path / "f"), "--spacing", "0.8", "--deposits", "3", "--style", "shell",
                 "--film-style", "any", "--deposit-style", "blobs"]  # fmt: skip
    result = CliRunner().invoke(simulate, arguments)
    assert result.exit_code == 0, result.output
    truth = json.loads((tmp_path / "f" / "truth.json").read_text(encoding="utf-8"))
    assert truth["styles"] == {"bones": "shell", "film": "any", "deposits": "blobs"}
    assert {one["kind"] for one in truth["deposits"]} <= set(BLOB_KINDS)


@pytest.mark.parametrize("command", [["simulate", "film"], ["simulate", "pair"], ["simulate", "study"], ["validate"]])
def test_commands_list_the_styles_when_one_is_unknown(command, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run([*command, "--out", str(tmp_path / "out"), "--style", "glass"])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert "glass" in said
    assert "dense_ends" in said
    assert not (tmp_path / "out").exists()
