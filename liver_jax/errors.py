"""The exceptions that are not defects: the input is at fault, or somebody asked to stop."""

import pathlib
import re

# What libraries put of a DICOM header into their messages: an element as it is printed, a value
# that is out of form, a UID.
_ELEMENT = re.compile(r"(\([0-9a-fA-F]{4},\s?[0-9a-fA-F]{4}\)).*")
_VALUE = re.compile(r"(value for VR [A-Z]{2}\b).*")
_UID = re.compile(r"\b[012](\.\d+){5,}")


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


class Stopped(BaseException):
    """Work ended on request with everything saved; a scheduler should start the command again.

    No `Exception`, as KeyboardInterrupt is none: what catches faults must not take it for one.
    """


def without_header_values(text: str) -> str:
    """The words of a defect, for a log, without what tells who a patient is.

    Args:
        text: A message or a traceback, of any number of lines.

    Returns:
        The same, but for the values of DICOM elements and for UIDs.
    """
    return _UID.sub("(UID)", _VALUE.sub(r"\1 ...", _ELEMENT.sub(r"\1 ...", text)))
