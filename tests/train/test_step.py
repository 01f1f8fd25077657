"""One training step: it learns, it keeps an average, it changes nothing where it is not finite."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from liver_jax.data import augment
from liver_jax.errors import InputError
from liver_jax.model import unet
from liver_jax.train import sharding, state, step

STILL = augment.Settings(0.0, 0.0, 0.0, 0.0, 4, 0.0, 0.0, 0.0, 0.0)
SIZE = 16


@pytest.fixture(scope="module")
def made():
    """The step of a tiny network, with a moving average, and its mesh."""
    model = unet.UNet(base_features=4, depth=1)
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(0.01))
    mesh = sharding.make_mesh()
    built = step.make_train_step(model, tx, mesh, STILL, 3.0, 1.0, 0.9, 0)

    def fresh():
        variables = state.variables_of(model, jax.random.key(0), SIZE)
        return state.create(variables, tx, 0.9)

    return built, mesh, fresh


def batch(mesh, value=1.0):
    rng = np.random.default_rng(0)
    mask = np.zeros((4, SIZE, SIZE), np.float32)
    mask[:, 4:12, 4:12] = 1
    image = (0.2 + 0.5 * mask + 0.05 * rng.normal(size=mask.shape)).astype(np.float32) * value
    example = np.arange(4, dtype=np.uint32)
    told = {"example": example, "stop": np.zeros(4, bool)}
    return sharding.to_devices(mesh, {"image": image, "mask": mask, **told})


def leaves(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


@pytest.mark.slow
def test_it_learns_a_batch(made):
    built, mesh, fresh = made
    current, first = fresh(), None
    for _ in range(40):
        current, outcome = built(current, batch(mesh))
        first = first or float(outcome.sums.loss(1.0))
    assert int(current.step) == 40
    assert float(outcome.sums.loss(1.0)) < 0.5 * first
    assert float(outcome.sums.n) == 4
    assert bool(outcome.finite)


def test_the_average_follows_the_parameters(made):
    built, mesh, fresh = made
    before = leaves(fresh().params)
    after, _ = built(fresh(), batch(mesh))
    for old, new, average in zip(
        before, leaves(after.params), leaves(after.ema_params), strict=True
    ):
        np.testing.assert_allclose(average, 0.9 * old + 0.1 * new, rtol=1e-5, atol=1e-7)
    assert after.variables()["params"] is after.ema_params


def test_a_step_that_is_not_finite_changes_nothing(made):
    built, mesh, fresh = made
    before = leaves(fresh())
    bad = batch(mesh)
    bad["image"] = bad["image"] * jnp.nan
    after, outcome = built(fresh(), bad)
    assert not bool(outcome.finite)
    for old, new in zip(before, leaves(after), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("microbatches", [2, 4])
def test_parts_of_a_batch_give_the_gradient_of_the_whole(made, microbatches):
    built, mesh, fresh = made
    model = unet.UNet(base_features=4, depth=1, remat=True)
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(0.01))
    in_parts = step.make_train_step(
        model, tx, mesh, STILL, 3.0, 1.0, 0.9, 0, microbatches=microbatches
    )
    whole, expected = built(fresh(), batch(mesh))
    parts, found = in_parts(fresh(), batch(mesh))
    np.testing.assert_allclose(found.gradient_norm, expected.gradient_norm, rtol=1e-4)
    for one, other in zip(expected.sums, found.sums, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    # Adam's first step is nearly the gradient's sign: only the moments tell its size.
    for one, other in zip(leaves(whole.opt_state), leaves(parts.opt_state), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-6)


def test_a_request_to_stop_of_any_process_reaches_all(made):
    built, mesh, fresh = made
    asked = batch(mesh)
    asked["stop"] = sharding.to_devices(mesh, {"stop": np.array([False, False, True, False])})[
        "stop"
    ]
    current, outcome = built(fresh(), batch(mesh))
    assert not bool(outcome.stop)
    assert bool(built(current, asked)[1].stop)


def test_a_batch_that_cannot_be_shared_is_refused():
    mesh = sharding.make_mesh()
    sharding.check_batch_size(mesh, 8, 2)
    with pytest.raises(InputError, match=r"9 is not divisible by .* times train.microbatches=2"):
        sharding.check_batch_size(mesh, 9, 2)


def test_the_same_step_twice_gives_the_same_bits(made):
    built, mesh, fresh = made
    runs = []
    for _ in range(2):
        current = fresh()
        for _ in range(3):
            current, _ = built(current, batch(mesh))
        runs.append(leaves(current))
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
@pytest.mark.parametrize("microbatches", [1, 2])
def test_the_step_can_be_lowered_for_other_devices(platform, microbatches):
    # All that the paper's size uses, in the arithmetic of an accelerator.
    model = unet.UNet(base_features=4, depth=1, dtype=jnp.bfloat16, remat=True)
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(0.01))
    changes = augment.Settings(5.0, 0.1, 10.0, 2.0, 4, 0.1, 0.1, 0.1, 0.03)
    mesh = sharding.make_mesh()
    built = step.make_train_step(model, tx, mesh, changes, 3.0, 1.0, 0.9, 0, microbatches)
    like = jax.eval_shape(
        lambda: state.create(state.variables_of(model, jax.random.key(0), SIZE), tx, 0.9)
    )
    shapes = {"image": (4, SIZE, SIZE), "mask": (4, SIZE, SIZE), "example": (4,), "stop": (4,)}
    types = {"example": jnp.uint32, "stop": jnp.bool_}
    given = {
        name: jax.ShapeDtypeStruct(shape, types.get(name, jnp.float32))
        for name, shape in shapes.items()
    }
    lowered = jax.export.export(built, platforms=[platform])(like, given)
    assert lowered.platforms == (platform,)
    # One state and its outcome come out: nothing was lost on the way.
    assert len(lowered.out_avals) == len(jax.tree.leaves(like)) + 6 + 3
