import pathlib

from liver_jax.errors import InputError


def test_the_message_is_one_line_of_three_parts():
    error = InputError(pathlib.Path("/a/b.nii"), "has two\n  spacings", "Convert it again")
    assert str(error) == "/a/b.nii: has two spacings. Convert it again"
    assert (error.subject, error.fault) == ("/a/b.nii", "has two\n  spacings")
    assert isinstance(error, ValueError)
