"""The four layers of one film, made one by one so that the window goes on living between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_calcimeasure.layer_styles import LOOKS, TEXT_COLOUR, colour_table, outline_quickly
from napari_calcimeasure.preferences import preferences

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Layer, Points

POINTER_PX = 18
POINTER_ON_SCREEN_PX = (5, 16)


@dataclass(frozen=True, kw_only=True)
class LayerAppearance:
    """What the layers of a film are made from.

    Attributes
    ----------
    pixels, labels
        What is seen of the film, and the label image that is drawn over it (copied: strokes are painted into the copy).
    title
        Its name.
    window
        The grey values shown from black to white.
    colours
        Of the labels.
    common
        Arguments of every layer: where the film lies, units, metadata.
    """

    pixels: NDArray[np.float32]
    labels: NDArray[np.uint16]
    title: str
    window: tuple[float, float]
    colours: dict[int | None, Any]
    common: dict[str, Any]


def makers() -> tuple[Callable[[LayerAppearance], Layer], ...]:
    """Return what makes the layers, lowest first."""
    return (film_layer, labels_layer, numbers_layer, pointer_layer)


def film_layer(look: LayerAppearance) -> Image:
    """Return the film itself."""
    from napari.layers import Image

    return Image(
        look.pixels,
        name=look.title,
        contrast_limits=look.window,
        colormap="gray",
        interpolation2d="linear",
        **look.common,
    )


def labels_layer(look: LayerAppearance) -> Labels:
    """Return the deposits."""
    from napari.layers import Labels

    table = colour_table(look.colours)
    layer = Labels(look.labels.copy(), name=f"{look.title}: deposits", colormap=table, **LOOKS.labels(), **look.common)
    outline_quickly(layer)
    layer.contour = preferences().outline_px
    layer.brush_size = preferences().brush_px
    layer.preserve_labels = True
    return layer


def numbers_layer(look: LayerAppearance) -> Points:
    """Return the numbers beside the deposits; none yet."""
    from napari.layers import Points

    return Points(
        np.zeros((0, 2)),
        name=f"{look.title}: numbers",
        features={"text": np.zeros(0, object)},
        text={"string": "{text}", "size": LOOKS.text_size, "color": TEXT_COLOUR, "anchor": "lower_left"},
        **LOOKS.numbers(),
        **look.common,
    )


def pointer_layer(look: LayerAppearance) -> Points:
    """Return the cross that shows where the mouse on the other film is; none yet."""
    from napari.layers import Points

    return Points(
        np.zeros((0, 2)),
        name=f"{look.title}: pointer",
        symbol="cross",
        size=POINTER_PX,
        face_color="#ffffff",
        border_color="#000000",
        canvas_size_limits=POINTER_ON_SCREEN_PX,
        **look.common,
    )


def warm() -> None:
    """Load what napari loads with its first layer, half a second's worth: for a thread, while the films are opened."""
    import pint

    pint.get_application_registry().Unit("mm")
    try:
        import xarray  # noqa: F401 - napari asks of every array whether it is one of these, where they are installed
    except ImportError:
        return
