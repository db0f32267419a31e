"""The product run on films with known truth: accuracy, intervals, verdict operating curves."""

from calcimeasure.validation.negative_films import negative_films_text, run_negative_films, write_negative_films
from calcimeasure.validation.pair_job import ValidationSettings, run_pair
from calcimeasure.validation.scenarios import Scenario, scenarios
from calcimeasure.validation.validation_report import last_release, summary_record, summary_text, write_validation
from calcimeasure.validation.validation_runner import run_scenarios

__all__ = [
    "Scenario",
    "ValidationSettings",
    "last_release",
    "negative_films_text",
    "run_negative_films",
    "run_pair",
    "run_scenarios",
    "scenarios",
    "summary_record",
    "summary_text",
    "write_negative_films",
    "write_validation",
]
