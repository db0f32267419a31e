"""What a person set in napari's preferences; the defaults where that page does not exist (napari before 0.9)."""

from __future__ import annotations

from dataclasses import dataclass

PLUGIN = "calcimeasure"


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """The settings page of the plugin."""

    reader: str = ""
    brush_px: int = 12
    outline_px: int = 2


def preferences() -> Preferences:
    """Return what is set."""
    try:
        from napari.settings import get_plugin_settings

        page = getattr(get_plugin_settings(PLUGIN), "reading", None) or get_plugin_settings(PLUGIN)
    except (ImportError, KeyError, ValueError):
        return Preferences()
    known = {name: getattr(page, name) for name in Preferences.__dataclass_fields__ if hasattr(page, name)}
    return Preferences(**known)
