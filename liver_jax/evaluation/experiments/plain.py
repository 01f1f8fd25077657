"""Results as JSON has them: dictionaries, lists, numbers that are finite, text, None."""

import dataclasses
import math

import numpy as np


def plain(value: object) -> object:
    """Turns dataclasses and tuples, at any depth, into dictionaries and lists.

    Raises:
        ValueError: A number is not finite: undefined is None, with its reason beside it.
        TypeError: JSON has nothing for it.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a figure")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value)} is not for JSON")
