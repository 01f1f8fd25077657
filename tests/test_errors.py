import pathlib
import pickle

import pydicom

from liver_jax.errors import InputError, without_header_values


def test_the_message_is_one_line_of_three_parts():
    error = InputError(pathlib.Path("/a/b.nii"), "has two\n  spacings", "Convert it again")
    assert str(error) == "/a/b.nii: has two spacings. Convert it again."
    assert (error.subject, error.fault) == ("/a/b.nii", "has two\n  spacings")
    assert isinstance(error, ValueError)


def test_it_survives_the_way_back_from_a_worker_process():
    error = pickle.loads(pickle.dumps(InputError("a.nii", "is empty.", "Copy it again")))
    assert isinstance(error, InputError)
    assert str(error) == "a.nii: is empty. Copy it again."


def test_a_header_in_a_message_is_taken_out_and_the_rest_stays():
    header = pydicom.Dataset()
    header.PatientName, header.StudyInstanceUID = "SECRET^NAME", "1.2.826.0.1.3680043.10.511.1"
    header.OtherPatientIDsSequence = [pydicom.Dataset()]
    header.OtherPatientIDsSequence[0].PatientID = "SECRET-ID"
    text = f"line 3, in f\n{header}\nInvalid value for VR DA: '1933-SECRET'\nno 1.2.826.0.1.36 here"
    told = without_header_values(text)
    assert "SECRET" not in told and "1.2.826" not in told
    assert told.startswith("line 3, in f\n(0010,0010) ...") and told.endswith("no (UID) here")
    plain = "jax 0.11.0 at 127.0.0.1 (3, 4): (2, 0.5)"
    assert without_header_values(plain) == plain
