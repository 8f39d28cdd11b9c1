"""The layers of the design, read from the imports: which part may know which, and what the core may never do."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "hyops_gitops"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400

MAY_IMPORT = {
    "core": {"core"},
    "adapters": {"core", "adapters"},
    "usecases": {"core", "usecases"},
    "render": {"core", "render"},
    "lab": {"core", "adapters", "lab"},
    "cli": {"core", "adapters", "usecases", "render", "lab", "cli"},
}
# What touches the outside: files, network, processes, clock, randomness, the terminal.
OUTSIDE = frozenset(
    [
        "click",
        "cryptography",
        "dns",
        "getpass",
        "glob",
        "http",
        "io",
        "jsonschema",
        "logging",
        "multiprocessing",
        "os",
        "random",
        "requests",
        "rich",
        "ruamel",
        "secrets",
        "select",
        "shutil",
        "signal",
        "socket",
        "ssl",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "urllib.request",
        "uuid",
        "yaml",
    ]
)
CLOCK_CALLS = {"now", "utcnow", "today"}


def imports(module: Path) -> Iterator[str]:
    """Every imported name in full, those inside functions and for type checking included."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(module: Path) -> str:
    parts = module.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def shown(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


def package(module: Path) -> str:
    """The folder that a module lies in, dotted; a layer's own modules are what its packages stand on."""
    return ".".join(module.relative_to(PACKAGE).parent.parts)


def neighbours(package_name: str) -> set[str]:
    """The packages of the same layer that a package imports from."""
    inside = [module for module in MODULES if package(module) == package_name]
    names = {name.removeprefix("hyops_gitops.") for module in inside for name in imports(module)}
    others = {one for one in map(package, MODULES) if one.partition(".")[0] == package_name.partition(".")[0]}
    found = {max((one for one in others if f"{name}.".startswith(f"{one}.")), key=len, default="") for name in names}
    return found - {"", package_name}


def calls(module: Path) -> Iterator[ast.Call]:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


every_module = pytest.mark.parametrize("module", MODULES, ids=shown)
core_module = pytest.mark.parametrize("module", [one for one in MODULES if layer(one) == "core"], ids=shown)
below_cli = pytest.mark.parametrize("module", [one for one in MODULES if layer(one) not in ("", "cli")], ids=shown)


@pytest.mark.parametrize("module", [one for one in MODULES if layer(one)], ids=shown)
def test_imports_follow_the_layers(module: Path) -> None:
    allowed = MAY_IMPORT[layer(module)]
    ours = [name.removeprefix("hyops_gitops.") for name in imports(module) if name.startswith("hyops_gitops.")]

    wrong = [name for name in ours if not any(name == one or name.startswith(f"{one}.") for one in allowed)]

    assert [name for name in wrong if name != "__version__"] == []


@pytest.mark.parametrize("start", sorted({package(one) for one in MODULES if layer(one)}))
def test_packages_of_a_layer_form_no_circle(start: str) -> None:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        found = neighbours(waiting.pop()) - seen
        seen |= found
        waiting += found

    assert start not in seen


@core_module
def test_core_imports_nothing_that_touches_the_outside(module: Path) -> None:
    names = list(imports(module))

    assert [name for name in names if any(name == one or name.startswith(f"{one}.") for one in OUTSIDE)] == []
    assert [name for name in names if name.startswith("pathlib") and name != "pathlib.PurePosixPath"] == []


@core_module
def test_core_reads_no_clock_and_no_file(module: Path) -> None:
    named = [call.func.attr for call in calls(module) if isinstance(call.func, ast.Attribute)]
    bare = [call.func.id for call in calls(module) if isinstance(call.func, ast.Name)]

    assert CLOCK_CALLS.isdisjoint(named)
    assert {"open", "input"}.isdisjoint(bare)


@below_cli
def test_nothing_below_the_cli_prints(module: Path) -> None:
    bare = [call.func.id for call in calls(module) if isinstance(call.func, ast.Name)]

    assert "print" not in bare
    assert [name for name in imports(module) if name == "click" or name.startswith("click.")] == []


@every_module
def test_no_module_is_a_drawer_of_utilities(module: Path) -> None:
    assert module.stem not in ("utils", "util", "helpers", "common", "misc", "manager")


@every_module
def test_no_module_is_too_long_to_read(module: Path) -> None:
    assert len(module.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@every_module
def test_every_module_says_what_it_is(module: Path) -> None:
    assert ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))
