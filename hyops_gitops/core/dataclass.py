"""Dataclasses that are cheap to define.

A command defines some two hundred, nearly all of them frozen, and the standard decorator compiles six methods for each:
a third of what the hook cost. Here one is compiled, and the others are shared or made of closures. docs/adr/0063.
"""

import dataclasses
import operator
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, FrozenInstanceError
from reprlib import recursive_repr
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, NoReturn

_Values = Callable[[object], object]
_ORDER = {"__lt__": operator.lt, "__le__": operator.le, "__gt__": operator.gt, "__ge__": operator.ge}

if TYPE_CHECKING:  # to a type checker, the standard decorator itself
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 - exported
else:

    def dataclass(
        of: type | None = None, /, *, frozen: bool = False, slots: bool = False, order: bool = False
    ) -> Callable[[type], type] | type:
        """Make a class a dataclass, as `dataclasses.dataclass` does."""
        if of is None:
            return lambda known: _made(known, frozen=frozen, slots=slots, order=order)
        return _made(of, frozen=frozen, slots=slots, order=order)


def _made(of: type, *, frozen: bool, slots: bool, order: bool) -> type:
    own = set(vars(of))
    explicit_hash = vars(of).get("__hash__") is not None
    of.__doc__ = of.__doc__ or of.__name__  # else one is made of its signature, which takes as long as the rest
    made: type = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(of)
    fields = dataclasses.fields(made)
    compared = _values([field.name for field in fields if field.compare])
    methods: dict[str, object] = {
        "__init__": _init(made, fields, frozen=frozen, slots=slots),
        "__repr__": _text,
        "__eq__": _comparison(compared, operator.eq),
    }
    if order:
        methods |= {name: _comparison(compared, compare) for name, compare in _ORDER.items()}
    if frozen:
        methods |= {"__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
    if frozen and slots:
        methods |= {"__getstate__": _state, "__setstate__": _set_state}
    for name, method in methods.items():
        if name not in own:
            setattr(made, name, method)
    if not explicit_hash:
        setattr(made, "__hash__", _hash(compared) if frozen else None)  # noqa: B010 - a type checker forbids it
    return made


def _values(names: Sequence[str]) -> _Values:
    """The function that gives the values of these fields."""
    return operator.attrgetter(*names) if names else lambda _: ()


def _comparison(values: _Values, compare: Callable[[Any, Any], bool]) -> Callable[[object, object], bool]:
    def compared(self: object, other: object) -> bool:
        return compare(values(self), values(other)) if other.__class__ is self.__class__ else NotImplemented

    return compared


def _hash(values: _Values) -> Callable[[object], int]:
    return lambda self: hash(values(self))


def _init(of: type, fields: Sequence[Field[object]], *, frozen: bool, slots: bool) -> Callable[..., None]:
    """The compiled constructor."""
    known: dict[str, object] = {"__builtins__": {}, "put": object.__setattr__, "MADE": _Made()}
    arguments, lines = ["self"], []
    for field in fields:
        name, value = field.name, field.name
        if field.default_factory is not MISSING:
            known[f"make_{name}"] = field.default_factory
            value = f"make_{name}() if {name} is MADE else {name}" if field.init else f"make_{name}()"
        elif field.default is not MISSING:
            known[f"default_{name}"] = field.default
            value = name if field.init else f"default_{name}"
        if field.init:
            missing = f"=default_{name}" if f"default_{name}" in known else ""
            arguments.append(f"{name}{'=MADE' if f'make_{name}' in known else missing}")
        elif value == name or (value.startswith("default_") and not slots):
            continue
        if frozen and isinstance(slot := getattr(of, name, None), MemberDescriptorType):
            known[f"put_{name}"] = slot.__set__  # finds no name in the class: half the time
            lines.append(f"put_{name}(self, {value})")
        else:
            lines.append(f"put(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(of, "__post_init__"):
        lines.append("self.__post_init__()")
    made: dict[str, Callable[..., None]] = {}
    body = "".join(f"  {line}\n" for line in lines or ["pass"])
    exec(f"def __init__({', '.join(arguments)}):\n{body}", known, made)  # noqa: S102 - nothing but names of fields
    init = made["__init__"]
    init.__qualname__ = f"{of.__qualname__}.__init__"
    init.__annotations__ = {field.name: field.type for field in fields if field.init} | {"return": None}
    return init


class _Made:
    """A default that is made for each object."""

    def __repr__(self) -> str:
        return "<factory>"


@recursive_repr()
def _text(self: Any) -> str:
    shown = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse_to_set(self: object, name: str, value: object) -> NoReturn:  # noqa: ARG001 - Python's signature
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: object, name: str) -> NoReturn:  # noqa: ARG001 - Python's signature
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[object]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _set_state(self: Any, state: Sequence[object]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)
