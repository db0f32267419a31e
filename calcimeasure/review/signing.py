"""Signing a reading: the pair, and each film that differs from the reader's last version of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from calcimeasure.change.change_records import Comparison
from calcimeasure.deposits import DepositLabels
from calcimeasure.measurement.measurement_records import FilmMeasurement
from calcimeasure.notices import TimePoint
from calcimeasure.review.draft import About, Action
from calcimeasure.review.reading_store import ReadingLocation, SignedFilm, signed_labels, version_number, write_signed


def sign_reading(
    location: ReadingLocation,
    films: Mapping[TimePoint, FilmMeasurement],
    comparison: Comparison | None,
    *,
    actions: Sequence[Action],
    about: About,
    signed_at: datetime,
) -> Path:
    """Write the next version of a reading, and of each film's own.

    Parameters
    ----------
    location
        The reading of the pair, or of the film.
    films, comparison
        As measured; `comparison` is None for one film.
    actions, about
        What was done, and what else the signature shall say.
    signed_at
        With its time zone.

    Returns
    -------
    Path
        The version of the pair (of the film, for one film).
    """
    signed: dict[str, SignedFilm] = {}
    for visit, measured in films.items():
        film = measured.film
        own = location.of(film.film_id)
        versions = own.versions()
        kept = comparison is not None and versions and _same(signed_labels(own.root, film, own.reader), measured)
        version = versions[-1] if kept else own.next_version()
        if not kept:
            write_signed(
                version,
                measured,
                signed_at=signed_at,
                actions=[action for action in actions if visit.value in action["films"]],
                films={visit.value: {"sha256": film.sha256}},
                about=_signature_notes(versions, about),
            )
        signed[visit.value] = {"sha256": film.sha256, "version": version_number(version)}
    if comparison is None:
        return version
    return write_signed(
        location.next_version(),
        comparison,
        signed_at=signed_at,
        actions=actions,
        films=signed,
        about=_signature_notes(location.versions(), about),
    )


def _signature_notes(versions: Sequence[Path], about: About) -> dict[str, object]:
    follows = version_number(versions[-1]) if versions else None
    return {"follows_version": follows, **({"blinding": about["blinding"]} if "blinding" in about else {})}


def _same(signed: DepositLabels | None, measured: FilmMeasurement) -> bool:
    if signed is None:
        return False
    labels = measured.labels
    return signed.deposits == labels.deposits and bool((signed.image == labels.image).all())
