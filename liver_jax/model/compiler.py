"""What to tell XLA when the network is compiled, and where what it made is kept."""

import functools
import os
import pathlib
import platform
import zlib
from collections.abc import Mapping

import jax

# Otherwise XLA hands convolutions to YNNPACK, which gives each of them one core: a training step
# then takes a quarter longer.
_WITHOUT_YNNPACK = {"xla_cpu_experimental_ynn_fusion_type": ""}


@functools.cache
def options() -> dict[str, str]:
    """The `compiler_options` of a `jax.jit` around the network.

    They change the speed, and of what is computed only the rounding. `jax.jit` takes them at the
    outermost level only.

    Returns:
        An empty dictionary on an accelerator, and for an XLA that does not know the option.
    """
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda: 0, compiler_options=_WITHOUT_YNNPACK)()
    except (RuntimeError, ValueError):
        return {}
    return _WITHOUT_YNNPACK


def keep_compiled(environment: Mapping[str, str] = os.environ) -> pathlib.Path | None:
    """Has JAX keep on disk what takes over a second to compile, for the next start.

    JAX_COMPILATION_CACHE_DIR, where it is set, goes before. Else the folder is
    `liver_jax/compiled/PROCESSOR` in XDG_CACHE_HOME or ~/.cache: the hosts of a cluster may share
    a home and differ in their processors, and code for one may crash the other.

    Returns:
        The folder chosen here; None where JAX has its own, or where it cannot be written.
    """
    if "JAX_COMPILATION_CACHE_DIR" in environment:
        return None
    given = environment.get("XDG_CACHE_HOME", "")
    try:
        home = pathlib.Path(given) if os.path.isabs(given) else pathlib.Path.home() / ".cache"
        folder = home / "liver_jax" / "compiled" / _processor()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return None
    if not os.access(folder, os.W_OK):
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    return folder


def _processor() -> str:
    """A name that two processors share only where both have the same instructions."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = [platform.processor()]
    kinds = ("flags", "Features", "model name")  # x86 and ARM
    told = sorted({line for line in lines if line.startswith(kinds)}) or lines[:1]
    return f"{platform.machine() or 'unknown'}-{zlib.crc32(chr(10).join(told).encode()):08x}"
