"""Our decorator beside the standard one: the same classes, in all that can be seen of them."""

import copy
import dataclasses
import inspect
import itertools
from collections.abc import Callable
from dataclasses import field
from typing import Any

import pytest

from hyops_gitops.core.dataclass import dataclass

Decorate = Callable[..., Any]
WAYS = [{"frozen": True, "slots": True}, {"frozen": True}, {"slots": True}, {}, {"frozen": True, "order": True}]
BOTH: tuple[Decorate, ...] = (dataclasses.dataclass, dataclass)


def example(decorate: Decorate, **way: bool) -> Any:
    class Point:
        """A class with every kind of field that the product uses."""

        x: int
        y: int = 2
        path: list[int] = field(default_factory=list)
        secret: str = field(default="", repr=False)
        note: str = field(default="", compare=False)
        made: list[int] = field(default_factory=list, init=False, repr=False, compare=False)

        def far(self) -> int:
            return self.x + self.y

    return decorate(**way)(Point)


def outcome(call: Callable[[], object]) -> object:
    """What a call gives, or how it fails."""
    try:
        return call()
    except (AttributeError, TypeError) as error:
        return type(error), str(error)


def seen(point: Any) -> list[object]:
    """All that can be seen of a class by using it."""
    first, same, other, noted = point(1), point(1), point(2, 3, [4], "s"), point(1, note="n")
    pairs = list(itertools.product((first, same, other, noted, 1), repeat=2))
    return [
        str(inspect.signature(point)),
        point.__doc__,
        point.__match_args__,
        [str(known.name) for known in dataclasses.fields(point)],
        [(here == there, here != there) for here, there in pairs],
        [outcome(lambda: here < there) for here, there in pairs],  # noqa: B023 - called at once
        [outcome(lambda: here >= there) for here, there in pairs],  # noqa: B023 - as above
        outcome(lambda: hash(point(1, path=())) == hash(point(1, path=(), note="n"))),
        outcome(lambda: hash(first)),
        repr(other).replace(f"{point.__qualname__}(", "("),
        outcome(lambda: setattr(first, "x", 5)),
        outcome(lambda: delattr(same, "y")),
        dataclasses.asdict(dataclasses.replace(other, y=9)),
        copy.copy(other) == other,
        copy.deepcopy(other) == other,
        outcome(point),
        outcome(lambda: point(1, 2, [], "", "", [])),
        first.path is not same.path,
        first.made,
        outcome(lambda: vars(other)),
    ]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: " ".join(way) or "plain")
def test_a_class_is_what_the_standard_decorator_makes_of_it(way: dict[str, bool]) -> None:
    standard, ours = (seen(example(decorate, **way)) for decorate in BOTH)

    assert ours == standard


@pytest.mark.parametrize("decorate", BOTH, ids=("standard", "ours"))
def test_a_class_inherits_fields_and_keeps_methods_of_its_own(decorate: Decorate) -> None:
    class Base:
        a: int
        b: str = "b"

    class Derived(decorate(frozen=True, slots=True)(Base)):  # type: ignore[misc]
        c: int = 3

        def __post_init__(self) -> None:
            if self.c < 0:
                raise ValueError("negative")

        def __repr__(self) -> str:
            return "derived"

        def __hash__(self) -> int:
            return 7

    derived = decorate(frozen=True, slots=True)(Derived)

    assert (derived(1).b, derived(1, "x", 4).c, repr(derived(1)), hash(derived(1))) == ("b", 4, "derived", 7)
    assert derived(1) == derived(1, "b")
    assert derived(1) != derived(1, "b", 2)
    with pytest.raises(ValueError, match="negative"):
        derived(1, c=-1)


def test_a_value_that_holds_itself_can_be_shown() -> None:
    holder = example(dataclass, frozen=True, slots=True)(1)
    holder.path.append(holder)

    assert repr(holder).endswith("Point(x=1, y=2, path=[...], note='')")
