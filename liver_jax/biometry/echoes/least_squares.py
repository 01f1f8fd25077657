"""Small symmetric systems, one for each voxel, solved side by side.

The matrices are 3 x 3 or 5 x 5 and there are millions of them: written out over arrays of voxels,
they fuse into one loop, where a batched library call would treat each on its own.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

Matrix = Sequence[Sequence[jax.Array]]  # [n][n] arrays of voxels; the upper triangle is not read
Vector = Sequence[jax.Array]  # [n] arrays of voxels


def cholesky(matrix: Matrix) -> list[list[jax.Array]]:
    """The lower factor L of A = L L^T, its diagonal inverted.

    Pivots are kept above 1e-12, so that a singular system gives a finite, meaningless answer where
    it would give NaN: the caller tells such voxels by what the fit returns.
    """
    size = len(matrix)
    factor: list[list[jax.Array]] = [[] for _ in range(size)]
    for row in range(size):
        for column in range(row + 1):
            rest = matrix[row][column]
            for k in range(column):
                rest = rest - factor[row][k] * factor[column][k]
            if row == column:
                factor[row].append(jax.lax.rsqrt(jnp.maximum(rest, 1e-12)))
            else:
                factor[row].append(rest * factor[column][column])
    return factor


def solve(factor: Matrix, right: Vector) -> list[jax.Array]:
    """Solves A x = b for the factor that `cholesky` returns."""
    size = len(right)
    forward: list[jax.Array] = []
    for row in range(size):
        rest = right[row]
        for k in range(row):
            rest = rest - factor[row][k] * forward[k]
        forward.append(rest * factor[row][row])
    result: list[jax.Array] = [None] * size
    for row in reversed(range(size)):
        rest = forward[row]
        for k in range(row + 1, size):
            rest = rest - factor[k][row] * result[k]
        result[row] = rest * factor[row][row]
    return result


def quadratic_form(factor: Matrix, vector: Vector) -> jax.Array:
    """v^T A^-1 v: the variance of v . x where A / s^2 is the information about x, over s^2."""
    forward: list[jax.Array] = []
    total = 0.0
    for row in range(len(vector)):
        rest = vector[row]
        for k in range(row):
            rest = rest - factor[row][k] * forward[k]
        forward.append(rest * factor[row][row])
        total = total + forward[row] ** 2
    return total
