"""A fault in a copy of a module, put into the functions that differ while a test runs."""

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, ModuleType

from tests.fuzz.targets import Planted


@contextmanager
def planting(fault: Planted) -> Iterator[tuple[FunctionType, ...]]:
    """The functions that hold the fault meanwhile."""
    name = f"hyops_gitops.{fault.module}"
    module = importlib.import_module(name)
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    assert source.count(fault.old) == 1, f"{name} has not one {fault.old!r}"
    copy = ModuleType(name)
    copy.__file__ = module.__file__
    sys.modules[name] = copy  # where dataclasses look their annotations up
    try:
        exec(compile(source.replace(fault.old, fault.new), str(module.__file__), "exec"), vars(copy))  # noqa: S102
    finally:
        sys.modules[name] = module
    faulty = dict(functions(vars(copy), name))
    changed = [
        (function, function.__code__, faulty[place].__code__)
        for place, function in functions(vars(module), name)
        if _text(function.__code__) != _text(faulty[place].__code__)
    ]
    assert changed, f"{fault.new!r} changes no function of {name}"
    for function, _, new in changed:
        function.__code__ = new
    try:
        yield tuple(function for function, _, _ in changed)
    finally:
        for function, old, _ in changed:
            function.__code__ = old


def _text(code: object) -> object:
    """What a function does, without where it stands."""
    parts = [getattr(code, f"co_{part}") for part in ("code", "names", "varnames", "consts")]
    return [*parts[:3], [_text(const) if hasattr(const, "co_code") else const for const in parts[3]]]


def functions(names: Mapping[str, object], module: str, prefix: str = "") -> Iterator[tuple[str, FunctionType]]:
    for name, value in list(names.items()):
        found = getattr(value, "__func__", getattr(value, "fget", getattr(value, "__wrapped__", value)))
        if isinstance(found, FunctionType) and found.__module__ == module:
            yield f"{prefix}{name}", found
        elif isinstance(value, type) and value.__module__ == module and not prefix:
            yield from functions(vars(value), module, f"{name}.")
