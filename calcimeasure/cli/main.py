"""The command group; the module of a command is imported when the command is used."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import click

from calcimeasure import __version__
from calcimeasure.errors import CalciMeasureError

_SIMILAR = 0.8
"""Similarity from which an option counts as a misspelling of another."""

# name: (module, attribute, one line of help). The help stands here so that `--help` imports no command.
COMMANDS: Final = {
    "compare": ("compare_command", "compare", "Compare two films of one limb: has the calcinosis changed?"),
    "segment": ("segment_command", "segment", "Find and measure the deposits on one film."),
    "study": ("study_command", "study", "Measure a whole study: many subjects, films and visits."),
    "precision": ("precision_command", "precision", "Repeatability from repeated measurements."),
    "plan": ("plan_command", "plan", "Sample size and power for equivalence and for change."),
    "validate": (
        "validate_command",
        "validate",
        "Measure accuracy on films with known truth.",
    ),
    "simulate": ("simulate_command", "simulate", "Make films, pairs and studies with known truth."),
    "show": ("show_command", "show", "Print the content of a DICOM SEG or SR."),
    "pacs": ("pacs_command", "pacs", "Find, fetch and send over DICOMweb or DIMSE."),
    "deidentify": ("deidentify_command", "deidentify", "Remove identity from a study's films."),
    "review": ("review_command", "review", "Correct the deposits by hand in the viewer."),
    "doctor": ("doctor_command", "doctor", "Print what is installed, what is missing and what to do about it."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, not when the program starts."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"calcimeasure.cli.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, _, help_line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="calcimeasure")
def cli() -> None:
    """Measure calcinosis on plain radiographs, and say whether it changed between two visits.

    Start with:  calcimeasure compare BASELINE FOLLOWUP --out DIR
    """


def unknown_option(error: click.NoSuchOption) -> click.UsageError:
    """Return the message for an unknown option: which other command has it, or which option was meant."""
    typed = error.option_name
    sentences = [f"No such option '{typed}'."]
    here = "" if error.ctx is None else error.ctx.command_path.removeprefix("calcimeasure ")
    others = [f"'calcimeasure {name}'" for name, options in _options_of_commands() if name != here and typed in options]
    if others:
        sentences.append(f"It belongs to {' and '.join(others)}.")
    longer = sorted(one for one in error.possibilities or () if one.endswith(f"-{typed.lstrip('-')}"))
    if near := longer or _similar(typed, error.possibilities or ()):
        sentences.append(
            f"{'This command has' if longer else 'Did you mean'} {' and '.join(near)}{'.' if longer else '?'}"
        )
    return click.UsageError(" ".join(sentences), error.ctx)


def _similar(typed: str, known: Sequence[str]) -> list[str]:
    """Return the option that was probably meant; none where no option is similar."""
    similarity = {one: SequenceMatcher(a=typed, b=one).ratio() for one in known}
    best = max(similarity, key=lambda one: similarity[one], default="")
    return [best] if best and similarity[best] >= _SIMILAR else []


def _options_of_commands() -> Iterator[tuple[str, set[str]]]:
    """Return each command's name, as it is typed, with its options."""
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        inner = command.commands.items() if isinstance(command, click.Group) else [("", command)]
        for under, one in inner:
            if one is not None:
                yield f"{name} {under}".strip(), {option for parameter in one.params for option in parameter.opts}


def _prepare_console() -> None:
    """Let output go to consoles that lack some of our signs, such as mm²: another sign takes their place."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _end(signal_number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the signature of handlers
    raise SystemExit(128 + signal_number)


def _reason(error: Exception) -> str:
    """Return what went wrong and what helps, of an error that no part of the program named."""
    if isinstance(error, MemoryError):
        return "there is not enough memory. Close other programs, or give a smaller film."
    if isinstance(error, UnicodeDecodeError):
        return "a text file is not in UTF-8. Save it as UTF-8 and run again."
    if isinstance(error, OSError):
        reason = (error.strerror or type(error).__name__).lower()
        name = f" ({Path(os.fsdecode(error.filename)).name})" if isinstance(error.filename, str | bytes) else ""
        return f"a file or folder could not be read or written: {reason}{name}. Check rights and free space."
    return f"unexpected {type(error).__name__}. Run again with --verbose for the full account, and report it."


def run(arguments: list[str] | None = None) -> None:
    """Run the program and exit with a status of `docs/records.md`."""
    arguments = sys.argv[1:] if arguments is None else arguments
    for library in ("OPENBLAS", "MKL"):
        # Thousands of small matrices: more threads are slower.
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    _prepare_console()
    # A request to end runs what an interrupt runs: nothing half-written stays.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _end)
    try:
        status = cli.main(args=arguments, prog_name="calcimeasure", standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.exceptions.Abort:
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except click.NoSuchOption as error:
        unknown_option(error).show()
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except CalciMeasureError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_status)
    except BrokenPipeError:
        sys.exit(1)
    except Exception as error:  # the last resort: one line, and the traceback with --verbose
        if "--verbose" in arguments:
            traceback.print_exc()
        click.echo(f"Error: {_reason(error)}", err=True)
        sys.exit(1)
