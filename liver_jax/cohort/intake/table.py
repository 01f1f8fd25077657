"""Tables that come with a download: what they tell of each case, for columns of the manifest.

A table that is missing, or has other columns, costs what it would have told and nothing else.
"""

import csv
import io
import json
from collections.abc import Mapping

from liver_jax.cohort.intake import download as downloads
from liver_jax.cohort.intake.download import Download, Entry
from liver_jax.errors import InputError

_UNTOLD = ("", "nan", "none", "n/a", "na", "null")


def rows(download: Download, pattern: str, key: str) -> dict[str, dict[str, str]]:
    """The rows of the first table of a name, by one of its columns.

    Args:
        download: The download.
        pattern: A regular expression for the end of the table's path.
        key: The column that names the case; numbers lose their leading zeros, letters their case.

    Returns:
        Name of the case -> column -> text; empty where there is no such table.
    """
    return {name(row[key]): row for row in _rows(download, pattern) if row.get(key)}


def by_two(
    download: Download, pattern: str, keys: tuple[str, str], value: str
) -> dict[tuple[str, str], str]:
    """One column of a table by two others, as `rows`."""
    return {
        (name(row[keys[0]]), name(row[keys[1]])): row[value].strip()
        for row in _rows(download, pattern)
        if all(row.get(column) for column in (*keys, value))
    }


def columns(row: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """What a row tells, under other names; what it does not tell is left out."""
    told = {names[name]: row[name].strip() for name in names if row.get(name)}
    return {name: text for name, text in told.items() if text.lower() not in _UNTOLD}


def _rows(download: Download, pattern: str) -> list[dict[str, str]]:
    for _, entry in download.find(pattern):
        try:
            content = downloads.read_bytes(entry)
            try:
                text = content.decode("utf-8-sig")
            except UnicodeDecodeError:
                text = content.decode("latin-1")  # as older Excel saves it
            head = text.partition("\n")[0]
            lines = io.StringIO(text, newline="")
            table = csv.DictReader(lines, delimiter=max(";,\t", key=head.count))
            return [{k.strip(): v for k, v in r.items() if k and isinstance(v, str)} for r in table]
        except (csv.Error, InputError):
            download.unopened[entry.path] = "cannot be read as a table; what it tells is left out"
    return []


def json_object(download: Download, entry: Entry) -> dict:
    """What a JSON file tells; nothing, and a note, where it is no JSON object."""
    try:
        told = json.loads(downloads.read_bytes(entry))
    except (ValueError, InputError):
        told = None
    if isinstance(told, dict):
        return told
    download.unopened[entry.path] = "is not a JSON object; what it tells is left out"
    return {}


def name(text: str) -> str:
    """A case's name as `rows` and `by_two` have it."""
    text = text.strip().lower()
    return str(int(text)) if text.isdecimal() else text
