"""Where the sample films are: simulated hand pairs that ship with the package."""

from __future__ import annotations

from pathlib import Path

from calcimeasure.errors import FilmError, UsageError
from calcimeasure.io.film_reader import read_film
from calcimeasure.radiograph import Radiograph

SAMPLE_PAIRS = ("unchanged", "grown")


def sample_pair(name: str = "grown") -> tuple[Radiograph, Radiograph]:
    """Return a simulated pair of hand films that ships with the package.

    Parameters
    ----------
    name
        ``grown``: a deposit grew; ``unchanged``: none did.

    Returns
    -------
    tuple
        Baseline and follow-up.

    Raises
    ------
    UsageError
        When there is no pair of that name.

    Examples
    --------
    >>> baseline, followup = cm.sample_pair("unchanged")
    >>> baseline.shape, baseline.spacing.mm
    ((900, 800), (0.23, 0.23))
    """
    if name not in SAMPLE_PAIRS:
        raise UsageError(f"there is no sample pair '{name}'", remedy=f"Choose one of {', '.join(SAMPLE_PAIRS)}.")
    baseline, followup = (read_film(sample_images_folder() / name / f"{film}.dcm") for film in ("baseline", "followup"))
    return baseline, followup


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
