"""The layers of the design, read from the imports: which part may know which, and what the core may never do."""

import ast
import functools
from collections.abc import Collection, Iterator
from pathlib import Path

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


@functools.cache
def tree_of(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


@functools.cache
def imports(module: Path) -> tuple[str, ...]:
    """Every imported name in full, those inside functions and for type checking included."""
    found: list[str] = []
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return tuple(found)


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
    return (node for node in ast.walk(tree_of(module)) if isinstance(node, ast.Call))


def modules_of(*layers: str) -> list[Path]:
    return [module for module in MODULES if layer(module) in layers]


BELOW_CLI = [module for module in MODULES if layer(module) not in ("", "cli")]


def touches(name: str, parts: Collection[str]) -> bool:
    """Whether an imported name is one of these modules, or lies in one."""
    return any(name == part or name.startswith(f"{part}.") for part in parts)


def test_imports_follow_the_layers() -> None:
    wrong = [
        f"{shown(module)}: {name}"
        for module in MODULES
        if layer(module)
        for name in imports(module)
        if name.startswith("hyops_gitops.") and name != "hyops_gitops.__version__"
        if not touches(name.removeprefix("hyops_gitops."), MAY_IMPORT[layer(module)])
    ]

    assert wrong == []


def test_packages_of_a_layer_form_no_circle() -> None:
    packages = sorted({package(module) for module in MODULES if layer(module)})
    reached = {start: neighbours(start) for start in packages}
    for _ in packages:
        reached = {
            start: found.union(*(reached.get(name, set()) for name in found)) for start, found in reached.items()
        }

    assert [start for start, found in reached.items() if start in found] == []


def test_core_imports_nothing_that_touches_the_outside() -> None:
    wrong = [
        f"{shown(module)}: {name}"
        for module in modules_of("core")
        for name in imports(module)
        if touches(name, OUTSIDE) or (name.startswith("pathlib") and name != "pathlib.PurePosixPath")
    ]

    assert wrong == []


def test_core_reads_no_clock_and_no_file() -> None:
    wrong = [
        f"{shown(module)}:{call.lineno}"
        for module in modules_of("core")
        for call in calls(module)
        if (isinstance(call.func, ast.Attribute) and call.func.attr in CLOCK_CALLS)
        or (isinstance(call.func, ast.Name) and call.func.id in ("open", "input"))
    ]

    assert wrong == []


def test_nothing_below_the_cli_prints() -> None:
    printing = [
        f"{shown(module)}:{call.lineno}"
        for module in BELOW_CLI
        for call in calls(module)
        if isinstance(call.func, ast.Name) and call.func.id == "print"
    ]
    click = [f"{shown(module)}: {name}" for module in BELOW_CLI for name in imports(module) if touches(name, ["click"])]

    assert printing + click == []


def test_no_module_is_a_drawer_of_utilities() -> None:
    drawers = ("utils", "util", "helpers", "common", "misc", "manager")

    assert [shown(module) for module in MODULES if module.stem in drawers] == []


def test_no_module_is_too_long_to_read() -> None:
    lengths = {shown(module): len(module.read_text(encoding="utf-8").splitlines()) for module in MODULES}

    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def test_every_module_says_what_it_is() -> None:
    assert [shown(module) for module in MODULES if not ast.get_docstring(tree_of(module))] == []
