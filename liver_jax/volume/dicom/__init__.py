"""DICOM: series read into volumes; segmentations and measurements written."""
