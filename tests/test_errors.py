import pathlib
import pickle

from liver_jax.errors import InputError


def test_the_message_is_one_line_of_three_parts():
    error = InputError(pathlib.Path("/a/b.nii"), "has two\n  spacings", "Convert it again")
    assert str(error) == "/a/b.nii: has two spacings. Convert it again."
    assert (error.subject, error.fault) == ("/a/b.nii", "has two\n  spacings")
    assert isinstance(error, ValueError)


def test_it_survives_the_way_back_from_a_worker_process():
    error = pickle.loads(pickle.dumps(InputError("a.nii", "is empty.", "Copy it again")))
    assert isinstance(error, InputError)
    assert str(error) == "a.nii: is empty. Copy it again."
