"""Readiness of targets (step 6): all probes in parallel, in bounded time.

A target that is a name leads to the addresses it will have: through the zone as it will be, then as the listed
resolvers answer, never the system's own.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.contract import Target, TargetType
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.exchange import Answer, Question, why_inconclusive
from hyops_gitops.core.names import canonical_name, is_in_zone
from hyops_gitops.core.network import DnsClient, Prober
from hyops_gitops.core.readiness import Candidate, Probe, ProbeReport, ReadinessReport, over_addresses, over_probes
from hyops_gitops.core.servers import DnsServer, ask, ask_all, servers_of
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.log.timeline import ServiceReport
from hyops_gitops.log.workspace import Workspace

_WORKERS = 64
_PATIENCE_S = 60.0  # for all probes together, and the longest that a contract can ask for a single one
_LONGEST_CHAIN = 8  # of CNAMEs
ADDRESS_TYPES = ("A", "AAAA")


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses that a target leads to; where to none, why."""

    found: tuple[str, ...]
    why_none: ProbeReport | None = None


def check_readiness(
    candidates: Sequence[Candidate], authority: Authority, zone: Zone, prober: Prober, dns: DnsClient
) -> tuple[ReadinessReport, ...]:
    """One report for each candidate, in their order.

    Args:
        candidates: The targets that endpoints are to have.
        authority: Whose resolvers and target networks count.
        zone: The zone as it will be, for targets that are names in it.
        prober: Asks services.
        dns: Asks resolvers.
    """
    if not candidates:
        return ()
    with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
        addresses = list(pool.map(lambda candidate: addresses_of(candidate, authority, zone, dns), candidates))
    return probe_addresses(list(zip(candidates, addresses, strict=True)), authority, prober)


def probe_addresses(
    wanted: Sequence[tuple[Candidate, Addresses]], authority: Authority, prober: Prober
) -> tuple[ReadinessReport, ...]:
    """One report for each candidate, from the addresses that it leads to."""
    asked = [
        probe for candidate, where in wanted for probes in _probes(candidate, where, authority) for probe in probes
    ]
    reports = _in_parallel(asked, prober)
    return tuple(_report(candidate, where, authority, reports) for candidate, where in wanted)


def addresses_of(candidate: Candidate, authority: Authority, zone: Zone, dns: DnsClient) -> Addresses:
    """The addresses of a target: itself, or what its name leads to."""
    target = candidate.target
    if target.type is not TargetType.DNS:
        return Addresses(target.values)
    if not candidate.probes:
        return Addresses(())
    name = _end_of_chain(target.values[0], zone)
    own = zone.by_name().get(name, {}) if is_in_zone(name, zone.apex) else {}
    here = [value for rrtype in ADDRESS_TYPES if rrtype in own for value in own[rrtype].rdata]
    return Addresses(tuple(here)) if here else _asked(name, target.port, authority, dns)


def _end_of_chain(name: str, zone: Zone) -> str:
    """The end of a name's chain of CNAMEs in the zone."""
    for _ in range(_LONGEST_CHAIN):
        alias = zone.rrsets.get((name, "CNAME"))
        if alias is None or not alias.rdata:
            break
        name = canonical_name(alias.rdata[0])
    return name


def _asked(name: str, port: int, authority: Authority, dns: DnsClient) -> Addresses:
    """The addresses of a name, by the first resolver that answers."""
    trouble = "no resolver is listed that could be asked"
    questions = [Question(name, rrtype) for rrtype in ADDRESS_TYPES]
    for resolver in (server for server in servers_of(authority) if not server.authoritative):
        answers = ask(dns, resolver, questions)
        found = tuple(dict.fromkeys(value for answer in answers.values() for value in _address_values(answer)))
        if found:
            return Addresses(found)
        why = why_inconclusive(answers.values())
        if not why:
            rcodes = {answer.rcode for answer in answers.values()}
            what = "does not exist" if "NXDOMAIN" in rcodes else "has no address"
            detail = f"{name} {what}, by resolver {resolver.name}"
            return Addresses((), ProbeReport("dns", "", port, "not-ready", detail))
        trouble = f"resolver {resolver.name} {why}"
    return Addresses((), ProbeReport("dns", "", port, "unknown", f"the address of {name} is not known: {trouble}"))


def _address_values(answer: Answer) -> Iterable[str]:
    """The addresses of an answer, behind CNAMEs too."""
    rrsets: Iterable[RRset] = answer.rrsets if answer.rcode == "NOERROR" else ()
    return (value for rrset in rrsets if rrset.type in ADDRESS_TYPES for value in rrset.rdata)


def _probes(candidate: Candidate, where: Addresses, authority: Authority) -> list[list[Probe]]:
    """The probes of a target: each wanted one, for each address."""
    port, networks = candidate.target.port, authority.policy.target_networks
    return [
        [Probe.of(wanted, candidate.name, address, port, networks) for address in where.found]
        for wanted in candidate.probes
    ]


def _in_parallel(probes: Sequence[Probe], prober: Prober) -> Mapping[Probe, ProbeReport]:
    """Each probe's report; those that are not reached in time are unknown."""
    distinct = dict.fromkeys(probes)
    if not distinct:
        return {}
    with ThreadPoolExecutor(max_workers=min(_WORKERS, len(distinct))) as pool:
        started = {probe: pool.submit(prober.probe, probe) for probe in distinct}
        for late in wait(started.values(), timeout=_PATIENCE_S).not_done:
            late.cancel()
        return {probe: _result(probe, future) for probe, future in started.items()}


def _result(probe: Probe, future: Future[ProbeReport]) -> ProbeReport:
    if future.cancelled():
        detail = f"was not asked: probing took longer than {_PATIENCE_S:.0f} s"
        return ProbeReport(probe.type, probe.address, probe.port, "unknown", detail)
    return future.result()


def _report(
    candidate: Candidate, where: Addresses, authority: Authority, reports: Mapping[Probe, ProbeReport]
) -> ReadinessReport:
    name, target = candidate.name, candidate.target.values
    if not candidate.probes:
        return ReadinessReport(name, target, "not-probed", reason=candidate.unprobed)
    if where.why_none is not None:
        return ReadinessReport(name, target, where.why_none.verdict, (where.why_none,))
    groups = [[reports[probe] for probe in probes] for probes in _probes(candidate, where, authority)]
    verdict = over_probes(
        over_addresses(wanted, [report.verdict for report in group])
        for wanted, group in zip(candidate.probes, groups, strict=True)
    )
    return ReadinessReport(name, target, verdict, tuple(report for group in groups for report in group))


_PAUSES_S = (0.0, 0.2, 0.5, 1.0, 2.0)  # a service may need a moment to take its clients
_SERVICE_PATIENCE_S = 8.0  # for all tries; the last one may end later


def prove_services(
    moved: Sequence[Candidate],
    converged: Sequence[DnsServer],
    authority: Authority,
    zone: Zone,
    accepted_at: float,
    workspace: Workspace,
) -> tuple[ServiceReport, ...]:
    """Whether each service answers through its name, tried for a few seconds.

    Args:
        moved: The endpoints whose targets moved.
        converged: Authority servers that serve the change; without one nothing is known.
        authority: Whose resolvers and target networks count.
        zone: The zone as it is now.
        accepted_at: The monotonic moment at which the primary accepted the update.
        workspace: Clock, DNS and probes.
    """
    if not converged:
        return ()
    reports: dict[str, ServiceReport] = {}
    started, wanted = workspace.clock.monotonic(), list(moved)
    for pause in _PAUSES_S:
        if not wanted or workspace.clock.monotonic() - started > _SERVICE_PATIENCE_S:
            break
        workspace.clock.sleep(pause)
        asked = [
            (candidate, where)
            for candidate in wanted
            for where in [_through_name(candidate, converged, authority, zone, workspace)]
        ]
        for (_, where), report in zip(asked, probe_addresses(asked, authority, workspace.prober), strict=True):
            after_ms = round((workspace.clock.monotonic() - accepted_at) * 1000) if report.verdict == "ready" else None
            reports[report.name] = ServiceReport(replace(report, target=where.found or report.target), after_ms)
        wanted = [
            candidate for candidate in wanted if reports[candidate.name].report.verdict in ("not-ready", "unknown")
        ]
    return tuple(reports[candidate.name] for candidate in moved)


def answering_badly(services: Iterable[ServiceReport]) -> tuple[str, ...]:
    """The services that surely do not answer; not the unknown ones."""
    return tuple(report.report.name for report in services if report.report.verdict == "not-ready")


def _through_name(
    candidate: Candidate, converged: Sequence[DnsServer], authority: Authority, zone: Zone, workspace: Workspace
) -> Addresses:
    """The addresses of a name, by these servers."""
    questions = [Question(candidate.name, rrtype) for rrtype in ADDRESS_TYPES]
    asked = ask_all(workspace.dns, dict.fromkeys(converged, questions))
    answers = [answer for given in asked.values() for answer in given.values()]
    rrsets = [rrset for answer in answers if answer.rcode == "NOERROR" for rrset in answer.rrsets]
    found = dict.fromkeys(value for rrset in rrsets if rrset.type in ADDRESS_TYPES for value in rrset.rdata)
    if found:
        return Addresses(tuple(found))
    port = candidate.target.port
    names = [canonical_name(rrset.rdata[0]) for rrset in rrsets if rrset.type == "CNAME"]
    if names:
        elsewhere = replace(candidate, target=Target(TargetType.DNS, (names[-1],), port))
        return addresses_of(elsewhere, authority, zone, workspace.dns)
    who = " and ".join(server.name for server in converged)
    if why := why_inconclusive(answers):
        # A server that fails to answer shows nothing about the service: nothing is moved back for that.
        detail = f"the address of {candidate.name} is not known: {who} {why}"
        return Addresses((), ProbeReport("dns", "", port, "unknown", detail))
    return Addresses((), ProbeReport("dns", "", port, "not-ready", f"{candidate.name} has no address, by {who}"))
