"""The shape of the program: which room may import which, and who may know which library."""

import pathlib
import re
import sys
import tomllib

import pytest
from packaging import requirements

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "liver_jax"
BINARIES = {"main", "evaluate", "predict", "prepare"}

# What each room may import of liver_jax: the rooms below it, never one beside or above it.
BASE = {"errors", "files", "side_by_side", "stopping"}
FOUNDATIONS = BASE | {"physics", "volume", "model"}
COHORT = FOUNDATIONS | {"cohort", "checkpoint"}
DATA = COHORT | {"phantom", "data"}
INFERENCE = DATA | {"inference", "biometry"}
MAY_IMPORT = {
    "errors": set(),
    "files": {"errors"},
    "side_by_side": set(),
    "stopping": {"errors"},
    "cli": BASE,
    "cluster": BASE,
    "physics": BASE,
    "volume": BASE,
    "model": BASE,
    "cohort": FOUNDATIONS,
    "checkpoint": FOUNDATIONS,
    "phantom": COHORT,
    "data": COHORT,
    "inference": DATA | {"biometry"},
    "train": INFERENCE | {"cluster"},
    "biometry": BASE | {"physics", "volume"},
    "examine": INFERENCE | {"biometry", "report"},
    "scoring": INFERENCE | {"biometry", "examine", "evaluation", "report"},
    "evaluation": BASE | {"physics", "volume", "biometry"},
    "report": BASE | {"physics", "volume", "biometry", "evaluation"},
}
EVERY_ROOM = set(MAY_IMPORT)

# Distributions whose import has another name.
IMPORT_NAMES = {
    "absl-py": "absl",
    "pillow": "PIL",
    "orbax-checkpoint": "orbax",
    "tensorflow-datasets": "tensorflow_datasets",
}
# Libraries that one room hides from all the others.
KNOWN_ONLY_TO = {
    "grain": "data",
    "highdicom": "volume",
    "orbax": "checkpoint",
    "orbax.checkpoint.multihost": "cluster",
    "pydicom": "volume",
    "safetensors": "checkpoint",
    "SimpleITK": "volume",
    "tensorflow_datasets": "data",
}

MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: pathlib.Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name_of(path: pathlib.Path) -> str:
    return str(path.relative_to(ROOT))


def own(imported: set[str]) -> set[str]:
    """The rooms among imported names: `liver_jax.volume.nifti` is of the room `volume`."""
    return {name.split(".")[1] for name in imported if name.startswith("liver_jax.")}


def matches(name: str, library: str) -> bool:
    return name == library or name.startswith(f"{library}.")


def declared() -> list[requirements.Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [requirements.Requirement(line) for line in project["dependencies"]]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_downwards(path, imports_of):
    room = room_of(path)
    if room == "__init__":
        allowed = set()
    elif room in BINARIES:
        allowed = EVERY_ROOM
    else:
        allowed = MAY_IMPORT[room] | {room}
    assert own(imports_of(path)) <= allowed


def test_every_folder_is_a_known_room():
    folders = {path.name for path in PACKAGE.iterdir() if any(path.glob("*.py"))}
    assert folders <= EVERY_ROOM
    for folder in folders:
        assert (PACKAGE / folder / "__init__.py").exists(), folder


def test_initialisers_hold_a_docstring_only():
    for path in PACKAGE.rglob("__init__.py"):
        assert re.fullmatch(r'"""[^"]+"""\s*', path.read_text()), name_of(path)


def test_no_module_is_called_utils():
    assert not [path for path in MODULES if path.stem in {"utils", "util", "helpers", "misc"}]


def test_configs_stand_alone(imports_of):
    for path in (ROOT / "configs").rglob("*.py"):
        assert not own(imports_of(path)), name_of(path)


def test_launchers_start_the_programs_and_never_import_them(imports_of):
    for path in (ROOT / "launch").rglob("*.py"):
        assert not own(imports_of(path)) & BINARIES, name_of(path)


def test_one_room_knows_each_hidden_library(imports_of):
    for path in MODULES:
        for name in imports_of(path):
            known = [library for library in KNOWN_ONLY_TO if matches(name, library)]
            if known:
                library = max(known, key=len)  # the closest entry
                assert room_of(path) == KNOWN_ONLY_TO[library], f"{name_of(path)} imports {name}"


@pytest.mark.parametrize(
    "banned", ["flax.nnx", "flax.training.checkpoints", "grain.python", "tensorflow", "torch"]
)
def test_banned_libraries(banned, imports_of):
    users = [
        name_of(path) for path in MODULES if any(matches(name, banned) for name in imports_of(path))
    ]
    assert not users


def test_only_declared_dependencies_are_imported(imports_of):
    known = {IMPORT_NAMES.get(item.name, item.name) for item in declared()}
    known |= {"liver_jax"} | set(sys.stdlib_module_names)
    for path in MODULES:
        strange = {name.split(".")[0] for name in imports_of(path)} - known
        assert not strange, f"{name_of(path)} imports {strange}"


def test_pins_are_exact_and_within_the_declared_ranges():
    lines = [
        requirements.Requirement(line)
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    pins = {}
    for line in lines:
        (pin,) = line.specifier
        assert pin.operator == "==", str(line)
        pins[line.name.lower().replace("_", "-")] = pin.version
    assert len(pins) == len(lines), "a name stands twice in requirements.txt"
    for item in declared():
        version = pins[item.name.lower().replace("_", "-")]
        assert item.specifier.contains(version), f"{item} does not admit {version}"
