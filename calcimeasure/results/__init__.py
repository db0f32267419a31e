"""What leaves: records, tables, label images, pictures, the report; and label images read back."""

from calcimeasure.results.label_images import read_labels
from calcimeasure.results.records import comparison_record, load_schema, measurement_record
from calcimeasure.results.staging import check_output_folder
from calcimeasure.results.writing import write_comparison, write_measurement

__all__ = [
    "check_output_folder",
    "comparison_record",
    "load_schema",
    "measurement_record",
    "read_labels",
    "write_comparison",
    "write_measurement",
]
