"""Facts of the contracts' commits; every file is parsed once."""

from collections.abc import Mapping
from typing import Literal, Protocol

from hyops_gitops.audit.report import ALWAYS, Period
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.contract import Contract
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.document import Document, SchemaChecker
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.findings import Finding
from hyops_gitops.core.server_report import Server
from hyops_gitops.core.servers import servers_of
from hyops_gitops.core.tree import manifest_sha256
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.parts import AuthorityRef
from hyops_gitops.log.pinned_heads import SeenHead
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.validate.known import KnownContracts
from hyops_gitops.validate.validation import validate_tree

SeparationOfDuties = Literal["enforce", "warn", "off"]


@dataclass(frozen=True, slots=True)
class CommitFacts:
    """Facts of one commit of the contracts, read from a clone."""

    commit: str
    on_branch: bool
    manifest: str
    rules: str | None  # that they were judged by
    authority_sha256: str | None  # of the authority file that the commit holds; None: it holds none
    contracts: tuple[Contract, ...]  # the valid ones
    desired: Zone  # by its contracts
    invalid: frozenset[str]  # the files with an error
    undecided: frozenset[str]  # names with invalid contracts
    required: Mapping[Server, str]  # servers that the policy requires to serve a change, and their sites
    required_roles: frozenset[str]
    separation: SeparationOfDuties
    own_authority: bool  # whether the authority file that the entry names was at hand


Look = Literal["dns", "api", "offline"]


class AuditGit(Protocol):
    """Questions that only an audit asks of the clone."""

    def versions(self, path: str, upto: str) -> frozenset[str]:
        """SHA-256 of every content of a path up to a commit."""

    def author(self, commit: str) -> str | None:
        """The author of a commit; None: not in this clone."""

    def merge_matches(self, merged: str, head: str) -> bool | None:
        """Whether a merge of `head` gives the commit's tree; None: unknown."""

    def messages(self, commit: str) -> Mapping[str, str]:
        """The message of the commit that added each file under `log/`."""

    def branch_problems(self, commit: str) -> list[str]:
        """Problems of the evidence branch: merges, roots, changed files."""


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """Arguments of audit."""

    branch: str = "HEAD"  # the contracts' branch
    look: Look = "dns"
    seen: tuple[SeenHead, ...] = ()
    period: Period = ALWAYS
    allowed_signers: SourceFile | None = None  # a copy pinned outside


_ROLES = {"primary": "primary", "secondaries": "secondary", "resolvers": "resolver"}


def checked_once(check: SchemaChecker) -> SchemaChecker:
    """A checker that keeps answers and documents, so that ids stay unique."""
    answers: dict[tuple[str, int], tuple[Document, tuple[Document, tuple[Finding, ...]]]] = {}

    def check_once(
        schema: Literal["endpoint", "authority"], document: Document
    ) -> tuple[Document, tuple[Finding, ...]]:
        key = (schema, id(document))
        if key not in answers:
            answers[key] = document, check(schema, document)
        return answers[key][1]

    return check_once


class CommitReader:
    """The history of the contracts, up to the head of a branch."""

    def __init__(self, workspace: Workspace, head: str) -> None:
        self._workspace = workspace  # whose reader remembers what it has read
        self._history = workspace.history
        self._head = head
        self._override = workspace.authority_override
        self._known = KnownContracts()
        self._facts: dict[tuple[str, AuthorityRef], CommitFacts] = {}

    def facts(self, zone: str, commit: str, authority: AuthorityRef) -> CommitFacts | None:
        """Facts of a commit under an authority; None: not in this clone."""
        if not self._history.is_ancestor(commit, commit):
            return None
        key = (commit, authority)
        if key not in self._facts:
            self._facts[key] = self._look(zone, commit, authority)
        return self._facts[key]

    def authority_digests(self, commit: str) -> dict[str, str] | None:
        """SHA-256 of each file under authority/; None: not on the branch."""
        if not self._history.is_ancestor(commit, self._head):
            return None
        files = self._history.tree(commit).files()
        under = (source for source in files if source.path.startswith("authority/"))
        return {source.path: sha256_hex(source.content) for source in under if source.content is not None}

    def _look(self, zone: str, commit: str, ref: AuthorityRef) -> CommitFacts:
        tree = self._history.tree(commit)
        override = self._override if ref.outside_commit and self._is_override(ref) else None
        workspace = self._workspace
        validation = validate_tree(
            tree, workspace.read, workspace.check, authority_override=override, known=self._known
        )
        authority, files = validation.authority, validation.files
        own = files.get(f"authority/{zone}.yaml")
        return CommitFacts(
            commit=commit,
            on_branch=self._history.is_ancestor(commit, self._head),
            manifest=manifest_sha256(files),
            rules=workspace.rules,
            authority_sha256=None if own is None else sha256_hex(own),
            contracts=validation.contracts,
            desired=Zone.of(zone, (rrset for contract in validation.contracts for rrset in contract.rrsets())),
            invalid=validation.invalid_paths,
            undecided=validation.undecided(zone),
            required={} if authority is None else _required(authority),
            required_roles=frozenset() if authority is None else _roles(authority),
            separation="warn" if authority is None else authority.policy.separation_of_duties,
            own_authority=authority is not None and (not ref.outside_commit or override is not None),
        )

    def _is_override(self, ref: AuthorityRef) -> bool:
        given = self._override
        return given is not None and given.content is not None and sha256_hex(given.content) == ref.sha256


def _required(authority: Authority) -> dict[tuple[str, str], str]:
    return {server.key: server.site for server in servers_of(authority) if server.required}


def _roles(authority: Authority) -> frozenset[str]:
    return frozenset(_ROLES[role] for role in authority.policy.convergence.require)
