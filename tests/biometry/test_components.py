import itertools

import hypothesis
import numpy as np
from hypothesis import strategies as st

from liver_jax.biometry import components


def flooded(mask: np.ndarray) -> list[int]:
    """Component sizes, largest first, by walking from voxel to voxel."""
    left = {tuple(voxel) for voxel in np.argwhere(mask).tolist()}
    sizes = []
    while left:
        edge, size = [left.pop()], 0
        while edge:
            size += 1
            x, y, z = edge.pop()
            for i, j, k in itertools.product((-1, 0, 1), repeat=3):
                near = (x + i, y + j, z + k)
                if near in left:
                    left.remove(near)
                    edge.append(near)
        sizes.append(size)
    return sorted(sizes, reverse=True)


def test_voxels_that_share_a_corner_are_one_component():
    mask = np.zeros((6, 6, 6), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[5, 5, 5] = True
    assert components.voxel_counts(mask).tolist() == [2, 1]


def test_none_in_an_empty_mask():
    assert components.voxel_counts(np.zeros((2, 3, 4), bool)).tolist() == []


@hypothesis.given(st.integers(0, 2**32 - 1), st.sampled_from("CF"))
def test_as_found_by_walking(seed, order):
    rng = np.random.default_rng(seed)
    mask = np.asarray(rng.random(tuple(rng.integers(1, 8, 3))) < rng.uniform(0, 0.4), order=order)
    assert components.voxel_counts(mask).tolist() == flooded(mask)
