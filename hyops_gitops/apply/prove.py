"""Step 9: prove by DNS that an intent's changes are served."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from hyops_gitops.apply.ports import ApplyPorts
from hyops_gitops.apply.servers import Expectation, Linger, Watch, Watched, expectations, servers_of
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.errors import HyopsError
from hyops_gitops.core.events import Warned
from hyops_gitops.core.exchange import Question
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.network import ZoneWriter
from hyops_gitops.core.server_report import ServerReport
from hyops_gitops.log.late_proof import LastChange, OpenRetirement, known_now, last_change, open_retirements
from hyops_gitops.log.log import Log
from hyops_gitops.log.parts import Retirement
from hyops_gitops.log.retirement import after_caches, is_shared, late_ones
from hyops_gitops.plan.plan import Change


def prove(
    authority: Authority,
    primary: ZoneWriter,
    anchor: Anchor,
    changes: Sequence[Change],
    accepted_at: float,
    ports: ApplyPorts,
    *,
    sites_lost: Collection[str] = (),
    linger: Linger | None = None,
) -> tuple[ServerReport, ...]:
    """Ask for transfers, then watch every server until it serves the changes, or time is up.

    Args:
        authority: Whom to ask, and for how long.
        primary: Sends NOTIFY, unless its database replicates the zone.
        anchor: The intent that the servers must come to show.
        changes: What it changed.
        accepted_at: Monotonic time of the primary's acceptance.
        ports: Clock, DNS, transfers.
        sites_lost: Whose servers are watched, but not required.
        linger: How long to go on watching the others when the required ones are done; see `Watch.run`.
    """
    marker = anchor.rrset(authority.zone)
    shared = is_shared(authority)
    reachable = [one for one in authority.secondaries if one.site not in sites_lost]
    opened = {one.name: ports.open_refresher(authority, one) for one in reachable}
    refreshers = {name: refresher for name, refresher in opened.items() if refresher is not None}
    requests = [*([] if shared else [primary.notify]), *(one.refresh for one in refreshers.values())]
    warned: set[str] = set()

    def notify() -> None:
        for request in requests:
            try:
                request()
            except HyopsError as error:
                if error.message not in warned:  # asked every two seconds, said once
                    warned.add(error.message)
                    ports.on_event(Warned(error.message))

    expected_anchor = Expectation(Question(marker.name, marker.type), marker)
    servers = Watch(ports.dns, ports.clock, ports.on_event, expected_anchor).run(
        servers_of(authority, sites_lost),
        expectations(changes),
        accepted_at=accepted_at,
        timeout_s=authority.policy.convergence.timeout_s,
        notify=notify,
        linger=linger,
    )
    if shared:
        for said in late_ones(authority.zone, servers, refreshers):
            ports.on_event(Warned(said))
    return servers


def converged(authority: Authority, reports: Sequence[ServerReport], sites_lost: Collection[str] = ()) -> bool:
    """Whether every server that the policy requires serves the change."""
    required = {(one.role, one.name) for one in servers_of(authority, sites_lost) if one.required}
    return all(one.verdict == "converged" for one in reports if (one.role, one.name) in required)


def behind(reports: Sequence[ServerReport]) -> str:
    """The servers that do not serve the change, in words."""
    return ", ".join(one.state for one in reports if one.verdict != "converged")


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
