"""The program: `calcimeasure` and `python -m calcimeasure`."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from calcimeasure.cli.main import run

    run()


if __name__ == "__main__":
    main()
