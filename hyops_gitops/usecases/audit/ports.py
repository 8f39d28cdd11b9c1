"""What an audit is asked to do, and what it needs from the outside."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from hyops_gitops.core.audit.audit import ALWAYS, Period
from hyops_gitops.core.contracts.authority import Authority, EvidenceSettings
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.verification.seen import SeenHead
from hyops_gitops.usecases.document_port import DocumentReader, SchemaChecker
from hyops_gitops.usecases.ports import Clock, DnsClient, EvidenceStore, History, Verifier, ZoneReader

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
