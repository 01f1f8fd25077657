"""One run on many devices and processes: the same batches, the same network, one stop for all.

Devices are simulated on the CPU, processes talk over the loopback; the programs are a user's own.
"""

import json
import pathlib
import signal
import socket
import subprocess
import time

import numpy as np
import pytest

from liver_jax.checkpoint import naming, store

pytestmark = pytest.mark.slow

BATCH = {"train__batch_size": 8}


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def start(program, small_run):
    """Starts the processes of one run, each with so many simulated devices."""

    def processes(workdir, count, devices, **fields):
        arguments = small_run(workdir, **(BATCH | fields))
        port = free_port()
        platform = {
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        }
        joining = [f"--coordinator=127.0.0.1:{port}", f"--processes={count}"]
        return [
            program(
                "main", *arguments, *([*joining, f"--process={k}"] if count > 1 else []), **platform
            )
            for k in range(count)
        ]

    return processes


def finish(processes):
    words = [process.communicate(timeout=300) for process in processes]
    return [process.returncode for process in processes], words


def arrays(workdir):
    location = store.resolve(pathlib.Path(workdir) / "latest")
    return naming.named(store.read_model(location))


def test_devices_and_processes_end_with_the_same_network(start, tmp_path):
    codes, _ = finish(start("one", 1, 1))
    assert codes == [0]
    expected = arrays(tmp_path / "one")
    lines = (tmp_path / "one" / "metrics.jsonl").read_text().splitlines()
    for name, count, devices in (("devices", 1, 8), ("processes", 2, 2)):
        codes, words = finish(start(name, count, devices))
        assert codes == [0] * count, words
        for key, leaf in arrays(tmp_path / name).items():
            np.testing.assert_allclose(leaf, expected[key], rtol=1e-4, atol=1e-6, err_msg=key)
        # One of them wrote, once: the same steps, losses and validations.
        found = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        for line, other in zip(lines, found, strict=True):
            line, other = json.loads(line), json.loads(other)
            assert line["step"] == other["step"]
            for key in {"cross_entropy", "validation_dice"} & set(line):
                assert other[key] == pytest.approx(line[key], rel=1e-4)
        assert sum(f"{name}: 8 steps" in out for out, _ in words) == 1


def test_one_process_asked_to_stop_stops_all_and_another_topology_goes_on(start, tmp_path):
    fields = {"steps": 500, "train__validate_every_steps": 500}
    processes = start("run", 2, 1, **fields)
    folder = tmp_path / "run" / "checkpoints"
    while not [path for path in folder.glob("*") if path.name.isdigit() and int(path.name) >= 4]:
        assert all(process.poll() is None for process in processes), finish(processes)
        time.sleep(0.05)
    processes[1].send_signal(signal.SIGTERM)
    codes, words = finish(processes)
    assert codes == [75, 75], words
    said = {err.strip().splitlines()[-1] for _, err in words}
    assert len(said) == 1 and "stopped on request at step" in said.pop()
    stopped = store.resolve(tmp_path / "run" / "latest").step

    fields |= {"train__microbatches": 2}
    codes, words = finish(start("run", 1, 2, **fields | {"steps": stopped + 2}))
    assert codes == [0], words
    assert f"at step {stopped}" in words[0][0]
    record = json.loads((tmp_path / "run" / "run.json").read_text())["record"]
    assert record["resumed"] == [stopped]
    assert [(held["processes"], held["from_step"]) for held in record["devices"]] == [
        (2, 0),
        (1, stopped),
    ]


def test_a_second_run_in_the_same_folder_is_refused(start, tmp_path):
    fields = {"steps": 500, "train__validate_every_steps": 500}
    first = start("run", 1, 1, **fields)
    while not (tmp_path / "run" / "run.json").exists():
        assert first[0].poll() is None, finish(first)
        time.sleep(0.05)
    codes, words = finish(start("run", 1, 1, **fields))
    assert codes == [2]
    line = words[0][1].strip().splitlines()[-1]
    assert "another process is at work in this run folder" in line
    first[0].send_signal(signal.SIGTERM)
    assert finish(first)[0] == [75]


@pytest.fixture
def small_disk(tmp_path):
    """A folder that is a disk of its own, of 96 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a disk of its own needs the right to mount one")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(start, small_disk):
    every = {"train__validate_every_steps": 3000, "train__checkpoint_every_steps": 100}
    fields = every | {"steps": 3000}
    run = small_disk / "run"
    first = start(run, 1, 1, **fields)
    while not [path for path in run.glob("checkpoints/*") if path.name.isdigit()]:
        assert first[0].poll() is None, finish(first)
        time.sleep(0.02)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(2**16))
    codes, words = finish(first)
    assert codes == [2], words
    assert "Traceback" not in words[0][1]
    line = words[0][1].strip().splitlines()[-1]
    assert "the disk is full" in line and str(run) in line, line
    saved = store.resolve(run / "latest").step
    filler.unlink()
    codes, words = finish(start(run, 1, 1, **fields | {"steps": saved + 4}))
    assert codes == [0] and f"at step {saved}" in words[0][0], words
