"""Fat fraction and R2* from the echoes themselves.

The signal of an echo is s(t) = (W + F c(t)) exp(i phi) exp((-R2* + i 2 pi psi) t), where c(t) is
the dephasing of fat's spectrum and psi the field (Yu et al., Magn Reson Med 2008;60:1122).
`fit_complex` takes magnitude and phase, which tells fat from water; `fit_magnitude` takes the
magnitude alone, where each voxel has two explanations and the better one is taken. The parts are in
`echoes/`.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from liver_jax.biometry.acquisition import FEWEST_ECHOES
from liver_jax.biometry.echoes import (
    choice,
    fieldmap,
    joint,
    magnitude,
    noise,
    phase_errors,
    rician,
    search,
)
from liver_jax.biometry.echoes.limits import R2STAR_RANGE
from liver_jax.biometry.echoes.phased import Sampling
from liver_jax.physics import spectra
from liver_jax.physics.spectra import Spectrum

# Below this part of the image's bright voxels there is no signal to speak of.
_BACKGROUND = 0.05
# The blocks that vote for a field are about this wide.
_BLOCK_MM, _USUAL_MM = 6.0, 3.0
# In nats: the second best field is this much worse, or the voxel is ambiguous (odds of 20 to 1).
_LEAD_NATS = 3.0
# An amplitude of fewer standard deviations of noise is none.
_LEAST_SNR = 2.0
# A fat fraction of which no more is known than this is none.
_MOST_ERROR_PERCENT = 50.0


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Fit:
    """Maps of one examination, each of the leading shape of the echoes and finite everywhere.

    Outside `fitted` they are 0 and mean nothing.

    Attributes:
        pdff_percent: 100 F / (W + F), after the T1 correction where one was asked for. Not cut off
            at 0 or 100: of a liver without fat, noise makes as many values below 0 as above it,
            and cutting them off would turn its mean into fat.
        r2star_per_s: Common to water and fat.
        water: In the units of the echoes, at echo time 0.
        fat: As `water`; not corrected for T1.
        field_map_hz: Of complex data; None for magnitude, which does not show it. Echoes at equal
            distances tell it up to a multiple of one over this distance; it is continued smoothly.
        residual: Root mean square of what the model leaves, in the units of the echoes; of
            magnitude that of the least squares, before the bias of noise is taken out.
        ambiguous: Fat and water may be exchanged: the two best explanations differ by less than
            noise does, or one is so uncertain that it reaches from water to fat. Where neighbours
            were asked, they count as well.
        fitted: Where there is a result: inside the mask, and the fit is sound.
        failed: Inside the mask, and no sound result: no amplitude above the noise, R2* ran to its
            bound, or the standard error of PDFF is 50 points or more.
        pdff_standard_error_percent: From the Fisher information at the solution; 100 where nothing
            tells the noise (three echoes of a list of voxels, a handful of voxels).
        r2star_standard_error_per_s: As `pdff_standard_error_percent`; the bound of R2*, about 1500,
            where nothing tells the noise.
        noise: One number: the standard deviation of the noise of each channel, in the units of the
            echoes, estimated from the residuals of all voxels (three magnitude echoes leave none:
            from neighbours); 0 where nothing tells it.
        phase_error_radian: [echo]: the phase that gradients left in each echo of complex data, root
            mean square over the image; it was found and turned back (`echoes.phase_errors`).
            0 where there was none to speak of; None for magnitude.
    """

    pdff_percent: jax.Array
    r2star_per_s: jax.Array
    water: jax.Array
    fat: jax.Array
    field_map_hz: jax.Array | None
    residual: jax.Array
    ambiguous: jax.Array
    fitted: jax.Array
    failed: jax.Array
    pdff_standard_error_percent: jax.Array
    r2star_standard_error_per_s: jax.Array
    noise: jax.Array
    phase_error_radian: jax.Array | None


def fit_magnitude(
    echoes: np.ndarray | jax.Array,
    te_ms: Sequence[float],
    field_strength_t: float,
    spectrum: Spectrum | str = spectra.HAMILTON_LIVER,
    t1_weight: float | None = None,
    mask: np.ndarray | None = None,
    regularised: bool = False,
) -> Fit:
    """Fits magnitude echoes, each voxel on its own.

    Args:
        echoes: [..., echo], at least 0, at least three echoes.
        te_ms: [echo], rising.
        field_strength_t: B0.
        spectrum: Of fat; or its name in `spectra.NAMED`.
        t1_weight: By how much the sequence weights fat over water (`signal.fat_over_water_weight`);
            None leaves PDFF as weighted.
        mask: bool [...], where results are wanted; None: wherever there is signal.
        regularised: Whether the choice between the two explanations also asks the neighbours,
            for echoes [x, y, echo] or [x, y, z, echo], and prefers less fat than water.

    Raises:
        ValueError: The shapes do not fit, or the echo times are not rising.
    """
    data, te, dephasing = _checked(echoes, te_ms, field_strength_t, spectrum)
    if np.iscomplexobj(data):
        raise ValueError("echoes are complex: fit_complex takes them")
    if regularised and data.ndim not in (3, 4):
        raise ValueError(f"echoes {data.shape}: neighbours need [x, y, echo] or [x, y, z, echo]")
    return _fit_magnitude(
        data,
        foreground(data) if mask is None else _on_grid(mask, data.shape[:-1]),
        jnp.asarray(te / 1000.0, jnp.float32),
        _pair(dephasing),
        jnp.float32(1.0 if t1_weight is None else t1_weight),
        regularised,
    )


def fit_complex(
    echoes: np.ndarray | jax.Array,
    te_ms: Sequence[float],
    field_strength_t: float,
    spectrum: Spectrum | str = spectra.HAMILTON_LIVER,
    precession: str = "clockwise",
    spacing_mm: Sequence[float] | None = None,
    t1_weight: float | None = None,
    mask: np.ndarray | None = None,
    correct_phase: bool = True,
) -> Fit:
    """Fits complex echoes, with a field map that is smooth over the image.

    Args:
        echoes: complex [x, y, echo] or [x, y, z, echo], at least three echoes.
        te_ms: [echo], rising.
        field_strength_t: B0.
        spectrum: Of fat; or its name in `spectra.NAMED`.
        precession: Which way phase turns with time. `clockwise`: fat, at a lower frequency than
            water, turns backwards in the data; `counterclockwise`: the other way round.
        spacing_mm: Of x, y (and z); None: voxels of 3 mm. It says how far a voxel's neighbours are.
        t1_weight: By how much the sequence weights fat over water (`signal.fat_over_water_weight`);
            None leaves PDFF as weighted.
        mask: bool [...], where results are wanted; None: wherever there is signal. The field map
            is sought over all of the image either way.
        correct_phase: Whether phase errors of the echoes (eddy currents, bipolar readouts) are
            sought and turned back, see `echoes.phase_errors`.

    Raises:
        ValueError: The shapes do not fit, the echo times are not rising, or `precession` is
            neither of the two.
    """
    data, te, dephasing = _checked(echoes, te_ms, field_strength_t, spectrum)
    if not np.iscomplexobj(data):
        raise ValueError("echoes are real: fit_magnitude takes magnitudes")
    if precession not in ("clockwise", "counterclockwise"):
        raise ValueError(f"precession {precession!r}: want clockwise or counterclockwise")
    shape = data.shape[:-1]
    if len(shape) not in (2, 3):
        raise ValueError(f"complex echoes {data.shape}: want [x, y, echo] or [x, y, z, echo]")
    if spacing_mm is not None and len(spacing_mm) != len(shape):
        raise ValueError(f"spacing_mm {spacing_mm} is not one number for each axis of {shape}")
    grid = fieldmap.field_grid(te, field_strength_t)
    numbers = (grid.field_hz, grid.period_hz, fieldmap.tolerance_hz(field_strength_t))
    lookup = search.Lookup(
        jnp.asarray(fieldmap.projections(te, dephasing, grid)),
        *(jnp.asarray(value, jnp.float32) for value in numbers),
    )
    sampling = Sampling(jnp.asarray(te / 1000.0, jnp.float32), *_pair(dephasing))
    block = _block(shape, spacing_mm)
    turn = jnp.float32(1.0 if precession == "clockwise" else -1.0)
    # Two programs, one after the other: compiled as one they would take twice the memory.
    real, imag, seen = _split(data, turn)
    coefficients = jnp.zeros((te.size, phase_errors.TERMS))
    if correct_phase:
        coefficients = joint.find_phase_errors(real, imag, seen, sampling, lookup, block)
    return _fit_complex(
        real,
        imag,
        seen,
        coefficients,
        jnp.moveaxis(seen, 0, 2).reshape(shape) if mask is None else _on_grid(mask, shape),
        sampling,
        lookup,
        jnp.float32(1.0 if t1_weight is None else t1_weight),
        block,
        shape,
    )


@jax.jit
def foreground(echoes: np.ndarray | jax.Array) -> jax.Array:
    """The body, roughly: where the brightest echo is above a share of what is bright in the image.

    Args:
        echoes: Magnitude or complex [..., echo].

    Returns:
        bool [...]; nowhere in an image of zeros.
    """
    strength = jnp.abs(echoes)
    strength = jnp.where(jnp.isfinite(strength), strength, 0.0).max(axis=-1)
    return strength > _BACKGROUND * jnp.percentile(strength, 98.0)


def _checked(
    echoes: np.ndarray | jax.Array,
    te_ms: Sequence[float],
    field_strength_t: float,
    spectrum: Spectrum | str,
) -> tuple[jax.Array, np.ndarray, np.ndarray]:
    """The echoes, the echo times and the dephasing of fat at these; ValueError as said above."""
    te = np.asarray(te_ms, np.float64)
    data = jnp.asarray(echoes)
    if data.ndim < 2 or data.shape[-1] != te.size or te.ndim != 1:
        raise ValueError(f"echoes {data.shape} and te_ms {te.shape} do not fit: want [..., echo]")
    if te.size < FEWEST_ECHOES:
        raise ValueError(f"{te.size} echoes; water, fat and R2* take {FEWEST_ECHOES} at least")
    if not (np.isfinite(te).all() and te[0] > 0 and (np.diff(te) > 0).all()):
        raise ValueError(f"te_ms {te.tolist()}: want finite times above 0, rising")
    if not (math.isfinite(field_strength_t) and field_strength_t > 0):
        raise ValueError(f"field_strength_t {field_strength_t}: want a number above 0")
    if isinstance(spectrum, str):
        if spectrum not in spectra.NAMED:
            raise ValueError(f"spectrum {spectrum!r}: want one of {', '.join(spectra.NAMED)}")
        spectrum = spectra.NAMED[spectrum]
    return data, te, spectra.dephasing(spectrum, te, field_strength_t)


def _on_grid(mask: np.ndarray, shape: tuple[int, ...]) -> jax.Array:
    if np.shape(mask) != tuple(shape):
        raise ValueError(f"mask {np.shape(mask)} does not fit the echoes' {tuple(shape)}")
    return jnp.asarray(mask, bool)


def _pair(dephasing: np.ndarray) -> tuple[jax.Array, jax.Array]:
    return jnp.asarray(dephasing.real, jnp.float32), jnp.asarray(dephasing.imag, jnp.float32)


def _block(shape: tuple[int, ...], spacing_mm: Sequence[float] | None) -> tuple[int, int, int]:
    """How many voxels make a block along z, x and y."""
    spacing = [_USUAL_MM] * 3 if spacing_mm is None else [*spacing_mm, _USUAL_MM][:3]
    lengths = [*shape, *[1] * (3 - len(shape))]
    x, y, z = (
        max(1, min(length, round(_BLOCK_MM / step)))
        for length, step in zip(lengths, spacing, strict=True)
    )
    return z, x, y


class _Voxels(NamedTuple):
    """What a method finds for each voxel, before it is told what of it is sound; any shape."""

    water: jax.Array
    fat: jax.Array
    r2star_per_s: jax.Array
    residual: jax.Array
    ambiguous: jax.Array
    pdff_standard_error_percent: jax.Array  # of F / (W + F), weighted as acquired
    r2star_standard_error_per_s: jax.Array


@functools.partial(jax.jit, static_argnames="regularised")
def _fit_magnitude(
    echoes: jax.Array,
    mask: jax.Array,
    te_s: jax.Array,
    dephasing: tuple[jax.Array, jax.Array],
    t1_weight: jax.Array,
    regularised: bool,
) -> Fit:
    *shape, echo_count = echoes.shape
    on_grid = jnp.moveaxis(echoes.astype(jnp.float32), -1, 0)
    on_grid = jnp.where(jnp.isfinite(on_grid) & (on_grid > 0), on_grid, 0.0)
    flat = on_grid.reshape(echo_count, -1)
    estimate = magnitude.fit(flat, te_s, dephasing)
    if echo_count > FEWEST_ECHOES:
        sigma = noise.from_residuals(estimate, echo_count)
    elif len(shape) > 1:
        sigma = noise.from_neighbours(on_grid, foreground(echoes))
    else:
        sigma = jnp.float32(0.0)  # a list of voxels has no neighbours: not known
    if regularised:
        estimate, separation = _regularised(estimate, sigma, tuple([*shape, 1][:3]))
    else:
        separation = choice.separation_nats(estimate, sigma)
    water, fat, r2star = rician.refine(
        flat, te_s, dephasing, estimate.water, estimate.fat, estimate.r2star_per_s, sigma
    )
    errors = rician.standard_errors(te_s, dephasing, water, fat, r2star, sigma)
    voxels = _Voxels(
        water,
        fat,
        r2star,
        jnp.sqrt(estimate.residual_squares / echo_count),
        choice.ambiguous(estimate, separation, errors[0]),
        *errors,
    )
    voxels = jax.tree.map(lambda array: array.reshape(shape), voxels)
    return _finish(voxels, mask, sigma, t1_weight)


def _regularised(
    estimate: magnitude.Estimate, sigma: jax.Array, shape: tuple[int, int, int]
) -> tuple[magnitude.Estimate, jax.Array]:
    """As `choice.regularise`, of voxels in the order of [x, y, z]."""
    x, y, z = shape

    def forth(array: jax.Array) -> jax.Array:
        return jnp.moveaxis(array.reshape(x, y, z), 2, 0).ravel()

    def back(array: jax.Array) -> jax.Array:
        return jnp.moveaxis(array.reshape(z, x, y), 0, 2).ravel()

    done = choice.regularise(jax.tree.map(forth, estimate), sigma, (z, x, y))
    return jax.tree.map(back, done)


@jax.jit
def _split(echoes: jax.Array, turn: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Real and imaginary part, [echo, z, x, y], and where there is signal.

    Compilers make fast code along the last axis, and z may have length 1.
    """
    *shape, echo_count = echoes.shape
    volume = echoes.reshape(*shape, *[1] * (3 - len(shape)), echo_count)
    volume = jnp.moveaxis(volume, (2, 3), (1, 0))
    real = volume.real.astype(jnp.float32)
    imag = volume.imag.astype(jnp.float32) * turn
    finite = jnp.isfinite(real) & jnp.isfinite(imag)
    seen = foreground(jnp.moveaxis(volume, 0, -1))
    return jnp.where(finite, real, 0.0), jnp.where(finite, imag, 0.0), seen


@functools.partial(jax.jit, static_argnames=("block", "shape"))
def _fit_complex(
    real: jax.Array,
    imag: jax.Array,
    seen: jax.Array,
    phase_coefficients: jax.Array,
    mask: jax.Array,
    sampling: Sampling,
    lookup: search.Lookup,
    t1_weight: jax.Array,
    block: tuple[int, int, int],
    shape: tuple[int, ...],
) -> Fit:
    found = joint.fit(real, imag, seen, phase_coefficients, sampling, lookup, block)
    p = found.solution
    voxels = _Voxels(
        p.water,
        p.fat,
        p.r2star_per_s,
        jnp.sqrt(found.residual_squares / (2 * real.shape[0])),
        (found.lead_nats < _LEAD_NATS) | (found.pdff_standard_error > choice.AMBIGUOUS_ERROR),
        100.0 * found.pdff_standard_error,
        found.r2star_standard_error_per_s,
    )

    def back(array: jax.Array) -> jax.Array:
        return jnp.moveaxis(array, 0, 2).reshape(shape)

    voxels, field = jax.tree.map(back, (voxels, p.field_hz))
    fit = _finish(voxels, mask, found.noise, t1_weight)
    return dataclasses.replace(
        fit,
        field_map_hz=jnp.where(fit.fitted, field, 0.0),
        phase_error_radian=found.phase_error_radian,
    )


def _finish(voxels: _Voxels, mask: jax.Array, sigma: jax.Array, t1_weight: jax.Array) -> Fit:
    """Corrects for T1, tells what is sound, and leaves 0 elsewhere."""
    weighted = voxels.water + voxels.fat
    total = voxels.water + voxels.fat / t1_weight
    # What stopped at a bound may be rounded to either side of it.
    low, high = (0.999 * bound for bound in R2STAR_RANGE)
    sound = (total > _LEAST_SNR * sigma) & (weighted > 0) & (total > 0)
    sound &= (voxels.r2star_per_s > low) & (voxels.r2star_per_s < high)
    sound &= voxels.pdff_standard_error_percent < _MOST_ERROR_PERCENT
    for array in (*voxels, sigma):
        sound &= jnp.isfinite(array)
    # Noise that nothing told: the errors are those of knowing nothing.
    known = sigma > 0
    voxels = voxels._replace(
        ambiguous=voxels.ambiguous | ~known,
        pdff_standard_error_percent=jnp.where(known, voxels.pdff_standard_error_percent, 100.0),
        r2star_standard_error_per_s=jnp.where(known, voxels.r2star_standard_error_per_s, high),
    )
    fitted = mask & sound
    total, weighted = jnp.where(fitted, total, 1.0), jnp.where(fitted, weighted, 1.0)
    shown = jax.tree.map(lambda array: jnp.where(fitted, array, jnp.zeros_like(array)), voxels)
    return Fit(
        pdff_percent=100.0 * shown.fat / t1_weight / total,
        field_map_hz=None,
        fitted=fitted,
        failed=mask & ~sound,
        noise=jnp.where(jnp.isfinite(sigma), sigma, 0.0),
        phase_error_radian=None,
        # The slope of the corrected fraction by the weighted one is w ((W + F) / (w W + F))^2.
        **shown._replace(
            pdff_standard_error_percent=shown.pdff_standard_error_percent
            * (weighted / total) ** 2
            / t1_weight
        )._asdict(),
    )
