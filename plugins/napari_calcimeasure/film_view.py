"""How films are viewed: side by side, flickering, blended, windowed, inverted. Nothing here changes a reading."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

from calcimeasure.notices import TimePoint
from calcimeasure.registration.alignment import warp_to_baseline
from napari_calcimeasure.layer_styles import LABELS_OPACITY, TITLE_SIZE, limb_values
from napari_calcimeasure.pair_geometry import pixels_to_world
from napari_calcimeasure.preferences import preferences
from napari_calcimeasure.review_layers import ReviewLayers

if TYPE_CHECKING:
    from napari.layers import Image


class Arrangement(StrEnum):
    """How two films lie."""

    SIDE_BY_SIDE = "side by side"
    FLICKER = "flicker"
    BLEND = "blend"


class GreyPreset(StrEnum):
    """Which grey values are shown."""

    FILM = "As the film asks"
    LIMB = "Whole limb"
    DEPOSITS = "Deposits"
    SOFT = "Soft tissue"


_PERCENTILES = {GreyPreset.LIMB: (0.5, 99.9), GreyPreset.DEPOSITS: (40.0, 99.99), GreyPreset.SOFT: (0.1, 85.0)}


class FilmView:
    """The view of a review's layers; `changed` is emitted after every change of it."""

    changed = Signal()

    def __init__(self, layers: ReviewLayers) -> None:
        self.layers = layers
        self.arrangement = Arrangement.SIDE_BY_SIDE
        self.preset = GreyPreset.FILM
        self.same_grey = False
        self.inverted = False
        self.filled = False
        self.keys: dict[str, Callable[[], None]] = {
            "F": self.flicker,
            "V": self.blend,
            "I": self.invert,
            "W": self.next_preset,
            "O": self.toggle_filled,
            "Home": self.show_whole,
        }
        self._overlay: Image | None = None
        self.show_whole()

    @property
    def side_by_side(self) -> bool:
        """Whether each film has a cell of its own."""
        return self.arrangement is Arrangement.SIDE_BY_SIDE

    def why_not_overlaid(self) -> str:
        """Return why the films cannot be laid over one another."""
        if len(self.layers.order) < 2:
            return "There is only one film."
        return "" if self.layers.geometry.alignment is not None else "The films could not be aligned."

    def show_whole(self) -> None:
        """Show all of the films."""
        self.layers.viewer.reset_view()
        self.layers.whole_zoom = float(self.layers.viewer.camera.zoom)
        self.changed.emit()

    def flicker(self) -> None:
        """Show the right film in the left one's place; the same key again shows the left one, and so on."""
        shown = self._overlay is not None and self._overlay.visible
        self._overlay_films(Arrangement.FLICKER, visible=not (self.arrangement is Arrangement.FLICKER and shown))

    def blend(self) -> None:
        """Show both films through one another; the same key again lays them side by side."""
        if self.arrangement is Arrangement.BLEND:
            self.lay_side_by_side()
        else:
            self._overlay_films(Arrangement.BLEND, visible=True)

    def lay_side_by_side(self) -> None:
        """Give each film its own cell again."""
        layers, pair = self.layers, len(self.layers.order) > 1
        self.arrangement = Arrangement.SIDE_BY_SIDE
        if self._overlay is not None and self._overlay in layers.viewer.layers:
            layers.viewer.layers.remove(self._overlay)
        self._overlay = None
        for visit in layers.order:
            for layer in layers.layers_of(visit):
                layer.visible = True
            layers.images[visit].name_overlay.visible = pair
        layers.viewer.canvas.grid.enabled = pair
        self.changed.emit()

    def _overlay_films(self, arrangement: Arrangement, *, visible: bool) -> None:
        if self.why_not_overlaid():
            return
        if self._overlay is None:
            self._overlay = self._make_overlay()
        left, right = self.layers.order
        blended = arrangement is Arrangement.BLEND
        self.arrangement = arrangement
        over = f"{self.layers.titles[right]}, laid over {self.layers.titles[left]}"
        self._overlay.name = f"{'Both films, blended' if blended else over} (for looking only)"
        self._overlay.opacity = 0.5 if blended else 1.0
        self._overlay.visible = visible
        # The title in the picture says which film is seen.
        self._overlay.name_overlay.font_size = TITLE_SIZE
        self._overlay.name_overlay.visible = visible
        self.layers.images[left].name_overlay.visible = not visible
        self.changed.emit()

    def _make_overlay(self) -> Image:
        """Lay the right film over the left one, in one cell."""
        from napari.layers import Image

        layers = self.layers
        films = layers.session.review_input.films
        left, right = layers.order
        overlay = Image(
            warp_to_baseline(layers.pixels[right], layers.geometry.mapping(left), films[left].shape),
            affine=pixels_to_world(films[left]),
            contrast_limits=layers.images[right].contrast_limits,
            colormap=layers.images[right].colormap,
            units=layers.images[left].units,
            axis_labels=("row", "col"),
            interpolation2d="linear",
        )
        layers.viewer.canvas.grid.enabled = False
        for layer in layers.layers_of(right):
            layer.visible = False
        layers.viewer.layers.insert(layers.viewer.layers.index(layers.images[left]) + 1, overlay)
        layers.viewer.layers.selection = {layers.labels[left]}
        return overlay

    # Grey ----------------------------------------------------------------------------------------------------------

    def next_preset(self) -> None:
        """Go to the next preset of the grey window."""
        presets = list(GreyPreset)
        self.choose_preset(presets[(presets.index(self.preset) + 1) % len(presets)])

    def choose_preset(self, preset: GreyPreset) -> None:
        """Show other grey values."""
        self.preset = preset
        self._apply_grey()

    def set_same_grey(self, same: bool) -> None:
        """Show both films with one grey mapping, or each with its own."""
        self.same_grey = same
        self._apply_grey()

    def invert(self) -> None:
        """Show calcium dark, or bright again; the measured values stay."""
        self.inverted = not self.inverted
        self._apply_grey()

    def toggle_filled(self) -> None:
        """Show deposits filled, or as outlines."""
        self.filled = not self.filled
        for layer in self.layers.labels.values():
            layer.contour = 0 if self.filled else preferences().outline_px
            layer.opacity = 0.5 if self.filled else LABELS_OPACITY
        self.changed.emit()

    def _apply_grey(self) -> None:
        layers = self.layers
        for visit in layers.order:
            layers.images[visit].contrast_limits = self._limits(layers.order[0] if self.same_grey else visit)
            layers.images[visit].colormap = "gray_r" if self.inverted else "gray"
        if self._overlay is not None:
            self._overlay.contrast_limits = layers.images[layers.order[1]].contrast_limits
            self._overlay.colormap = layers.images[layers.order[1]].colormap
        self.changed.emit()

    def _limits(self, visit: TimePoint) -> tuple[float, float]:
        if self.preset is GreyPreset.FILM:
            return self.layers.windows[visit]
        review_input = self.layers.session.review_input
        values = limb_values(review_input.films[visit], review_input.anatomies[visit])
        low, high = np.percentile(values, _PERCENTILES[self.preset])
        return float(low), float(max(high, low + 1e-6))
