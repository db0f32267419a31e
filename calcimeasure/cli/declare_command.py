"""`calcimeasure study declare | verify`: the plan on record before results, and whether it still holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

CHANGED_STATUS = 6
STUDY = click.argument("study_folder", metavar="STUDY", type=click.Path(path_type=Path))
VERBOSE = click.option("--verbose", is_flag=True, help="Print errors in full.")


@click.command()
@STUDY
@click.option("--by", required=True, help="Name or code of who declares.")
@click.option("--out", type=click.Path(path_type=Path), help="The plan as text.  [default: STUDY/declaration-N.txt]")
@VERBOSE
def declare(study_folder: Path, by: str, out: Path | None, **_options: Any) -> None:
    """Record the plan of STUDY and write it as one page of text, to be signed and filed.

    Declare before the first run: results that existed are said so.
    """
    from calcimeasure.study.declaration import add_declaration
    from calcimeasure.study.declaration_text import plan_text
    from calcimeasure.study.result_store import write_whole
    from calcimeasure.study.study_state import Study

    study = Study(study_folder)
    with study.store.locked():
        entry = add_declaration(study.store, study.settings, study.films, by=by)
    page = out or study.store.study / f"declaration-{entry['number']}.txt"
    write_whole(page, plan_text(entry, study.settings).encode())
    if entry["results_existed"]:
        click.echo("Results existed already: this declaration is on record as later than they are.")
    click.echo(f"Hash: {entry['chain']}")
    click.echo(f"Plan: {page}")


@click.command()
@STUDY
@click.option("--hash", "signed_hash", help="Hash of a signed plan, to be looked for in the log.")
@VERBOSE
def verify(study_folder: Path, signed_hash: str | None, **_options: Any) -> int:
    """Check that STUDY is analysed as declared: the log is whole, and nothing changed since the first result.

    Exit status 6 where it is not.
    """
    from calcimeasure.study.declaration import declared_now, read_log
    from calcimeasure.study.declaration_text import declared_sentence
    from calcimeasure.study.study_state import Study

    study = Study(study_folder)
    declared = declared_now(study.store, study.settings, study.films)
    click.echo(declared_sentence(declared, study.settings))
    for change in declared.changes:
        click.echo(f"  {change}")
    for name, reason in declared.exclusions:
        click.echo(f"  {name} was left out after results: {reason}.")
    found = True
    if signed_hash is not None:
        entry = next((one for one in read_log(study.store) if one["chain"] == signed_hash.strip().lower()), None)
        found = entry is not None
        where = f"is entry {entry['number']} of the log" if entry else "is no entry of the log"
        click.echo(f"The signed hash {where}.")
    return 0 if declared.holds and found else CHANGED_STATUS
