"""Where an examination is made: two places that follow different protocols."""

import enum


class Institution(enum.Enum):
    """The internal one, and the one that external validation comes from."""

    HOSPITAL = "hospital"
    REGISTRY = "registry"
