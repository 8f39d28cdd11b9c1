"""Events that a long use-case reports to its caller."""

from collections.abc import Callable

from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.server_report import ServerReport


@dataclass(frozen=True, slots=True)
class Step:
    """Something begins."""

    text: str


@dataclass(frozen=True, slots=True)
class Warned:
    """Something the user should know, that stops nothing."""

    text: str


@dataclass(frozen=True, slots=True)
class ServerSeen:
    """A server's verdict became known or changed."""

    report: ServerReport


Event = Step | Warned | ServerSeen
OnEvent = Callable[[Event], None]
