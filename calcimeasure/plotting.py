"""Films with the outlines of their deposits, drawn with matplotlib: behind `Radiograph.plot` and `Comparison.plot`.

The only module that imports matplotlib, inside its functions and without pyplot: no window opens and no global state
changes. Nothing of a header is drawn.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from calcimeasure.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

    Axes: TypeAlias = matplotlib.axes.Axes
    Figure: TypeAlias = matplotlib.figure.Figure

# Okabe and Ito's palette for color-blind readers, without black.
COLORS = ("#56b4e9", "#e69f00", "#009e73", "#f0e442", "#cc79a7", "#d55e00")
_WITHOUT_NUMBER = "#c8ccd2"
_PANEL_INCHES = 5.0
_TITLE_WIDTH = 90
_SAMPLES = 200_000


class HasLabelImage(Protocol):
    """`DepositLabels`, as far as plotting needs it."""

    @property
    def image(self) -> NDArray[np.uint16]:
        """The label image."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class FilmPanel:
    """One film as it is drawn.

    Attributes
    ----------
    pixels
        Shape (rows, columns), calcium brighter.
    spacing_mm
        (row, column), or None: the axes are then in pixels.
    pixel_aspect
        Height of a pixel over its width; used without `spacing_mm`.
    labels
        Label image of the same shape, or None.
    numbers
        The number drawn beside each label, which also chooses its color; labels that are not in it are grey. None
        draws each label's own.
    shown
        True where the picture is drawn; black elsewhere. None draws all of it.
    window
        Values drawn black and white; by default nearly the darkest and brightest of what is shown.
    title
        Above the film.
    """

    pixels: NDArray[np.float32]
    spacing_mm: tuple[float, float] | None = None
    pixel_aspect: float = 1.0
    labels: NDArray[np.uint16] | None = None
    numbers: Mapping[int, int] | None = None
    shown: NDArray[np.bool_] | None = None
    window: tuple[float, float] | None = None
    title: str = ""

    def __post_init__(self) -> None:
        for name in ("labels", "shown"):
            image = getattr(self, name)
            if image is not None and image.shape != self.pixels.shape:
                raise UsageError(
                    f"it has the shape {image.shape}, the film {self.pixels.shape}",
                    where=name,
                    remedy="Pass one value per pixel of the film.",
                )


def draw_panels(panels: Sequence[FilmPanel], axes: Sequence[Axes] | None = None, *, title: str = "") -> Figure:
    """Draw films side by side.

    Parameters
    ----------
    panels
        The films, left to right.
    axes
        Where to draw, one per film; a new figure when None.
    title
        Above all films of a new figure.

    Returns
    -------
    Figure
        Shown by a notebook; ``figure.savefig("films.png")`` saves it.

    Raises
    ------
    MissingExtraError
        When matplotlib is not installed.
    """
    if axes is None:
        figure = _new_figure(len(panels))
        _draw_all(panels, list(figure.subplots(1, len(panels), squeeze=False)[0]))
        figure.suptitle(textwrap.fill(title, _TITLE_WIDTH), fontsize=10)
        # With axes of fixed aspect the layout is right from the second time on; saving is the second.
        figure.draw_without_rendering()
        return figure
    if len(axes) != len(panels):
        raise UsageError(f"{len(axes)} axes for {len(panels)} films", remedy="Pass one matplotlib Axes per film.")
    _draw_all(panels, axes)
    return cast("Figure", axes[0].figure)


def _new_figure(panels: int) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError(
            "plotting needs matplotlib, which is not installed", remedy="Run: pip install 'calcimeasure[plot]'"
        ) from error

    class NotebookFigure(Figure):
        """A figure that a notebook shows although pyplot knows nothing of it."""

        def _repr_png_(self) -> bytes:
            buffer = io.BytesIO()
            self.savefig(buffer, format="png")
            return buffer.getvalue()

    return NotebookFigure(figsize=(_PANEL_INCHES * panels, _PANEL_INCHES * 1.2), layout="constrained")


def _draw_all(panels: Sequence[FilmPanel], axes: Sequence[Axes]) -> None:
    for panel, ax in zip(panels, axes, strict=True):
        _draw_panel(panel, ax)


def _draw_panel(panel: FilmPanel, ax: Axes) -> None:
    row_size, col_size = panel.spacing_mm or (1.0, 1.0)
    rows, cols = panel.pixels.shape
    low, high = panel.window or _display_window(panel)
    pixels = panel.pixels if panel.shown is None else np.where(panel.shown, panel.pixels, low)
    ax.imshow(
        pixels,
        cmap="gray",
        vmin=low,
        vmax=high,
        # Positions are those of the pixels' centers, from 0.
        extent=(-0.5 * col_size, (cols - 0.5) * col_size, (rows - 0.5) * row_size, -0.5 * row_size),
        aspect=1.0 if panel.spacing_mm else panel.pixel_aspect,
    )
    unit = "mm" if panel.spacing_mm else "pixels"
    ax.set_xlabel(f"column ({unit})")
    ax.set_ylabel(f"row ({unit})")
    ax.set_title(panel.title)
    for label, lines in _outlines(panel.labels):
        number = label if panel.numbers is None else panel.numbers.get(label)
        color = _WITHOUT_NUMBER if number is None else COLORS[(number - 1) % len(COLORS)]
        for line in lines:
            ax.plot(line[:, 1] * col_size, line[:, 0] * row_size, color=color, linewidth=1.0)
        top = lines[0][np.argmin(lines[0][:, 0])]
        ax.annotate(
            "" if number is None else str(number),
            (top[1] * col_size, top[0] * row_size),
            xytext=(0, 2),
            textcoords="offset points",
            color=color,
            fontsize=8,
            ha="center",
            va="bottom",
        )


def _outlines(labels: NDArray[np.uint16] | None) -> list[tuple[int, list[NDArray[np.float64]]]]:
    """Return the outlines of each label, as lines of (row, column) pixel indices."""
    if labels is None:
        return []
    from scipy import ndimage
    from skimage.measure import find_contours

    found = []
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is not None:
            corner = np.array([box[0].start - 1, box[1].start - 1])
            mask = np.pad(labels[box] == label, 1).astype(np.float64)
            found.append((label, [line + corner for line in find_contours(mask, 0.5)]))
    return found


def _display_window(panel: FilmPanel) -> tuple[float, float]:
    values = panel.pixels.ravel() if panel.shown is None else panel.pixels[panel.shown]
    if values.size == 0:
        return (0.0, 1.0)
    low, high = (float(value) for value in np.quantile(values[:: max(values.size // _SAMPLES, 1)], (0.01, 0.999)))
    return (low, high if high > low else low + 1.0)
