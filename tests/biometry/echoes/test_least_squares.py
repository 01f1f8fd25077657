import numpy as np
import pytest

from liver_jax.biometry.echoes import least_squares


def systems(size: int, count: int = 50) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(size)
    half = rng.normal(size=(count, size, size + 2))
    return half @ half.transpose(0, 2, 1), rng.normal(size=(count, size))


def rows(matrix: np.ndarray) -> list[list[np.ndarray | None]]:
    """The lower triangle, each entry an array of systems; above it there is nothing to read."""
    size = matrix.shape[-1]
    return [
        [matrix[:, i, j].astype(np.float32) if j <= i else None for j in range(size)]
        for i in range(size)
    ]


@pytest.mark.parametrize("size", [1, 3, 5])
def test_solution_is_that_of_numpy(size: int) -> None:
    matrix, right = systems(size)
    factor = least_squares.cholesky(rows(matrix))
    solution = least_squares.solve(factor, [right[:, i].astype(np.float32) for i in range(size)])
    expected = np.linalg.solve(matrix, right[..., None])[..., 0]
    np.testing.assert_allclose(np.stack(solution, axis=1), expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("size", [3, 5])
def test_factor_is_that_of_numpy_with_its_diagonal_inverted(size: int) -> None:
    matrix, _ = systems(size)
    expected = np.linalg.cholesky(matrix)
    factor = least_squares.cholesky(rows(matrix))
    for i in range(size):
        np.testing.assert_allclose(1 / factor[i][i], expected[:, i, i], rtol=2e-3)
        for j in range(i):
            np.testing.assert_allclose(factor[i][j], expected[:, i, j], rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("size", [3, 5])
def test_quadratic_form_is_that_of_the_inverse(size: int) -> None:
    matrix, vector = systems(size)
    factor = least_squares.cholesky(rows(matrix))
    form = least_squares.quadratic_form(factor, [vector[:, i] for i in range(size)])
    expected = np.einsum("ni,nij,nj->n", vector, np.linalg.inv(matrix), vector)
    np.testing.assert_allclose(form, expected, rtol=5e-3)


def test_diagonal_by_hand() -> None:
    matrix = [[np.float32([4.0])], [np.float32([0.0]), np.float32([9.0])]]
    factor = least_squares.cholesky(matrix)
    one, two = least_squares.solve(factor, [np.float32([8.0]), np.float32([27.0])])
    np.testing.assert_allclose([one[0], two[0]], [2.0, 3.0], rtol=1e-6)
    form = least_squares.quadratic_form(factor, [np.float32([2.0]), np.float32([3.0])])
    np.testing.assert_allclose(form, 2.0, rtol=1e-6)  # 4 / 4 + 9 / 9


def test_singular_system_stays_finite() -> None:
    matrix = np.ones((1, 3, 3))  # of rank one
    matrix = np.concatenate([matrix, np.zeros((1, 3, 3))])
    solution = least_squares.solve(
        least_squares.cholesky(rows(matrix)), [np.float32([1.0, 1.0])] * 3
    )
    assert np.isfinite(np.stack(solution)).all()
