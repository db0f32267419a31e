"""Open damaged files one after another and print what came of each: run by `fuzzing`, in a process of its own."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import corpus
import damage

from calcimeasure.errors import CalciMeasureError
from calcimeasure.export.dicom.deidentification import deidentify
from calcimeasure.export.dicom.describe_object import describe_object
from calcimeasure.io import film_from_array, read_film
from calcimeasure.io.dicom_object import encoded
from calcimeasure.io.label_images import read_labels
from calcimeasure.io.points import read_points
from calcimeasure.io.polygons import read_polygons
from calcimeasure.study.header_scan import read_header

Job = tuple[str, str, Callable[[Path], object]]


def jobs(folder: Path) -> tuple[list[Job], dict[str, bytes]]:
    """Every kind of file with every function that opens it."""
    films, others = corpus.films(), corpus.others()
    objects, dicom_film = corpus.objects(folder)
    film = film_from_array(corpus.film_pixels(), spacing_mm=0.2, invert=False)
    made: list[Job] = [(name, "film", read_film) for name in films]
    made += [(name, "frame", lambda path: read_film(path, frame=2)) for name in films if name == "frames.dcm"]
    dicom = [name for name in films if name.endswith(".dcm")]
    made += [(name, "deidentify", lambda path: encoded(deidentify(path, bytes(32)).dataset)) for name in dicom]
    made += [(name, "header", read_header) for name in films]
    made += [(name, "show", describe_object) for name in dicom]
    made += [(name, "labels", lambda path: read_labels(path, film)) for name in ("labels.tif", "labels.png")]
    made += [
        ("points.csv", "points", lambda path: read_points(path, film)),
        ("polygons.json", "polygons", read_polygons),
    ]
    made += [("segmentation.dcm", "labels", lambda path: read_labels(path, dicom_film))]
    made += [(name, "show", describe_object) for name in objects]
    return made, films | others | objects


def peak_mb() -> float:
    """Largest memory so far."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux: getrusage would include what the parent held when it started this process
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    if sys.platform == "win32":
        return 0.0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def run(first: int, count: int) -> None:
    """Open the inputs of some seeds."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as kept:
        made, files = jobs(Path(kept))
        contents = list(files.values())
        for seed in range(first, first + count):
            name, kind, action = made[seed % len(made)]
            path = Path(folder) / name
            path.write_bytes(damage.damaged(files[name], seed, contents))
            print(json.dumps({"seed": seed, "name": name, "kind": kind}), flush=True)
            start_s = time.process_time()
            outcome = "read"
            try:
                with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                    warnings.simplefilter("ignore")
                    action(path)
            except CalciMeasureError as error:
                outcome = "refused" if str(error) else "unnamed: an error without words"
            except Exception as error:
                outcome = f"unnamed: {type(error).__name__}: {str(error)[:200]}"
            took_s = round(time.process_time() - start_s, 3)
            print(json.dumps({"seed": seed, "outcome": outcome, "cpu_s": took_s, "peak_mb": peak_mb()}), flush=True)


if __name__ == "__main__":
    run(int(sys.argv[1]), int(sys.argv[2]))
