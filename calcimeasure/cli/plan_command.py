"""`calcimeasure plan`: sample size and power for equivalence and for change, before and after in one arm."""

from __future__ import annotations

import json
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
@click.option("--repeats", type=int, default=1, show_default=True, help="Films a visit, averaged.")
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

    The within-CV is what `calcimeasure precision` prints; take its upper limit where few films were repeated.
    """
    from calcimeasure.statistics import log_ratio_sd, patients_for_change, patients_for_equivalence
    from calcimeasure.statistics import plan as power_of

    check_margin(options["margin"])
    if options["change"] <= -100.0:
        raise UsageError("a decrease of 100 % or more cannot be planned for", where="--change")
    ratio = 1.0 + options["change"] / 100.0
    spread = {"between_sd": options["between_sd"], "repeats": options["repeats"]}
    log_sd = log_ratio_sd(options["within_cv"], **spread)
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
            within_cv=options["within_cv"],
            margin_ratio=options["margin"],
            true_ratio_equivalence=options["true_ratio"],
            true_ratio_change=ratio,
            power=options["power"],
            **spread,
        )
        for patients in options["patients"] or TABLE_PATIENTS
    ]
    if options["as_json"]:
        click.echo(json.dumps({"log_sd": log_sd, "patients_needed": needed, "table": [asdict(row) for row in table]}))
    else:
        _print_plan(log_sd, needed, table, options)


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
