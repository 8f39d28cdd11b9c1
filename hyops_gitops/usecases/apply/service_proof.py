"""Step 10: the moved services, probed through their names as servers that serve the change answer them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from hyops_gitops.core.contracts.authority import Authority
from hyops_gitops.core.contracts.contract import Target, TargetType
from hyops_gitops.core.evidence.timeline import ServiceReport
from hyops_gitops.core.exchange import Answer, Question, why_inconclusive
from hyops_gitops.core.names import canonical_name
from hyops_gitops.core.plan.readiness import Candidate, ProbeReport
from hyops_gitops.core.zone import Zone
from hyops_gitops.usecases.apply.convergence import Watched
from hyops_gitops.usecases.apply.ports import ApplyPorts
from hyops_gitops.usecases.apply.readiness import ADDRESS_TYPES, Addresses, addresses_of, probe_addresses

_PAUSES_S = (0.0, 0.2, 0.5, 1.0, 2.0)  # a service may need a moment to take its clients
_PATIENCE_S = 8.0  # for all tries; the last one may end later
_ANSWER_TIMEOUT_S = 2.0


def prove_services(
    moved: Sequence[Candidate],
    converged: Sequence[Watched],
    authority: Authority,
    zone: Zone,
    accepted_at: float,
    ports: ApplyPorts,
) -> tuple[ServiceReport, ...]:
    """Whether each service answers through its name, tried for a few seconds.

    Args:
        moved: The endpoints whose targets moved.
        converged: Authority servers that serve the change; without one nothing can be said.
        authority: Whose resolvers and target networks count.
        zone: The zone as it is now.
        accepted_at: The monotonic moment at which the primary accepted the update.
        ports: Clock, DNS and probes.
    """
    if not converged:
        return ()
    reports: dict[str, ServiceReport] = {}
    started, wanted = ports.clock.monotonic(), list(moved)
    for pause in _PAUSES_S:
        if not wanted or ports.clock.monotonic() - started > _PATIENCE_S:
            break
        ports.clock.sleep(pause)
        asked = [(one, where) for one in wanted for where in [_through_name(one, converged, authority, zone, ports)]]
        for (_, where), report in zip(asked, probe_addresses(asked, authority, ports.prober), strict=True):
            after_ms = round((ports.clock.monotonic() - accepted_at) * 1000) if report.verdict == "ready" else None
            reports[report.name] = ServiceReport(replace(report, target=where.found or report.target), after_ms)
        wanted = [one for one in wanted if reports[one.name].report.verdict in ("not-ready", "unknown")]
    return tuple(reports[one.name] for one in moved)


def answering_badly(services: Iterable[ServiceReport]) -> tuple[str, ...]:
    """The services that surely do not answer; one of which nothing is known is not among them."""
    return tuple(one.report.name for one in services if one.report.verdict == "not-ready")


def _through_name(
    candidate: Candidate, converged: Sequence[Watched], authority: Authority, zone: Zone, ports: ApplyPorts
) -> Addresses:
    """Where a name leads, as these servers answer it."""
    questions = [Question(candidate.name, rrtype) for rrtype in ADDRESS_TYPES]
    answers = [answer for server in converged for answer in _ask(server, questions, ports).values()]
    rrsets = [rrset for answer in answers if answer.rcode == "NOERROR" for rrset in answer.rrsets]
    found = dict.fromkeys(value for one in rrsets if one.type in ADDRESS_TYPES for value in one.rdata)
    if found:
        return Addresses(tuple(found))
    port = candidate.target.port
    names = [canonical_name(one.rdata[0]) for one in rrsets if one.type == "CNAME"]
    if names:
        elsewhere = replace(candidate, target=Target(TargetType.DNS, (names[-1],), port))
        return addresses_of(elsewhere, authority, zone, ports.dns)
    who = " and ".join(one.name for one in converged)
    if why := why_inconclusive(answers):
        # Whoever fails to answer says nothing about the service: nothing is moved back for that.
        detail = f"the address of {candidate.name} is not known: {who} {why}"
        return Addresses((), ProbeReport("dns", "", port, "unknown", detail))
    return Addresses((), ProbeReport("dns", "", port, "not-ready", f"{candidate.name} has no address, say {who}"))


def _ask(server: Watched, questions: Sequence[Question], ports: ApplyPorts) -> Mapping[Question, Answer]:
    return ports.dns.ask(server.address, questions, recursion_desired=False, timeout_s=_ANSWER_TIMEOUT_S)
