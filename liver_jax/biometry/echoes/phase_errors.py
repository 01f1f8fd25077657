"""Phase that the gradients leave in the echoes: eddy currents, bipolar readouts, a bad first echo.

A complex fit takes phase for truth, and an error of a tenth of a radian for several points of fat.
Magnitudes do not see it. Such errors differ from echo to echo and vary slowly over the image, while
what water, fat and the field do to the phase belongs to each voxel. So each echo is given a phase
that is quadratic in place, and it is sought together with the voxels' own unknowns: fit the voxels,
see by how much each echo is turned over all of them, turn it back, and again. What a constant phase
or the field would explain as well (a part that is the same in all echoes, or rises with echo time)
is left to them.
"""

import jax
import jax.numpy as jnp

from liver_jax.biometry.echoes import phased
from liver_jax.biometry.echoes.phased import Parameters, Sampling

_ROUNDS, _FIT_ROUNDS = 6, 2
TERMS = 10


def basis(shape: tuple[int, int, int]) -> jax.Array:
    """1, the place along each axis (from -1 to 1 over the image), and its squares and products.

    Returns:
        float32 [10, z, x, y]; what belongs to an axis of one voxel is 0.
    """
    axes = [jnp.linspace(-1.0, 1.0, n) if n > 1 else jnp.zeros(1) for n in shape]
    z, x, y = jnp.meshgrid(*axes, indexing="ij")
    squares = [
        place * place - 1 / 3 if n > 1 else place for place, n in zip((z, x, y), shape, strict=True)
    ]
    return jnp.stack([jnp.ones(shape), z, x, y, *squares, z * x, z * y, x * y])


def angle(coefficients: jax.Array, terms: jax.Array) -> jax.Array:
    """The phase of each echo in radian, [echo, ...], of coefficients [echo, 10] and `basis`."""
    return jnp.tensordot(coefficients, terms, axes=1)


def turn(real: jax.Array, imag: jax.Array, radian: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The signal with its phase turned back by an angle."""
    return phased.turned_back(real, imag, radian / (2 * jnp.pi))


def estimate(
    real: jax.Array,
    imag: jax.Array,
    sampling: Sampling,
    field_hz: jax.Array,
    r2star_per_s: jax.Array,
    weight: jax.Array,
    terms: jax.Array,
) -> jax.Array:
    """Estimates the phase error of each echo.

    Args:
        real: [echo, voxel], and `imag` alike: in units of each voxel's own strength.
        imag: See `real`.
        sampling: Of the echoes.
        field_hz: [voxel], in the right valley.
        r2star_per_s: [voxel].
        weight: [voxel]: one over the noise variance, in the units of `real`; 0: not asked.
        terms: [10, voxel], of `basis`.

    Returns:
        [echo, 10], the coefficients of `angle`.
    """
    echo_count = real.shape[0]
    centred = sampling.te_s - sampling.te_s.mean()
    centred = centred / jnp.sqrt((centred**2).sum())

    def one(_: int, state: tuple[jax.Array, Parameters]) -> tuple[jax.Array, Parameters]:
        coefficients, p = state
        turned = turn(real, imag, angle(coefficients, terms))
        p = phased.refine(*turned, sampling, p, _FIT_ROUNDS)
        found = []
        for n in range(echo_count):
            _, model_real, model_imag, frame = phased.model(p, sampling, n)
            seen_real, seen_imag = phased.turned_back(turned[0][n], turned[1][n], frame)
            power = (model_real**2 + model_imag**2) * weight
            across = (seen_imag * model_real - seen_real * model_imag) * weight
            matrix = (terms * power) @ terms.T
            # Along an axis of one voxel there is no slope to be found, and of few voxels no curve.
            matrix = matrix + (1e-3 * jnp.trace(matrix) + 1e-20) * jnp.eye(terms.shape[0])
            found.append(jnp.linalg.solve(matrix, terms @ across))
        step = jnp.stack(found)
        step = step - step.mean(axis=0)
        step = step - centred[:, None] * (centred @ step)
        return coefficients + step, p

    begin = phased.start(real, imag, sampling, field_hz, r2star_per_s)
    nothing = jnp.zeros((echo_count, terms.shape[0]))
    return jax.lax.fori_loop(0, _ROUNDS, one, (nothing, begin))[0]
