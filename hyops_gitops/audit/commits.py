"""Facts of the contracts' commits.

Every file is parsed once, and a commit follows from one that this run has checked by what changed between the two: git
names it by the ids of the contents. Nothing that an earlier run has left is looked at.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, Protocol

from hyops_gitops.audit.report import ALWAYS, Period
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.contract import Contract
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.document import Document, SchemaChecker
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.findings import Finding
from hyops_gitops.core.layout import SIGNERS_PATH
from hyops_gitops.core.tree import Contents, SourceTree, contents_of, manifest_line
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.parts import AuthorityRef
from hyops_gitops.log.pinned_heads import SeenHead
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.validate.concerned import Scope
from hyops_gitops.validate.known import KnownContracts
from hyops_gitops.validate.validation import Validation, validate_tree

SeparationOfDuties = Literal["enforce", "warn", "off"]


@dataclass(frozen=True, slots=True)
class CommitFacts:
    """Facts of one commit of the contracts, read from a clone."""

    commit: str
    on_branch: bool
    manifest: str
    rules: str | None  # that they were judged by
    authority_sha256: str | None  # of the authority file that the commit holds; None: it holds none
    contracts: Mapping[str, Contract]  # the valid ones, by path
    desired: Zone  # by its contracts
    invalid: frozenset[str]  # the files with an error
    undecided: frozenset[str]  # names with invalid contracts
    authority: Authority | None  # whose policy names the servers that a change must reach
    separation: SeparationOfDuties
    own_authority: bool  # whether the authority file that the entry names was at hand
    overridable: frozenset[str] | None  # the guards that its policy lets overrides lift; None: it has no policy


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


_KEPT = 8  # facts of so many commits: those of an intent are asked for again with its result


@dataclass(frozen=True, slots=True)
class _Manifest:
    """The lines of a tree's manifest, by path."""

    tree: SourceTree
    lines: Mapping[str, bytes]

    @classmethod
    def of(cls, files: Contents) -> "_Manifest":
        """Of every file."""
        return cls(files.tree, {path: manifest_line(path, content) for path, content in files.items()})

    def brought_to(self, tree: SourceTree) -> "_Manifest":
        """Of another tree, by what changed between them."""
        changed = tree.changed(self.tree)
        kept = {path: line for path, line in self.lines.items() if path not in changed}
        files = contents_of(tree.read(changed).values())
        return _Manifest(tree, kept | {path: manifest_line(path, content) for path, content in files.items()})

    @property
    def sha256(self) -> str:
        """The digest of the manifest."""
        return sha256_hex(b"".join(line for _, line in sorted(self.lines.items())))


@dataclass(frozen=True, slots=True)
class _Checked:
    """A commit as this run has found it, from which others follow."""

    tree: SourceTree
    override: SourceFile | None  # the authority file that stood in for the commit's own
    contracts: Mapping[str, Contract]  # the valid ones, by path
    desired: Zone
    is_sound: bool  # whether no file has an error

    @classmethod
    def whole(cls, tree: SourceTree, override: SourceFile | None, validation: Validation, zone: str) -> "_Checked":
        """A commit of which everything was looked at."""
        contracts = {contract.path: contract for contract in validation.contracts}
        asked = Zone.of(zone, (rrset for contract in contracts.values() for rrset in contract.rrsets()))
        desired = Zone.parse(zone, asked.data)  # whose lines the next commit replaces
        return cls(tree, override, contracts, desired, not validation.invalid_paths)

    def scope(self, tree: SourceTree, override: SourceFile | None) -> Scope | None:
        """What to look at in another commit; None: everything."""
        if not self.is_sound or override is not self.override:
            return None
        changed = tree.changed(self.tree) - {SIGNERS_PATH}
        if any(not path.startswith("endpoints/") for path in changed):
            return None
        return Scope(changed, self.tree, changed, is_sound=True)

    def brought_to(self, tree: SourceTree, validation: Validation) -> "_Checked":
        """The commit of which a part was looked at."""
        about = validation.about or frozenset()
        before = [contract for path in about if (contract := self.contracts.get(path)) is not None]
        found = {contract.path: contract for contract in validation.looked_at}
        rest = {path: contract for path, contract in self.contracts.items() if path not in about}
        asked = Zone.of(self.desired.apex, (rrset for contract in found.values() for rrset in contract.rrsets()))
        left = self.desired.without(rrset.key for contract in before for rrset in contract.rrsets())
        return replace(
            self,
            tree=tree,
            contracts=dict(sorted((rest | found).items())),
            desired=left.with_rrsets(asked.rrsets.values()),
            is_sound=not validation.invalid_paths,
        )


class CommitReader:
    """The history of the contracts, up to the head of a branch."""

    def __init__(self, workspace: Workspace, head: str) -> None:
        self._workspace = workspace  # whose reader remembers what it has read
        self._history = workspace.history
        self._head = head
        self._override = workspace.authority_override
        self._known = KnownContracts()
        self._facts: dict[tuple[str, AuthorityRef], CommitFacts] = {}  # the newest last
        self._checked: _Checked | None = None
        self._manifest: _Manifest | None = None

    def facts(self, zone: str, commit: str, authority: AuthorityRef) -> CommitFacts | None:
        """Facts of a commit under an authority; None: not in this clone."""
        if not self._history.is_ancestor(commit, commit):
            return None
        key = (commit, authority)
        if key not in self._facts:
            self._facts[key] = self._look(zone, commit, authority)
            while len(self._facts) > _KEPT:
                del self._facts[next(iter(self._facts))]
        return self._facts[key]

    def authority_digests(self, commit: str) -> dict[str, str] | None:
        """SHA-256 of each file under authority/; None: not on the branch."""
        if not self._history.is_ancestor(commit, self._head):
            return None
        tree = self._history.tree(commit)
        under = tree.read([path for path in tree.entries() if path.startswith("authority/")])
        return {path: sha256_hex(content) for path, content in contents_of(under.values()).items()}

    def manifest_sha256(self, files: Contents) -> str:
        """The digest of a tree's manifest, made of its files."""
        known = self._manifest
        self._manifest = known.brought_to(files.tree) if known is not None else _Manifest.of(files)
        return self._manifest.sha256

    def _look(self, zone: str, commit: str, ref: AuthorityRef) -> CommitFacts:
        tree = self._history.tree(commit)
        override = self._override if ref.outside_commit and self._is_override(ref) else None
        workspace, known = self._workspace, self._checked
        validation = validate_tree(
            tree,
            workspace.read,
            workspace.check,
            authority_override=override,
            scope=known.scope(tree, override) if known else None,
            known=self._known,
        )
        if known is None or validation.about is None:
            checked = _Checked.whole(tree, override, validation, zone)
        else:
            checked = known.brought_to(tree, validation)
        self._checked = checked
        authority = validation.authority
        own = validation.files.get(f"authority/{zone}.yaml")
        return CommitFacts(
            commit=commit,
            on_branch=self._history.is_ancestor(commit, self._head),
            manifest=self.manifest_sha256(validation.files),
            rules=workspace.rules,
            authority_sha256=None if own is None else sha256_hex(own),
            contracts=checked.contracts,
            desired=checked.desired,
            invalid=validation.invalid_paths,
            undecided=validation.undecided(zone),
            authority=authority,
            separation="warn" if authority is None else authority.policy.separation_of_duties,
            own_authority=authority is not None and (not ref.outside_commit or override is not None),
            overridable=None if authority is None else authority.policy.overridable,
        )

    def _is_override(self, ref: AuthorityRef) -> bool:
        given = self._override
        return given is not None and given.content is not None and sha256_hex(given.content) == ref.sha256
