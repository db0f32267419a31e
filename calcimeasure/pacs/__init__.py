"""DICOMweb and DIMSE: find, fetch, send."""
