"""Reading films: DICOM, PNG, TIFF, JPEG; spacing and its basis; the canonical grey scale."""
