"""Seconds and bytes to write and read SEG and SR for a 2500 x 2000 film: `python benchmarks/exchange.py`.

The film is a DICOM file with noise for pixels and elliptic deposits of 2 to 10 mm, drawn by a fixed generator.
Imports are done before the clock starts. Each figure is the median of the repeats, in seconds of processor time: the
work is one thread that waits for nothing, so this is what it takes on an idle machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calcimeasure.deposits import DepositLabels, from_label_image
from calcimeasure.export.dicom import read_segmentation, write_measurement_report, write_segmentation
from calcimeasure.export.dicom.describe_object import describe_object
from calcimeasure.export.dicom.secondary_capture import write_secondary_capture
from calcimeasure.io import read_film
from calcimeasure.measurement.measurement_records import DepositMeasurement, FilmMeasurement
from calcimeasure.radiograph import GreyScale, Radiograph, Spacing, SpacingBasis

SHAPE = (2500, 2000)
SPACING_MM = 0.1
# (deposits, seconds each of writing and reading, bytes)
AIMS = {10: (1.0, 200_000), 60: (5.0, 200_000)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deposits", type=int, nargs="+", default=[0, 10, 60, 200])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    met = True
    print("deposits  SEG write s  SEG read s  SEG kB  SR write s  SR read s  SR kB  aim")
    with tempfile.TemporaryDirectory() as folder:
        film = film_on_disk(Path(folder))
        for count in arguments.deposits:
            met &= row(film, count, Path(folder), arguments.repeats)
    return 0 if met else 1


def row(film: Radiograph, count: int, folder: Path, repeats: int) -> bool:
    labels = from_label_image(draw_deposits(count), method="classical/1", film_sha256=film.sha256)
    measurement = measured(film, labels)
    seg, report = folder / f"seg{count}.dcm", folder / f"sr{count}.dcm"
    written = count > 0
    times = {
        "SEG write": clock(lambda: write_segmentation(measurement, seg), repeats),
        "SEG read": clock(lambda: read_segmentation(seg, film), repeats) if written else 0.0,
        "SR write": clock(
            lambda: write_measurement_report(measurement, report, segmentation=seg if written else None), repeats
        ),
        "SR read": clock(lambda: describe_object(report), repeats),
    }
    if written:
        back = read_segmentation(seg, film)
        if not np.array_equal(back.image, labels.image):
            sys.exit("the label image did not come back as it was written")
    size = seg.stat().st_size if written else 0
    aim = AIMS.get(count)
    met = aim is None or (max(times.values()) <= aim[0] and size <= aim[1])
    verdict = "" if aim is None else f"{aim[0]:g} s, {aim[1] // 1000} kB: {'met' if met else 'MISSED'}"
    print(
        f"{count:8d}  {times['SEG write']:11.2f}  {times['SEG read']:10.2f}  {size / 1000:6.1f}  "
        f"{times['SR write']:10.2f}  {times['SR read']:9.2f}  {report.stat().st_size / 1000:5.1f}  {verdict}"
    )
    return met


def clock(work: Callable[[], object], repeats: int) -> float:
    """Return the median seconds of processor time of a piece of work."""
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return float(np.median(taken))


def film_on_disk(folder: Path) -> Radiograph:
    pixels = np.random.default_rng(1).integers(0, 4096, SHAPE).astype(np.float32)
    spacing = Spacing(row_mm=SPACING_MM, col_mm=SPACING_MM, basis=SpacingBasis.USER)
    film = Radiograph(pixels=pixels, spacing=spacing, grey=GreyScale(lowest=0, highest=4095))
    write_secondary_capture(film, folder / "film.dcm", created=("20250301", "120000"))
    return read_film(folder / "film.dcm")


def draw_deposits(count: int) -> NDArray[np.uint16]:
    """Return a label image of ellipses that do not touch, on a jittered lattice."""
    rng = np.random.default_rng(2)
    image = np.zeros(SHAPE, np.uint16)
    side = 110
    columns = SHAPE[1] // side - 1
    cells = rng.permutation(columns * (SHAPE[0] // side - 1))[:count]
    for label, cell in enumerate(cells, start=1):
        centre = (np.array(divmod(int(cell), columns)) + 1) * side
        axes = rng.uniform(10, 50, 2)
        rows, cols = np.mgrid[-50:51, -50:51]
        inside = (rows / axes[0]) ** 2 + (cols / axes[1]) ** 2 <= 1
        image[centre[0] - 50 : centre[0] + 51, centre[1] - 50 : centre[1] + 51][inside] = label
    return image


def measured(film: Radiograph, labels: DepositLabels) -> FilmMeasurement:
    """Return a measurement that counts pixels: what an area is does not matter to what it costs to exchange."""
    counts = np.bincount(labels.image.ravel(), minlength=len(labels) + 1)
    rows = tuple(
        DepositMeasurement(
            label=deposit.label,
            finding=deposit.finding,
            area_mm2=float(counts[deposit.label]) * SPACING_MM**2,
            area_se_mm2=0.1,
            area_px=float(counts[deposit.label]),
            area_se_px=10.0,
            area_method=deposit.area_method,
            centroid_row=0.0,
            centroid_col=0.0,
            limb=1,
            over_bone_fraction=0.0,
            confidence=deposit.confidence,
            origin=deposit.origin,
            integrated_contrast=None,
        )
        for deposit in labels.deposits
    )
    total = float(counts[1:].sum())
    return FilmMeasurement(
        film=film,
        labels=labels,
        deposits=rows,
        total_area_px=total,
        total_area_se_px=1.0,
        total_area_mm2=total * SPACING_MM**2,
        total_area_se_mm2=0.01,
    )


if __name__ == "__main__":
    sys.exit(main())
