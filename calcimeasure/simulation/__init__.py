"""Films with known truth: anatomy, deposits, exposure, DICOM headers."""
