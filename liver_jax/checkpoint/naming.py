"""How a network's arrays are named, on disk and in messages."""

from typing import Any

import jax


def named(tree: Any) -> dict[str, Any]:
    """Leaves by path, in the tree's own order: `params/encoder_0/conv_0/kernel`."""
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}
