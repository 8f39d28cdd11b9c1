"""Late proof, by a run with nothing to change.

What was applied last was not seen on every required server then.
"""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from hyops_gitops.apply.prove import Watch, behind, expectations, open_refreshers, transfer_requests
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.events import Warned
from hyops_gitops.core.network import ZoneWriter
from hyops_gitops.core.server_report import ServerReport
from hyops_gitops.core.servers import DnsServer, Expectation, servers_of
from hyops_gitops.log.log import Log
from hyops_gitops.log.parts import Retirement
from hyops_gitops.log.retirement import (
    LastChange,
    OpenRetirement,
    after_caches,
    known_now,
    last_change,
    open_retirements,
)
from hyops_gitops.log.workspace import Workspace


@dataclass(frozen=True, slots=True)
class LateProof:
    """The late proof of the newest change."""

    last: LastChange | None = None
    caught_up: tuple[ServerReport, ...] = ()  # servers that serve it by now, and were not seen to before
    unproved: tuple[ServerReport, ...] = ()  # required servers that do not, or do not answer
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
        """The missing proof in words; "" where nothing is missing."""
        if self.last is None or not self.unproved:
            return ""
        return f"what {self.last.called} changed is not proved: {behind(self.unproved)}"


def look_for_late_proof(
    log: Log,
    authority: Authority,
    primary: ZoneWriter,
    sites_lost: Collection[str],
    workspace: Workspace,
    *,
    retire: bool = True,
) -> LateProof:
    """Ask the servers whose proof is missing.

    A secondary that is stale is asked for a transfer, which a later run sees.

    Args:
        log: The log, or a break-glass segment.
        authority: Which servers there are, and which are required.
        primary: Sends NOTIFY.
        sites_lost: Sites declared lost by this run.
        workspace: Clock and DNS.
        retire: Whether to find out, too, when old targets may be switched off.
    """
    last = last_change(log)
    if last is None:
        return LateProof()
    servers = servers_of(authority, {*sites_lost, *last.sites_lost})
    opened = open_retirements(log) if retire else ()
    known = {report.key: report for report in last.servers}
    missing = [server for server in servers if _is_missing(server, known.get(server.key), opened)]
    reports = _ask_again(missing, last, opened, workspace)
    stale = {report.name for report in reports if report.role == "secondary" and report.verdict == "stale"}
    _hurry(stale, authority, primary, workspace)
    caught_up = tuple(report for report in reports if report.verdict == "converged")
    proved = {report.key for report in (*known.values(), *caught_up) if report.verdict == "converged"}
    required = {server.key for server in servers if server.required} - proved
    seen = replace(last, late={**last.late, **{report.key: report for report in caught_up}})
    listed, over = {server.key for server in servers}, {report.key for report in caught_up}
    now = workspace.clock.now()
    ends = (known_now(log, seen, retirement, listed, over, now) for retirement in opened)
    retire_now = after_caches((end for end in ends if end), authority)
    return LateProof(last, caught_up, tuple(report for report in reports if report.key in required), retire_now)


def _hurry(stale: Collection[str], authority: Authority, primary: ZoneWriter, workspace: Workspace) -> None:
    """Ask for the transfer that these secondaries missed.

    The zone's refresh may be hours away. The next run looks.
    """
    behind_now = [secondary for secondary in authority.secondaries if secondary.name in stale]
    if behind_now:
        refreshers = open_refreshers(authority, behind_now, workspace).values()
        requests = transfer_requests(authority, primary, refreshers, workspace.on_event)
        with ThreadPoolExecutor() as pool:  # of several servers that hang, only the slowest is waited for
            list(pool.map(lambda request: request(), requests))


def _is_missing(server: DnsServer, known: ServerReport | None, opened: Sequence[OpenRetirement]) -> bool:
    """Whether there is something to learn from a server."""
    if any(server.key == holder.key for retirement in opened for holder in retirement.held_by):
        return True
    if known is not None and known.verdict == "converged":
        return False
    return server.required or (known is not None and server.authoritative)


def _ask_again(
    servers: Sequence[DnsServer], last: LastChange, opened: Sequence[OpenRetirement], workspace: Workspace
) -> tuple[ServerReport, ...]:
    anchor = Expectation.exactly(last.anchor.rrset(last.applied.intent_entry.envelope.zone))
    changed = expectations(last.changes if servers else ())
    of_moved = expectations(change for retirement in opened for change in retirement.changes)
    asked = {expectation.question: expectation for expectation in (*of_moved, *changed)}
    authorities = [server for server in servers if server.authoritative]
    caches = [server for server in servers if not server.authoritative]
    reports = (
        *Watch(workspace.dns, workspace.clock, workspace.on_event, anchor).once(authorities, changed),
        *Watch(workspace.dns, workspace.clock, workspace.on_event, anchor).once(caches, list(asked.values())),
    )
    since = max(0, round((workspace.clock.now() - last.accepted).total_seconds() * 1000))
    for report in reports:
        late = f"{report.state}: it is not seen to serve what {last.called} changed"
        done = f"{report.called} has caught up: it serves what {last.called} changed"
        workspace.on_event(Warned(done if report.verdict == "converged" else late))
    return tuple(replace(report, after_ms=since if report.verdict == "converged" else None) for report in reports)
