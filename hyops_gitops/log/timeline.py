"""Timeline of a change: each server, then the service."""

from collections.abc import Iterable
from typing import Annotated, Literal, get_args

from hyops_gitops.core.codec import JsonObject
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.fields import Flat, Natural
from hyops_gitops.core.readiness import ReadinessReport
from hyops_gitops.core.server_report import ServerReport

Stage = Literal["accepted", "primary", "secondary", "resolver", "service"]
STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(frozen=True, slots=True)
class ServiceReport(JsonObject):
    """The answer of a moved service under its name."""

    report: Annotated[ReadinessReport, Flat()]  # its target: the addresses that the name leads to
    after_ms: Natural | None  # since the update was accepted; null where it does not answer


@dataclass(frozen=True, slots=True)
class Moment(JsonObject):
    """Something that came about, or did not."""

    after_ms: Natural | None  # since the update was accepted; null: not observed
    stage: Stage  # what it is about
    name: str  # of the server or of the endpoint; empty for the update itself
    said: str  # in words  # verbatim: a field of the log


def timeline(servers: Iterable[ServerReport], services: Iterable[ServiceReport]) -> tuple[Moment, ...]:
    """The moments in order; what did not happen last.

    Args:
        servers: What each server answered in the end.
        services: Whether each moved service answers through its name.
    """
    moments = [
        *map(_of_server, servers),
        *(Moment(service.after_ms, "service", service.report.name, _service_words(service)) for service in services),
    ]
    moments.sort(key=lambda moment: (moment.after_ms is None, moment.after_ms or 0))
    return (Moment(0, "accepted", "", "update accepted"), *moments)


def _of_server(server: ServerReport) -> Moment:
    stage = next(stage for stage in STAGES if stage == server.role)
    site = ", its site is declared lost" if server.lost else ""
    if server.verdict == "converged":
        words = "answers with the change"
    elif server.rcode:
        words = f"cannot conclude: answered {server.rcode}{site}"
    elif server.verdict == "silent":
        words = f"does not answer{site}"
    elif server.overdue:
        words = "still answers from before, longer than any TTL allows"
    else:
        words = f"still answers from before{site}"
    return Moment(server.after_ms, stage, server.name, words)


def _service_words(service: ServiceReport) -> str:
    match service.report.verdict:
        case "ready":
            return "reachable by name"
        case "not-probed":
            return f"not probed: {service.report.reason}"
        case "unknown":
            return f"not known to be reachable by name: {service.report.why}"
        case _:
            return f"not reachable by name: {service.report.why}"
