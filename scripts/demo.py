"""`make demo`: compare the sample pairs, then run a simulated study; print the answers and where the pages are."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

# Before numpy is imported: one thread a process; the study's work is shared out to processes.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

from case_series import CASES, FILMS, SERIES, write_case_series

import calcimeasure as cm
from calcimeasure.change import verdict_sentence
from calcimeasure.export import write_comparison
from calcimeasure.io.sample_films import SAMPLE_PAIRS, sample_images_folder
from calcimeasure.study.endpoint import analyse
from calcimeasure.study.finished_changes import finished_changes
from calcimeasure.study.study_export import export_study
from calcimeasure.study.study_init import init_study
from calcimeasure.study.study_report import write_study_report
from calcimeasure.study.study_runner import run_study
from calcimeasure.study.study_settings import STUDY_TOML, settings_text

TITLE = "Simulated case series: abatacept and thiosulfate"


def main(out: Path) -> None:
    """Write the results under `out`: a folder a pair, and a study."""
    compare_samples(out)
    run_series(out / "study")


def compare_samples(out: Path) -> None:
    """Compare the two sample pairs and print what was found."""
    samples = sample_images_folder()
    print("\ncalcimeasure on its two sample pairs (simulated hands, so the truth is known)\n")
    for name in SAMPLE_PAIRS:
        started = time.perf_counter()
        pair = samples / name
        change = cm.compare(cm.read_film(pair / "baseline.dcm"), cm.read_film(pair / "followup.dcm"))
        write_comparison(change, out / name, overwrite=True)
        truth = json.loads((pair / "truth.json").read_text(encoding="utf-8"))
        print(f"{name}  ({time.perf_counter() - started:.1f} s)")
        print(f"  verdict   {change.verdict}")
        print(f"  truth     {100 * (truth['total_area_ratio'] - 1):+.0f} %")
        print(f"  answer    {verdict_sentence(change)}")
        print(f"  page      {out / name / 'report.html'}\n", flush=True)


def run_series(study: Path) -> None:
    """Simulate the case series, run it as a study, and print its conclusions."""
    started = time.perf_counter()
    if not (study / STUDY_TOML).exists():
        write_case_series(study)
        settings = init_study(study / FILMS, study, title=TITLE, keep_ids=True).settings
        # Declared before there are results: the four of the series at three months, the other two at seven.
        analysis = replace(settings.analysis, primary_visit="month 3", population=SERIES)
        others = tuple(case.name for case in CASES if case.name not in SERIES)
        due = {"month 3": SERIES, "month 7": others}
        visits = tuple(replace(visit, subjects=due.get(visit.name, ())) for visit in settings.visits)
        settings = replace(settings, analysis=analysis, visits=visits)
        (study / STUDY_TOML).write_text(settings_text(settings), encoding="utf-8")
    state = run_study(study)
    export_study(study, state)
    write_study_report(study, state)
    endpoint = analyse(finished_changes(state), state.settings)
    films = sum(film.include for film in state.films)
    print(
        f"{TITLE}\n(six simulated patients, {films} films, no change in truth; {time.perf_counter() - started:.0f} s)\n"
    )
    for sentence in endpoint.sentences:
        print(f"  {sentence}")
    for name, reason in (state.failed_films | state.failed_pairs).items():
        print(f"  failed: {name}: {reason}")
    print(f"\n  page      {study / 'results' / 'report.html'}")


# Worker processes import this file, and have no demo to make.
if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output"))
