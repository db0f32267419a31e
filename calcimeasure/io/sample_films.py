"""Where the sample films are: simulated hand pairs that ship with the package."""

from __future__ import annotations

from pathlib import Path

from calcimeasure.errors import FilmError

SAMPLE_PAIRS = ("unchanged", "grown")


def sample_images_folder() -> Path:
    """Return the folder of sample pairs, from the installed package or from a source tree.

    Raises
    ------
    FilmError
        When neither holds them.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "sample_images", package.parent / "sample_images"):
        if (folder / SAMPLE_PAIRS[0]).is_dir():
            return folder
    raise FilmError(
        "the sample films are missing", remedy="Make them: calcimeasure simulate samples --out sample_images"
    )
