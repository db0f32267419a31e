"""Plain SVG plots for the validation's page: legible in print, with their numbers in the tables below them."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

WIDTH, HEIGHT = 460, 320
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 44


def scatter_plot(points: Sequence[tuple[float, float]], *, x_title: str, y_title: str) -> Markup:
    """Return a scatter plot with the line of identity."""
    values = [value for point in points for value in point] or [0.0]
    low, high = min(values) - 5.0, max(values) + 5.0
    axes = _Axes(x=(low, high), y=(low, high))
    marks = [f'<line class="identity" {axes.line(low, low, high, high)}/>']
    marks += [f'<circle cx="{axes.x_of(x):.1f}" cy="{axes.y_of(y):.1f}" r="3"/>' for x, y in points]
    ticks = [_round_tick(low + (high - low) * step / 4) for step in range(5)]
    return _plot(axes, marks, [(t, f"{t:g}") for t in ticks], [(t, f"{t:g}") for t in ticks], (x_title, y_title))


def bar_plot(bars: Sequence[tuple[str, float]], *, x_title: str, y_title: str) -> Markup:
    """Return a bar plot of shares from 0 to 1."""
    axes = _Axes(x=(0.0, float(max(len(bars), 1))), y=(0.0, 1.0))
    marks = []
    for place, (_, share) in enumerate(bars):
        top, foot = axes.y_of(share), axes.y_of(0.0)
        left, right = axes.x_of(place + 0.2), axes.x_of(place + 0.8)
        marks.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{foot - top:.1f}"/>'
            f'<text x="{(left + right) / 2:.1f}" y="{top - 4:.1f}" text-anchor="middle">{share:.2f}</text>'
        )
    names = [(place + 0.5, name) for place, (name, _) in enumerate(bars)]
    return _plot(axes, marks, names, [(t / 4, f"{t / 4:g}") for t in range(5)], (x_title, y_title))


class _Axes:
    """From data to places on the picture."""

    def __init__(self, *, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.x, self.y = x, y

    def x_of(self, value: float) -> float:
        return LEFT + (value - self.x[0]) / (self.x[1] - self.x[0]) * (WIDTH - LEFT - RIGHT)

    def y_of(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self.y[0]) / (self.y[1] - self.y[0]) * (HEIGHT - TOP - BOTTOM)

    def line(self, x1: float, y1: float, x2: float, y2: float) -> str:
        return f'x1="{self.x_of(x1):.1f}" y1="{self.y_of(y1):.1f}" x2="{self.x_of(x2):.1f}" y2="{self.y_of(y2):.1f}"'


def _plot(
    axes: _Axes,
    marks: Sequence[str],
    x_ticks: Sequence[tuple[float, str]],
    y_ticks: Sequence[tuple[float, str]],
    titles: tuple[str, str],
) -> Markup:
    foot, left = HEIGHT - BOTTOM, LEFT
    parts = [f'<path class="axis" d="M{left} {TOP}V{foot}H{WIDTH - RIGHT}" fill="none"/>']
    for value, name in x_ticks:
        at = axes.x_of(value)
        parts.append(f'<text x="{at:.1f}" y="{foot + 16}" text-anchor="middle">{escape(name)}</text>')
    for value, name in y_ticks:
        at = axes.y_of(value)
        parts.append(f'<text x="{left - 6}" y="{at + 4:.1f}" text-anchor="end">{escape(name)}</text>')
    middle = (left + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(titles[0])}</text>')
    centre = (TOP + foot) / 2
    parts.append(
        f'<text x="14" y="{centre}" text-anchor="middle" transform="rotate(-90 14 {centre})">{escape(titles[1])}</text>'
    )
    label = f"{titles[1]} against {titles[0]}"
    # Everything but the escaped names above is made of numbers.
    return Markup(  # noqa: S704
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}{''.join(marks)}</svg>"
    )


def _round_tick(value: float) -> float:
    return round(value / 5.0) * 5.0
