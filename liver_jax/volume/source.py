"""What the files of one scan hold, whatever their format."""

import dataclasses

from liver_jax.volume.dicom.origin import Origin
from liver_jax.volume.geometry import Volume


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """One scan, and what its files tell of how it was acquired.

    Attributes:
        volume: float32 `[x, y, z]`, or `[x, y, z, echo]` with rising echo times; the magnitude.
        modality: `CT` or `MR`; None where the files do not tell (NIfTI, NRRD, MetaImage).
        phase: float32 on the same grid, one for each echo, in `phase_unit`; None where there is
            none.
        phase_unit: `radian` or `scanner` (-4096 to 4095).
        te_ms: One echo time for each echo; empty where unknown.
        tr_ms: Repetition time.
        flip_angle_deg: Flip angle.
        field_strength_t: Field strength.
        origin: The DICOM images it was read from; None for other formats.
        notes: What was mended or left out while reading, a line each, without identifiers: gantry
            tilt, duplicates, a localiser.
    """

    volume: Volume
    modality: str | None = None
    phase: Volume | None = None
    phase_unit: str | None = None
    te_ms: tuple[float, ...] = ()
    tr_ms: float | None = None
    flip_angle_deg: float | None = None
    field_strength_t: float | None = None
    origin: Origin | None = None
    notes: tuple[str, ...] = ()
