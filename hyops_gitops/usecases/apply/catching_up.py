"""Servers that an earlier apply had to leave behind, as at a lost site: whether they have caught up by now."""

from dataclasses import replace

from hyops_gitops.core.apply.events import Warned
from hyops_gitops.core.apply.retirement import retirements
from hyops_gitops.core.contracts.authority import Authority
from hyops_gitops.core.evidence.entry_parts import Retirement, ServerReport
from hyops_gitops.core.evidence.log import Applied, Log
from hyops_gitops.core.exchange import Question
from hyops_gitops.core.markers import Anchor
from hyops_gitops.usecases.apply.convergence import Expectation, Watch, servers_of
from hyops_gitops.usecases.apply.ports import ApplyPorts


def look_for_those_behind(log: Log, authority: Authority, ports: ApplyPorts) -> tuple[ServerReport, ...]:
    """Those of them that serve by now what was applied last. Asked once; nobody is waited for."""
    last, late = log.last_applied, {(one.role, one.name) for one in log.behind}
    servers = [one for one in servers_of(authority) if (one.role, one.name) in late]
    if last is None or not servers:
        return ()
    marker = Anchor(last.intent_entry.seq, last.intent_entry.sha256).rrset(log.zone)
    watch = Watch(ports.dns, ports.clock, ports.on_event, Expectation(Question(marker.name, marker.type), marker))
    reports = watch.once(servers, [Expectation.of(change) for change in last.intent.changes if change.writes])
    for one in reports:
        said = "has caught up: it serves" if one.verdict == "converged" else f"is {one.verdict}: it does not serve"
        ports.on_event(Warned(f"{one.role} {one.name} {said} what intent {last.intent_entry.seq} changed"))
    since = _milliseconds_since(last, ports)
    return tuple(replace(one, after_ms=since) for one in reports if one.verdict == "converged")


def retirements_known_now(log: Log, caught_up: tuple[ServerReport, ...]) -> tuple[Retirement, ...]:
    """When the old targets of what was applied last may go, now that these servers serve it."""
    last = log.last_applied
    if last is None or last.result.accepted is None or not caught_up:
        return ()
    now = {(one.role, one.name): one for one in caught_up}
    servers = [now.get((one.role, one.name), one) for one in last.result.servers]
    found = retirements(last.intent.changes, last.result.accepted, servers, log.applied_to, log.left)
    return tuple(one for one in found if one.after is not None)


def _milliseconds_since(last: Applied, ports: ApplyPorts) -> int | None:
    accepted = last.result.accepted
    return None if accepted is None else max(0, round((ports.clock.now() - accepted).total_seconds() * 1000))
