"""What the noise of a magnitude does to the fit: its bias, the standard errors.

The magnitude m of a signal v with noise s in each channel is Rician. Its log likelihood,
log(m / s2) - (m2 + v2) / (2 s2) + log I0(m v / s2), has the slope (m I1/I0(m v / s2) - v) / s2 by
v: the least squares of m, with m cut by what noise adds to it.
"""

import jax
import jax.numpy as jnp

from liver_jax.biometry.echoes import least_squares, magnitude
from liver_jax.biometry.echoes.chunks import in_chunks
from liver_jax.biometry.echoes.limits import R2STAR_RANGE

# How far below 0 W or F, and so PDFF, may go, in parts of the other.
_BELOW_ZERO = 0.2
_ITERATIONS = 5


@jax.jit
def refine(
    echoes: jax.Array,
    te_s: jax.Array,
    dephasing: magnitude.Dephasing,
    water: jax.Array,
    fat: jax.Array,
    r2star_per_s: jax.Array,
    noise: jax.Array | float,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Moves a solution to the nearest maximum of the Rician likelihood, by Fisher's scoring.

    W, F and R2* may go somewhat below 0: of a liver without fat, noise makes as many fractions
    below 0 as above it, and only all of them together have the right mean.

    Args:
        echoes: f32 [echo, voxel].
        te_s: f32 [echo].
        dephasing: As `magnitude.fit`.
        water: f32 [voxel], of `magnitude.fit`.
        fat: As `water`.
        r2star_per_s: As `water`.
        noise: Standard deviation of the noise of each channel, in the units of the echoes.

    Returns:
        Water, fat and R2*, each f32 [voxel].
    """

    def one(*parts: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        return _refine(*parts, te_s, dephasing, noise)

    return in_chunks(one, (echoes, water, fat, r2star_per_s), magnitude.CHUNK)


@jax.jit
def standard_errors(
    te_s: jax.Array,
    dephasing: magnitude.Dephasing,
    water: jax.Array,
    fat: jax.Array,
    r2star_per_s: jax.Array,
    noise: jax.Array | float,
) -> tuple[jax.Array, jax.Array]:
    """Standard errors from the Fisher information of the Rician likelihood, within one explanation.

    Args:
        te_s: f32 [echo].
        dephasing: As `magnitude.fit`.
        water: f32 [voxel], of `refine`.
        fat: As `water`.
        r2star_per_s: As `water`.
        noise: As `refine`.

    Returns:
        Of PDFF in percent points, at most 100, and of R2* in 1/s, at most 1500: not to know. Each
        f32 [voxel].
    """

    def one(*parts: jax.Array) -> tuple[jax.Array, jax.Array]:
        return _standard_errors(*parts, te_s, dephasing, noise)

    return in_chunks(one, (water, fat, r2star_per_s), magnitude.CHUNK)


def bessel_ratio(x: jax.Array) -> jax.Array:
    """I1(x) / I0(x) for x >= 0, exact to 0.0003; the right slope at 0, the right limit."""
    x = jnp.minimum(x, 1e6)  # beyond it the ratio is 1, and the powers would overflow
    above = 9.857 + x * (5.414 + x * (2.1395 + x))
    below = 19.714 + x * (10.828 + x * (7.064 + x * (2.6395 + x)))
    return x * above / below


def information(snr: jax.Array) -> jax.Array:
    """What a Rician magnitude tells of its signal, over what it would with Gaussian noise.

    Args:
        snr: v / s.

    Returns:
        E[(m I1/I0(m v / s2))^2] / s2 - (v / s)^2, exact to 0.001: snr^2 at low, 1 at high signal.
    """
    x = jnp.minimum(snr * snr, 1e6)
    above = 1.0 + x * (0.18386 + x * 0.11375)
    below = 1.0 + x * (1.13551 + x * (0.24074 + x * 0.11375))
    return x * above / below


def _refine(
    echoes: jax.Array,
    water: jax.Array,
    fat: jax.Array,
    r2star_per_s: jax.Array,
    te_s: jax.Array,
    dephasing: magnitude.Dephasing,
    noise: jax.Array | float,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    measured, scale = magnitude.normalised(echoes)
    unit = jnp.where(scale > 0, scale, 1.0)
    inverse = unit / jnp.maximum(noise, 1e-5 * unit)  # 1 / noise, in units of the voxel's scale
    unit_s = te_s.max()
    times = te_s / unit_s
    real, imaginary = dephasing
    power = real**2 + imaginary**2
    least = R2STAR_RANGE[0] * unit_s
    most = R2STAR_RANGE[1] * unit_s

    def improve(_: int, state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        water, fat, decay = state
        matrix = [[0.0] * 3 for _ in range(3)]
        right = [0.0] * 3
        for k, m in enumerate(measured):
            value, slopes = magnitude.echo(water, fat, decay, times[k], real[k], power[k])
            snr = value * inverse
            shown = m * bessel_ratio(m * inverse * snr)
            # An echo of noise alone informs of nothing; its weight is kept from vanishing so that
            # the step does not run off. The solution does not depend on it.
            weight = jnp.maximum(information(snr), 0.3)
            for i in range(3):
                right[i] += slopes[i] * (shown - value)
                for j in range(i + 1):
                    matrix[i][j] += weight * slopes[i] * slopes[j]
        for i in range(3):
            # Where water and fat nearly cancel, the likelihood bends more than the scores know:
            # less damped, the steps swing to and fro.
            matrix[i][i] = matrix[i][i] * 1.1 + 1e-7
        step = least_squares.solve(least_squares.cholesky(matrix), right)
        length = magnitude.shortened(step)
        water, fat = water + length * step[0], fat + length * step[1]
        return (
            jnp.maximum(water, -_BELOW_ZERO * jnp.maximum(fat, 0.0)),
            jnp.maximum(fat, -_BELOW_ZERO * jnp.maximum(water, 0.0)),
            jnp.clip(decay + length * step[2], least, most),
        )

    state = (water / unit, fat / unit, r2star_per_s * unit_s)
    water, fat, decay = jax.lax.fori_loop(0, _ITERATIONS, improve, state)
    return water * scale, fat * scale, jnp.where(scale > 0, decay / unit_s, 0.0)


def _standard_errors(
    water: jax.Array,
    fat: jax.Array,
    r2star_per_s: jax.Array,
    te_s: jax.Array,
    dephasing: magnitude.Dephasing,
    noise: jax.Array | float,
) -> tuple[jax.Array, jax.Array]:
    total = jnp.abs(water + fat)
    unit = jnp.where(total > 0, total, 1.0)
    water, fat, relative_noise = water / unit, fat / unit, noise / unit
    unit_s = te_s.max()
    times = te_s / unit_s
    real, imaginary = dephasing
    power = real**2 + imaginary**2
    decay = r2star_per_s * unit_s
    matrix = [[0.0] * 3 for _ in range(3)]
    for k in range(te_s.shape[0]):
        value, slopes = magnitude.echo(water, fat, decay, times[k], real[k], power[k])
        weight = information(value / jnp.maximum(relative_noise, 1e-6))
        for i in range(3):
            for j in range(i + 1):
                matrix[i][j] += weight * slopes[i] * slopes[j]
    for i in range(3):
        matrix[i][i] += 1e-9  # a voxel without signal, echo times that tell nothing
    factor = least_squares.cholesky(matrix)
    # The total is 1, so the fraction's derivatives are -F by W and W by F.
    nothing, one = jnp.zeros_like(water), jnp.ones_like(water)
    of_fraction = least_squares.quadratic_form(factor, (-fat, water, nothing))
    of_decay = least_squares.quadratic_form(factor, (nothing, nothing, one))
    pdff_percent = 100.0 * relative_noise * jnp.sqrt(of_fraction)
    r2star = relative_noise * jnp.sqrt(of_decay) / unit_s
    return (
        jnp.where(total > 0, jnp.minimum(pdff_percent, 100.0), 100.0),
        jnp.where(
            total > 0,
            jnp.minimum(r2star, R2STAR_RANGE[1]),
            R2STAR_RANGE[1],
        ),
    )
