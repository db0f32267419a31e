"""What leaves: records, tables, pictures, the report, DICOM objects."""

from calcimeasure.export.json_records import comparison_record, load_schema, measurement_record
from calcimeasure.export.result_folder import write_comparison, write_measurement, write_results

__all__ = [
    "comparison_record",
    "load_schema",
    "measurement_record",
    "write_comparison",
    "write_measurement",
    "write_results",
]
