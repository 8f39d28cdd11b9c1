"""The packages and their order, read from the imports: which may know which, and what the pure ones never do."""

import ast
import functools
from collections.abc import Collection, Iterator
from pathlib import Path

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "hyops_gitops"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400

# Each package may import those named with it, and itself.
MAY_IMPORT = {
    "core": set[str](),
    "validate": {"core"},
    "plan": {"core"},
    "log": {"core", "validate", "plan"},
    "apply": {"core", "validate", "plan", "log"},
    "move": {"core", "validate", "plan", "log", "apply"},
    "observe": {"core", "validate", "plan", "log", "apply"},
    "audit": {"core", "validate", "plan", "log", "apply"},
    "recover": {"core", "validate", "plan", "log", "apply", "move"},
    "report": {"core", "plan", "log", "audit"},
    "init": {"core", "validate", "plan", "log"},
    "scan": {"core", "validate", "plan", "log"},
    "netbox": {"core", "validate", "plan", "log", "apply", "move"},
    "adapters": {"core", "validate", "plan", "log", "apply", "move", "observe", "audit", "recover", "init"}
    | {"scan", "netbox"},
    "lab": {"core", "adapters"},
}
PURE = frozenset(MAY_IMPORT) - {"adapters", "lab"}
HANDED_ON = {  # a folder that is only passed to a port, and text written in memory
    "core/ports.py: pathlib.Path",
    "log/export.py: pathlib.Path",
    "audit/report.py: io",
}
# Modules below the commands that one other module imports, and why they are modules all the same.
ONE_IMPORTER = {
    "apply/adopt.py": "asks every server for what an apply adopts; prepare.py is long enough",
    "audit/entry_checks.py": "the walk through the entries; run.py has the checks of log, history and zone",
    "lab/listener.py": "a program of its own, started by its path",
    "observe/doctor_primary.py": "the checks of zone and API: one place for each kind of check",
    "observe/doctor_servers.py": "the checks of DNS servers, likewise",
    "observe/drift_cases.py": "what each difference means; find_drift.py looks for them",
    "plan/desired.py": "what is asked for, read or not; planning.py decides what that changes",
}
MAX_SINGLE = 15  # with the modules that do the work of one command
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
        "jsonschema_rs",
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
        "time",
        "urllib.request",
        "uuid",
        "yaml",
        "zoneinfo",
    ]
)
CLOCK_AND_FILES = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "open", "input"}


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


def package(module: Path) -> str:
    parts = module.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def shown(module: Path) -> str:
    return module.relative_to(PACKAGE).as_posix()


def modules_known(module: Path) -> set[Path]:
    """The modules of ours that a module imports."""
    paths = {PACKAGE.parent / f"{name.replace('.', '/')}.py" for name in imports(module)}
    paths |= {PACKAGE.parent / f"{name.rpartition('.')[0].replace('.', '/')}.py" for name in imports(module)}
    return paths & set(MODULES)


def calls(module: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree_of(module)) if isinstance(node, ast.Call))


PURE_MODULES = [module for module in MODULES if package(module) in PURE]
BELOW_CLI = [module for module in MODULES if package(module) not in ("", "cli")]


def touches(name: str, parts: Collection[str]) -> bool:
    """Whether an imported name is one of these modules, or lies in one."""
    return any(name == part or name.startswith(f"{part}.") for part in parts)


def test_packages_import_only_what_stands_below_them() -> None:
    wrong = [
        f"{shown(module)}: {name}"
        for module in BELOW_CLI
        for name in imports(module)
        if name.startswith("hyops_gitops.") and name != "hyops_gitops.__version__"
        if not touches(name.removeprefix("hyops_gitops."), {package(module)} | MAY_IMPORT[package(module)])
    ]

    assert wrong == []


def test_modules_form_no_circle() -> None:
    known = {module: modules_known(module) for module in MODULES}
    left = dict(known)
    while free := [module for module, found in left.items() if not found & left.keys() - {module}]:
        for module in free:
            del left[module]

    assert sorted(map(shown, left)) == []


def test_pure_packages_import_nothing_that_touches_the_outside() -> None:
    wrong = [
        f"{shown(module)}: {name}"
        for module in PURE_MODULES
        for name in imports(module)
        if touches(name, OUTSIDE) or (name.startswith("pathlib") and name != "pathlib.PurePosixPath")
    ]

    assert sorted(set(wrong) - HANDED_ON) == []


def test_pure_packages_read_no_clock_and_no_file() -> None:
    wrong = [
        f"{shown(module)}:{call.lineno}"
        for module in PURE_MODULES
        for call in calls(module)
        if ast.unparse(call.func) in CLOCK_AND_FILES
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


def test_a_module_with_one_importer_has_a_reason() -> None:
    importers: dict[Path, list[Path]] = {}
    for module in MODULES:
        for known in modules_known(module) - {module}:
            importers.setdefault(known, []).append(module)
    single = {module: found[0] for module, found in importers.items() if len(found) == 1}
    inner = {module: by for module, by in single.items() if package(module) not in ("", "adapters", "cli")}

    assert {shown(module) for module, by in inner.items() if package(by) != "cli"} <= ONE_IMPORTER.keys()
    assert len(inner) <= MAX_SINGLE


def test_every_module_says_what_it_is() -> None:
    assert [shown(module) for module in MODULES if not ast.get_docstring(tree_of(module))] == []


def test_no_test_imports_a_test_or_a_fixture_of_another_folder() -> None:
    wrong = [
        f"{file.relative_to(TESTS)}: {name}"
        for file in sorted(TESTS.rglob("*.py"))
        for name in imports(file)
        if name.startswith("tests.") and any(part.startswith(("test_", "conftest")) for part in name.split(".")[1:-1])
        if TESTS.parent / Path(*name.split(".")[:-2]) not in (file.parent, TESTS)
    ]

    assert wrong == []
