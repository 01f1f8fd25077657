"""Trees of vessels, grown from a root towards points of an organ."""

import numpy as np

from liver_jax.phantom.shapes import Tube

_STEP_MM = 7.0
_LEAF_RADIUS_MM = 1.6
_TRUNK_RADIUS_MM = 6.5


def grow(root_mm: np.ndarray, targets_mm: np.ndarray, generator: np.random.Generator) -> list[Tube]:
    """Grows a tree.

    Every target, near ones first, is joined to the node of the tree that makes the way from the
    root shortest. Radii obey a power law: r^2.5 of a parent is the sum over its children, between
    Murray's 3 and the 2 of a constant cross-section.

    Args:
        root_mm: Where the trunk begins, float [3].
        targets_mm: Where branches end, float [target, 3].
        generator: Source of the bends.

    Returns:
        One tube for each branch.
    """
    nodes, parents, lengths = [np.asarray(root_mm, float)], [-1], [0.0]
    branches = []
    order = np.argsort(np.linalg.norm(targets_mm - root_mm, axis=1), kind="stable")
    for target in targets_mm[order]:
        known = np.array(nodes)
        apart = np.linalg.norm(known - target, axis=1)
        start = int(np.argmin(apart + 0.45 * np.array(lengths)))
        count = max(2, int(np.ceil(apart[start] / _STEP_MM)))
        along = np.linspace(0, 1, count + 1)[1:, None]
        bend = generator.normal(0, 0.09 * apart[start], 3) * np.sin(np.pi * along)
        path = known[start] + along * (target - known[start]) + bend
        branch = [start]
        for point in path:
            lengths.append(lengths[branch[-1]] + np.linalg.norm(point - nodes[branch[-1]]))
            nodes.append(point)
            parents.append(branch[-1])
            branch.append(len(nodes) - 1)
        branches.append(branch)
    leaves = {branch[-1] for branch in branches}
    flow = np.zeros(len(nodes))
    for node in range(len(nodes) - 1, 0, -1):  # children come after their parents
        flow[node] += node in leaves
        flow[parents[node]] += flow[node]
    radii = np.minimum(_LEAF_RADIUS_MM * np.maximum(flow, 1.0) ** 0.4, _TRUNK_RADIUS_MM)
    tubes = []
    for branch in branches:
        # A side branch is as thin where it leaves as it is further on.
        widths = [min(radii[branch[0]], 1.15 * radii[branch[1]]), *radii[branch[1:]]]
        points = tuple(tuple(float(c) for c in nodes[node]) for node in branch)
        tubes.append(Tube(points, tuple(float(w) for w in widths)))
    return tubes
