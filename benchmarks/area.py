"""How well the footprint area is measured: bias, repeatability and honesty of its standard error, as tables.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.area                    every table (some ten minutes)
    OPENBLAS_NUM_THREADS=1 python -m benchmarks.area --deposits 300     a quick look

Deposits of every kind, size, contrast and backdrop are filmed twice with the same blur and processing, each time at
another place and with other noise, and measured from rough masks as a segmenter makes them. A third film shows the
deposit grown or shrunk. The seeds are none that the calibration was fitted to (training/area.py).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from calcimeasure.anatomy.anatomy_records import Anatomy
from calcimeasure.deposits import from_label_image
from calcimeasure.measurement import measure_film
from calcimeasure.measurement.area_ratio import edge_ratio
from calcimeasure.measurement.deposit_crops import deposit_crops
from calcimeasure.measurement.edge_calibration import estimate_area
from calcimeasure.measurement.edge_description import Edge
from calcimeasure.measurement.edge_model import describe_crop
from calcimeasure.radiograph import GreyScale, Radiograph
from calcimeasure.simulation.deposit_kinds import DepositKind, make_deposit
from training.deposit_patches import Backdrop, Patch, patch_of_kind, random_settings, render_patch, rough_mask

FIRST_SEED = 3_000_000
SIZES_MM = (1.4, 2.8, 5.6, 10.0)
CNRS = (4.0, 10.0, 20.0)
FAMILIES = {
    "sharp": ("slab",),
    "thinning": ("nodule", "bevel", "lobulated"),
    "uneven": ("sheet", "ulcerated", "shell"),
    "pieces": ("cluster", "stipple"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One deposit, two alike films and a changed one: ratios to the truth, standard errors over the truth."""

    kind: str
    size_mm: float
    cnr: float
    backdrop: str
    ratios: tuple[float, float]
    ses: tuple[float, float]
    repeat_se: float
    unchanged: tuple[float, float]
    change: tuple[float, float, float, float]


def measured(patch: Patch, mask: NDArray[np.bool_]) -> Edge:
    labels = from_label_image(mask)
    (cut,) = deposit_crops(patch.film(), labels.image, frozenset({1}))
    return describe_crop(cut.crop).edge


def case(kind: str, size_mm: float, cnr: float, backdrop: Backdrop, seed: int) -> Case:
    rng = np.random.default_rng(seed)
    settings = random_settings(rng, cnr=cnr, backdrop=backdrop)
    deposit = make_deposit(kind, diameter_mm=size_mm * float(rng.uniform(0.8, 1.25)), thickness_mm=1.0, rng=rng)
    true_ratio = float(np.exp(rng.choice([-1, 1]) * rng.uniform(0.1, 0.5)))
    films = []
    for shown in (deposit, deposit, deposit.grown(true_ratio)):
        patch = render_patch(shown, settings, rng, backdrop_rng=np.random.default_rng([seed, 1]))
        films.append((patch.area_px, measured(patch, rough_mask(patch, rng))))
    areas = [estimate_area(edge) for _, edge in films]
    truth = films[0][0]
    same, other = edge_ratio(films[0][1], films[1][1]), edge_ratio(films[0][1], films[2][1])
    apart = np.log([areas[1].area_px / areas[0].area_px, areas[2].area_px / areas[0].area_px])
    return Case(
        kind=kind,
        size_mm=size_mm,
        cnr=cnr,
        backdrop=backdrop.value,
        ratios=(areas[0].area_px / truth, areas[1].area_px / truth),
        ses=(areas[0].se_px / truth, areas[1].se_px / truth),
        repeat_se=areas[0].se_repeat_px / truth,
        unchanged=(float(apart[0]), same.log_ratio),
        change=(float(np.log(true_ratio)), float(apart[1]), other.log_ratio, other.se),
    )


def cases(count: int) -> Iterator[Case]:
    """Yield deposits with kind, size, contrast and backdrop dealt evenly, each on its own and in chance company."""
    deal = np.random.default_rng(FIRST_SEED)
    hands = [deal.permutation(np.arange(count) % len(options)) for options in (DepositKind, SIZES_MM, CNRS, Backdrop)]
    for number in range(count):
        kind, size, cnr, backdrop = (int(hand[number]) for hand in hands)
        where = list(Backdrop)[backdrop]
        yield case(list(DepositKind)[kind].value, SIZES_MM[size], CNRS[cnr], where, FIRST_SEED + 1 + number)


def spread(values: NDArray[np.float64]) -> float:
    """Return the half width that holds 68 % about the median."""
    return float(np.quantile(np.abs(values - np.median(values)), 0.68))


def area_row(chosen: list[Case]) -> str:
    ratios = np.array([one.ratios for one in chosen])
    z = (ratios - 1) / np.array([one.ses for one in chosen])
    repeat = np.diff(ratios, axis=1)[:, 0] / np.sqrt(2)
    repeat_z = repeat / np.array([one.repeat_se for one in chosen])
    return (
        f"{np.median(ratios):.3f} | {100 * spread(ratios.ravel()):.1f} | {100 * spread(repeat):.1f} | "
        f"{np.std(np.clip(z, -6, 6)):.2f} | {100 * np.mean(np.abs(z) < 1.96):.0f} | "
        f"{np.std(np.clip(repeat_z, -6, 6)):.2f}"
    )


def pair_row(chosen: list[Case]) -> str:
    unchanged = np.array([one.unchanged for one in chosen])
    change = np.array([one.change for one in chosen])
    true, apart, together, se = change.T
    slope = float(np.polyfit(true, together, 1)[0])
    rms = [float(np.sqrt(np.mean(np.clip(v, -1, 1) ** 2))) for v in (*unchanged.T, apart - true, together - true)]
    z = (together - true) / se
    return (
        " | ".join(f"{100 * v:.1f}" for v in rms)
        + f" | {slope:.2f} | {np.std(np.clip(z, -6, 6)):.2f} | {100 * np.mean(np.abs(z) < 1.96):.0f}"
    )


def table(title: str, head: str, groups: dict[str, list[Case]], row: object) -> None:
    columns = head.count("|") + 2
    print(f"\n{title}\n\n| stratum | {head} |\n|{'---|' * columns}")
    for name, chosen in sorted(groups.items(), key=lambda group: natural(group[0])):
        if len(chosen) >= 3:
            print(f"| {name} | {row(chosen)} |")


def natural(name: str) -> list[tuple[float, str]]:
    """Return a key that sorts numbers in words by their value."""
    return [
        (float(part), "") if part.replace(".", "").isdigit() else (-1.0, part) for part in name.replace(",", "").split()
    ]


def grouped(found: list[Case], *keys: str) -> dict[str, list[Case]]:
    groups: dict[str, list[Case]] = {}
    for one in found:
        family = next(name for name, kinds in FAMILIES.items() if one.kind in kinds)
        words = {
            "kind": one.kind,
            "family": family,
            "size": f"{one.size_mm:g} mm",
            "cnr": f"CNR {one.cnr:g}",
            "backdrop": one.backdrop.replace("_", " "),
        }
        groups.setdefault(", ".join(words[key] for key in keys), []).append(one)
    return groups


def shared_error(count: int) -> None:
    """Print how alike the errors of deposits of one film are: of one blur and processing, of chance kinds."""
    z = []
    for number in range(count):
        rng = np.random.default_rng(FIRST_SEED + 900_000 + number)
        settings = random_settings(rng, cnr=12.0)
        film = []
        for _ in range(3):
            kind, size = str(rng.choice([k.value for k in DepositKind])), float(rng.uniform(2, 6))
            patch = render_patch(make_deposit(kind, diameter_mm=size, thickness_mm=1.0, rng=rng), settings, rng)
            found = estimate_area(measured(patch, rough_mask(patch, rng)))
            film.append((found.area_px - patch.area_px) / found.se_px)
        z.append(film)
    correlation = np.corrcoef(np.clip(np.array(z), -3, 3).T)
    print(f"\nCorrelation of the errors of two deposits of one film: {correlation[np.triu_indices(3, 1)].mean():.2f}")


def mask_sensitivity(count: int) -> None:
    """Print how much a mask drawn tighter or looser changes the area."""
    print(
        "\nMask tighter (-) or looser (+) by so many pixels: median change of the area in %, and in standard errors\n"
    )
    print("| size | -2 | -1 | +1 | +2 |\n|---|---|---|---|---|")
    for size_mm in SIZES_MM:
        changes: dict[int, list[tuple[float, float]]] = {-2: [], -1: [], 1: [], 2: []}
        for number in range(count):
            rng = np.random.default_rng(FIRST_SEED + 800_000 + number)
            kind = ("slab", "nodule", "lobulated")[number % 3]
            patch = patch_of_kind(kind, size_mm, FIRST_SEED + 800_000 + number, random_settings(rng, cnr=10.0))
            plain = estimate_area(measured(patch, patch.mask))
            for steps, found in changes.items():
                disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(steps) + 1,) * 2)
                change = cv2.dilate if steps > 0 else cv2.erode
                mask = change(patch.mask.astype(np.uint8), disc).astype(bool)
                if mask.any():
                    moved = abs(estimate_area(measured(patch, mask)).area_px - plain.area_px)
                    found.append((moved / plain.area_px, moved / plain.se_px))
        cells = [
            f"{100 * np.median([a for a, _ in found]):.1f} ({np.median([b for _, b in found]):.2f})"
            for found in changes.values()
        ]
        print(f"| {size_mm:g} mm | {' | '.join(cells)} |")


def speed() -> None:
    """Print the time for a film of 2500 x 2000 pixels with 60 deposits."""
    rng = np.random.default_rng(FIRST_SEED)
    pixels = rng.normal(1500, 30, (2500, 2000)).astype(np.float32)
    image = np.zeros(pixels.shape, np.uint16)
    for number in range(60):
        size = float(np.exp(rng.uniform(np.log(1.0), np.log(8.0))))
        patch = patch_of_kind(list(DepositKind)[number % 9], size, number, replace(random_settings(rng), margin_mm=1.0))
        tall, wide = (min(side, 240) for side in patch.pixels.shape)
        window = (
            slice(250 * (number // 6), 250 * (number // 6) + tall),
            slice(333 * (number % 6), 333 * (number % 6) + wide),
        )
        pixels[window] += 300 * patch.coverage[:tall, :wide]
        image[window][patch.mask[:tall, :wide]] = number + 1
    film = Radiograph(pixels=pixels, grey=GreyScale(lowest=0.0, highest=4095.0))
    cells = (313, 250)
    anatomy = Anatomy(
        step=8,
        field=np.ones(cells, bool),
        limbs=np.ones(cells, np.uint8),
        bone=np.zeros(cells, bool),
        shape=film.shape,
    )
    labels = from_label_image(image)
    measure_film(film, labels, anatomy=anatomy)
    wall, cpu = time.perf_counter(), time.process_time()
    measure_film(film, labels, anatomy=anatomy)
    print(
        f"\n60 deposits on a film of 2500 x 2000: {time.perf_counter() - wall:.2f} s "
        f"({time.process_time() - cpu:.2f} s of processor), the anatomy given"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--deposits", type=int, default=2000, help="how many are drawn, three films each")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    found = list(cases(options.deposits))
    head = "median ratio | spread % | repeat SD % | SD of z | within 1.96 SE % | SD of z, repeat"
    table("By size (all else mixed)", head, grouped(found, "size"), area_row)
    table("By kind and size (all contrasts and backdrops)", head, grouped(found, "kind", "size"), area_row)
    table("By size and backdrop (all kinds and contrasts)", head, grouped(found, "size", "backdrop"), area_row)
    table("By size, contrast and backdrop (all kinds)", head, grouped(found, "size", "cnr", "backdrop"), area_row)
    table("By family, size and contrast in soft tissue", head,
          grouped([one for one in found if one.backdrop == "soft"], "family", "size", "cnr"), area_row)  # fmt: skip
    head = (
        "unchanged, apart % | unchanged, together % | changed, apart % | changed, together % | slope | "
        "SD of z | within 1.96 SE %"
    )
    table("Ratio of two films: rms error of the log ratio", head, grouped(found, "family", "size", "cnr"), pair_row)
    table("Ratio of two films by size", head, grouped(found, "size"), pair_row)
    shared_error(options.deposits // 10)
    mask_sensitivity(max(options.deposits // 60, 6))
    speed()


if __name__ == "__main__":
    main()
