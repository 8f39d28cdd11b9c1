"""How a check is made: a function says what it saw, or raises why it is not as it has to be, or that it cannot see."""

from collections.abc import Callable
from typing import Generic, TypeVar

from hyops_gitops.core.errors import HyopsError
from hyops_gitops.core.inspection.checkup import Check

Look = Callable[[], str]
_Value = TypeVar("_Value")


class Unseen(Exception):
    """It cannot be seen from here.

    Args:
        seen: What hides it.
        remedy: How it can be seen, or be looked at by hand.
    """

    def __init__(self, seen: str, remedy: str = "") -> None:
        super().__init__(seen)
        self.seen = seen
        self.remedy = remedy


def examined(check: str, look: Look) -> Check:
    """The outcome of one look."""
    try:
        return Check(check, "ok", look())
    except Unseen as hidden:
        return Check(check, "unknown", hidden.seen, hidden.remedy)
    except HyopsError as error:
        return Check(check, "fail", error.message, error.hint)


class Once(Generic[_Value]):
    """Something that several checks look at, asked for once; the check that asks first tells why it is not there."""

    def __init__(self, check: str, ask: Callable[[], _Value]) -> None:
        self._check = check
        self._ask: Callable[[], _Value] | None = ask
        self._got: list[_Value] = []
        self.failure: HyopsError | None = None  # what came of asking in vain

    def __call__(self) -> _Value:
        """The value.

        Raises:
            Unseen: somebody asked before, in vain.
        """
        if self._ask is not None:
            ask, self._ask = self._ask, None
            try:
                self._got.append(ask())
            except HyopsError as failure:
                self.failure = failure
                raise
        if not self._got:
            raise Unseen(f"not asked, because of {self._check}", f"mend {self._check} first")
        return self._got[0]
