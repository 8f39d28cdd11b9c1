"""How overrides are written, and which the policies let lift their guard."""

import pytest

from hyops_gitops.core.errors import Exit, UsageError
from hyops_gitops.core.guards import (
    GUARDS,
    Override,
    find_override,
    may_lift,
    overridable_guards,
    override_line,
)


@pytest.mark.parametrize(
    ("guard", "source", "now", "before", "allowed"),
    [
        ("drift", "option", {"drift"}, None, True),
        ("drift", "option", {"drift"}, {"drift"}, True),
        ("drift", "option", {"drift"}, set(), False),  # no commit loosens its own guards
        ("drift", "option", set(), {"drift"}, False),
        ("restored", "option", {"restored"}, set(), True),
        ("log-gap", "option", {"log-gap"}, set(), True),
        ("damaged", "option", {"damaged"}, set(), True),
        ("restored", "option", set(), {"restored"}, False),
        ("history", "option", set(), {"history"}, True),  # the commit itself is what is in doubt
        ("history", "option", {"history"}, None, False),
        ("history", "option", {"history"}, set(), False),
        ("trailers", "trailer", set(), set(), True),
        ("trailers", "option", set(), set(), False),
        ("separation-of-duties", "trailer", set(), set(), False),
    ],
)
def test_what_the_policies_let_an_override_lift(
    guard: str, source: str, now: set[str], before: set[str] | None, *, allowed: bool
) -> None:
    assert may_lift(Override(guard, None, "why", source), now, before) is allowed


@pytest.mark.parametrize(
    ("text", "override"),
    [
        ("drift:DB.Prod.x.internal.=why", Override("drift", "db.prod.x.internal", "why", "trailer")),
        (" restored = a = b ", Override("restored", None, "a = b", "trailer")),
    ],
)
def test_an_override_is_read_as_it_is_typed(text: str, override: Override) -> None:
    assert Override.parse(text, "trailer") == override
    assert Override.parse(text).source == "option"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("nothing=why", "override 'nothing=why': no guard is called 'nothing'", None),
        ("dirty=why", "guard 'dirty' has no override", f"what it asks for: {GUARDS['dirty'].about}"),
        (
            "restored",
            "override 'restored' has no reason",
            "write restored='why this is right'; the reason becomes evidence",
        ),
        (
            "drift:db.x= ",
            "override 'drift:db.x= ' has no reason",
            "write drift:db.x='why this is right'; the reason becomes evidence",
        ),
        (
            "drift=why",
            "override 'drift=why': guard 'drift' needs a DNS name",
            "write drift:NAME=REASON",
        ),
        (
            "restored:db.x=why",
            "override 'restored:db.x=why': guard 'restored' takes no DNS name",
            "write restored=REASON",
        ),
    ],
)
def test_an_override_that_cannot_be_read_says_how_to_write_it(text: str, message: str, hint: str | None) -> None:
    with pytest.raises(UsageError) as raised:
        Override.parse(text)
    error = raised.value
    known = f"guards that can be overridden: {', '.join(overridable_guards())}"
    assert (error.message, error.code, error.hint, error.exit_code) == (
        message,
        "bad-override",
        hint or known,
        Exit.USAGE,
    )


def test_the_line_that_a_refusal_prints_is_read_as_the_override_of_its_guard() -> None:
    assert override_line("drift", "db.x.internal") == "--override drift:db.x.internal='REASON'"
    assert override_line("restored") == "--override restored='REASON'"
    for name in overridable_guards():
        owner = "db.x.internal" if GUARDS[name].per_name else None
        typed = override_line(name, owner).removeprefix("--override ").replace("'", "")
        assert Override.parse(typed) == Override(name, owner, "REASON", "option")
    assert overridable_guards() == sorted(name for name, guard in GUARDS.items() if guard.overridable)


def test_an_override_is_that_of_its_guard_and_name_alone() -> None:
    first, second = Override("drift", "a.x", "why", "option"), Override("restored", None, "why", "option")
    given = (first, second, Override("drift", "a.x", "later", "option"))
    assert find_override(given, "drift", "a.x") is first
    assert find_override(given, "restored") is second
    assert find_override(given, "drift") is None
    assert find_override(given, "drift", "b.x") is None
    assert find_override(given, "foreign", "a.x") is None
