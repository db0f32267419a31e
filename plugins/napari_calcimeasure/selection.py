"""Which deposits are selected: the one place that table, layers, tools and commands take it from."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping

from psygnal import Signal

from calcimeasure.notices import TimePoint


class Selection:
    """The selected deposits of each film, by their numbers in the annotation state; iterates over (visit, number)."""

    changed = Signal()

    def __init__(self, visits: Iterable[TimePoint]) -> None:
        self._labels: dict[TimePoint, tuple[int, ...]] = dict.fromkeys(visits, ())

    @property
    def labels(self) -> dict[TimePoint, tuple[int, ...]]:
        """The selected numbers of every film."""
        return dict(self._labels)

    def __getitem__(self, visit: TimePoint) -> tuple[int, ...]:
        return self._labels[visit]

    def __iter__(self) -> Iterator[tuple[TimePoint, int]]:
        return ((visit, label) for visit, labels in self._labels.items() for label in labels)

    def __bool__(self) -> bool:
        return any(self._labels.values())

    def choose(self, visit: TimePoint, label: int, *, add: bool = False) -> None:
        """Select one deposit; with `add` select it too, or no longer."""
        if add:
            self.replace({**self._labels, visit: tuple(sorted({*self._labels[visit]} ^ {label}))})
        else:
            self.replace({visit: (label,)})

    def replace(self, labels: Mapping[TimePoint, tuple[int, ...]]) -> None:
        """Select these deposits and no others."""
        self._labels = {visit: labels.get(visit, ()) for visit in self._labels}
        self.changed.emit()

    def clear(self) -> None:
        """Select nothing."""
        self.replace({})

    def keep(self, existing: Mapping[TimePoint, Container[int]]) -> None:
        """Drop deposits that are gone, without a signal: whoever removed them shows the rest."""
        self._labels = {v: tuple(n for n in labels if n in existing[v]) for v, labels in self._labels.items()}
