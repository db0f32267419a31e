"""How films are looked at: side by side, flickering, blended, windowed, inverted. Nothing here changes a reading."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calcimeasure.notices import TimePoint
from calcimeasure.registration.alignment import warp_to_baseline
from napari_calcimeasure.layer_styles import LOOKS, TITLE_SIZE, place_of
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


_QUANTILES = {GreyPreset.LIMB: (0.5, 99.9), GreyPreset.DEPOSITS: (40.0, 99.99), GreyPreset.SOFT: (0.1, 85.0)}


class FilmView:
    """The view of a desk."""

    def __init__(self, desk: ReviewLayers) -> None:
        self.desk = desk
        self.arrangement = Arrangement.SIDE_BY_SIDE
        self.preset = GreyPreset.FILM
        self.same_grey = False
        self.inverted = False
        self.filled = False
        self.listeners: list[Callable[[], None]] = []
        self._overlay: Image | None = None
        self._on_top = False
        self.whole()

    @property
    def side_by_side(self) -> bool:
        """Whether each film has a place of its own."""
        return self.arrangement is Arrangement.SIDE_BY_SIDE

    def why_not_over_one_another(self) -> str:
        """Return why the films cannot be laid over one another."""
        if len(self.desk.order) < 2:
            return "There is only one film."
        return "" if self.desk.alignment is not None else "The films could not be aligned."

    def whole(self) -> None:
        """Show all of the films."""
        self.desk.viewer.reset_view()
        self.desk.whole_zoom = float(self.desk.viewer.camera.zoom)
        self._tell()

    def flicker(self) -> None:
        """Show the right film in the left one's place; the same key again shows the left one, and so on."""
        if self.why_not_over_one_another():
            return
        if self.arrangement is Arrangement.FLICKER:
            self._on_top = not self._on_top
        else:
            self._lay_over(Arrangement.FLICKER)
            self._on_top = True
        if self._overlay is not None:
            self._overlay.opacity = 1.0
            self._overlay.visible = self._on_top
        self._entitle()
        self._tell()

    def blend(self) -> None:
        """Show both films through one another; the same key again lays them side by side."""
        if self.why_not_over_one_another():
            return
        if self.arrangement is Arrangement.BLEND:
            self.lay_side_by_side()
            return
        self._lay_over(Arrangement.BLEND)
        if self._overlay is not None:
            self._overlay.visible = True
            self._overlay.opacity = 0.5
        self._entitle()
        self._tell()

    def lay_side_by_side(self) -> None:
        """Give each film its own place again."""
        desk = self.desk
        self.arrangement = Arrangement.SIDE_BY_SIDE
        if self._overlay is not None and self._overlay in desk.viewer.layers:
            desk.viewer.layers.remove(self._overlay)
        self._overlay = None
        for which in desk.order:
            for layer in desk.layers_of(which):
                layer.visible = True
        desk.viewer.canvas.grid.enabled = len(desk.order) > 1
        for which in desk.order:
            desk.images[which].name_overlay.visible = len(desk.order) > 1
        self._tell()

    def _lay_over(self, arrangement: Arrangement) -> None:
        from napari.layers import Image

        desk = self.desk
        if self.side_by_side:
            films = desk.session.material.films
            left, right = desk.order
            warped = warp_to_baseline(desk.pixels[right], desk.mapping(left), films[left].shape)
            model = desk.images[right]
            self._overlay = Image(
                warped,
                name=self._overlay_name(arrangement),
                affine=place_of(films[left]),
                contrast_limits=model.contrast_limits,
                colormap=model.colormap,
                units=desk.images[left].units,
                axis_labels=("row", "col"),
                interpolation2d="linear",
            )
            desk.viewer.canvas.grid.enabled = False
            for layer in desk.layers_of(right):
                layer.visible = False
            place = desk.viewer.layers.index(desk.images[left]) + 1
            desk.viewer.layers.insert(place, self._overlay)
            desk.viewer.layers.selection = {desk.labels[left]}
        if self._overlay is not None:
            self._overlay.name = self._overlay_name(arrangement)
        self.arrangement = arrangement

    def _overlay_name(self, arrangement: Arrangement) -> str:
        if arrangement is Arrangement.BLEND:
            return "Both films, blended (for looking only)"
        left, right = (self.desk.titles[which] for which in self.desk.order)
        return f"{right}, laid over {left} (for looking only)"

    def _entitle(self) -> None:
        """Let the title in the picture say which film is seen."""
        if self._overlay is None:
            return
        title = self._overlay.name_overlay
        title.font_size = TITLE_SIZE
        title.visible = self._overlay.visible
        self.desk.images[self.desk.order[0]].name_overlay.visible = not self._overlay.visible

    # Grey ----------------------------------------------------------------------------------------------------------

    def next_window(self) -> None:
        """Go to the next preset of the grey window."""
        presets = list(GreyPreset)
        self.choose_window(presets[(presets.index(self.preset) + 1) % len(presets)])

    def choose_window(self, preset: GreyPreset) -> None:
        """Show other grey values."""
        self.preset = preset
        self._grey()

    def set_same_grey(self, same: bool) -> None:
        """Show both films with one grey mapping, or each with its own."""
        self.same_grey = same
        self._grey()

    def invert(self) -> None:
        """Show calcium dark, or bright again; the measured values stay."""
        self.inverted = not self.inverted
        self._grey()

    def outlines(self) -> None:
        """Show deposits filled, or as outlines."""
        self.filled = not self.filled
        for layer in self.desk.labels.values():
            layer.contour = 0 if self.filled else self.desk.outline_px
            layer.opacity = 0.5 if self.filled else LOOKS.opacity
        self._tell()

    def _grey(self) -> None:
        desk = self.desk
        first = desk.order[0]
        for which in desk.order:
            low, high = self._limits(first if self.same_grey else which)
            desk.images[which].contrast_limits = (low, high)
            desk.images[which].colormap = "gray_r" if self.inverted else "gray"
        if self._overlay is not None:
            self._overlay.contrast_limits = desk.images[desk.order[1]].contrast_limits
            self._overlay.colormap = desk.images[desk.order[1]].colormap
        self._tell()

    def _limits(self, which: TimePoint) -> tuple[float, float]:
        if self.preset is GreyPreset.FILM:
            return self.desk.windows[which]
        low, high = np.percentile(self._limb_values(which), _QUANTILES[self.preset])
        return float(low), float(max(high, low + 1e-6))

    def _limb_values(self, which: TimePoint) -> NDArray[np.float32]:
        material = self.desk.session.material
        anatomy, film = material.anatomies[which], material.films[which]
        reduced = film.pixels[:: anatomy.step, :: anatomy.step]
        limbs = anatomy.limbs[: reduced.shape[0], : reduced.shape[1]] > 0
        inside = reduced[limbs]
        return inside if inside.size else reduced.ravel()

    def _tell(self) -> None:
        for tell in tuple(self.listeners):
            tell()
