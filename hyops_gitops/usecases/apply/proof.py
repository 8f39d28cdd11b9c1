"""Step 9: prove by DNS that an intent's changes are served."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from hyops_gitops.core.apply.events import Warned
from hyops_gitops.core.contracts.authority import Authority
from hyops_gitops.core.errors import HyopsError
from hyops_gitops.core.evidence.entry_parts import ServerReport
from hyops_gitops.core.exchange import Question
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.plan.plan import Change
from hyops_gitops.usecases.apply.convergence import Expectation, Linger, Watch, servers_of
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
        primary: Sends NOTIFY.
        anchor: The intent that the servers must come to show.
        changes: What it changed.
        accepted_at: Monotonic time of the primary's acceptance.
        ports: Clock, DNS, transfers.
        sites_lost: Whose servers are watched, but not required.
        linger: How long to go on watching the others when the required ones are done; see `Watch.run`.
    """
    marker = anchor.rrset(authority.zone)
    transfers = ports.open_transfers(_reachable(authority, sites_lost))

    def notify() -> None:
        for ask in (primary.notify, *(transfer.retrieve for transfer in transfers)):
            try:
                ask()
            except HyopsError as error:
                ports.on_event(Warned(error.message))

    expected_anchor = Expectation(Question(marker.name, marker.type), marker)
    return Watch(ports.dns, ports.clock, ports.on_event, expected_anchor).run(
        servers_of(authority, sites_lost),
        [Expectation.of(change) for change in changes if change.writes],
        accepted_at=accepted_at,
        timeout_s=authority.policy.convergence.timeout_s,
        notify=notify,
        linger=linger,
    )


def _reachable(authority: Authority, sites_lost: Collection[str]) -> Authority:
    """The authority without the APIs of lost sites: there is no use in waiting for them."""
    secondaries = (replace(one, api=None) if one.site in sites_lost else one for one in authority.secondaries)
    return replace(authority, secondaries=tuple(secondaries))


def converged(authority: Authority, reports: Sequence[ServerReport], sites_lost: Collection[str] = ()) -> bool:
    """Whether every server that the policy requires serves the change."""
    required = {(one.role, one.name) for one in servers_of(authority, sites_lost) if one.required}
    return all(one.verdict == "converged" for one in reports if (one.role, one.name) in required)


def behind(reports: Sequence[ServerReport]) -> str:
    """The servers that do not serve the change, in words."""
    return ", ".join(f"{one.role} {one.name} is {one.verdict}" for one in reports if one.verdict != "converged")
