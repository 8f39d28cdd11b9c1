"""Proof that comes late: whether servers serve by now what an earlier run could not prove, and who still does not.

Asked once, and only of servers whose proof is missing; nobody is waited for.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from hyops_gitops.core.apply.events import Warned
from hyops_gitops.core.apply.shared_database import after_caches
from hyops_gitops.core.contracts.authority import Authority
from hyops_gitops.core.evidence.entry_parts import Retirement, ServerReport
from hyops_gitops.core.evidence.log import Log
from hyops_gitops.core.exchange import Question
from hyops_gitops.core.history.late_proof import LastChange, OpenRetirement, known_now, last_change, open_retirements
from hyops_gitops.usecases.apply.convergence import Expectation, Watch, Watched, expectations, servers_of
from hyops_gitops.usecases.apply.ports import ApplyPorts


@dataclass(frozen=True, slots=True)
class LateProof:
    """What a run that changes nothing has seen of the newest change."""

    last: LastChange | None = None
    caught_up: tuple[ServerReport, ...] = ()  # servers that serve it by now, and were not seen to before
    unproved: tuple[ServerReport, ...] = ()  # required servers that do not, or do not say
    retire: tuple[Retirement, ...] = ()  # what is known by now

    @property
    def of_segment(self) -> bool:
        """Whether the newest change is one of a reconciled break-glass segment."""
        return self.last is not None and self.last.segment is not None

    @property
    def is_news(self) -> bool:
        """Whether it has to be recorded."""
        return bool(self.caught_up or self.retire)

    @property
    def reason(self) -> str:
        """What is not proved; "" where everything is."""
        if self.last is None or not self.unproved:
            return ""
        return f"what {self.last.called} changed is not proved: {', '.join(one.state for one in self.unproved)}"


def look_for_late_proof(
    log: Log, authority: Authority, sites_lost: Collection[str], ports: ApplyPorts, *, retire: bool = True
) -> LateProof:
    """Ask the servers whose proof is missing.

    Args:
        log: The log, or a break-glass segment.
        authority: Whom to ask, and who is required.
        sites_lost: Sites declared lost by this run.
        ports: Clock and DNS.
        retire: Whether to find out, too, when old targets may be switched off.
    """
    last = last_change(log)
    if last is None:
        return LateProof()
    servers = servers_of(authority, {*sites_lost, *last.sites_lost})
    opened = open_retirements(log) if retire else ()
    known = {one.key: one for one in last.servers}
    missing = [one for one in servers if _is_missing(one, known.get(one.key), opened)]
    reports = _ask(missing, last, opened, ports)
    caught_up = tuple(one for one in reports if one.verdict == "converged")
    proved = {one.key for one in (*known.values(), *caught_up) if one.verdict == "converged"}
    required = {one.key for one in servers if one.required} - proved
    seen = replace(last, late={**last.late, **{one.key: one for one in caught_up}})
    listed, over, now = {one.key for one in servers}, {one.key for one in caught_up}, ports.clock.now()
    ends = (known_now(log, seen, one, listed, over, now) for one in opened)
    retire_now = after_caches((one for one in ends if one), authority)
    return LateProof(last, caught_up, tuple(one for one in reports if one.key in required), retire_now)


def _is_missing(server: Watched, known: ServerReport | None, opened: Sequence[OpenRetirement]) -> bool:
    """Whether there is something to learn from a server."""
    if any(server.key == one.key for retirement in opened for one in retirement.held_by):
        return True
    if known is not None and known.verdict == "converged":
        return False
    return server.required or (known is not None and server.authoritative)


def _ask(
    servers: Sequence[Watched], last: LastChange, opened: Sequence[OpenRetirement], ports: ApplyPorts
) -> tuple[ServerReport, ...]:
    marker = last.anchor.rrset(last.applied.intent_entry.envelope.zone)
    anchor = Expectation(Question(marker.name, marker.type), marker)
    changed = expectations(last.changes)
    of_moved = expectations(change for one in opened for change in one.changes)
    asked = {one.question: one for one in (*of_moved, *changed)}
    authorities = [one for one in servers if one.authoritative]
    caches = [one for one in servers if not one.authoritative]
    reports = (
        *Watch(ports.dns, ports.clock, ports.on_event, anchor).once(authorities, changed),
        *Watch(ports.dns, ports.clock, ports.on_event, anchor).once(caches, list(asked.values())),
    )
    for one in reports:
        ports.on_event(Warned(_said(one, last)))
    since = max(0, round((ports.clock.now() - last.accepted).total_seconds() * 1000))
    return tuple(replace(one, after_ms=since if one.verdict == "converged" else None) for one in reports)


def _said(report: ServerReport, last: LastChange) -> str:
    if report.verdict == "converged":
        return f"{report.called} has caught up: it serves what {last.called} changed"
    return f"{report.state}: it is not seen to serve what {last.called} changed"
