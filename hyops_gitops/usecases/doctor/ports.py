"""What `doctor` needs from the outside; nothing of it can write, but for the scratch zone of `--race`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hyops_gitops.core.apply.events import OnEvent
from hyops_gitops.core.contracts.authority import Authority, EvidenceSettings, Secondary
from hyops_gitops.core.exchange import BranchRules, ServerInfo, SourceFile
from hyops_gitops.usecases.planning.plan import PlanPorts
from hyops_gitops.usecases.ports import Clock, DnsClient, Signer, ZoneReader, ZoneRestorer


class RemoteAccess(Protocol):
    """The git remote of the log."""

    def head(self) -> str | None:
        """The commit of the evidence branch there.

        Raises:
            OutsideFailure: it cannot be reached.
        """

    def refusal(self, commit: str) -> str | None:
        """Why the remote would not take this commit as the branch's head, as far as a dry run tells."""

    def rules(self, branch: str) -> BranchRules | None:
        """What protects a branch, None where nothing shows it.

        Raises:
            OutsideFailure: what would show it cannot be asked.
        """


class ScratchZone(ZoneRestorer, Protocol):
    """A zone that is made for a race, and removed after it."""

    @property
    def name(self) -> str:
        """Its name, of a form that no zone in use has."""

    def remove(self) -> None:
        """Delete it, with everything in it."""


@dataclass(frozen=True, slots=True)
class DoctorPorts:
    """The outside."""

    plan: PlanPorts
    python: Callable[[], str]
    program: Callable[[str], str]  # its version, or that it is there
    open_remote: Callable[[EvidenceSettings], RemoteAccess]
    open_signer: Callable[[], Signer]
    open_secondary: Callable[[Authority, Secondary], ZoneReader | None]  # None: no key is bound to its URL
    server_info: Callable[[Authority], ServerInfo]
    zone_keys: Callable[[Authority], tuple[bool, ...] | None]  # whether each signs and is published; None: not shown
    open_scratch: Callable[[Authority], ScratchZone]  # of a random name; nothing is made yet
    on_event: OnEvent
    bound_url: Callable[[], str]  # "" where none is set
    dns: DnsClient
    clock: Clock


@dataclass(frozen=True, slots=True)
class DoctorRequest:
    """One call of doctor."""

    authority_override: SourceFile | None = None
    runner_site: str | None = None
    remote_site: str | None = None
    race: bool = False  # whether to try the database's isolation in a scratch zone
