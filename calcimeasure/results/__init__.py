"""What leaves the house: tables and JSON, label images, DICOM SEG and SR, figures, the HTML report."""
