"""Which of a few candidates each voxel takes, so that neighbours agree: a Markov random field.

Each voxel has candidates with a value (a field in Hz, a fat fraction) and a cost (how badly it
explains the voxel's own signal). Neighbours whose values differ pay, up to a limit: jumps at organ
borders and beside gas stay possible. The minimum is sought by min-sum belief propagation
(Felzenszwalb and Huttenlocher, Int J Comput Vis 2006;70:41) with a fixed number of rounds; a round
costs the same for each voxel and carries what a voxel knows one voxel further.
"""

import jax
import jax.numpy as jnp


def distance(one: jax.Array, other: jax.Array, period: float | jax.Array) -> jax.Array:
    """How far two values are apart, modulo a period (infinite: no period).

    They may lie up to two and a half periods apart: rounding would hold for more, and is slow.
    """
    apart = jnp.abs(one - other)
    once = jnp.minimum(apart, jnp.abs(apart - period))
    return jnp.minimum(once, jnp.abs(apart - 2 * period))


def choose(
    cost: jax.Array,
    value: jax.Array,
    weight: tuple[float, float, float],
    tolerance: float,
    period: float | jax.Array = jnp.inf,
    rounds: int = 30,
) -> jax.Array:
    """Chooses one candidate for each voxel.

    Args:
        cost: [candidate, x, y, z], in nats (half the squared residual over the noise variance).
        value: [candidate, x, y, z].
        weight: What a full disagreement costs along x, y and z, in nats; 0 where an axis is cut.
        tolerance: The difference in value from which neighbours disagree fully.
        period: Values that differ by a multiple of this are the same.
        rounds: How far, in voxels, knowledge can travel.

    Returns:
        int32 [x, y, z], the index of the chosen candidate.
    """
    beliefs = total_cost(cost, value, weight, tolerance, period, rounds)
    return jnp.argmin(beliefs, axis=0)


def total_cost(
    cost: jax.Array,
    value: jax.Array,
    weight: tuple[float, float, float],
    tolerance: float,
    period: float | jax.Array = jnp.inf,
    rounds: int = 30,
) -> jax.Array:
    """As `choose`, but returns [candidate, x, y, z]: each candidate's cost with all neighbours'."""
    axes = [axis for axis in range(3) if cost.shape[axis + 1] > 1]

    def arriving(leaving: jax.Array, axis: int, step: int) -> jax.Array:
        """What comes from the neighbour `step` along the axis; nothing comes from outside."""
        moved = jnp.roll(leaving, step, axis + 1)
        edge = 0 if step == 1 else cost.shape[axis + 1] - 1
        place = jax.lax.broadcasted_iota(jnp.int32, moved.shape, axis + 1)
        return jnp.where(place == edge, 0.0, moved)

    def disagreement(axis: int, step: int) -> jax.Array:
        """[from, to, x, y, z]: at each voxel, what its candidates cost beside its neighbour's."""
        neighbour = jnp.roll(value, -step, axis + 1)
        difference = distance(value[:, None], neighbour[None], period)
        return weight[axis] * jnp.minimum(difference / tolerance, 1.0)

    ways = [(axis, step) for axis in axes for step in (1, -1)]
    apart = [disagreement(axis, step) for axis, step in ways]

    def one_round(_: int, messages: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        belief = cost + sum(messages)
        new = []
        for index, (axis, step) in enumerate(ways):
            # What a neighbour said is not told back to it: the message of the opposite way.
            said = belief - messages[index ^ 1]
            told = (said[:, None] + apart[index]).min(axis=0)
            new.append(arriving(told - told.min(axis=0), axis, step))
        return tuple(new)

    # messages[k]: what arrived at each voxel from the neighbour one step back along way k.
    messages = tuple(jnp.zeros_like(cost) for _ in ways)
    return cost + sum(jax.lax.fori_loop(0, rounds, one_round, messages))
