"""Values that hold where the user sets none, written once for the command line, the study and the statistics."""

from __future__ import annotations

DEFAULT_MARGIN_RATIO: tuple[float, float] = (0.80, 1.25)
"""Margin of equivalence as ratios of area, -20 % to +25 %: symmetric on the logarithmic scale."""
