"""Films and label images between files and napari's layers: the reader, the writers, the samples."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calcimeasure.anatomy import find_anatomy
from calcimeasure.deposits import DepositLabels
from calcimeasure.errors import LabelsError
from calcimeasure.export import write_measurement
from calcimeasure.io import read_film
from calcimeasure.io.label_images import labels_tiff
from calcimeasure.io.sample_films import sample_images_folder
from calcimeasure.label_arrays import labels_from_array
from calcimeasure.measurement import measure_film
from calcimeasure.radiograph import Radiograph, Spacing
from napari_calcimeasure.layer_styles import RADIOGRAPH_KEY, SPACING_KEY, basis_text, grey_window, units_of
from napari_calcimeasure.pair_geometry import pixel_size

LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[LayerData]] | None:
    """Return the function that opens a film, or None for several files and for what is no film."""
    if isinstance(path, list):
        if len(path) != 1:
            return None
        path = path[0]
    from calcimeasure.io.file_format import find_format

    try:
        with Path(path).open("rb") as file:
            head = file.read(4096)
    except OSError:
        return None
    return read_layers if find_format(head) is not None else None


def read_layers(path: str | list[str]) -> list[LayerData]:
    """Return a film as an image layer with its spacing, basis and grey window."""
    one = path[0] if isinstance(path, list) else path
    return [film_layer_data(read_film(one), Path(one).stem)]


def film_layer_data(film: Radiograph, name: str) -> LayerData:
    """Return one film as layer data."""
    units = units_of(film.spacing)
    attributes = {
        "name": name,
        "scale": tuple(pixel_size(film.spacing)),
        "units": units,
        "axis_labels": ("row", "col"),
        "contrast_limits": grey_window(film, find_anatomy(film)),
        "colormap": "gray",
        "metadata": {RADIOGRAPH_KEY: film, SPACING_KEY: {"basis": basis_text(film.spacing), "note": film.spacing.note}},
    }
    return (film.pixels, attributes, "image")


def sample_unchanged() -> list[LayerData]:
    """Return the sample pair in which nothing changed."""
    return _sample("unchanged")


def sample_grown() -> list[LayerData]:
    """Return the sample pair in which deposits grew."""
    return _sample("grown")


def _sample(pair: str) -> list[LayerData]:
    folder = sample_images_folder() / pair
    return [
        film_layer_data(read_film(folder / f"{visit}.dcm"), f"{pair} {visit}") for visit in ("baseline", "followup")
    ]


def write_labels_layer(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a Labels layer as a TIFF with its spacing, and the number and pixels of each deposit as JSON beside it."""
    labels = _labels(data)
    spacing = _spacing(attributes)
    target = Path(path)
    target.write_bytes(labels_tiff(labels, spacing))
    pixels = np.bincount(labels.image.ravel(), minlength=len(labels) + 1)
    record = {
        "schema": "calcimeasure.labels/1",
        "pixel_spacing_mm": None if spacing.mm is None else list(spacing.mm),
        "deposits": [{"label": d.label, "origin": d.origin.value, "pixels": int(pixels[d.label])}
                     for d in labels.deposits],
    }  # fmt: skip
    beside = target.with_suffix(".json")
    beside.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return [str(target), str(beside)]


def write_results_layers(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Write a film's layer and its deposits' layer as a folder of results.

    Raises
    ------
    LabelsError
        When the image was not opened with our reader, so that its spacing and grey scale are not known.
    """
    images = [layer for layer in layers if layer[2] == "image"]
    found = [layer for layer in layers if layer[2] == "labels"]
    film = images[0][1].get("metadata", {}).get(RADIOGRAPH_KEY) if images else None
    if not isinstance(film, Radiograph) or not found:
        raise LabelsError(
            "the film was not opened with 'CalciMeasure: radiograph'",
            where=images[0][1].get("name", "") if images else "",
            remedy="Open it with that reader, so that its spacing and grey scale are known, and save again.",
        )
    labels = _labels(found[0][0], film)
    measured = measure_film(film, labels)
    folder = Path(path)
    write_measurement(measured, folder)
    return [str(folder)]


def _labels(data: Any, film: Radiograph | None = None) -> DepositLabels:
    return labels_from_array(np.asarray(data), film, method="napari")


def _spacing(attributes: dict[str, Any]) -> Spacing:
    film = attributes.get("metadata", {}).get(RADIOGRAPH_KEY)
    return film.spacing if isinstance(film, Radiograph) else Spacing()
