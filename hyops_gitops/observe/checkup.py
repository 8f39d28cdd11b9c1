"""The report of `doctor`: a line for each check."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Generic, Literal, TypeVar

from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import HyopsError, UsageError
from hyops_gitops.core.fields import At

# ok; does not work; cannot be seen from here, which is not ok; cannot be seen, and a person attests it.
State = Literal["ok", "fail", "unknown", "attested"]


@dataclass(frozen=True, slots=True)
class Check(JsonReport):
    """One thing that a first apply needs."""

    id: Annotated[str, At("check")]  # stable: people write it into --attest
    state: State
    seen: str
    remedy: str = ""


def attested(checks: Iterable[Check], attests: Mapping[str, str]) -> tuple[Check, ...]:
    """The checks, with attested ones among those that could not be seen.

    Raises:
        UsageError: code `bad-attest`: there is no such check.
    """
    all_checks = tuple(checks)
    ids = [check.id for check in all_checks]
    if strangers := sorted(attests.keys() - set(ids)):
        raise UsageError(f"no check has the id {strangers[0]!r}", code="bad-attest", hint=f"checks: {', '.join(ids)}")
    return tuple(
        replace(check, state="attested", seen=f"{check.seen}; attested: {attests[check.id]}", remedy="")
        if check.id in attests and check.state == "unknown"
        else check
        for check in all_checks
    )


def parse_attest(text: str) -> tuple[str, str]:
    """Read `CHECK=REASON`.

    Raises:
        UsageError: code `bad-attest`.
    """
    check, equals, reason = text.partition("=")
    if not equals or not reason.strip():
        raise UsageError(f"expected CHECK=REASON, got {text!r}", code="bad-attest", hint="name who looked, and when")
    return check.strip(), reason.strip()


@dataclass(frozen=True, slots=True)
class DoctorRequest:
    """One call of doctor."""

    runner_site: str | None = None
    remote_site: str | None = None
    bound_url: str = ""  # the primary's that the API key is for, as the environment says; empty: it says none
    race: bool = False  # whether to try the database's isolation in a scratch zone
    offline: bool = False  # whether to look at this machine alone


Look = Callable[[], str]
_Value = TypeVar("_Value")


class CannotSee(Exception):
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
    try:
        return Check(check, "ok", look())
    except CannotSee as hidden:
        return Check(check, "unknown", hidden.seen, hidden.remedy)
    except HyopsError as error:
        return Check(check, "fail", error.message, error.hint)


class CachedCheck(Generic[_Value]):
    """A value that several checks need, asked for once.

    The first check that asks reports why it cannot be had.
    """

    def __init__(self, check: str, ask: Callable[[], _Value]) -> None:
        self._check = check
        self._ask: Callable[[], _Value] | None = ask
        self._got: list[_Value] = []
        self.failure: HyopsError | None = None  # why it cannot be had

    def __call__(self) -> _Value:
        """The value.

        Raises:
            CannotSee: it was asked for before, in vain.
        """
        if self._ask is not None:
            ask, self._ask = self._ask, None
            try:
                self._got.append(ask())
            except HyopsError as failure:
                self.failure = failure
                raise
        if not self._got:
            raise CannotSee(f"not asked, because of {self._check}", f"fix {self._check} first")
        return self._got[0]
