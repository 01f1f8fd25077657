import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liver_jax.biometry.echoes import neighbours

_choose = jax.jit(neighbours.choose, static_argnums=(2, 5))


def _energy(index, cost, value, weight, tolerance, period):
    """What a choice [x, y, z] costs in all, by the definition."""
    at = np.indices(index.shape)
    total = cost[(index, *at)].sum()
    chosen = value[(index, *at)]
    for axis in range(3):
        apart = np.abs(np.diff(chosen, axis=axis))
        if np.isfinite(period):
            apart = np.abs(apart - period * np.round(apart / period))
        total += weight[axis] * np.minimum(apart / tolerance, 1.0).sum()
    return total


@given(st.integers(0, 2**32 - 1), st.sampled_from([np.inf, 7.0]))
def test_along_a_line_the_choice_is_the_best_of_all(seed, period):
    # Belief propagation is exact where there is no loop.
    rng = np.random.default_rng(seed)
    shape = (1, 6, 1)
    cost = rng.uniform(0, 3, (3, *shape)).astype(np.float32)
    value = rng.uniform(0, 7, (3, *shape)).astype(np.float32)
    weight = (1.0, 1.5, 1.0)
    found = _choose(jnp.asarray(cost), jnp.asarray(value), weight, 2.0, period, 8)
    every = itertools.product(range(3), repeat=6)
    best = min(
        _energy(np.array(one).reshape(shape), cost, value, weight, 2.0, period) for one in every
    )
    got = _energy(np.asarray(found), cost, value, weight, 2.0, period)
    assert got == pytest.approx(best, abs=1e-4)


@pytest.mark.parametrize("shape", [(8, 8, 1), (1, 8, 8), (5, 6, 4)])
def test_one_voxel_that_knows_convinces_all_that_do_not(shape):
    cost = np.zeros((2, *shape), np.float32)
    cost[(1, *(0,) * 3)] = 50.0  # only the first corner is sure
    value = np.stack([np.zeros(shape), np.full(shape, 10.0)]).astype(np.float32)
    found = neighbours.choose(jnp.asarray(cost), jnp.asarray(value), (1.0,) * 3, 2.0, rounds=24)
    assert (np.asarray(found) == 0).all()


def test_a_spike_is_overruled_and_an_edge_is_kept():
    value = np.stack([np.zeros((12, 12, 1)), np.full((12, 12, 1), 10.0)]).astype(np.float32)
    cost = np.zeros((2, 12, 12, 1), np.float32)
    cost[1, :, :6], cost[0, :, 6:] = 4.0, 4.0  # left half 0, right half 10
    cost[:, 3, 3] = [[2.0], [0.0]]  # one voxel that is for 10 on the left
    found = np.asarray(
        neighbours.choose(jnp.asarray(cost), jnp.asarray(value), (1.0,) * 3, 2.0, rounds=20)
    )
    assert (found[:, :6] == 0).all()
    assert (found[:, 6:] == 1).all()


@given(st.floats(-50, 50), st.floats(-50, 50), st.floats(45, 200))
def test_distance_modulo_a_period(one, other, period):
    got = float(neighbours.distance(jnp.float32(one), jnp.float32(other), period))
    apart = abs(one - other)
    wanted = min(abs(apart - k * period) for k in range(4))
    assert got == pytest.approx(wanted, abs=1e-3)
    assert float(neighbours.distance(jnp.float32(one), jnp.float32(other), jnp.inf)) == (
        pytest.approx(apart, abs=1e-4)
    )
