import jax
import jax.numpy as jnp
import numpy as np
import pytest

from liver_jax.model import compiler


def test_options_compile_and_keep_the_result():
    kernel = jnp.arange(9.0).reshape(3, 3, 1, 1)
    images = jnp.arange(36.0).reshape(1, 6, 6, 1)

    def convolve(images):
        return jax.lax.conv_general_dilated(
            images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    with_options = jax.jit(convolve, compiler_options=compiler.options())
    np.testing.assert_allclose(with_options(images), jax.jit(convolve)(images), rtol=1e-6)


def test_an_option_that_xla_does_not_know_is_left_out(monkeypatch):
    monkeypatch.setattr(compiler, "_WITHOUT_YNNPACK", {"xla_cpu_no_such_option": ""})
    assert compiler.options.__wrapped__() == {}


@pytest.mark.parametrize("platform", ["gpu", "tpu"])
def test_an_accelerator_gets_none(monkeypatch, platform):
    monkeypatch.setattr(jax, "default_backend", lambda: platform)
    assert compiler.options.__wrapped__() == {}
