"""`calcimeasure simulate`: films, pairs and studies with known truth."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from calcimeasure.cli.shared_options import Command
from calcimeasure.errors import UsageError

if TYPE_CHECKING:
    from calcimeasure.simulation.simulated_film import SimulatedFilm
    from calcimeasure.simulation.truth import PairTruth

OUT = click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write.")
SEED = click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Decides everything drawn."
)
SPACING = click.option("--spacing", type=click.FloatRange(0.05, 1.0), default=0.115, show_default=True,
                       help="Pixel spacing in mm, on a film of 288 x 236 mm.")  # fmt: skip
MODALITY = click.option("--modality", type=click.Choice(["DX", "CR"]), default="DX", show_default=True)
PART = click.option("--part", default="hand", show_default=True, help="Part of a limb; a wrong name lists them.")
OVERWRITE = click.option("--overwrite", is_flag=True, help="Write into a folder that is not empty.")
AREA_RATIO = click.option("--area-ratio", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True,
              help="Follow-up over baseline, for every deposit that stays.")  # fmt: skip
IMAGE = click.option("--png", is_flag=True, help="Write a PNG beside every DICOM file.")
DEPOSITS = click.option("--deposits", type=click.IntRange(0, 40), help="How many are tried for; drawn when not given.")
SIDE = click.option("--side", type=click.Choice(["L", "R"]), help="Drawn when not given.")
STYLE = click.option("--style", default="standard", show_default=True,
                     help="How bones are drawn (and films, with 'any'); a wrong name lists them.")  # fmt: skip
FILM_STYLE = click.option("--film-style", help="standard or any; by default that of --style where it exists.")
DEPOSIT_STYLE = click.option("--deposit-style", default="standard", show_default=True,
                             help="How deposits are drawn; a wrong name lists them.")  # fmt: skip
STYLES = ("style", "film_style", "deposit_style")
CHOSEN = ("part", "side", "deposits", *STYLES)


def what_is_drawn(command: Command) -> Command:
    """Add what a simulated film and a simulated pair have in common."""
    options = (OUT, SEED, SPACING, MODALITY, IMAGE, OVERWRITE, PART, DEPOSITS, SIDE, STYLE, FILM_STYLE, DEPOSIT_STYLE)
    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(options), command)


@click.group()
def simulate() -> None:
    """Make films, pairs and studies with known truth.

    The same seed gives the same bytes.
    """


@simulate.command()
@OUT
@OVERWRITE
def samples(out: Path, overwrite: bool) -> None:
    """Write the two sample pairs that ship with calcimeasure, byte for byte."""
    from calcimeasure.simulation.sample_pairs import write_samples

    _refuse_full(out, overwrite)
    for path in write_samples(out):
        click.echo(str(path))


@simulate.command()
@what_is_drawn
def film(out: Path, seed: int, spacing: float, overwrite: bool, **options: Any) -> None:
    """Simulate one film: film.dcm, labels.tif and truth.json."""
    import numpy as np

    from calcimeasure.simulation import simulate_film

    _refuse_full(out, overwrite)
    chosen = {name: options[name] for name in CHOSEN}
    made = simulate_film(np.random.default_rng(seed), spacing_mm=spacing, **chosen)
    out.mkdir(parents=True, exist_ok=True)
    _write_film(made, out, "film", options)
    click.echo(f"{len(made.truth.deposits)} deposits, {made.truth.total_area_mm2:.2f} mm² -> {out}")


@simulate.command()
@what_is_drawn
@AREA_RATIO
@click.option("--thickness-factor", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True)
@click.option("--new", type=click.IntRange(0, 10), default=0, help="Deposits that come.")
@click.option("--gone", type=click.IntRange(0, 10), default=0, help="Deposits that go.")
@click.option("--split", type=click.IntRange(0, 3), default=0, help="Deposits that fall into two.")
@click.option("--merged", type=click.IntRange(0, 3), default=0, help="Deposits that two become.")
@click.option("--random-change", is_flag=True, help="Draw the change instead.")
def pair(out: Path, seed: int, spacing: float, overwrite: bool, **options: Any) -> None:
    """Simulate two visits: baseline.dcm, followup.dcm, their labels and truth.json."""
    import numpy as np

    from calcimeasure.simulation import ChangePlan, draw_plan, simulate_pair, write_truth

    _refuse_full(out, overwrite)
    rng = np.random.default_rng(seed)
    fates = {name: options[name] for name in ("area_ratio", "thickness_factor", "new", "gone", "split", "merged")}
    plan = draw_plan(rng) if options["random_change"] else ChangePlan(**fates)
    made = simulate_pair(rng, plan=plan, spacing_mm=spacing, **{name: options[name] for name in CHOSEN})
    out.mkdir(parents=True, exist_ok=True)
    _write_film(made.baseline, out, "baseline", options, truth=False)
    _write_film(made.followup, out, "followup", options, truth=False)
    write_truth(made.truth, out / "truth.json")
    _print_ratio(made.truth, out)


@simulate.command()
@click.argument("film", type=click.Path(path_type=Path, dir_okay=False))
@OUT
@SEED
@OVERWRITE
@click.option("--spacing", type=click.FloatRange(0.02, 2.0), help="Pixel spacing in mm, for a film that states none.")
@click.option("--count", type=click.IntRange(0, 40), help="Deposits tried for; drawn when not given.")
@click.option("--followup", is_flag=True, help="Write a second visit too: moved, bent, exposed and processed anew.")
@AREA_RATIO
@click.option("--new", type=click.IntRange(0, 10), default=0, help="Deposits that come.")
@click.option("--gone", type=click.IntRange(0, 10), default=0, help="Deposits that go.")
@DEPOSIT_STYLE
def insert(film: Path, out: Path, seed: int, overwrite: bool, **options: Any) -> None:
    """Put deposits of known area into a real FILM: 16-bit TIFF images, labels and truth.json.

    Nothing of the film's header is written.
    """
    import numpy as np

    from calcimeasure.io import read_film
    from calcimeasure.simulation import ChangePlan, insert_deposits, insert_pair, write_truth
    from calcimeasure.simulation.simulated_images import write_canonical

    _refuse_full(out, overwrite)
    given = read_film(film, spacing_mm=options["spacing"])
    rng = np.random.default_rng(seed)
    if not options["followup"]:
        one = insert_deposits(given, rng, count=options["count"], deposit_style=options["deposit_style"])
        out.mkdir(parents=True, exist_ok=True)
        write_canonical(one.film, one.labels, out, "film")
        write_truth(one.truth, out / "truth.json")
        click.echo(f"{len(one.truth.deposits)} deposits, {one.truth.total_area_mm2:.2f} mm² -> {out}")
        return
    plan = ChangePlan(area_ratio=options["area_ratio"], new=options["new"], gone=options["gone"])
    two = insert_pair(given, rng, plan=plan, count=options["count"], deposit_style=options["deposit_style"])
    out.mkdir(parents=True, exist_ok=True)
    for visit, made in (("baseline", two.baseline), ("followup", two.followup)):
        write_canonical(made.film, made.labels, out, visit)
    write_truth(two.truth, out / "truth.json")
    _print_ratio(two.truth, out)


@simulate.command()
@OUT
@SEED
@SPACING
@MODALITY
@OVERWRITE
@click.option("--subjects", type=click.IntRange(1, 500), default=4, show_default=True)
@click.option("--visits", type=click.IntRange(2, 12), default=2, show_default=True)
@click.option("--area-ratio", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True,
              help="True change of every subject from one visit to the next.")  # fmt: skip
@click.option("--subject-sd", type=click.FloatRange(min=0), default=0.0, show_default=True,
              help="Standard deviation between subjects of the logarithm of that ratio.")  # fmt: skip
@STYLE
@FILM_STYLE
@DEPOSIT_STYLE
def study(out: Path, seed: int, spacing: float, overwrite: bool, **options: Any) -> None:
    """Simulate a study: a folder of films a subject, manifest.csv and truth.csv."""
    from calcimeasure.simulation.simulated_study import write_study

    _refuse_full(out, overwrite)
    films = write_study(
        out,
        seed=seed,
        subjects=options["subjects"],
        visits=options["visits"],
        spacing_mm=spacing,
        area_ratio=options["area_ratio"],
        subject_sd=options["subject_sd"],
        modality=options["modality"],
        **{name: options[name] for name in STYLES},
    )
    click.echo(f"{films} films -> {out / 'manifest.csv'}")


def _refuse_full(out: Path, overwrite: bool) -> None:
    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise UsageError("the folder is not empty", where=str(out), remedy="Choose another or give --overwrite.")


def _print_ratio(truth: PairTruth, out: Path) -> None:
    ratio = truth.total_area_ratio
    click.echo(f"true ratio of areas {'-' if ratio is None else format(ratio, '.3f')} -> {out}")


def _write_film(made: SimulatedFilm, out: Path, stem: str, options: dict[str, Any], *, truth: bool = True) -> None:
    from calcimeasure.simulation import write_dicom, write_image, write_truth
    from calcimeasure.simulation.simulated_images import write_truth_labels

    write_dicom(made, out / f"{stem}.dcm", modality=options["modality"])
    write_truth_labels(made.labels, out / ("labels.tif" if truth else f"{stem}_labels.tif"))
    if options["png"]:
        write_image(made, out / f"{stem}.png")
    if truth:
        write_truth(made.truth, out / "truth.json")
