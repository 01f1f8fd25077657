"""Augmentation in JAX, inside the jitted training step.

Each example draws from its own key, derived from its global position: the same example looks the
same whatever its place in the batch, the number of devices or the number of hosts.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jax.scipy import ndimage


@dataclasses.dataclass(frozen=True)
class Settings:
    """Ranges of the random changes; 0 switches one off.

    Attributes:
        rotation_deg: Largest rotation.
        log_scale: Largest absolute logarithm of the magnification.
        shift_mm: Largest shift along each axis.
        elastic_mm: Standard deviation of the elastic displacement.
        elastic_points: Control points of the elastic field along each axis.
        log_gain: Standard deviation of the logarithm of the intensity factor.
        log_gamma: Standard deviation of the logarithm of the exponent.
        log_bias: Standard deviation of the logarithm of the smooth bias field.
        noise: Largest standard deviation of added noise, in units of the intensity range.
    """

    rotation_deg: float
    log_scale: float
    shift_mm: float
    elastic_mm: float
    elastic_points: int
    log_gain: float
    log_gamma: float
    log_bias: float
    noise: float


def augment(
    key: jax.Array,
    images: jax.Array,
    masks: jax.Array,
    examples: jax.Array,
    pixel_mm: float,
    settings: Settings,
) -> tuple[jax.Array, jax.Array]:
    """Random geometry and intensity for each example.

    Args:
        key: The run's augmentation key.
        images: [batch, row, column] float32 in [0, 1].
        masks: [batch, row, column] float32 of 0 and 1.
        examples: [batch] uint32 global positions, which key the draws.
        pixel_mm: Nominal pixel spacing, for shifts and displacements in mm.
        settings: The ranges.

    Returns:
        Images [batch, row, column] float32 in [0, 1] and masks of 0 and 1.
    """

    def one(image: jax.Array, mask: jax.Array, example: jax.Array) -> tuple[jax.Array, jax.Array]:
        geometry_key, intensity_key = jax.random.split(jax.random.fold_in(key, example))
        coordinates = _coordinates(geometry_key, image.shape, pixel_mm, settings)
        image = ndimage.map_coordinates(image, coordinates, order=1, mode="constant")
        mask = ndimage.map_coordinates(mask, coordinates, order=1, mode="constant")
        return _intensity(intensity_key, image, settings), (mask >= 0.5).astype(jnp.float32)

    return jax.vmap(one)(images, masks, examples)


def _smooth_field(key: jax.Array, shape: tuple[int, int], points: int) -> jax.Array:
    """A smooth random field [row, column] of about unit standard deviation."""
    return jax.image.resize(jax.random.normal(key, (points, points)), shape, "cubic")


def _coordinates(
    key: jax.Array, shape: tuple[int, int], pixel_mm: float, settings: Settings
) -> list[jax.Array]:
    """Where each output pixel comes from: rows and columns, [row, column] each."""
    affine, shift_key, row_key, column_key = jax.random.split(key, 4)
    draws = jax.random.uniform(affine, (2,), minval=-1.0, maxval=1.0)
    shift = jax.random.uniform(shift_key, (2,), minval=-1.0, maxval=1.0)
    shift = shift * settings.shift_mm / pixel_mm
    angle = jnp.deg2rad(settings.rotation_deg) * draws[0]
    scale = jnp.exp(-settings.log_scale * draws[1])
    center = [(size - 1) / 2 for size in shape]
    row, column = jnp.meshgrid(
        *(jnp.arange(size) - middle for size, middle in zip(shape, center, strict=True)),
        indexing="ij",
    )
    elastic = settings.elastic_mm / pixel_mm
    points = settings.elastic_points
    return [
        scale * (jnp.cos(angle) * row - jnp.sin(angle) * column)
        + (center[0] + shift[0])
        + elastic * _smooth_field(row_key, shape, points),
        scale * (jnp.sin(angle) * row + jnp.cos(angle) * column)
        + (center[1] + shift[1])
        + elastic * _smooth_field(column_key, shape, points),
    ]


def _intensity(key: jax.Array, image: jax.Array, settings: Settings) -> jax.Array:
    scalar_key, bias_key, level_key, noise_key = jax.random.split(key, 4)
    draws = jax.random.normal(scalar_key, (2,))
    gain = jnp.exp(settings.log_gain * draws[0])
    gamma = jnp.exp(settings.log_gamma * draws[1])
    bias = jnp.exp(settings.log_bias * _smooth_field(bias_key, image.shape, 4))
    level = settings.noise * jax.random.uniform(level_key)
    # The exponent needs a base above zero for a finite gradient and a finite value.
    image = gain * bias * jnp.maximum(image, 1e-6) ** gamma
    image = image + level * jax.random.normal(noise_key, image.shape)
    return jnp.clip(image, 0.0, 1.0)
