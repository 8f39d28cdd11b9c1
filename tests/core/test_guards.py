"""Which overrides the policies let lift their guard."""

import pytest

from hyops_gitops.core.guards import Override, may_lift


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
