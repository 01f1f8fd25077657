"""Reads damaged scans for some minutes: each is read or refused in one line, and nothing else.

Sound scans of every format (`fuzz_seeds`) are damaged (`fuzz_damage`), and each is read in a
process whose memory is limited and whose time is watched. An input depends on the seed and its
number alone, so that one that is found can be made again.
"""

import collections
import dataclasses
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import resource
import shutil
import sys
import tempfile
import time
import traceback

import numpy as np
from absl import flags

from benchmarks import fuzz_damage, fuzz_seeds
from liver_jax import cli, files
from liver_jax.errors import InputError
from liver_jax.volume import reader

USAGE = """
Damages small scans (NIfTI, NRRD, MetaImage, DICOM files, folders, zips), and reads each in a
process of its own. Exits with 1 where one was neither read nor refused in one line.

  python -m benchmarks.fuzz --minutes=10 --seed=0 --output=fuzz.json

  --minutes=N         how long; default 1
  --count=N           instead: so many inputs
  --seed=S            another seed, other inputs; default 0
  --only=N            reads input N alone, here, and shows what it raises
  --keep=DIR          where inputs that are found go; default runs/fuzz
  --output=FILE       also writes the counts as JSON
"""
# A reader may take this much beside what it has once its libraries are loaded.
MEMORY_BYTES = 2 * 2**30
# Generous: the machine may be busy.
TIME_S = 30.0
_GOOD = ("read", "refused")
_LONGEST_LINE = 1000


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one input.

    Attributes:
        name: `read`, `refused`, `traceback`, `not one line`, `wrong values`, `noise` (words of a
            library on the terminal), `memory`, `hang` or `crash`.
        words: The line, or the end of the traceback.
        seconds: How long it took.
        peak_bytes: The most memory that the process held above its start.
    """

    name: str
    words: str = ""
    seconds: float = 0.0
    peak_bytes: int = 0


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags."""
    flags.DEFINE_float("minutes", 1.0, "See --help.", 0.0, flag_values=values)
    for name in ("count", "only"):
        flags.DEFINE_integer(name, None, "See --help.", lower_bound=0, flag_values=values)
    flags.DEFINE_integer("seed", 0, "See --help.", lower_bound=0, flag_values=values)
    flags.DEFINE_string("keep", "runs/fuzz", "See --help.", values)
    flags.DEFINE_string("output", None, "See --help.", values)


def main(given: flags.FlagValues = flags.FLAGS) -> int:
    """Damages, reads, counts; prints what is found as it goes."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as temporary:
        folder = pathlib.Path(temporary)
        sound = fuzz_seeds.write(folder / "sound")
        if given.only is not None:
            path, what = make(sound, folder / "one", given.seed, given.only)
            print(f"{what}: {path.name}")
            print(reader.read([path]).volume.data.shape)
            return cli.FINISHED
        keep = pathlib.Path(given.keep)
        counts, slowest_s, peak_bytes = _run(given, sound, folder, keep)
    table = {what: dict(outcomes) for what, outcomes in sorted(counts.items())}
    total = sum(
        (collections.Counter(outcomes) for outcomes in table.values()), start=collections.Counter()
    )
    for what, outcomes in table.items():
        print(f"{what:32}" + "  ".join(f"{name} {number}" for name, number in outcomes.items()))
    told = ", ".join(f"{number} {name}" for name, number in total.items())
    peak_mib = peak_bytes / 2**20
    print(
        f"{sum(total.values())} inputs: {told}; slowest {slowest_s:.1f} s; most {peak_mib:.0f} MiB"
    )
    if given.output:
        figures = {"seed": given.seed, "total": dict(total), "inputs": table}
        figures |= {"slowest_s": round(slowest_s, 2), "peak_mib": round(peak_mib)}
        files.write_json(given.output, figures)
    return cli.FINISHED if set(total) <= set(_GOOD) else cli.FAILED


def make(
    sound: list[pathlib.Path], folder: pathlib.Path, seed: int, number: int
) -> tuple[pathlib.Path, str]:
    """Makes one input in `folder`, and says what it is."""
    rng = np.random.default_rng([seed, number])
    return fuzz_damage.damage(sound[rng.integers(len(sound))], folder, rng)


def attempt(path: pathlib.Path) -> Outcome:
    """Reads one input as the programs do, here."""
    start = time.perf_counter()
    try:
        name, words = _check(path, reader.read([path]).volume)
    except InputError as error:
        line = str(error)
        fine = "\n" not in line and len(line) < _LONGEST_LINE and line.isprintable()
        name, words = "refused" if fine else "not one line", line
    except MemoryError:
        name, words = "memory", traceback.format_exc()
    except Exception:
        name, words = "traceback", traceback.format_exc()
    return Outcome(name, words[-3000:], time.perf_counter() - start)


def _check(path: pathlib.Path, volume: object) -> tuple[str, str]:
    """What is read must be fit to be computed on."""
    fine = volume.data.dtype == np.float32 and np.isfinite(volume.data).all()
    fine = fine and np.isfinite(volume.affine).all() and volume.voxel_volume_ml > 0
    header = reader.read_header(path)
    fine = fine and header.grid_shape == volume.grid_shape
    fine = fine and header.echo_count == volume.echo_count
    fine = fine and np.allclose(header.affine, volume.affine)
    return ("read", "") if fine else ("wrong values", f"{volume.data.dtype} {volume.affine}")


class _Watched:
    """A process that reads, one input after the other; a new one where that one dies."""

    def __init__(self):
        self._process = self._pipe = None

    def read(self, path: pathlib.Path) -> Outcome:
        if self._process is None:
            self._start()
        self._pipe.send(path)
        if not self._pipe.poll(TIME_S):
            self.stop()
            return Outcome("hang", f"more than {TIME_S:.0f} s", TIME_S)
        try:
            return self._pipe.recv()
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            self.stop()
            return Outcome("crash", f"exit code {code}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
        self._process = self._pipe = None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other,), daemon=True)
        self._process.start()
        other.close()
        self._pipe.recv()  # it has loaded its libraries


def _serve(pipe: multiprocessing.connection.Connection) -> None:
    import pydicom  # noqa: F401  loaded before the memory is measured
    import SimpleITK  # noqa: F401

    used = _of_status("VmSize")
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, used + MEMORY_BYTES))
    terminal = tempfile.TemporaryFile()  # noqa: SIM115  open until the process ends
    for stream in (1, 2):
        os.dup2(terminal.fileno(), stream)
    pipe.send(None)
    while True:
        path = pipe.recv()
        # Writing 5 there sets the peak back to what is held now (Linux, proc(5)).
        pathlib.Path("/proc/self/clear_refs").write_text("5")
        before = _of_status("VmRSS")
        outcome = attempt(path)
        terminal.seek(0)
        if (said := terminal.read()) and outcome.name in _GOOD:
            outcome = dataclasses.replace(
                outcome, name="noise", words=said.decode("utf-8", "replace")
            )
        terminal.truncate(0)
        terminal.seek(0)
        pipe.send(dataclasses.replace(outcome, peak_bytes=_of_status("VmHWM") - before))


def _of_status(name: str) -> int:
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"/proc/self/status has no {name}")


def _run(
    given: flags.FlagValues, sound: list[pathlib.Path], folder: pathlib.Path, keep: pathlib.Path
) -> tuple[dict[str, collections.Counter], float, int]:
    counts, slowest_s, peak_bytes = collections.defaultdict(collections.Counter), 0.0, 0
    watched, number, end = _Watched(), 0, time.monotonic() + 60 * given.minutes
    try:
        for path in sound:
            outcome = watched.read(path)
            if outcome.name != "read":
                fault = f"is sound, and was not read: {outcome.name}: {outcome.words}"
                raise ValueError(f"{path.name} {fault}")
        while number < given.count if given.count is not None else time.monotonic() < end:
            place = folder / "damaged"
            path, what = make(sound, place, given.seed, number)
            outcome = watched.read(path)
            counts[what][outcome.name] += 1
            slowest_s, peak_bytes = (
                max(slowest_s, outcome.seconds),
                max(peak_bytes, outcome.peak_bytes),
            )
            if outcome.name not in _GOOD:
                found = keep / f"{given.seed}-{number}"
                shutil.rmtree(found, ignore_errors=True)
                shutil.copytree(place, found, symlinks=True)
                (keep / f"{given.seed}-{number}.txt").write_text(f"{what}\n{outcome.words}\n")
                last = outcome.words.strip().splitlines()[-1:]
                print(f"{number} {what}: {outcome.name}: {''.join(last)}", file=sys.stderr)
            shutil.rmtree(place)
            number += 1
    finally:
        watched.stop()
    return counts, slowest_s, peak_bytes


if __name__ == "__main__":
    define_flags()
    cli.run(main, USAGE)
