"""Results as DICOM objects that an archive keeps and other programs read: SEG, SR, pictures; and the way back."""

from calcimeasure.export.dicom.dicom_results import DicomFiles, write_comparison_dicom, write_measurement_dicom
from calcimeasure.export.dicom.reading_context import ReadingContext
from calcimeasure.export.dicom.seg_write import write_segmentation
from calcimeasure.export.dicom.sr_change import write_change_report
from calcimeasure.export.dicom.sr_film import write_measurement_report
from calcimeasure.io.dicom_seg import is_segmentation, read_segmentation

__all__ = [
    "DicomFiles",
    "ReadingContext",
    "is_segmentation",
    "read_segmentation",
    "write_change_report",
    "write_comparison_dicom",
    "write_measurement_dicom",
    "write_measurement_report",
    "write_segmentation",
]
