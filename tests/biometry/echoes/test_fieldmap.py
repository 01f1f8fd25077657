import jax
import jax.numpy as jnp
import numpy as np
import pytest

from liver_jax.biometry.echoes import fieldmap
from liver_jax.physics import signal, spectra

TE_2D = tuple(1.15 * n for n in range(1, 7))


@pytest.mark.parametrize(
    ("te_ms", "period_hz"),
    [
        (TE_2D, 1000 / 1.15),
        ((1.2, 2.2, 3.2), 1000.0),
        ((1.2, 2.2, 4.2), 1000.0),  # one echo left out
        ((1.0, 2.0, 3.5), 2000.0),  # steps of 2 and 3 times 0.5 ms
        ((1.2, 2.1, 3.3, 4.1, 5.7, 6.6), np.inf),
    ],
)
def test_period_of_echoes_at_multiples_of_one_distance(te_ms, period_hz):
    grid = fieldmap.field_grid(np.array(te_ms), 3.0)
    assert grid.period_hz == pytest.approx(period_hz, rel=0.01)
    steps = np.diff(grid.field_hz)
    np.testing.assert_allclose(steps, steps[0])
    if np.isfinite(period_hz):
        # A whole period, its end not twice.
        assert steps.sum() + steps[0] == pytest.approx(grid.period_hz)


def test_the_grid_is_fine_enough_for_the_longest_echo():
    for te_ms in (TE_2D, (1.7, 4.8, 7.9, 11.0), tuple(np.arange(1, 13) * 1.1)):
        grid = fieldmap.field_grid(np.array(te_ms), 1.5)
        step = grid.field_hz[1] - grid.field_hz[0]
        assert step * (te_ms[-1] - te_ms[0]) / 1000 <= 1 / 6


@pytest.mark.parametrize("pdff", [0.02, 0.3, 0.6, 0.95])
def test_valleys_hold_the_true_field_and_explain_all_of_the_signal(pdff):
    fields = np.linspace(-400, 400, 33)
    t = np.array(TE_2D) / 1000
    clean = signal.multiecho(1 - pdff, pdff, 40.0, TE_2D, 3.0)
    data = clean[:, None] * np.exp(2j * np.pi * fields * t[:, None] + 0.7j)
    grid = fieldmap.field_grid(np.array(TE_2D), 3.0)
    dephasing = spectra.dephasing(spectra.HAMILTON_LIVER, TE_2D, 3.0)
    projection = fieldmap.projections(np.array(TE_2D), dephasing, grid)
    found = fieldmap.valleys(
        jnp.asarray(data, jnp.complex64),
        jnp.asarray(projection),
        jnp.asarray(grid.field_hz, jnp.float32),
        jnp.asarray(True),
    )
    apart = np.abs(np.asarray(found.field_hz) - fields)
    apart = np.minimum(apart, np.abs(apart - grid.period_hz))
    apart = np.where(np.asarray(found.found), apart, np.inf)
    step = grid.field_hz[1] - grid.field_hz[0]
    assert (apart.min(axis=0) <= step).all()


_blocks = jax.jit(fieldmap.blocks, static_argnums=5)


def _vote(field, cost, size, period=np.inf):
    grid = jnp.arange(-300.0, 300.0, 10.0)
    return np.asarray(
        _blocks(
            jnp.asarray(cost, jnp.float32),
            jnp.asarray(field, jnp.float32),
            jnp.ones(field.shape[1:], bool),
            grid,
            jnp.float32(period),
            size,
            jnp.float32(100.0),
        )
    )


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 15, 17)])
def test_blocks_follow_the_majority_and_a_slope(shape):
    rng = np.random.default_rng(0)
    slope = np.broadcast_to(np.linspace(-100, 100, shape[2]), shape)
    field = np.stack([slope, slope + 400])
    cost = np.stack([np.zeros(shape), np.full(shape, 3.0)])
    wrong = rng.random(shape) < 0.3  # these think the second better
    cost[:, wrong] = cost[::-1, wrong]
    found = _vote(field, cost, (1, 2, 2))
    assert found.shape == (shape[0], -(-shape[1] // 2), -(-shape[2] // 2))
    spread = np.asarray(fieldmap.spread(jnp.asarray(found), (1, 2, 2), shape))
    assert np.abs(spread - slope).max() < 30


def test_a_field_beyond_half_a_period_is_followed_without_a_jump():
    slope = np.broadcast_to(np.linspace(-250, 250, 40), (1, 8, 40))
    wrapped = (slope + 200) % 400 - 200  # a period of 400
    field = np.stack([wrapped, wrapped])
    cost = np.stack([np.zeros(slope.shape), np.full(slope.shape, 20.0)])
    grid = jnp.arange(-200.0, 200.0, 10.0)
    found = _blocks(
        *(jnp.asarray(a, jnp.float32) for a in (cost, field)),
        jnp.ones(slope.shape, bool),
        grid,
        jnp.float32(400.0),
        (1, 2, 2),
        jnp.float32(100.0),
    )
    spread = np.asarray(fieldmap.spread(found, (1, 2, 2), slope.shape))
    assert np.abs(np.diff(spread, axis=2)).max() < 60
    assert np.abs(spread - slope).max() < 30


def test_voxels_that_see_nothing_take_the_side_of_their_neighbours():
    shape = (1, 9, 9)
    field = jnp.stack([jnp.zeros(shape), jnp.full(shape, 300.0)])
    cost = jnp.stack([jnp.full(shape, 1.0), jnp.zeros(shape)]).at[:, 0].set(0.0)
    cost = cost.at[1, 0, :, :3].set(15.0)  # strong for the first on the left
    seen = jnp.ones(shape, bool).at[0, 4, 4].set(False)
    total = fieldmap.beliefs(
        cost, field, seen, jnp.zeros(shape), jnp.float32(jnp.inf), jnp.float32(100.0)
    )
    assert total.shape == (2, *shape)
    assert int(total.argmin(axis=0)[0, 4, 4]) == 0
    assert bool(jnp.isfinite(total).all())


def test_own_cost_is_zero_for_the_best_and_limited_for_the_rest():
    squares = jnp.array([[1.0, 5.0], [2.0, 1e9], [0.5, 0.1]])
    found = jnp.array([[True, True], [True, True], [False, True]])
    cost = jax.device_get(fieldmap.own_cost(squares, found, 0.5))
    np.testing.assert_allclose(cost, [[0.0, 4.9], [1.0, 20.0], [20.0, 0.0]], rtol=1e-6)
