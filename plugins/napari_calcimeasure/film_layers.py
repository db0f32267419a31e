"""The four layers of one film, made one by one so that the window goes on living between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_calcimeasure.layer_styles import LABELS_OPACITY, TEXT_COLOUR
from napari_calcimeasure.napari_internals import draw_outlines_fast, label_colormap
from napari_calcimeasure.preferences import preferences

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Layer, Points

TEXT_SIZE = 13
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
    colors
        Of the labels.
    common
        Arguments of every layer: where the film lies, units, metadata.
    """

    pixels: NDArray[np.float32]
    labels: NDArray[np.uint16]
    title: str
    window: tuple[float, float]
    colors: dict[int | None, str]
    common: dict[str, Any]


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

    layer = Labels(
        look.labels.copy(),
        name=f"{look.title}: deposits",
        colormap=label_colormap(look.colors),
        opacity=LABELS_OPACITY,
        blending="translucent_no_depth",
        **look.common,
    )
    draw_outlines_fast(layer)
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
        text={"string": "{text}", "size": TEXT_SIZE, "color": TEXT_COLOUR, "anchor": "lower_left"},
        size=0.1,
        opacity=1.0,
        face_color="transparent",
        border_color="transparent",
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


LAYER_MAKERS: tuple[Callable[[LayerAppearance], Layer], ...] = (film_layer, labels_layer, numbers_layer, pointer_layer)
"""What makes the layers of a film, lowest first."""


def preload() -> None:
    """Import what the first layer and the first edit need, a second's worth: for a thread, while films are opened."""
    import pint
    import skimage.draw
    import skimage.measure
    import skimage.morphology  # noqa: F401

    pint.get_application_registry().Unit("mm")
    try:
        import xarray  # noqa: F401 - napari asks of every array whether it is one of these, where they are installed
    except ImportError:
        return
