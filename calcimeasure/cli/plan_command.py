"""`calcimeasure plan`: sample size and power for equivalence and for change, before and after in one arm."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from calcimeasure.cli.shared_options import check_margin
from calcimeasure.defaults import DEFAULT_MARGIN_RATIO
from calcimeasure.errors import UsageError

if TYPE_CHECKING:
    from calcimeasure.statistics.planning import Plan

TABLE_PATIENTS = (4, 6, 8, 10, 12, 16, 20, 30, 40, 60)


@click.command()
@click.option("--within-cv", type=float, required=True, help="CV of repeat films of one limb, e.g. 0.08 for 8 %.")
@click.option(
    "--between-sd",
    "--biological-sd",
    type=float,
    default=0.0,
    show_default=True,
    help="SD between patients of the true log ratio; 0 where all are expected to change alike.",
)
@click.option(
    "--cv-degrees",
    type=click.IntRange(min=1),
    help="Degrees of freedom of the CV, as `precision` prints them: the plan then holds at the CV's upper 80 % limit.",
)
@click.option("--repeats", type=click.IntRange(1, 1), default=1, hidden=True, help="One: a study averages no films.")
@click.option(
    "--margin", type=(float, float), default=DEFAULT_MARGIN_RATIO, show_default=True, help="Margin of equivalence."
)
@click.option("--true-ratio", default=1.0, show_default=True, help="True ratio under which equivalence is planned.")
@click.option("--change", default=25.0, show_default=True, help="True change in percent to be detected.")
@click.option("--power", default=0.80, show_default=True, help="Wanted power.")
@click.option("--patients", type=int, multiple=True, help="Sizes to tabulate; may be given several times.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
@click.option("--verbose", is_flag=True, help="Print errors in full.")
def plan(**options: Any) -> None:
    """Print how many patients a study needs, and what a study of a given size can show.

    The within-CV is what `calcimeasure precision` prints, as a fraction; with its degrees of freedom the plan holds at
    the CV's upper limit (assurance of 80 %).
    """
    from calcimeasure.statistics import (
        log_ratio_sd,
        patients_for_change,
        patients_for_equivalence,
        upper_limit_of_cv,
    )
    from calcimeasure.statistics import plan as power_of
    from calcimeasure.statistics.checks import without_infinities

    check_margin(options["margin"])
    _check_numbers(options)
    cv = options["within_cv"]
    if options["cv_degrees"]:
        cv = upper_limit_of_cv(cv, options["cv_degrees"])
    if options["change"] <= -100.0:
        raise UsageError("a decrease of 100 % or more cannot be planned for", where="--change")
    ratio = 1.0 + options["change"] / 100.0
    spread = {"between_sd": options["between_sd"], "repeats": options["repeats"]}
    log_sd = log_ratio_sd(cv, **spread)
    needed = {
        "equivalence": _or_reason(
            lambda: patients_for_equivalence(
                log_sd, power=options["power"], true_ratio=options["true_ratio"], margin_ratio=options["margin"]
            )
        ),
        "change": _or_reason(lambda: patients_for_change(log_sd, true_ratio=ratio, power=options["power"])),
    }
    table = [
        power_of(
            patients=patients,
            within_cv=cv,
            margin_ratio=options["margin"],
            true_ratio_equivalence=options["true_ratio"],
            true_ratio_change=ratio,
            power=options["power"],
            **spread,
        )
        for patients in options["patients"] or TABLE_PATIENTS
    ]
    if options["as_json"]:
        record = {"log_sd": log_sd, "patients_needed": needed, "table": [asdict(row) for row in table]}
        click.echo(json.dumps(without_infinities({**record, "planned_cv": cv}), allow_nan=False))
    else:
        _print_cv(options, cv)
        _print_plan(log_sd, needed, table, options)


def _check_numbers(options: dict[str, Any]) -> None:
    """Refuse percent where a fraction is meant, and what no study can have.

    Raises
    ------
    UsageError
        Naming the option and the remedy.
    """
    cv, power, ratio = options["within_cv"], options["power"], options["true_ratio"]
    if not 0.0 <= cv <= 1.0:
        remedy = f"Give a fraction: {cv / 100.0:g} for {cv:g} %." if cv > 1.0 else "Give a fraction, e.g. 0.08 for 8 %."
        raise UsageError(f"a CV of {cv:g} is not between 0 and 1", where="--within-cv", remedy=remedy)
    if not 0.0 < power < 1.0:
        remedy = f"Give a fraction: {power / 100.0:g} for {power:g} %." if power > 1.0 else "Give e.g. 0.80."
        raise UsageError(f"a power of {power:g} is not between 0 and 1", where="--power", remedy=remedy)
    if not 0.0 < ratio < math.inf:
        raise UsageError(f"a ratio of {ratio:g} is not positive", where="--true-ratio", remedy="1 is no change.")
    if not 0.0 <= options["between_sd"] < math.inf:
        raise UsageError("an SD is not negative", where="--between-sd", remedy="Give 0 where all change alike.")
    if any(patients < 2 for patients in options["patients"]):
        raise UsageError("a study has two patients at least", where="--patients", remedy="Give 2 or more.")


def _print_cv(options: dict[str, Any], cv: float) -> None:
    if options["cv_degrees"]:
        click.echo(
            f"Planned with a CV of {100.0 * cv:.1f} %: the upper 80 % limit of {100.0 * options['within_cv']:.1f} %, "
            f"estimated with {options['cv_degrees']} degrees of freedom."
        )
    else:
        click.echo(
            "The CV is taken as known. One estimated from few repeats is too small as often as not, and the plan then "
            "misses its power: give --cv-degrees, as `calcimeasure precision` prints it."
        )


def _print_plan(log_sd: float, needed: dict[str, int | str], table: list[Plan], options: dict[str, Any]) -> None:
    low, high = options["margin"]
    click.echo(f"A patient's log ratio of two visits has an SD of {log_sd:.3f}.")
    click.echo(
        f"Patients needed for a power of {options['power']:.0%}: {needed['equivalence']} to show equivalence within "
        f"{low:g} to {high:g}; {needed['change']} to detect a change of {options['change']:+g} %."
    )
    click.echo(f"{'patients':>8}  {'equivalence':>11}  {'change':>6}  smallest change detected")
    for row in table:
        click.echo(
            f"{row.patients:>8}  {row.power_equivalence:>11.2f}  {row.power_change:>6.2f}  "
            f"{row.smallest_change_percent:+.0f} %"
        )


def _or_reason(count: Any) -> int | str:
    try:
        return int(count())
    except UsageError as error:
        return f"none ({error.problem})"
