"""What starts a run elsewhere: valid by its readers' schemas, and true to the program."""

import os
import pathlib
import re
import subprocess

import kubernetes_validate
import pytest
import yaml
from absl import flags

from configs import base
from liver_jax import main

ROOT = pathlib.Path(__file__).parents[2]
LAUNCH = ROOT / "launch"


@pytest.fixture(scope="module")
def kubernetes():
    return list(yaml.safe_load_all((LAUNCH / "gke.yaml").read_text()))


@pytest.mark.parametrize("version", ["1.31", "1.34"])
def test_kubernetes_takes_every_object(kubernetes, version):
    assert [held["kind"] for held in kubernetes] == ["Service", "Job"]
    for held in kubernetes:
        kubernetes_validate.validate(held, version, strict=True)


def test_the_processes_of_the_job_find_the_first(kubernetes):
    service, job = kubernetes
    spec = job["spec"]
    pod = spec["template"]["spec"]
    container = pod["containers"][0]
    told = {one["name"]: one["value"] for one in container["env"]}
    name = job["metadata"]["name"]
    host, port = told["JAX_COORDINATOR_ADDRESS"].split(":")
    # An indexed pod is JOB-INDEX, reachable within its subdomain, which is the headless service.
    assert host == f"{name}-0.{service['metadata']['name']}"
    assert pod["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["spec"]["selector"].items() <= spec["template"]["metadata"]["labels"].items()
    assert int(port) == service["spec"]["ports"][0]["port"]
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"] == int(told["JAX_NUM_PROCESSES"])


def test_the_flags_are_the_programs_own(kubernetes):
    values = flags.FlagValues()
    main.define_flags(values)
    config = base.get_config().to_dict()
    given = kubernetes[1]["spec"]["template"]["spec"]["containers"][0]["args"]
    assert given[0] == "liver_jax.main"
    said = " ".join([*given, (LAUNCH / "sky.yaml").read_text().split("liver_jax.main")[1]])
    for name in re.findall(r"--([a-z_.]+)=", said):
        flag, *fields = name.split(".")
        assert flag in values
        held = config
        for field in fields:
            held = held[field]


def test_sky_is_valid_yaml_with_what_it_needs():
    held = yaml.safe_load((LAUNCH / "sky.yaml").read_text())
    assert held["resources"]["use_spot"] is True
    assert held["resources"]["job_recovery"]["recover_on_exit_codes"] == [75]
    assert "JAX_COORDINATOR_ADDRESS" in held["run"]


@pytest.fixture
def tool():
    """Finds a program in the environment that LIVER_JAX_LAUNCH_TOOLS names."""

    def find(name):
        folder = os.environ.get("LIVER_JAX_LAUNCH_TOOLS")
        path = folder and pathlib.Path(folder) / "bin" / name
        if not path or not path.exists():
            pytest.skip(f"LIVER_JAX_LAUNCH_TOOLS names no environment with {name}")
        return path

    return find


def test_sky_takes_it(tool, tmp_path):
    tool("sky")
    script = "import sky, sys; print(sky.Task.from_yaml(sys.argv[1]).num_nodes)"
    done = subprocess.run(
        [tool("python"), "-c", script, LAUNCH / "sky.yaml"],
        cwd=ROOT,  # its workdir, which is to be there
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "1"


def test_hadolint_has_nothing_to_say_of_the_dockerfile(tool):
    command = [tool("hadolint"), LAUNCH / "Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", sorted(LAUNCH.glob("*.sbatch")), ids=lambda path: path.name)
def test_the_shell_takes_the_scripts(script):
    subprocess.run(["bash", "-n", script], check=True)


def test_an_array_task_runs_its_share():
    def printed(*arguments, **variables):
        done = subprocess.run(
            ["bash", LAUNCH / "slurm_array.sbatch", *arguments],
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin", **variables},
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    task = {"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_COUNT": "4"}
    code, said, _ = printed("--dry-run", "sweep", "--arm=ct", **task)
    assert code == 0 and said.split() == [
        *("srun", "python", "launch/sweep.py", "--shard=3/4", "--arm=ct")
    ]
    code, said, _ = printed("--dry-run", "predict", "--manifest=a b.csv", **task)
    assert code == 0 and r"liver_jax.predict --manifest=a\ b.csv" in said and "shard" not in said
    code, said, _ = printed("--dry-run", "evaluate", "--echoes=all", **task)
    assert code == 0 and said.split() == [
        "srun",
        "python",
        "-m",
        "liver_jax.evaluate",
        "--echoes=all",
    ]
    assert printed("prepare")[0] == 2
    code, _, said = printed("predict")
    assert code == 2 and "no array" in said
