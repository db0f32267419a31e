"""`make demo` from its script: pages of both sample pairs and of the simulated case series."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "demo.py"


@pytest.mark.slow
def test_the_demo_ends_on_the_studys_page(tmp_path: Path) -> None:
    printed = subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], capture_output=True, text=True, check=True)
    for page in ("unchanged/report.html", "grown/report.html", "study/results/report.html"):
        assert str(tmp_path / page) in printed.stdout
        assert (tmp_path / page).is_file()
    assert "six simulated patients, 20 films" in printed.stdout
    assert "of 4 patients" in printed.stdout
    assert "no treatment effect can be estimated" in printed.stdout
    tables = tmp_path / "study" / "results" / "tables"
    films = pd.read_csv(tables / "films.csv")
    assert list(films["status"].unique()) == ["ok"]
    subjects = pd.read_csv(tables / "subjects.csv")
    assert dict(zip(subjects["subject"], subjects["visit"], strict=True)) == {
        "DM-1": "month 3",
        "DM-2": "month 3",
        "SSc-1": "month 3",
        "SSc-2": "month 3",
        "SSc-3": "month 7",
        "PM-1": "month 7",
    }
    # Doses up to the three-month film: 10 g x 6 and 15 g x 2 a week since.
    doses = pd.read_csv(tables / "exposures.csv")
    sums = doses[(doses["visit"] == "month 3") & (doses["drug"] == "thiosulfate")]["cumulative_dose"]
    assert ((sums >= 60 + 15 * 22) & (sums <= 60 + 15 * 26)).all()
    # A second time nothing is done again, and the same is said.
    again = subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], capture_output=True, text=True, check=True)
    assert said(again.stdout) == said(printed.stdout)


def said(printed: str) -> list[str]:
    """Return the sentences about the study."""
    return printed.split("no change in truth", 1)[1].splitlines()[1:]
