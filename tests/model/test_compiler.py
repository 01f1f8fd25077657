import pathlib

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


@pytest.fixture
def cache_dir():
    """JAX's setting, put back after the test."""
    before = jax.config.jax_compilation_cache_dir
    yield lambda: jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", before)


def test_what_is_compiled_is_kept_in_a_folder_of_this_processor(tmp_path, cache_dir):
    folder = compiler.keep_compiled({"XDG_CACHE_HOME": str(tmp_path)})
    assert folder.is_dir()
    assert folder.parent == tmp_path / "liver_jax" / "compiled"
    assert cache_dir() == str(folder)
    assert compiler.keep_compiled({"XDG_CACHE_HOME": str(tmp_path)}) == folder


def test_another_processor_has_another_folder(tmp_path, cache_dir, monkeypatch):
    mine = compiler.keep_compiled({"XDG_CACHE_HOME": str(tmp_path)})
    monkeypatch.setattr(pathlib.Path, "read_text", lambda *_, **__: "flags : sse2\nMHz : 1")
    other = compiler.keep_compiled({"XDG_CACHE_HOME": str(tmp_path)})
    assert other != mine
    monkeypatch.setattr(pathlib.Path, "read_text", lambda *_, **__: "flags : sse2\nMHz : 2")
    assert compiler.keep_compiled({"XDG_CACHE_HOME": str(tmp_path)}) == other


def test_the_user_s_choice_goes_before(tmp_path, cache_dir):
    before = cache_dir()
    environment = {"XDG_CACHE_HOME": str(tmp_path), "JAX_COMPILATION_CACHE_DIR": "elsewhere"}
    assert compiler.keep_compiled(environment) is None
    assert cache_dir() == before
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path, cache_dir):
    before = cache_dir()
    (tmp_path / "liver_jax").write_text("a file in the way")
    assert compiler.keep_compiled({"XDG_CACHE_HOME": str(tmp_path)}) is None
    assert cache_dir() == before
