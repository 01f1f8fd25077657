"""A Slurm cluster of three nodes on this machine, for as long as a test needs it."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

NODES = ("liver1", "liver2", "liver3")
_HOSTS = pathlib.Path("/etc/hosts")


class Cluster:
    """Daemons of their own configuration, all on 127.0.0.1."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf")}

    def start(self) -> None:
        key, conf = self.folder / "munge.key", self.folder / "slurm.conf"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        names = {name: self.folder / f"munge.{name}" for name in ("sock", "pid", "log", "seed")}
        subprocess.run(
            [
                *("munged", "--force", f"--key-file={key}", f"--socket={names['sock']}"),
                *(f"--pid-file={names['pid']}", f"--log-file={names['log']}"),
                f"--seed-file={names['seed']}",
            ],
            check=True,
        )
        host = socket.gethostname().split(".")[0]
        ports = free_ports(1 + len(NODES))
        lines = [
            "ClusterName=liver",
            f"SlurmctldHost={host}(127.0.0.1)",
            f"SlurmctldPort={ports[0]}",
            "SlurmUser=root",
            "SlurmdUser=root",
            "AuthType=auth/munge",
            # A job that is queued again waits until its credentials have expired.
            f"AuthInfo=socket={names['sock']},cred_expire=10",
            "CryptoType=crypto/munge",
            f"StateSaveLocation={self.folder / 'state'}",
            f"SlurmdSpoolDir={self.folder}/%n",
            f"SlurmctldPidFile={self.folder}/slurmctld.pid",
            f"SlurmdPidFile={self.folder}/%n.pid",
            f"SlurmctldLogFile={self.folder}/slurmctld.log",
            f"SlurmdLogFile={self.folder}/%n.log",
            "ProctrackType=proctrack/pgid",
            "TaskPlugin=task/none",
            "SelectType=select/cons_tres",
            "SchedulerParameters=sched_interval=2,bf_interval=2",
            "SlurmdTimeout=15",
            "KillWait=5",
            "MpiDefault=none",
            "SwitchType=switch/none",
            "ReturnToService=2",
            *(
                f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2"
                for name, port in zip(NODES, ports[1:], strict=True)
            ),
            "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP",
        ]
        conf.write_text("\n".join(lines) + "\n")
        self.call("slurmctld", "-i")
        for name in NODES:
            (self.folder / name).mkdir()
            self.call("slurmd", "-N", name)
        for _ in range(60):
            states = self.call("sinfo", "-h", "-N", "-o", "%T").split()
            if states == ["idle"] * len(NODES):
                return
            time.sleep(0.5)
        raise AssertionError(f"the nodes do not come up: {states}")

    def call(self, *command: str, **variables: str) -> str:
        done = subprocess.run(
            command, env=self.environment | variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def state(self, job: str) -> str:
        return self.call("squeue", "-h", "-j", job, "-t", "all", "-o", "%T").strip()

    def lose(self, node: str) -> None:
        """The machine is gone: its daemon, and all that it had started."""
        pid = (self.folder / f"{node}.pid").read_text().strip()
        os.kill(int(pid), signal.SIGKILL)
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                variables = (process / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            mine = f"SLURM_CONF={self.folder / 'slurm.conf'}".encode() in variables
            if mine and f"SLURMD_NODENAME={node}".encode() in variables:
                os.kill(int(process.name), signal.SIGKILL)

    def stop(self) -> None:
        subprocess.run(["scontrol", "shutdown"], env=self.environment, check=False)
        time.sleep(1)
        for path in self.folder.glob("*.pid"):
            try:
                os.kill(int(path.read_text()), signal.SIGKILL)
            except (OSError, ValueError):
                continue


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for found in sockets:
        found.bind(("127.0.0.1", 0))
    ports = [found.getsockname()[1] for found in sockets]
    for found in sockets:
        found.close()
    return ports


@pytest.fixture(scope="module")
def cluster():
    missing = [name for name in ("slurmctld", "slurmd", "munged") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} of Slurm are not installed")
    if os.geteuid():
        pytest.skip("the names of Slurm's nodes are written into /etc/hosts, which needs root")
    if not all(name in _HOSTS.read_text() for name in NODES):
        with open(_HOSTS, "a") as hosts:
            hosts.write(f"127.0.0.1 {' '.join(NODES)}\n")
    # Not the test's own folder: a socket's path may have 107 letters.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="liver-slurm-", dir="/tmp"))
    folder.chmod(0o755)
    made = Cluster(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)
