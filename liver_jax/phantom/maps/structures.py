"""What the names of a label map mean: anatomical structures, from the words that tools use."""

import csv
import enum
import pathlib
import re

from liver_jax.errors import InputError


class Structure(enum.IntEnum):
    """What a label stands for, as far as an image of the abdomen shows it."""

    NONE = 0  # unlabelled, or of no meaning here
    LIVER = 1
    SPLEEN = 2
    PANCREAS = 3
    GLAND = 4  # adrenal
    KIDNEY = 5
    RENAL_CYST = 6
    GALLBLADDER = 7
    STOMACH = 8
    SMALL_BOWEL = 9
    COLON = 10
    OESOPHAGUS = 11
    BLADDER = 12
    AIRWAY = 13
    LUNG = 14
    HEART = 15
    ARTERY = 16
    VEIN = 17
    PORTAL_VEIN = 18
    VERTEBRA = 19
    BONE = 20  # ribs, sternum, hips, femora
    CARTILAGE = 21
    MUSCLE = 22  # which no rib covers: of the back, psoas, gluteal
    SPINAL_CANAL = 23
    DISC = 24


# The first row whose words are all in a name gives its structure; tools differ in the order of
# words ("kidney_left", "left kidney") and in singular and plural.
_WORDS = (
    ("portal", Structure.PORTAL_VEIN),
    ("liver", Structure.LIVER),
    ("kidney cyst", Structure.RENAL_CYST),
    ("kidney", Structure.KIDNEY),
    ("adrenal", Structure.GLAND),
    ("spleen", Structure.SPLEEN),
    ("pancreas", Structure.PANCREAS),
    ("gallbladder", Structure.GALLBLADDER),
    ("stomach", Structure.STOMACH),
    ("duodenum", Structure.SMALL_BOWEL),
    ("small bowel", Structure.SMALL_BOWEL),
    ("small intestine", Structure.SMALL_BOWEL),
    ("colon", Structure.COLON),
    ("rectum", Structure.COLON),
    ("esophagus", Structure.OESOPHAGUS),
    ("oesophagus", Structure.OESOPHAGUS),
    ("bladder", Structure.BLADDER),
    ("trachea", Structure.AIRWAY),
    ("lung", Structure.LUNG),
    ("heart", Structure.HEART),
    ("atrial", Structure.HEART),
    ("atrium", Structure.HEART),
    ("ventricle", Structure.HEART),
    ("myocardium", Structure.HEART),
    ("aorta", Structure.ARTERY),
    ("artery", Structure.ARTERY),
    ("brachiocephalic trunk", Structure.ARTERY),
    ("vena", Structure.VEIN),
    ("vein", Structure.VEIN),
    ("cava", Structure.VEIN),
    ("vertebra", Structure.VERTEBRA),
    ("vertebrae", Structure.VERTEBRA),
    ("sacrum", Structure.VERTEBRA),
    ("rib", Structure.BONE),
    ("sternum", Structure.BONE),
    ("hip", Structure.BONE),
    ("femur", Structure.BONE),
    ("cartilage", Structure.CARTILAGE),
    ("cartilages", Structure.CARTILAGE),
    ("spinal cord", Structure.SPINAL_CANAL),
    ("spinal canal", Structure.SPINAL_CANAL),
    ("autochthon", Structure.MUSCLE),
    ("iliopsoas", Structure.MUSCLE),
    ("psoas", Structure.MUSCLE),
    ("gluteus", Structure.MUSCLE),
    ("muscle", Structure.MUSCLE),
    ("prostate", Structure.MUSCLE),
)


def structure(name: str) -> Structure:
    """The structure that a label's name means.

    Args:
        name: As TotalSegmentator writes it ("lung_lower_lobe_left") or in plain words ("inferior
            lobe of left lung").

    Returns:
        The structure; NONE for a name that is unknown or of no meaning to the abdomen.
    """
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    for wanted, found in _WORDS:
        if words.issuperset(wanted.split()):
            return found
    return Structure.NONE


def read_names(path: pathlib.Path) -> dict[int, str]:
    """Reads the table of a label map's names.

    Args:
        path: A .tsv or .csv file with the columns `value` and `name`; others are ignored.

    Returns:
        The name of each label.

    Raises:
        InputError: The table is missing, unreadable, lacks a column, or a value is not a whole
            number or comes twice.
    """
    path = pathlib.Path(path)
    delimiter = {".tsv": "\t", ".csv": ","}.get(path.suffix.lower())
    if delimiter is None:
        raise InputError(path, "is not a .tsv or .csv file", "Name a table of labels: value, name")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        remedy = "Put the table of its labels (columns value and name) beside the label map"
        raise InputError(path, "no such file", remedy) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"cannot be read: {error}", "Save the table as UTF-8") from error
    rows = csv.DictReader(text.splitlines(), delimiter=delimiter)
    if not {"value", "name"} <= set(rows.fieldnames or ()):
        found = ", ".join(rows.fieldnames or ()) or "none"
        raise InputError(path, f"has the columns {found}", "Name two of them value and name")
    names: dict[int, str] = {}
    for row, fields in enumerate(rows, start=2):
        try:
            value = int(fields["value"] or "")
        except ValueError as error:
            fault = f"row {row} has the value {fields['value']!r}, which is not a whole number"
            raise InputError(path, fault, "Correct it to the label's number") from error
        if value in names:
            raise InputError(path, f"gives label {value} two names", "Remove one of the two rows")
        names[value] = (fields["name"] or "").strip()
    return names
