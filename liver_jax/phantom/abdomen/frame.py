"""The measures that every part of one subject is drawn to."""

import dataclasses

import numpy as np

from liver_jax.phantom.person import Finding, Person
from liver_jax.phantom.shapes import Vector

# What the proportions of all other organs belong to.
_USUAL_LIVER_ML = 1700.0


@dataclasses.dataclass(frozen=True)
class Frame:
    """Measures of a subject.

    Attributes:
        person: Whose.
        a: Half the width of the abdominal cavity, mm.
        b: Half its depth, mm.
        visceral_fat: 0 (hardly any) to 1.
        size: Of the liver, as a length, relative to the usual one.
    """

    person: Person
    a: float
    b: float
    visceral_fat: float
    size: float

    def has(self, finding: Finding) -> bool:
        """Whether the person has a finding."""
        return finding in self.person.findings

    @property
    def spine_y(self) -> float:
        """The middle of the vertebral bodies."""
        return 48.0 - self.b

    @property
    def sinking_mm(self) -> float:
        """How far a large liver pushes bowel down (negative: a small one lets it rise)."""
        return 85.0 * (self.size - 1.0)

    def at(self, generator: np.random.Generator, place: Vector, sd_mm: float = 3.0) -> Vector:
        """A place given in half-widths, half-depths and mm, moved a little at random."""
        jitter = generator.normal(0, sd_mm, 3)
        x, y, z = place
        return (
            float(x * self.a + jitter[0]),
            float(y * self.b + jitter[1]),
            float(z + jitter[2]),
        )


def draw(person: Person, generator: np.random.Generator) -> Frame:
    """Draws the measures that go with a person's body mass, sex and liver."""
    male = person.sex == "M"
    size = (person.target_liver_volume_ml / _USUAL_LIVER_ML) ** (1 / 3)
    room = size**0.4  # a chest holds its liver: both are large or small
    excess = person.bmi - 22
    normal = generator.normal
    mean_fat = (person.bmi - 20) / 22 + (0.15 if male else -0.1)
    visceral_fat = float(np.clip(mean_fat + normal(0, 0.15), 0.03, 1.0))
    a = (116 + 0.9 * excess + 12 * visceral_fat + 7 * male + normal(0, 4)) * room
    b = (81 + 0.6 * excess + 14 * visceral_fat + 4 * male + normal(0, 4)) * room
    return Frame(
        person,
        float(np.clip(a, 98, 175)),
        float(np.clip(b, 72, 135)),
        visceral_fat,
        float(size),
    )


def sized(generator: np.random.Generator, *semi_axes: float, sd: float = 0.08) -> Vector:
    """Lengths, each changed by a random factor."""
    factors = np.clip(generator.normal(1, sd, len(semi_axes)), 0.75, 1.25)
    return tuple(float(s * f) for s, f in zip(semi_axes, factors, strict=True))
