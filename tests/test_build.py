"""Bazel's BUILD file says what the folders and the imports say (Starlark reads as Python)."""

import ast
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[1]
CODE_FOLDERS = ("liver_jax", "configs", "launch", "benchmarks", "tests")


def files_of(node: ast.expr | None) -> set[str]:
    """The files that an expression names: a list, `glob([...])`, or a sum of these."""
    if node is None:
        return set()
    if isinstance(node, ast.List):
        return {ast.literal_eval(element) for element in node.elts}
    if isinstance(node, ast.BinOp):
        return files_of(node.left) | files_of(node.right)
    assert isinstance(node, ast.Call) and ast.unparse(node.func) == "glob", ast.unparse(node)
    patterns = ast.literal_eval(node.args[0])
    return {str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern)}


def labels_of(node: ast.expr | None) -> list[str]:
    return [] if node is None else [label for label in ast.literal_eval(node) if label[0] == ":"]


def read_targets() -> dict[str, tuple[str, dict[str, ast.expr]]]:
    """The targets of BUILD: name -> (rule, arguments as expressions)."""
    targets = {}
    for statement in ast.parse((ROOT / "BUILD").read_text(encoding="utf-8")).body:
        assert isinstance(statement, ast.Expr), ast.unparse(statement)
        if isinstance(statement.value, ast.Call):
            arguments = {item.arg: item.value for item in statement.value.keywords}
            if "name" in arguments:
                name = ast.literal_eval(arguments["name"])
                assert name not in targets, f"{name} stands twice"
                targets[name] = (ast.unparse(statement.value.func), arguments)
    return targets


TARGETS = read_targets()
RUNNER = "tests/run_pytest.py"  # what Bazel starts: a source of every test target
SOURCES = {
    name: files_of(arguments["srcs"]) - {RUNNER}
    for name, (rule, arguments) in TARGETS.items()
    if rule in {"py_library", "py_binary", "py_test"}
}
OWNER = {file: name for name, files in SOURCES.items() for file in files}
TESTS = [name for name in SOURCES if TARGETS[name][0] == "py_test"]
PROGRAM = [name for name in SOURCES if name not in TESTS]


def module_file(name: str) -> str | None:
    """The file of a dotted name: a module, or a name defined in one; None for other libraries."""
    if name.split(".")[0] not in CODE_FOLDERS:
        return None
    path = name.replace(".", "/")
    for file in (f"{path}.py", f"{path}/__init__.py", f"{path.rpartition('/')[0]}.py"):
        if (ROOT / file).is_file():
            return file
    return None


def imported_targets(target: str, imports_of) -> set[str]:
    """The targets whose files a target's files import, as labels."""
    names = {name for file in SOURCES[target] for name in imports_of(ROOT / file)}
    files = {module_file(name) for name in names} - {None}
    assert files <= OWNER.keys(), f"in no target of BUILD: {sorted(files - OWNER.keys())}"
    return {f":{OWNER[file]}" for file in files} - {f":{target}"}


@pytest.mark.parametrize("target", PROGRAM)
def test_dependencies_are_the_imports(target, imports_of):
    given = labels_of(TARGETS[target][1].get("deps"))
    assert given == sorted(imported_targets(target, imports_of))


@pytest.mark.parametrize("target", TESTS)
def test_tests_depend_on_what_they_import(target, imports_of):
    given = set(labels_of(TARGETS[target][1].get("deps")))
    assert imported_targets(target, imports_of) <= given


def test_every_file_is_in_one_target():
    for folder in CODE_FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            file = str(path.relative_to(ROOT))
            owners = [name for name, files in SOURCES.items() if file in files]
            assert len(owners) == 1 or file == RUNNER, f"{file} is in the targets {owners}"


def test_data_files_of_the_package_are_in_a_target():
    data = {file for _, arguments in TARGETS.values() for file in files_of(arguments.get("data"))}
    for path in (ROOT / "liver_jax").rglob("*"):
        if path.is_file() and path.suffix not in {".py", ".pyc"}:
            assert str(path.relative_to(ROOT)) in data


def test_every_file_and_label_that_is_named_exists():
    for name, files in SOURCES.items():
        assert files, f"{name} has no sources"
        for file in files:
            assert (ROOT / file).is_file(), f"{name}: {file}"
        for label in labels_of(TARGETS[name][1].get("deps")):
            assert label[1:] in TARGETS, f"{name}: {label}"


def test_each_program_has_a_binary():
    for path in (ROOT / "liver_jax").glob("*.py"):
        if "\ncli.run(" in path.read_text() or "\n    cli.run(" in path.read_text():
            rule, arguments = TARGETS[path.stem]
            assert rule == "py_binary"
            assert files_of(arguments["srcs"]) == {f"liver_jax/{path.name}"}


@pytest.mark.slow
def test_bazel_builds_everything(tmp_path):
    bazel = shutil.which("bazel")
    version = bazel and subprocess.run([bazel, "--version"], capture_output=True, text=True).stdout
    if not version or not (" 4." in version or "no_version" in version):  # Debian's tells none
        pytest.skip("Bazel 4 is not installed")
    if " " in str(ROOT):
        pytest.skip("Bazel refuses to work in a folder with a space in its path")
    startup = [bazel, "--batch", f"--output_user_root={tmp_path}"]
    found = subprocess.run([*startup, "query", "//..."], cwd=ROOT, capture_output=True, text=True)
    assert set(found.stdout.split()) >= {f"//:{name}" for name in TARGETS}, found.stderr
    built = subprocess.run(
        [*startup, "build", "--symlink_prefix=/", "//..."],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
