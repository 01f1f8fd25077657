"""Phase errors and fit of a whole image, on grids whose voxels are not all asked."""

import jax.numpy as jnp
import numpy as np
import pytest

from liver_jax.biometry.echoes import fieldmap, joint, phase_errors, search
from liver_jax.biometry.echoes.phased import Sampling
from liver_jax.physics import signal, spectra

TE_MS = np.array([0.9 + 0.76 * n for n in range(6)])


@pytest.mark.slow
def test_errors_found_on_some_voxels_are_those_of_all():
    shape = (3, 47, 50)
    # More voxels than are asked, and lengths that no stride divides.
    rng = np.random.default_rng(0)
    _, x, y = np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij")
    pdff = 0.02 + 0.4 * x
    clean = signal.multiecho(1 - pdff, pdff, 40 + 40 * y, TE_MS, 3.0)
    terms = np.asarray(phase_errors.basis(shape))
    wanted = np.outer(0.2 * (-1.0) ** np.arange(6), [0.4, 0, 1, 0, 0, 0, 0.3, 0, 0, 0])
    angle = np.moveaxis(np.tensordot(wanted, terms, axes=1), 0, -1)
    data = clean * np.exp(1j * (angle + 2 * np.pi * 40 * np.multiply.outer(x - y, TE_MS / 1000)))
    data = data + (rng.normal(size=data.shape) + 1j * rng.normal(size=data.shape)) / 100
    dephasing = spectra.dephasing(spectra.HAMILTON_LIVER, TE_MS, 3.0)
    grid = fieldmap.field_grid(TE_MS, 3.0)
    numbers = (grid.field_hz, grid.period_hz, fieldmap.tolerance_hz(3.0))
    lookup = search.Lookup(
        jnp.asarray(fieldmap.projections(TE_MS, dephasing, grid)),
        *(jnp.asarray(number, jnp.float32) for number in numbers),
    )
    parts = (TE_MS / 1000, dephasing.real, dephasing.imag)
    sampling = Sampling(*(jnp.asarray(part, jnp.float32) for part in parts))
    real, imag = (
        jnp.asarray(np.moveaxis(part, -1, 0), jnp.float32) for part in (data.real, data.imag)
    )
    seen = jnp.ones(shape, bool)
    found = np.asarray(joint.find_phase_errors(real, imag, seen, sampling, lookup, (1, 2, 2)))
    # What a constant phase or the field explains as well is theirs.
    span = np.stack([np.ones(6), TE_MS - TE_MS.mean()], axis=1)
    wanted = wanted - span @ (np.linalg.pinv(span) @ wanted)
    off = np.tensordot(found - wanted, terms, axes=1)
    assert np.sqrt((off**2).mean()) < 0.02
    fitted = joint.fit(real, imag, seen, jnp.asarray(found), sampling, lookup, (1, 2, 2))
    total = fitted.solution.water + fitted.solution.fat
    error = np.asarray(100 * fitted.solution.fat / total) - 100 * pdff
    assert abs(error.mean()) < 0.3
    assert np.abs(error).max() < 10
    np.testing.assert_allclose(float(fitted.noise), 0.01, rtol=0.1)


def test_a_small_image_is_asked_whole_and_a_large_one_is_thinned_where_it_is_long():
    assert joint._stride((1, 40, 40)) == (1, 1, 1)
    shape = (24, 256, 256)
    stride = joint._stride(shape)
    kept = [-(-length // step) for length, step in zip(shape, stride, strict=True)]
    assert 30000 < np.prod(kept) <= 49152
    assert stride[0] == 1
