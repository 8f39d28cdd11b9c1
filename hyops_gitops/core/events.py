"""Events that a long use-case reports to its caller."""

from collections.abc import Callable

from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.server_report import Server, ServerReport


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


@dataclass(frozen=True, slots=True)
class WatchBegins:
    """Servers are asked until they serve a change."""

    servers: tuple[Server, ...]


@dataclass(frozen=True, slots=True)
class WatchEnds:
    """That is over."""

    reports: tuple[ServerReport, ...]  # none: it was interrupted


Event = Step | Warned | ServerSeen | WatchBegins | WatchEnds
OnEvent = Callable[[Event], None]
