"""`segment` reads labels of another tool and writes label images in the formats that other tools open."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from calcimeasure.cli.main import run
from calcimeasure.io import read_film
from calcimeasure.io.label_images import read_labels
from calcimeasure.io.sample_films import sample_images_folder


def test_labels_go_in_and_out_as_nifti_and_nrrd(tmp_path: Path) -> None:
    path = sample_images_folder() / "grown" / "baseline.dcm"
    film = read_film(path)
    mask = np.zeros(film.shape, np.uint8)
    rows, columns = film.shape
    mask[rows // 2 :, columns // 2 :][:12, :20] = mask[rows // 3 :, columns // 3 :][:15, :8] = 1
    picture = SimpleITK.GetImageFromArray(mask)
    picture.SetSpacing(film.spacing.mm[::-1])
    SimpleITK.WriteImage(picture, str(tmp_path / "mask.nii.gz"))
    out = tmp_path / "out"
    arguments = ["segment", str(path), "--labels", str(tmp_path / "mask.nii.gz"), "--labels-format", "nrrd", "--quiet"]
    for more in ([], ["--overwrite"]):
        with pytest.raises(SystemExit) as ended:
            run([*arguments, "--out", str(out), *more])
        assert ended.value.code == 0
    record = json.loads((out / "measurement.json").read_text())
    assert len(record["deposits"]) == 2
    assert "mask_split" in [one["code"] for one in record["warning_details"]]
    assert [one["text"] for one in record["warning_details"]] == record["warnings"]
    assert sorted(one.name for one in out.iterdir()) == [
        "deposits.csv", "labels.nrrd", "labels.tif", "measurement.json", "overlay.png",
    ]  # fmt: skip
    written = SimpleITK.ReadImage(str(out / "labels.nrrd"))
    assert written.GetSpacing() == pytest.approx(film.spacing.mm[::-1])
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(written) > 0, mask > 0)
    assert len(read_labels(out / "labels.nrrd", film)) == 2
