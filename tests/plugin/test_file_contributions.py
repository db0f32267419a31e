"""The reader, the writers and the samples, and that the manifest is one that napari takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("napari", reason="the viewer extra is not installed")
pytest.importorskip("pytestqt", reason="the viewer's test tools are not installed")

MANIFEST = Path(__file__).resolve().parents[2] / "plugins" / "napari_calcimeasure" / "napari.yaml"


def test_the_manifest_is_valid_and_every_command_exists() -> None:
    from npe2 import PluginManifest

    manifest = PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()
    assert manifest.name == "calcimeasure"
    used = {reader.command for reader in manifest.contributions.readers}
    assert used <= {command.id for command in manifest.contributions.commands}


def test_a_film_opens_with_its_spacing_and_basis(sample_images: Path, model: Any) -> None:
    from napari_calcimeasure.file_contributions import get_reader
    from napari_calcimeasure.layer_styles import RADIOGRAPH_KEY, SPACING_KEY

    path = str(sample_images / "grown" / "baseline.dcm")
    read = get_reader(path)
    assert read is not None
    ((pixels, attributes, kind),) = read(path)
    layer = model.add_image(pixels, **attributes)
    assert kind == "image"
    film = attributes["metadata"][RADIOGRAPH_KEY]
    np.testing.assert_allclose(layer.scale, film.spacing.mm)
    assert {str(unit) for unit in layer.units} == {"millimeter"}
    assert attributes["metadata"][SPACING_KEY]["basis"].startswith("mm")


def test_what_is_no_film_is_left_to_other_readers(tmp_path: Path) -> None:
    from napari_calcimeasure.file_contributions import get_reader

    (tmp_path / "notes.tif").write_text("not a picture")
    assert get_reader(str(tmp_path / "notes.tif")) is None
    assert get_reader(str(tmp_path / "absent.dcm")) is None
    assert get_reader(["a.dcm", "b.dcm"]) is None


def test_a_label_image_is_written_with_spacing_and_json(tmp_path: Path, review_input: Any) -> None:
    import tifffile

    from calcimeasure.notices import TimePoint
    from napari_calcimeasure.file_contributions import film_layer_data, write_labels_layer

    film = review_input.films[TimePoint.BASELINE]
    _, attributes, _ = film_layer_data(film, "film")
    image = review_input.labels[TimePoint.BASELINE].image
    written = write_labels_layer(str(tmp_path / "mask.tif"), image, attributes)
    assert [Path(path).name for path in written] == ["mask.tif", "mask.json"]
    with tifffile.TiffFile(written[0]) as tiff:
        np.testing.assert_array_equal(tiff.asarray(), image)
        assert tiff.pages.first.tags["ResolutionUnit"].value == 3
    said = json.loads(Path(written[1]).read_text())
    assert said["pixel_spacing_mm"] == [0.2, 0.2]
    assert [deposit["pixels"] for deposit in said["deposits"]] == [int((image == n).sum()) for n in (1, 2, 3)]


def test_a_film_and_its_labels_are_written_as_results(tmp_path: Path, review_input: Any) -> None:
    from calcimeasure.errors import LabelsError
    from calcimeasure.notices import TimePoint
    from napari_calcimeasure.file_contributions import film_layer_data, write_results_layers

    film = review_input.films[TimePoint.BASELINE]
    labels = (review_input.labels[TimePoint.BASELINE].image, {"name": "mask"}, "labels")
    write_results_layers(str(tmp_path / "out"), [film_layer_data(film, "film"), labels])
    record = json.loads((tmp_path / "out" / "measurement.json").read_text())
    assert {deposit["area_method"] for deposit in record["deposits"]} == {"outline"}
    with pytest.raises(LabelsError, match="was not opened with 'CalciMeasure: radiograph'"):
        write_results_layers(str(tmp_path / "no"), [(film.pixels, {"name": "film"}, "image"), labels])


def test_the_samples_are_two_films_each() -> None:
    from napari_calcimeasure.file_contributions import sample_grown

    assert [attributes["name"] for _, attributes, _ in sample_grown()] == ["grown baseline", "grown followup"]


def test_defaults_stand_where_nothing_is_set() -> None:
    from napari_calcimeasure.preferences import Preferences, preferences

    assert preferences() == Preferences()
