"""Small whole files of every kind that the program opens, as starting points for damage."""

from __future__ import annotations

import io
import json
from pathlib import Path

import cv2
import numpy as np
import pydicom
import tifffile
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate

from calcimeasure.io import codec_probes
from calcimeasure.io.coded_stream import encode_rle
from calcimeasure.radiograph import Radiograph

SHAPE = (72, 64)
DX = "1.2.840.10008.5.1.4.1.1.1.1"


def film_pixels(bits: int = 12) -> np.ndarray:
    """A smooth picture with a bright spot."""
    rows, cols = np.indices(SHAPE)
    smooth = 0.2 + 0.5 * np.exp(-((cols - 30.0) ** 2) / 300) + 0.3 * np.exp(-((rows - 40) ** 2 + (cols - 31) ** 2) / 9)
    noise = np.random.default_rng(5).normal(0, 0.01, SHAPE)
    return np.clip((smooth + noise) * (2**bits - 1), 0, 2**bits - 1).astype(np.uint16 if bits > 8 else np.uint8)


def dicom(pixels: np.ndarray, syntax: str, coded: bytes | None = None, **attributes: object) -> bytes:
    """A DX film with the usual attributes and a sequence."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = DX
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = "1.2.3.4"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3", "1.2.3.1"
    dataset.Modality, dataset.PatientID, dataset.PatientName = "DX", "P1", "Fuzz^Fred"
    dataset.StudyDate, dataset.PatientBirthDate = "20250101", "19600101"
    dataset.ImagerPixelSpacing = [0.2, 0.2]
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "85562004", "SCT", "Hand"
    dataset.AnatomicRegionSequence = [item]
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    bits = 8 * pixels.dtype.itemsize
    dataset.BitsAllocated, dataset.BitsStored = bits, 12 if bits == 16 else 8
    dataset.HighBit = dataset.BitsStored - 1
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = pixels.tobytes() if coded is None else encapsulate([coded])
    dataset["PixelData"].VR = "OW" if coded is None and bits == 16 else "OB"
    dataset["PixelData"].is_undefined_length = coded is not None
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def probe(name: str) -> tuple[bytes, str]:
    """The coded 16 x 16 picture of a name, and its transfer syntax."""
    import base64

    found = next(one for one in codec_probes.coded_pictures() if one["name"] == name)
    return base64.b64decode(found["coded"]), found["transfer_syntax"]


def films() -> dict[str, bytes]:
    """Films in every format."""
    deep, flat = film_pixels(), film_pixels(8)
    made = {
        "native.dcm": dicom(deep, "1.2.840.10008.1.2.1"),
        "implicit.dcm": dicom(deep, "1.2.840.10008.1.2"),
        "deflated.dcm": dicom(deep, "1.2.840.10008.1.2.1.99"),
        "rle.dcm": dicom(deep, "1.2.840.10008.1.2.5", encode_rle(deep)),
        "frames.dcm": dicom(np.stack([deep, deep]), "1.2.840.10008.1.2.1", NumberOfFrames=2),
    }
    small = np.zeros((16, 16), np.uint16)
    for name in ("JPEG baseline, 8 bits", "JPEG extended, 12 bits", "JPEG lossless", "JPEG-LS lossless"):
        stream, syntax = probe(name)
        pixels = small.astype(np.uint8) if "8 bits" in name else small
        made[f"{name.split(',')[0].replace(' ', '-')}.dcm"] = dicom(pixels, syntax, stream)
    stream, syntax = probe("JPEG 2000 lossless")
    made["j2k.dcm"] = dicom(small, syntax, stream, BitsStored=16, HighBit=15)
    made["film.png"] = cv2.imencode(".png", deep * 16)[1].tobytes()
    made["film.jpg"] = cv2.imencode(".jpg", flat)[1].tobytes()
    for name, options in {
        "plain.tif": {},
        "deflate.tif": {"compression": "zlib", "predictor": True},
        "lzw.tif": {"compression": "lzw"},
        "tiled.tif": {"tile": (16, 16), "compression": "zlib"},
    }.items():
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, deep, photometric="minisblack", **options)
        made[name] = buffer.getvalue()
    buffer = io.BytesIO()
    Image.fromarray(np.dstack([flat] * 3)).save(buffer, "PNG", dpi=(300, 300))
    made["colour.png"] = buffer.getvalue()
    return made


def others() -> dict[str, bytes]:
    """Label images, points and polygons of the film."""
    labels = np.zeros(SHAPE, np.uint16)
    labels[38:43, 29:34] = 1
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, labels, photometric="minisblack", compression="zlib")
    png = cv2.imencode(".png", labels)[1].tobytes()
    polygons = {
        "schema": "calcimeasure.polygons/1", "shape": SHAPE, "film_sha256": "", "method": "drawn",
        "deposits": [{
            "label": 1, "finding": "calcinosis", "origin": "drawn", "confidence": 1.0,
            "rings": [[[37.5, 28.5], [37.5, 33.5], [42.5, 33.5], [42.5, 28.5]]],
        }],
    }  # fmt: skip
    return {
        "labels.tif": buffer.getvalue(),
        "labels.png": png,
        "points.csv": b"row,col,deposit\n40,31,1\n41,30,1\n",
        "polygons.json": json.dumps(polygons).encode(),
    }


def objects(folder: Path) -> tuple[dict[str, bytes], Radiograph]:
    """A Segmentation and a structured report, and their film, which stays in the folder."""
    from calcimeasure.deposits import Deposit, DepositLabels, Origin
    from calcimeasure.export.dicom.seg_write import write_segmentation
    from calcimeasure.export.dicom.sr_film import write_measurement_report
    from calcimeasure.io import read_film
    from calcimeasure.measurement.film_measurement import measure_film

    (folder / "film.dcm").write_bytes(dicom(film_pixels(), "1.2.840.10008.1.2.1"))
    film = read_film(folder / "film.dcm")
    image = np.zeros(SHAPE, np.uint16)
    image[38:43, 29:34] = 1
    deposits = (Deposit(label=1, origin=Origin.DRAWN),)
    labels = DepositLabels(image=image, deposits=deposits, method="reader", film_sha256=film.sha256)
    measurement = measure_film(film, labels)
    write_segmentation(measurement, folder / "segmentation.dcm")
    write_measurement_report(measurement, folder / "report.dcm", segmentation=folder / "segmentation.dcm")
    return {name: (folder / name).read_bytes() for name in ("segmentation.dcm", "report.dcm")}, film
