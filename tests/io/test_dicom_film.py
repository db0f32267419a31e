"""One DICOM feature a test, on files made for it."""

from __future__ import annotations

import io
import warnings
import zlib

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from calcimeasure import read_film
from calcimeasure.errors import DecoderError, FilmError
from calcimeasure.radiograph import GreyRelationship


def items(**attributes):
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return [item]


def lut(first: int, entries: np.ndarray, bits: int = 16):
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(entries) % 65536, first, bits])
    item.add_new("LUTData", "OW", entries.astype("<u2").tobytes())
    return [item]


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535)], ids=["8 bits", "16 bits"])
def test_values_are_those_stored(write_film, ramp, dtype, top):
    pixels = ramp(dtype=dtype, top=top)
    film = read_film(write_film(pixels))
    np.testing.assert_array_equal(film.pixels, pixels)
    assert film.pixels.dtype == np.float32
    assert (film.grey.lowest, film.grey.highest) == (0, top)
    assert not film.pixels.flags.writeable


@pytest.mark.parametrize("bits", [9, 10, 12, 15])
def test_bits_outside_those_stored_are_ignored(write_film, ramp, bits):
    """Old files keep overlays in the upper bits of a word."""
    pixels = ramp(top=2**bits - 1)
    film = read_film(write_film(pixels | np.uint16(1 << bits), BitsStored=bits, HighBit=bits - 1))
    np.testing.assert_array_equal(film.pixels, pixels)
    assert film.grey.highest == 2**bits - 1


def test_high_bit_above_the_bits_stored(write_film, ramp):
    pixels = ramp(top=4095)
    film = read_film(write_film(pixels << np.uint16(4), BitsStored=12, HighBit=15))
    np.testing.assert_array_equal(film.pixels, pixels)


@pytest.mark.parametrize("bits", [16, 12])
def test_signed_values(write_film, ramp, bits):
    pixels = (ramp(top=2**bits - 1).astype(np.int32) - 2 ** (bits - 1)).astype(np.int16)
    stored = (pixels.view(np.uint16) & np.uint16(2**bits - 1)) if bits < 16 else pixels
    film = read_film(write_film(stored, BitsStored=bits, HighBit=bits - 1, PixelRepresentation=1))
    np.testing.assert_array_equal(film.pixels, pixels)
    assert (film.grey.lowest, film.grey.highest) == (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def test_monochrome1_is_turned_round_with_its_window(write_film, ramp):
    pixels = ramp(top=4095)
    film = read_film(
        write_film(
            pixels,
            BitsStored=12,
            HighBit=11,
            PhotometricInterpretation="MONOCHROME1",
            WindowCenter=1000.5,
            WindowWidth=201,
        )
    )
    np.testing.assert_array_equal(film.pixels, 4095 - pixels)
    assert film.grey.inverted
    assert film.grey.window == (4095 - 1100, 4095 - 900)


@pytest.mark.parametrize(
    ("interpretation", "shape", "inverted", "warned"),
    [
        ("MONOCHROME2", "IDENTITY", False, False),
        ("MONOCHROME1", "INVERSE", True, False),
        ("MONOCHROME1", "IDENTITY", False, True),
        ("MONOCHROME2", "INVERSE", True, True),
        ("MONOCHROME1", "", True, False),
    ],
)
def test_presentation_lut_shape(write_film, interpretation, shape, inverted, warned):
    film = read_film(write_film(PhotometricInterpretation=interpretation, PresentationLUTShape=shape))
    assert film.grey.inverted is inverted
    assert any("PresentationLUTShape" in sentence for sentence in map(str, film.warnings)) is warned


@pytest.mark.parametrize("interpretation", ["MONOCHROME1", "MONOCHROME2"])
def test_invert_runs_against_what_the_file_declares(write_film, interpretation):
    path = write_film(PhotometricInterpretation=interpretation)
    assert read_film(path, invert=True).grey.inverted is not read_film(path).grey.inverted
    assert read_film(path, invert=False).grey.inverted is (interpretation == "MONOCHROME1")


def test_rescale(write_film, ramp):
    film = read_film(write_film(ramp(), BitsStored=12, HighBit=11, RescaleSlope="2.5", RescaleIntercept="-100"))
    np.testing.assert_array_equal(film.pixels, ramp().astype(np.float32) * 2.5 - 100)
    assert (film.grey.lowest, film.grey.highest) == (-100, 4095 * 2.5 - 100)


def test_falling_rescale_keeps_lowest_below_highest(write_film, ramp):
    film = read_film(write_film(ramp(), RescaleSlope="-1", RescaleIntercept="4000"))
    np.testing.assert_array_equal(film.pixels, 4000 - ramp().astype(np.float32))
    assert film.grey.lowest < film.grey.highest


def test_unusable_rescale_is_warned_of(write_film, ramp):
    film = read_film(write_film(ramp(), RescaleSlope="0", RescaleIntercept="5"))
    np.testing.assert_array_equal(film.pixels, ramp())
    assert "Rescale" in film.warnings[0].text


def test_modality_lut_comes_before_rescale_and_extends_at_its_ends(write_film, ramp):
    entries = (np.arange(100) ** 2).astype(np.uint16)
    film = read_film(
        write_film(ramp(top=300), ModalityLUTSequence=lut(50, entries), RescaleSlope="7", RescaleIntercept="7")
    )
    np.testing.assert_array_equal(film.pixels, entries[np.clip(ramp(top=300).astype(int) - 50, 0, 99)])
    assert (film.grey.lowest, film.grey.highest) == (0, 99**2)


def test_modality_lut_of_signed_pixels(write_film, ramp):
    entries = np.arange(200).astype(np.uint16) * 3
    stored = (ramp(top=199).astype(np.int16) - 100).astype(np.int16)
    film = read_film(write_film(stored, PixelRepresentation=1, ModalityLUTSequence=lut(-100, entries)))
    np.testing.assert_array_equal(film.pixels, entries[stored.astype(int) + 100])


def test_damaged_modality_lut_is_warned_of(write_film, ramp):
    film = read_film(write_film(ramp(), ModalityLUTSequence=items(LUTDescriptor=[100, 0, 16])))
    np.testing.assert_array_equal(film.pixels, ramp())
    assert "ModalityLUTSequence" in film.warnings[0].text


def test_voi_never_touches_the_values(write_film, ramp):
    curve = np.concatenate([np.zeros(1000), np.linspace(0, 4095, 1001), np.full(2000, 4095)])
    film = read_film(write_film(ramp(), VOILUTSequence=lut(0, curve.round(), 12)))
    np.testing.assert_array_equal(film.pixels, ramp())
    low, high = film.grey.window
    assert 1000 < low < 1050
    assert 1950 < high < 2000


@pytest.mark.parametrize(
    ("function", "window"),
    [(None, (900, 1100)), ("LINEAR", (900, 1100)), ("LINEAR_EXACT", (900, 1101)), ("SIGMOID", (900, 1101))],
)
def test_windows_of_each_function(write_film, function, window):
    film = read_film(write_film(WindowCenter=["1000.5", "3"], WindowWidth=["201", "4"], VOILUTFunction=function))
    assert film.grey.window == window


@pytest.mark.parametrize("width", ["0", "-5"])
def test_windows_that_are_none(write_film, width):
    assert read_film(write_film(WindowCenter="100", WindowWidth=width)).grey.window is None


def test_padding_value_is_masked_and_never_bright(write_film, ramp):
    pixels = ramp(top=4000) + np.uint16(10)
    pixels[:, :7] = 0
    film = read_film(write_film(pixels, PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0))
    np.testing.assert_array_equal(film.padding, pixels == 0)
    assert film.pixels[film.padding].max() == film.pixels[~film.padding].min()


def test_padding_range(write_film, ramp):
    pixels = ramp(top=4000)
    film = read_film(write_film(pixels, PixelPaddingValue=3500, PixelPaddingRangeLimit=4000))
    np.testing.assert_array_equal(film.padding, pixels >= 3500)


def test_padding_of_signed_pixels_written_unsigned(tmp_path, film_dataset, ramp):
    pixels = (ramp(top=4000).astype(np.int32) - 2000).astype(np.int16)
    pixels[0] = -32768
    dataset = film_dataset(pixels, PixelRepresentation=1)
    dataset.add_new("PixelPaddingValue", "US", 32768)
    path = tmp_path / "film.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    film = read_film(path)
    np.testing.assert_array_equal(film.padding, pixels == -32768)


def test_padding_that_no_pixel_has_is_none(write_film, ramp):
    assert read_film(write_film(ramp(top=4000), PixelPaddingValue=65535)).padding is None


def test_grey_scale_is_declared(write_film):
    film = read_film(write_film(PixelIntensityRelationship="LOG", PresentationIntentType="FOR PROCESSING"))
    assert film.grey.relationship is GreyRelationship.LOGARITHMIC
    assert film.grey.processing_intent == "FOR PROCESSING"


@pytest.mark.parametrize(
    ("sop_class", "intent"),
    [
        ("1.2.840.10008.5.1.4.1.1.1.1", "FOR PRESENTATION"),
        ("1.2.840.10008.5.1.4.1.1.1.1.1", "FOR PROCESSING"),
        ("1.2.840.10008.5.1.4.1.1.1", None),
    ],
)
def test_intent_follows_from_the_sop_class(write_film, sop_class, intent):
    film = read_film(write_film(SOPClassUID=sop_class))
    assert film.grey.processing_intent == intent
    assert film.grey.relationship is GreyRelationship.UNKNOWN


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian], ids=["implicit", "big endian"])
def test_other_native_syntaxes(tmp_path, film_dataset, ramp, syntax):
    big = syntax == ExplicitVRBigEndian
    dataset = film_dataset(ramp(), syntax=syntax)
    if big:
        dataset.PixelData = ramp().astype(">u2").tobytes()
    path = tmp_path / "film"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    np.testing.assert_array_equal(read_film(path).pixels, ramp())


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless], ids=["RLE", "J2K", "JPEG-LS"])
@pytest.mark.parametrize("meta", [True, False], ids=["with meta", "without meta"])
def test_compressed_films_equal_the_uncompressed(tmp_path, film_dataset, ramp, syntax, meta):
    dataset = film_dataset(ramp(64, 48, top=4095), BitsStored=12, HighBit=11)
    dataset.compress(syntax)
    path = tmp_path / "film"
    if meta:
        pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    else:
        del dataset.file_meta
        buffer = io.BytesIO()
        pydicom.dcmwrite(buffer, dataset, implicit_vr=False, little_endian=True, enforce_file_format=False)
        path.write_bytes(buffer.getvalue())
    np.testing.assert_array_equal(read_film(path).pixels, ramp(64, 48, top=4095))


def test_a_deflated_film(tmp_path, film_dataset, ramp):
    path = tmp_path / "film.dcm"
    pydicom.dcmwrite(path, film_dataset(ramp(), syntax=DeflatedExplicitVRLittleEndian), enforce_file_format=True)
    np.testing.assert_array_equal(read_film(path).pixels, ramp())
    data = path.read_bytes()
    path.write_bytes(data[:-200])
    with pytest.raises(FilmError):
        read_film(path)


def test_a_deflated_file_that_would_fill_the_memory(tmp_path, film_dataset, ramp):
    path = tmp_path / "film.dcm"
    pydicom.dcmwrite(path, film_dataset(ramp(), syntax=DeflatedExplicitVRLittleEndian), enforce_file_format=True)
    data = path.read_bytes()
    start = 144 + int.from_bytes(data[140:144], "little")
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    path.write_bytes(data[:start] + deflate.compress(bytes(80_000_000)) + deflate.flush())
    with pytest.raises(FilmError, match="larger than any film"):
        read_film(path)


def test_a_compressed_film_without_its_usual_attributes(tmp_path, film_dataset, ramp):
    dataset = film_dataset(ramp(64, 48, top=4095), BitsStored=12, HighBit=11)
    dataset.compress(JPEGLSLossless)
    for keyword in ("SamplesPerPixel", "PhotometricInterpretation", "PixelRepresentation"):
        delattr(dataset, keyword)
    path = tmp_path / "film"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    np.testing.assert_array_equal(read_film(path).pixels, ramp(64, 48, top=4095))


def test_a_file_without_meta_header(tmp_path, film_dataset, ramp):
    dataset = film_dataset(ramp())
    del dataset.file_meta
    path = tmp_path / "film"
    pydicom.dcmwrite(path, dataset, implicit_vr=True, little_endian=True, enforce_file_format=False)
    np.testing.assert_array_equal(read_film(path).pixels, ramp())


def test_multi_frame_counts_from_one(tmp_path, film_dataset, ramp):
    frames = np.stack([ramp(top=t) for t in (1000, 2000, 3000)])
    dataset = film_dataset(ramp(), NumberOfFrames=3, PixelData=frames.tobytes())
    path = tmp_path / "film.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    with pytest.raises(FilmError, match="--frame, from 1 to 3"):
        read_film(path)
    film = read_film(path, frame=2)
    np.testing.assert_array_equal(film.pixels, frames[1])
    assert film.frame == 1


def test_frame_one_of_a_single_frame_is_the_film(write_film):
    path = write_film()
    assert read_film(path, frame=1).sha256 == read_film(path).sha256
    assert read_film(path, frame=1).frame is None


def test_spacing_of_functional_groups(write_film):
    """Enhanced objects keep their spacing in sequences; the frame's own comes first."""
    shared = items(PixelMeasuresSequence=items(PixelSpacing=[0.3, 0.3]))
    own = items(PixelMeasuresSequence=items(PixelSpacing=[0.2, 0.25]))
    film = read_film(write_film(SharedFunctionalGroupsSequence=shared, PerFrameFunctionalGroupsSequence=own))
    assert film.spacing.mm == (0.2, 0.25)


def test_spacing_tags_reach_the_film(write_film):
    path = write_film(ImagerPixelSpacing=[0.15, 0.15], EstimatedRadiographicMagnificationFactor="1.2")
    assert read_film(path).spacing.basis == "detector"
    corrected = read_film(path, magnification_corrected=True)
    assert (corrected.spacing.basis, corrected.spacing.row_mm) == ("magnification_corrected", pytest.approx(0.125))
    assert read_film(path, spacing_mm=0.1).spacing.basis == "user"


def test_spacing_that_is_no_number_counts_as_absent(tmp_path, film_dataset):
    dataset = film_dataset(np.zeros((20, 20), np.uint16), ImagerPixelSpacing=[0.15, 0.15])
    path = tmp_path / "film.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    path.write_bytes(path.read_bytes().replace(b"0.15\\0.15", b"0,15\\0,15"))
    film = read_film(path)
    assert film.spacing.mm is None
    assert "Header values that cannot be read count as absent: ImagerPixelSpacing." in map(str, film.warnings)


def test_grey_in_three_channels_is_read(tmp_path, film_dataset, ramp):
    grey = ramp(dtype=np.uint8, top=255)
    dataset = film_dataset(grey, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    dataset.PixelData = np.repeat(grey[:, :, None], 3, axis=2).tobytes()
    path = tmp_path / "film.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    np.testing.assert_array_equal(read_film(path).pixels, grey)


@pytest.mark.parametrize("planar", [0, 1])
def test_colour_is_refused(tmp_path, film_dataset, ramp, planar):
    colour = np.stack([ramp(dtype=np.uint8, top=255), ramp(dtype=np.uint8, top=90), ramp(dtype=np.uint8, top=10)], 2)
    dataset = film_dataset(
        colour[:, :, 0], SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=planar
    )
    dataset.PixelData = (np.moveaxis(colour, 2, 0) if planar else colour).tobytes()
    path = tmp_path / "film.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    with pytest.raises(FilmError, match="colour picture"):
        read_film(path)


def test_header_only(write_film, film_dataset, tmp_path):
    path = tmp_path / "film.dcm"
    pydicom.dcmwrite(path, film_dataset(None, Rows=100, Columns=100, BitsAllocated=16), enforce_file_format=True)
    with pytest.raises(FilmError, match="PixelData is missing"):
        read_film(path)


@pytest.mark.parametrize("rows", [0, 1, 46341, 65535])
def test_sizes_that_are_no_film(write_film, rows):
    with pytest.raises(FilmError, match="pixels"):
        read_film(write_film(Rows=rows, Columns=rows))


def test_a_size_larger_than_its_bytes(write_film):
    with pytest.raises(FilmError, match="cut off: 4000 x 30 pixels need 240000 bytes and there are 2400"):
        read_film(write_film(Rows=4000))


def test_a_compressed_size_larger_than_its_bytes(tmp_path, film_dataset, ramp):
    dataset = film_dataset(ramp())
    dataset.compress(RLELossless)
    dataset.Rows = dataset.Columns = 9000
    path = tmp_path / "film.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    with pytest.raises(FilmError, match="9000 x 9000 pixels and holds"):
        read_film(path)


def test_a_jpeg_of_another_size_than_the_header(tmp_path, film_dataset, ramp):
    dataset = film_dataset(ramp())
    dataset.compress(JPEGLSLossless)
    dataset.Rows = 41
    path = tmp_path / "film.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    with pytest.raises(FilmError, match="41 x 30 pixels and the coded picture has 40 x 30"):
        read_film(path)


@pytest.mark.parametrize("bits", [1, 64])
def test_masks_and_odd_depths_are_refused(write_film, bits):
    with pytest.raises(FilmError, match="BitsAllocated"):
        read_film(write_film(BitsAllocated=bits))


def test_an_unknown_coding_names_the_transfer_syntax(tmp_path, film_dataset, ramp):
    dataset = film_dataset(ramp(), syntax="1.2.840.10008.1.2.4.102")
    dataset.PixelData = encapsulate([b"\0\0\0\1moving pictures"])
    dataset["PixelData"].is_undefined_length = True
    path = tmp_path / "film.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    with pytest.raises(DecoderError, match=r"1\.2\.840\.10008\.1\.2\.4\.102") as caught:
        read_film(path)
    assert "doctor" in caught.value.remedy


def test_a_stream_that_no_decoder_can_read_is_a_decoder_error(tmp_path, film_dataset, ramp):
    dataset = film_dataset(ramp(dtype=np.uint8, top=255), syntax=JPEGBaseline8Bit)
    dataset.PixelData = encapsulate([b"\xff\xd8\xff\xe0 rubbish \xff\xd9"])
    dataset["PixelData"].is_undefined_length = True
    path = tmp_path / "film.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    with pytest.raises(DecoderError, match="could make a picture"):
        read_film(path)


def test_run_lengths_of_another_size_than_the_header(tmp_path, film_dataset, ramp, capfd):
    """The decoder crashes on them; the reader does not, and keeps the crash off the terminal."""
    dataset = film_dataset(ramp())
    dataset.compress(RLELossless)
    dataset.Rows = 20
    path = tmp_path / "film.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    with pytest.raises(DecoderError, match="RLE Lossless"):
        read_film(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("attributes", "warning"),
    [
        ({"Modality": "CT"}, "not a limb radiograph"),
        ({"BodyPartExamined": "CHEST"}, "not a limb radiograph"),
        ({"Modality": "XA"}, "fluoroscopy"),
        ({"Modality": "CR", "BodyPartExamined": "HAND"}, None),
        ({"Modality": "SC"}, None),
    ],
)
def test_what_is_no_limb_is_warned_of(write_film, attributes, warning):
    film = read_film(write_film(**attributes))
    assert (warning is None) == (film.warnings == ())
    if warning:
        assert warning in film.warnings[0].text


def test_overlays_are_ignored(tmp_path, film_dataset, ramp):
    dataset = film_dataset(ramp())
    dataset.add_new(0x60000010, "US", 9999)
    dataset.add_new(0x60000011, "US", 9999)
    dataset.add_new(0x60003000, "OW", b"\xff\xff")
    path = tmp_path / "film.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    np.testing.assert_array_equal(read_film(path).pixels, ramp())


def test_float_pixels_with_values_that_are_no_numbers(tmp_path, film_dataset, ramp):
    pixels = ramp().astype(np.float32)
    pixels[0, 0] = np.nan
    dataset = film_dataset(None, Rows=40, Columns=30, BitsAllocated=32, FloatPixelData=pixels.tobytes())
    path = tmp_path / "film.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    film = read_film(path)
    assert film.padding.sum() == 1
    np.testing.assert_array_equal(film.pixels.ravel()[1:], pixels.ravel()[1:])


def test_nothing_of_the_library_gets_out(tmp_path, film_dataset, ramp, caplog):
    """A header that breaks rules is read; what pydicom says of it quotes the header and stays inside."""
    dataset = film_dataset(ramp())
    path = tmp_path / "film.dcm"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.Modality = "Sylvia is much too long for a code"
        dataset.PatientAge = "Sylvia is 45"
        dataset.WindowCenter = "1"
        pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    caplog.clear()
    film = read_film(path)
    assert film.identity.age_years is None
    assert "sylvia" not in " ".join(map(str, film.warnings)).lower()
    assert caplog.records == []


def test_a_rule_broken_is_told_in_plain_words(tmp_path, film_dataset, ramp):
    """Here a character set that does not exist, on which pydicom warns."""
    dataset = film_dataset(ramp())
    path = tmp_path / "film.dcm"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    cut = path.read_bytes().replace(b"\x08\x00\x16\x00UI", b"\x08\x00\x05\x00CS\x06\x00SYLVIA\x08\x00\x16\x00UI", 1)
    path.write_bytes(cut)
    film = read_film(path)
    np.testing.assert_array_equal(film.pixels, ramp())
    assert [str(warning) for warning in film.warnings] == [
        "The header breaks rules of DICOM; it was read as well as it can be."
    ]


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4", "NumberOfFrames": 1}, "a segmentation"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.7"}, "a segmentation"),
        ({"Manufacturer": "calcimeasure", "ManufacturerModelName": "calcimeasure"}, "a picture of results"),
    ],
)
def test_results_are_not_taken_for_films(write_film, attributes, kind):
    with pytest.raises(FilmError, match=f"this is {kind}, not a film") as caught:
        read_film(write_film(**attributes))
    assert "--labels" in caught.value.remedy
