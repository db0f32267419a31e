"""The product run on films with known truth: accuracy, intervals, verdict operating curves."""

from calcimeasure.validation.job import Settings, run_pair
from calcimeasure.validation.report import last_release, summary_record, summary_text, write_validation
from calcimeasure.validation.runner import run_scenarios
from calcimeasure.validation.scenarios import Scenario, scenarios

__all__ = [
    "Scenario",
    "Settings",
    "last_release",
    "run_pair",
    "run_scenarios",
    "scenarios",
    "summary_record",
    "summary_text",
    "write_validation",
]
