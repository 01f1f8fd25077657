"""Fixtures of this folder."""

import pathlib
import runpy

# The writer of synthetic DICOM series is a fixture of the DICOM reader's tests, needed here, too.
_DICOM = pathlib.Path(__file__).parents[1] / "volume" / "dicom" / "conftest.py"
write_series = runpy.run_path(str(_DICOM))["write_series"]
