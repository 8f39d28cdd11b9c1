"""The one exception tree, and the exit codes it maps to.

    HyopsError
    ├── UsageError        2  a wrong call, or no repository
    ├── InvalidData       1  check failed: bad data, findings, failed audit
    ├── Refused           3  refused by a guard; nothing was changed
    ├── OutsideFailure    4  external failure; nothing was changed
    │   ├── ServerRefused    the server understood and refused the whole request (400, 422)
    │   └── ReplyLost        a request was sent and no reply, or a 5xx, came back
    └── Unconfirmed       5  the change is not proved on every required server, or its outcome is unknown

Adapters translate at their border and raise nothing else. A message is lower case, says what was got and what was
expected, and never holds a secret; the hint is the remedy. `code` is stable and part of `hyops-error/1`.
"""

from enum import IntEnum


class Exit(IntEnum):
    """Process exit codes: they answer the question "did it change anything?"."""

    OK = 0
    NO = 1
    USAGE = 2
    REFUSED = 3
    OUTSIDE = 4
    UNCONFIRMED = 5
    BUG = 70
    INTERRUPTED = 130


EXIT_MEANINGS: dict[Exit, str] = {
    Exit.OK: "done, or nothing to do",
    Exit.NO: "check failed: findings, drift, failed verification, pending changes with --exit-code",
    Exit.USAGE: "wrong usage, or no repository found",
    Exit.REFUSED: "refused by a guard; nothing was changed",
    Exit.OUTSIDE: "external failure (API, DNS or git remote); nothing was changed",
    Exit.UNCONFIRMED: "a change, of this run or an earlier one, is not proved, is in doubt, or was rolled back",
    Exit.BUG: "internal error, or not enough memory",
    Exit.INTERRUPTED: "interrupted",
}


class HyopsError(Exception):
    """Base of every error this program raises on purpose.

    Args:
        message: What happened: lower case, no final period, no secrets.
        code: Stable slug for machines, such as `powerdns-unauthorized`.
        hint: What the user can do about it.
    """

    exit_code = Exit.BUG

    def __init__(self, message: str, *, code: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint

    def to_json(self) -> dict[str, object]:
        """The `hyops-error/1` document."""
        return {
            "format": "hyops-error/1",
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "exit": int(self.exit_code),
        }


class UsageError(HyopsError):
    """A wrong call: bad option values, no repository, an unknown name."""

    exit_code = Exit.USAGE


class InvalidData(HyopsError):
    """Data the user gave is invalid, or a check failed."""

    exit_code = Exit.NO


class Refused(HyopsError):
    """A guard refused before anything was changed.

    Args:
        guard: The guard's name in `core.guards.GUARDS`; it is also the error's code.
        name: The DNS name it is about, if it is about one.
    """

    exit_code = Exit.REFUSED

    def __init__(self, message: str, *, guard: str, name: str | None = None, hint: str = "") -> None:
        super().__init__(message, code=guard, hint=hint)
        self.guard = guard
        self.name = name


class OutsideFailure(HyopsError):
    """The API, a server, the git remote or a program failed."""

    exit_code = Exit.OUTSIDE


class ServerRefused(OutsideFailure):
    """PowerDNS refused a whole PATCH (400 or 422); nothing was stored."""


class ReplyLost(OutsideFailure):
    """A write got no reply or a 5xx; its outcome is unknown."""


class Unconfirmed(HyopsError):
    """A sent change is not served where required, or possibly not."""

    exit_code = Exit.UNCONFIRMED
