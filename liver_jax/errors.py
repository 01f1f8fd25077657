"""The exceptions that are not defects: the input is at fault, or somebody asked to stop."""

import pathlib


class InputError(ValueError):
    """Input or flags that cannot be used; the binaries print it as one line and exit with code 2.

    The message names the file (or flag), says what is wrong with it and what to do about it.
    """

    def __init__(self, subject: str | pathlib.Path, fault: str, remedy: str):
        """Joins the three parts of the message.

        Args:
            subject: The file, flag or manifest row at fault.
            fault: What is wrong, with the value found and the value expected.
            remedy: What the user can do.
        """
        self.subject, self.fault, self.remedy = str(subject), fault, remedy
        fault, remedy = fault.rstrip("."), remedy.rstrip(".")
        super().__init__(" ".join(f"{subject}: {fault}. {remedy}.".split()))

    def __reduce__(self) -> tuple:
        """Pickled by its parts, so that it survives the way back from a worker process."""
        return type(self), (self.subject, self.fault, self.remedy)


class Stopped(Exception):
    """Work ended on request with everything saved; a scheduler should start the command again."""
