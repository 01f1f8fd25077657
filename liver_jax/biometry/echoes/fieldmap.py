"""The field map of complex echoes: in which of several valleys of its own signal each voxel lies.

For each voxel the residual of the best W, F and phase, as a function of the field alone, has
several minima: the true field, and others at which fat explains the water (a "swap"). No voxel can
always tell them apart; its neighbours can, as the field is smooth. The search has four steps, all
with a fixed amount of work for each voxel:

1. `valleys`: the residual over one period of field values, and its few lowest minima.
2. Each minimum is fitted to its end (`phased`), which tells what it truly costs.
3. `blocks`: voxels of a block vote for a field, and belief propagation over the blocks finds one
   that is smooth over the whole body, through noise and past jumps.
4. `beliefs`: belief propagation over the voxels themselves, drawn to their block's field.

Echoes at equal distances cannot tell fields apart that differ by one over this distance, and need
not: water, fat and R2* are the same. Differences of field are therefore taken modulo this period.
"""

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from liver_jax.biometry.echoes import neighbours
from liver_jax.physics.spectra import GYROMAGNETIC_RATIO_MHZ_PER_T

CANDIDATES = 3
_BLOCK_CANDIDATES = 4
# Of R2*, 1/s, at which the residual is looked up: it is a dull function of R2*.
_R2STAR_GRID = (30.0, 100.0, 280.0)
# Grid points of the field for each turn of the phase between first and last echo.
_POINTS_PER_TURN = 6.5
# What is searched where echoes have no common distance, in ppm of the scanner's frequency.
_WIDEST_PPM = 9.0
# Neighbours disagree fully when their fields differ by this: a quarter of fat's shift.
_TOLERANCE_PPM = 0.8
# In nats: the most that a voxel's own echoes may say against a candidate (beyond, it is the model
# that fails), the most it says against a field in the vote of its block, ...
_MOST, _MOST_OF_A_VOTE = 20.0, 6.0
# ... what full disagreement with a neighbour costs, and with the own block.
_NEIGHBOUR, _BLOCK = 4.0, 0.7
# A faint pull towards the scanner's frequency, where nothing else decides.
_PRIOR = 0.5
_BLOCK_ROUNDS, _VOXEL_ROUNDS = 24, 6


class Grid(NamedTuple):
    """The fields that are looked up.

    Attributes:
        field_hz: [point], evenly spaced.
        period_hz: Fields that differ by this look the same; infinite where none do.
    """

    field_hz: np.ndarray
    period_hz: float


def tolerance_hz(field_strength_t: float) -> float:
    """The difference of field from which neighbours disagree fully."""
    return _TOLERANCE_PPM * GYROMAGNETIC_RATIO_MHZ_PER_T * field_strength_t


def field_grid(te_ms: np.ndarray, field_strength_t: float) -> Grid:
    """Which fields to look up, for rising echo times [echo]."""
    te_s = np.asarray(te_ms, np.float64) / 1000.0
    widest_hz = _WIDEST_PPM * GYROMAGNETIC_RATIO_MHZ_PER_T * field_strength_t
    period = _period_hz(np.diff(te_s), 2 * widest_hz)
    width = period if np.isfinite(period) else widest_hz
    count = 8 * int(np.ceil(_POINTS_PER_TURN * width * (te_s[-1] - te_s[0]) / 8))
    count = max(count, 16)
    return Grid((np.arange(count) / count - 0.5) * width, period)


def _period_hz(gaps_s: np.ndarray, longest_hz: float) -> float:
    """One over the common distance of the echoes, if they have one to 2 % (times are rounded)."""
    for parts in (1, 2, 3):
        unit = gaps_s.min() / parts
        steps = np.round(gaps_s / unit)
        unit = float((gaps_s * steps).sum() / (steps * steps).sum())
        if np.abs(gaps_s / unit - steps).max() < 0.02 and 1 / unit <= longest_hz:
            return 1 / unit
    return np.inf


def projections(te_ms: np.ndarray, dephasing: np.ndarray, grid: Grid) -> np.ndarray:
    """Onto what the signal is projected: an orthonormal pair for each field and R2*.

    Args:
        te_ms: [echo].
        dephasing: complex [echo], of fat.
        grid: The fields.

    Returns:
        complex64 [r2star, 2, field, echo]. With u = P s, the model explains the energy
        (|u|^2 + |u_1^2 + u_2^2|) / 2 where its amplitudes are real with one phase (Bydder et al.,
        Magn Reson Imaging 2011;29:216).
    """
    te_s = np.asarray(te_ms, np.float64) / 1000.0
    turns = np.exp(-2j * np.pi * grid.field_hz[:, None] * te_s)
    pairs = []
    for r2star in _R2STAR_GRID:
        decay = np.exp(-r2star * te_s)
        species = np.stack([decay + 0j, dephasing * decay], axis=1)
        factor = np.linalg.cholesky((species.conj().T @ species).real)
        pair = (species @ np.linalg.inv(factor).T).T
        pairs.append(pair[:, None].conj() * turns)
    return np.stack(pairs).astype(np.complex64)


class Valleys(NamedTuple):
    """Where the residual of each voxel is lowest, [candidate, voxel], the lowest first.

    Attributes:
        field_hz: A point of the grid.
        r2star_per_s: Of the few that were looked up, the best there.
        found: Whether there is such a minimum; where there is none, the first one is repeated.
    """

    field_hz: jax.Array
    r2star_per_s: jax.Array
    found: jax.Array


def valleys(
    signal: jax.Array, projection: jax.Array, field_hz: jax.Array, circular: jax.Array
) -> Valleys:
    """Looks up the residual over the grid.

    Args:
        signal: complex64 [echo, voxel].
        projection: [r2star, 2, field, echo], of `projections`.
        field_hz: [field], evenly spaced.
        circular: Whether the grid's last point is beside its first.
    """
    best, r2star = None, None
    for row, pair in zip(_R2STAR_GRID, projection, strict=True):
        one, two = pair[0] @ signal, pair[1] @ signal
        both = one * one + two * two
        energy = one.real**2 + one.imag**2 + two.real**2 + two.imag**2
        energy = energy + jnp.sqrt(both.real**2 + both.imag**2)
        r2star = (
            jnp.full_like(energy, row) if best is None else jnp.where(energy > best, row, r2star)
        )
        best = energy if best is None else jnp.maximum(energy, best)
    costs, points = _minima(-best, circular, CANDIDATES)
    found = jnp.isfinite(costs)
    points = jnp.where(found, points, points[:1])
    decays = jnp.take_along_axis(r2star, points, axis=0)
    return Valleys(field_hz[0] + (field_hz[1] - field_hz[0]) * points, decays, found)


def _minima(cost: jax.Array, circular: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
    """The lowest local minima of [field, ...] along the field: cost (infinite: none) and index."""
    place = jax.lax.broadcasted_iota(jnp.int32, cost.shape, 0)
    before = jnp.where((place == 0) & ~circular, jnp.inf, jnp.roll(cost, 1, 0))
    last = cost.shape[0] - 1
    after = jnp.where((place == last) & ~circular, jnp.inf, jnp.roll(cost, -1, 0))
    left = jnp.where((cost <= before) & (cost < after), cost, jnp.inf)
    costs, points = [], []
    for _ in range(count):
        index = left.argmin(axis=0)
        costs.append(left.min(axis=0))
        points.append(index)
        left = jnp.where(place == index, jnp.inf, left)
    return jnp.stack(costs), jnp.stack(points)


def own_cost(residual_squares: jax.Array, found: jax.Array, noise_variance: jax.Array) -> jax.Array:
    """[candidate, ...]: what each costs beyond the voxel's best, in nats, up to a limit."""
    squares = jnp.where(found, residual_squares, jnp.inf)
    return jnp.minimum((squares - squares.min(axis=0)) / (2 * noise_variance), _MOST)


def blocks(
    cost: jax.Array,
    candidate_hz: jax.Array,
    seen: jax.Array,
    grid_hz: jax.Array,
    period_hz: jax.Array,
    size: tuple[int, int, int],
    tolerance: jax.Array,
) -> jax.Array:
    """A field that is smooth over the body, one value for each block of voxels.

    Args:
        cost: [candidate, z, x, y], of `own_cost`.
        candidate_hz: [candidate, z, x, y].
        seen: bool [z, x, y]: the voxels that vote.
        grid_hz: [field].
        period_hz: Infinite where there is none.
        size: Voxels of a block along each axis.
        tolerance: In Hz, of `tolerance_hz`.

    Returns:
        [z, x, y] in Hz, of blocks, without jumps of a period where there is one.
    """
    # [z, voxel of the block, candidate, x, y]: a vote is a sum over the voxels of a block.
    members = [_members(array, size) for array in (cost, candidate_hz, seen[None])]
    members = [jnp.moveaxis(array, -3, 0) for array in members]

    def add(votes: jax.Array, voxel: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        cost, field, votes_too = voxel
        apart = neighbours.distance(grid_hz[:, None, None, None], field, period_hz)
        voice = (cost + _MOST_OF_A_VOTE * jnp.minimum(apart / tolerance, 1.0)).min(axis=1)
        return votes + jnp.where(votes_too, voice, 0.0), None

    def one_slice(voxels: tuple[jax.Array, ...]) -> jax.Array:
        nothing = jnp.zeros((grid_hz.shape[0], *voxels[0].shape[-2:]))
        return jax.lax.scan(add, nothing, voxels)[0]

    votes = jnp.moveaxis(jax.lax.map(one_slice, tuple(members)), 0, 1)
    circular = jnp.isfinite(period_hz)
    votes = votes + _PRIOR * (grid_hz / grid_hz[0])[:, None, None, None] ** 2
    costs, points = _minima(votes, circular, _BLOCK_CANDIDATES)
    found = jnp.isfinite(costs)
    points = jnp.where(found, points, points[:1])
    fields = grid_hz[points]
    costs = jnp.where(found, costs - costs[:1], 1e3)
    # A border between blocks is as many borders between voxels.
    whole = size[0] * size[1] * size[2]
    weight = tuple(_NEIGHBOUR * whole / length for length in size)
    choice = neighbours.choose(costs, fields, weight, tolerance, period_hz, _BLOCK_ROUNDS)
    field = jnp.take_along_axis(fields, choice[None], axis=0)[0]
    return _unwrap(field, period_hz, weight)


def _unwrap(
    field_hz: jax.Array, period_hz: jax.Array, weight: tuple[float, float, float]
) -> jax.Array:
    """Adds to [z, x, y] the period once more or once less where the neighbours ask for it."""
    period = jnp.where(jnp.isfinite(period_hz), period_hz, 0.0)
    turns = jnp.array([0.0, -1.0, 1.0])[:, None, None, None] * period
    fields = field_hz[None] + turns
    costs = _PRIOR * (fields / jnp.maximum(period, 1.0)) ** 2
    choice = neighbours.choose(costs, fields, weight, period / 2 + 1e-3, jnp.inf, _BLOCK_ROUNDS)
    return jnp.take_along_axis(fields, choice[None], axis=0)[0]


def _members(values: jax.Array, size: tuple[int, int, int]) -> jax.Array:
    """[..., z, x, y] as [voxel of the block, ..., block along z, x, y]; the ends filled with 0."""
    padding = [(0, 0)] * (values.ndim - 3)
    lengths = values.shape[-3:]
    padding += [(0, -n % step) for n, step in zip(lengths, size, strict=True)]
    values = jnp.pad(values, padding)
    corners = itertools.product(*(range(step) for step in size))
    return jnp.stack([values[..., x :: size[0], y :: size[1], z :: size[2]] for x, y, z in corners])


def spread(
    block_hz: jax.Array, size: tuple[int, int, int], shape: tuple[int, int, int]
) -> jax.Array:
    """The field of each voxel's block, [z, x, y] of voxels."""
    for axis, length in enumerate(size):
        block_hz = jnp.repeat(block_hz, length, axis=axis)
    return block_hz[: shape[0], : shape[1], : shape[2]]


def beliefs(
    cost: jax.Array,
    candidate_hz: jax.Array,
    seen: jax.Array,
    around_hz: jax.Array,
    period_hz: jax.Array,
    tolerance: jax.Array,
) -> jax.Array:
    """What each candidate costs with all that its neighbours and its block say, in nats.

    Here neighbours are those of the same slice: what lies between slices, further apart as a rule,
    the blocks know already, and one slice fits a processor's cache.

    Args:
        cost: [candidate, z, x, y], of `own_cost`.
        candidate_hz: [candidate, z, x, y].
        seen: bool [z, x, y]: voxels outside say nothing.
        around_hz: [z, x, y], of `spread`.
        period_hz: Infinite where there is none.
        tolerance: In Hz, of `tolerance_hz`.

    Returns:
        [candidate, z, x, y]; the lowest is to be chosen.
    """

    def one_slice(part: tuple[jax.Array, ...]) -> jax.Array:
        cost, field, seen, around = (array[..., None, :, :] for array in part)
        apart = neighbours.distance(field, around, period_hz)
        own = cost + _BLOCK * jnp.minimum(apart / tolerance, 1.0)
        own = jnp.where(seen, own, 0.0)
        weight = (_NEIGHBOUR,) * 3
        total = neighbours.total_cost(own, field, weight, tolerance, period_hz, _VOXEL_ROUNDS)
        return total[:, 0]

    slices = (*(jnp.moveaxis(a, 1, 0) for a in (cost, candidate_hz)), seen, around_hz)
    return jnp.moveaxis(jax.lax.map(one_slice, slices), 0, 1)
