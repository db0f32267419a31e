"""The styles of one film: in which its bones, the film itself and its deposits are drawn."""

from __future__ import annotations

from dataclasses import dataclass

from calcimeasure.simulation.bone_styles import ANY, BONE_STYLES, STANDARD, known_style
from calcimeasure.simulation.deposit_styles import DEPOSIT_STYLES
from calcimeasure.simulation.film_styles import FILM_STYLES


@dataclass(frozen=True, kw_only=True)
class DrawingStyle:
    """In which style the bones, the film and its deposits are drawn."""

    bones: str = STANDARD
    film: str = STANDARD
    deposits: str = STANDARD

    @classmethod
    def of(cls, *, style: str, film_style: str | None, deposit_style: str) -> DrawingStyle:
        """Return the styles of those names; the film's is that of the bones where it is not given and exists.

        Raises
        ------
        UsageError
            When there is no style of a name.
        """
        film_style = (ANY if style == ANY else STANDARD) if film_style is None else film_style
        return cls(
            bones=known_style(style, BONE_STYLES, "bones"),
            film=known_style(film_style, FILM_STYLES, "films"),
            deposits=known_style(deposit_style, DEPOSIT_STYLES, "deposits"),
        )


USUAL_STYLE = DrawingStyle()
