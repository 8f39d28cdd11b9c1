"""Step 9: prove by DNS that an intent's changes are served."""

from collections.abc import Collection, Sequence

from hyops_gitops.core.apply.events import Warned
from hyops_gitops.core.apply.shared_database import is_shared, late_ones
from hyops_gitops.core.contracts.authority import Authority
from hyops_gitops.core.errors import HyopsError
from hyops_gitops.core.evidence.entry_parts import ServerReport
from hyops_gitops.core.exchange import Question
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.plan.plan import Change
from hyops_gitops.usecases.apply.convergence import Expectation, Linger, Watch, expectations, servers_of
from hyops_gitops.usecases.apply.ports import ApplyPorts
from hyops_gitops.usecases.ports import ZoneWriter


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
