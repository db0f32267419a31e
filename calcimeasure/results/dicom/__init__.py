"""Results as DICOM objects that an archive keeps and other programs read: SEG, SR, pictures; and the way back."""

from calcimeasure.results.dicom.bundle import DicomFiles, write_comparison_dicom, write_measurement_dicom
from calcimeasure.results.dicom.occasion import Reading
from calcimeasure.results.dicom.seg import write_segmentation
from calcimeasure.results.dicom.seg_read import is_segmentation, read_segmentation
from calcimeasure.results.dicom.sr import write_measurement_report
from calcimeasure.results.dicom.sr_change import write_change_report

__all__ = [
    "DicomFiles",
    "Reading",
    "is_segmentation",
    "read_segmentation",
    "write_change_report",
    "write_comparison_dicom",
    "write_measurement_dicom",
    "write_measurement_report",
    "write_segmentation",
]
