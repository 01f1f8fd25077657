"""Trees of vessels, grown towards what they supply."""

from collections.abc import Sequence

import numpy as np

from liver_jax.phantom import shapes
from liver_jax.phantom.shapes import Part, Vector, Vessels

# Of the radii at a branching: Huo and Kassab, J R Soc Interface 2012;9:190 (Murray's law has 3).
_EXPONENT = 7 / 3


def grow(
    trunks: Sequence[Sequence[Vector]],
    targets: np.ndarray,
    radii_mm: tuple[float, float],
    generator: np.random.Generator,
) -> Vessels:
    """Grows a tree: each target joins the nearest vessel, those near the trunks first.

    Args:
        trunks: Paths of the main branches. The first starts at the root, and each of the others
            at a point of one before it.
        targets: Where twigs end, [n, 3] in mm.
        radii_mm: Of a twig's end, and the largest one.
        generator: Bends the branches.

    Returns:
        The tree. r^(7/3) of a vessel is the sum over its branches: it tapers from the root to
        the twigs.
    """
    nodes: list[np.ndarray] = [np.array(trunks[0][0])]
    parents = [-1]
    for trunk in trunks:
        start = np.array(trunk[0])
        here = int(np.linalg.norm(np.array(nodes) - start, axis=1).argmin())
        for point in shapes.spline(np.array(trunk), 12.0)[1:]:
            nodes.append(point)
            parents.append(here)
            here = len(nodes) - 1
    trunk_nodes = np.array(nodes)
    away = np.linalg.norm(targets[:, None] - trunk_nodes, axis=2).min(axis=1)
    depth = [0.0]
    for k in range(1, len(nodes)):
        depth.append(depth[parents[k]] + float(np.linalg.norm(nodes[k] - nodes[parents[k]])))
    for target in targets[np.argsort(away)]:
        known = np.array(nodes)
        gap = np.linalg.norm(known - target, axis=1)
        # Along a vessel is a better way than straight, but not by much.
        here = int((gap + 0.25 * np.array(depth)).argmin())
        length = float(gap[here])
        step = target - known[here]
        count = max(2, round(length / 12.0))
        bend = generator.normal(0, 0.10 * length, 3)
        for k in range(1, count + 1):
            t = k / count
            nodes.append(known[here] + t * step + 4 * t * (1 - t) * bend * 0.5)
            parents.append(here if k == 1 else len(nodes) - 2)
            depth.append(depth[parents[-1]] + length / count)
    twig, largest = radii_mm
    flow = np.zeros(len(nodes))
    children = np.bincount(parents[1:], minlength=len(nodes))
    flow[children == 0] = twig**_EXPONENT
    for k in range(len(nodes) - 1, 0, -1):
        flow[parents[k]] += flow[k]
    radius = np.minimum(flow ** (1 / _EXPONENT), largest).tolist()
    return Vessels(
        tuple(
            Part(
                tuple(nodes[parents[k]].tolist()),
                tuple(nodes[k].tolist()),
                (min(radius[parents[k]], 1.15 * radius[k]), radius[k]),
            )
            for k in range(1, len(nodes))
        )
    )
