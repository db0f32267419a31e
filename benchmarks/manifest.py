"""Run a study of 10,000 films whose work is stubbed, to see that the engine itself is linear in films, and small.

    python benchmarks/manifest.py [--films 2500 5000 10000]

Films are tiny DICOM files with whole headers; reading a film and comparing a pair are put in place by functions that
write their marks and nothing else. Each size runs in a process of its own, so that its peak memory is its own. Told are
seconds by the clock and, in brackets, of the processor: the first depend on the disk and on what else the machine does.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import numpy as np

VISITS = ("20250115", "20250416")


class Inline(Executor):
    """Does the work at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do it."""
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def make_films(folder: Path, count: int) -> None:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for number in range(count):
        subject, visit = divmod(number, len(VISITS))
        dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        dataset.SOPClassUID = meta.MediaStorageSOPClassUID
        meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid(entropy_srcs=[str(number)])
        dataset.PatientID, dataset.StudyDate, dataset.Modality = f"P{subject:06d}", VISITS[visit], "DX"
        dataset.BodyPartExamined, dataset.ImageLaterality, dataset.ViewPosition = "HAND", "R", "PA"
        dataset.ImagerPixelSpacing = [0.15, 0.15]
        dataset.Rows = dataset.Columns = 2
        dataset.BitsAllocated = dataset.BitsStored = 16
        dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 15, 0, 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        dataset.PixelData = np.full(4, number % 65536, np.uint16).tobytes()
        place = folder / f"{number // 1000:03d}"
        place.mkdir(parents=True, exist_ok=True)
        dataset.save_as(place / f"{number:06d}.dcm")


def read(work: Any) -> dict[str, Any]:
    from calcimeasure.study.result_store import write_mark

    films = {}
    for one in work.films:
        record = {
            "film_id": one.sha256[:16],
            "sha256": one.sha256,
            "pixel_spacing_mm": [0.15, 0.15],
            "spacing_basis": "detector",
            "total_area_mm2": 40.0,
            "total_area_se_mm2": 1.0,
            "total_area_px": 1800.0,
            "total_area_se_px": 45.0,
            "deposits": [deposit(label) for label in range(1, 7)],
            "warnings": [],
        }
        films[one.row.name] = {"status": "ok", "read_by": "program", "record": record}
    mark = {"key": work.key, "films": films}
    write_mark(work.mark, mark)
    return mark


def deposit(label: int) -> dict[str, Any]:
    return {
        "label": label,
        "finding": "calcinosis",
        "area_mm2": 6.7,
        "area_se_mm2": 0.4,
        "area_px": 300.0,
        "area_se_px": 18.0,
        "area_method": "edge_model",
        "origin": "auto",
        "confidence": 0.9,
    }


def pair(work: Any) -> dict[str, Any]:
    from calcimeasure.study.data_dictionary import PAIRS
    from calcimeasure.study.result_store import write_mark

    mark: dict[str, Any] = dict.fromkeys(column.name for column in PAIRS)
    mark |= {
        "key": work.key,
        "kind": work.pair.kind,
        "baseline": work.pair.baseline.name,
        "followup": work.pair.followup.name,
        "status": "ok",
        "verdict": "no_change",
        "baseline_common_area_mm2": 40.0,
        "followup_common_area_mm2": 41.0,
        "log_ratio": 0.025,
        "log_ratio_se": 0.03,
        "ci95_percent": [-4.0, 9.0],
        "ci90_percent": [-3.0, 8.0],
        "reasons": [],
        "warnings": [],
        "links": [],
    }
    write_mark(work.mark, mark)
    return mark


def measure(count: int) -> None:
    """Run one size in this process and print its row."""
    from calcimeasure.study import study_runner
    from calcimeasure.study.study_export import export_study
    from calcimeasure.study.study_init import init_study
    from calcimeasure.study.study_report import write_study_report
    from calcimeasure.study.study_state import Study

    study_runner.do_reading, study_runner.do_pair = read, pair  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as folder:
        films, study = Path(folder) / "films", Path(folder) / "study"
        make_films(films, count)
        spent = []
        for step in (
            lambda: init_study(films, study),
            lambda: study_runner.run_study(study, executor=Inline()),
            lambda: study_runner.run_study(study, executor=Inline()),
            lambda: export_study(study, Study(study).state()),
            lambda: write_study_report(study, Study(study).state()),
        ):
            started, worked = time.perf_counter(), time.process_time()
            step()
            spent.append(f"{time.perf_counter() - started:.1f} ({time.process_time() - worked:.1f})")
        page_mib = (study / "results" / "report.html").stat().st_size / 2**20
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {count} | {' | '.join(spent)} | {page_mib:.1f} | {peak_mib:.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, nargs="+", default=[2500, 5000, 10_000])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure(options.one)
        return
    print("| films | init s | run s (work stubbed) | resume s | export s | report s | page MiB | peak MiB |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for count in options.films:
        subprocess.run([sys.executable, __file__, "--one", str(count)], check=True)


if __name__ == "__main__":
    main()
