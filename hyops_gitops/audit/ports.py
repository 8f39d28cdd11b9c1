"""What an audit holds entries against: what a clone says about one commit of the contracts. Values alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from hyops_gitops.audit.audit import ALWAYS, Period
from hyops_gitops.core.authority import Authority, EvidenceSettings
from hyops_gitops.core.contract import Contract
from hyops_gitops.core.document import DocumentReader, SchemaChecker
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.network import DnsClient, ZoneReader
from hyops_gitops.core.ports import Clock, EvidenceStore, History, Verifier
from hyops_gitops.core.server_report import Server
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.continuity import Problem
from hyops_gitops.log.pinned_heads import SeenHead

SeparationOfDuties = Literal["enforce", "warn", "off"]


@dataclass(frozen=True, slots=True)
class CommitFacts:
    """What a clone says about one commit of the contracts."""

    commit: str
    on_branch: bool
    manifest: str
    authority_sha256: str | None  # of the authority file that the commit holds; None: it holds none
    contracts: tuple[Contract, ...]  # the valid ones
    desired: Zone  # what they ask for
    invalid: frozenset[str]  # the files with an error
    undecided: frozenset[str]  # names of which nothing is known here: their contracts are invalid
    required: Mapping[Server, str]  # whom the policy requires to serve a change, and the site of each
    required_roles: frozenset[str]
    separation: SeparationOfDuties
    own_authority: bool  # whether the authority file that the entry names was at hand


@dataclass(frozen=True, slots=True)
class Verdict:
    """Problems, and what could not be looked at."""

    problems: tuple[Problem, ...] = ()
    inconclusive: tuple[Problem, ...] = ()


Look = Literal["dns", "api", "offline"]


class Custody(Protocol):
    """What only an audit asks of the clone."""

    def versions(self, path: str, upto: str) -> frozenset[str]:
        """SHA-256 of every content that a path had in the history of a commit."""

    def author(self, commit: str) -> str | None:
        """The name of a commit's author, None when the clone does not have it."""

    def merge_matches(self, merged: str, head: str) -> bool | None:
        """Whether a commit's tree is what merging `head` into its first parent gives; None when it cannot be known."""

    def messages(self, commit: str) -> Mapping[str, str]:
        """The message of the commit that added each file under `log/`, in the history of a commit."""

    def why_cut_off(self) -> str:
        """Why the history is not whole, and what would bring it."""

    def branch_problems(self, commit: str) -> list[str]:
        """What is wrong with the evidence branch's commits up to this one: merges, roots, files that did not stay."""


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """One call of audit."""

    branch: str = "HEAD"  # the contracts' branch
    look: Look = "dns"
    seen: tuple[SeenHead, ...] = ()
    period: Period = ALWAYS
    authority_override: SourceFile | None = None
    allowed_signers: SourceFile | None = None  # a copy pinned outside


@dataclass(frozen=True, slots=True)
class AuditPorts:
    """The outside. Nothing of it can write."""

    read: DocumentReader
    check: SchemaChecker
    history: History
    custody: Custody
    open_store: Callable[[EvidenceSettings], EvidenceStore]
    open_reader: Callable[[Authority], ZoneReader]
    verifier: Verifier
    dns: DnsClient
    clock: Clock
