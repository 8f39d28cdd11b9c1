"""What the clone says about the contracts' commits that a log names. Every file is parsed once."""

from dataclasses import dataclass, field
from typing import Literal

from hyops_gitops.apply.propose import manifest_sha256
from hyops_gitops.apply.servers import servers_of
from hyops_gitops.audit.ports import CommitFacts
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.document import Document, DocumentReader, SchemaChecker
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.findings import Finding
from hyops_gitops.core.ports import History, SourceTree
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.parts import AuthorityRef
from hyops_gitops.validate.tree import Validation, validate_tree

_ROLES = {"primary": "primary", "secondaries": "secondary", "resolvers": "resolver"}


@dataclass
class Memory:
    """A reader and a checker that remember what they have said."""

    read: DocumentReader
    check: SchemaChecker
    _read: dict[tuple[str, bytes], tuple[Document | None, tuple[Finding, ...]]] = field(default_factory=dict)
    _checked: dict[tuple[str, int], tuple[Document, tuple[Document, tuple[Finding, ...]]]] = field(default_factory=dict)

    def read_once(self, path: str, content: bytes) -> tuple[Document | None, tuple[Finding, ...]]:
        """Meets `DocumentReader`."""
        key = (path, content)
        if key not in self._read:
            document, findings = self.read(path, content)
            self._read[key] = document, tuple(findings)
        return self._read[key]

    def check_once(
        self, schema: Literal["endpoint", "authority"], document: Document
    ) -> tuple[Document, tuple[Finding, ...]]:
        """Meets `SchemaChecker`; a document stays alive here, so that its id stays its own."""
        key = (schema, id(document))
        if key not in self._checked:
            checked, findings = self.check(schema, document)
            self._checked[key] = document, (checked, tuple(findings))
        return self._checked[key][1]


class Contracts:
    """The contracts' history of one clone, as seen from the head of one branch."""

    def __init__(
        self, history: History, read: DocumentReader, check: SchemaChecker, head: str, override: SourceFile | None
    ) -> None:
        self._history = history
        self._memory = Memory(read, check)
        self._head = head
        self._override = override
        self._facts: dict[tuple[str, AuthorityRef], CommitFacts] = {}

    def validation(self, tree: SourceTree, override: SourceFile | None = None) -> Validation:
        """A tree, validated."""
        return validate_tree(tree, self._memory.read_once, self._memory.check_once, authority_override=override)

    def facts(self, zone: str, commit: str, authority: AuthorityRef) -> CommitFacts | None:
        """What is known of one commit, under the authority that an entry names; None when the clone has no such one."""
        if not self._history.is_ancestor(commit, commit):
            return None
        key = (commit, authority)
        if key not in self._facts:
            self._facts[key] = self._look(zone, commit, authority)
        return self._facts[key]

    def authority_digests(self, commit: str) -> dict[str, str] | None:
        """The SHA-256 of each file under authority/ at a commit; None when that is not on the branch."""
        if not self._history.is_ancestor(commit, self._head):
            return None
        files = self._history.tree(commit).files()
        under = (one for one in files if one.path.startswith("authority/"))
        return {one.path: sha256_hex(one.content) for one in under if one.content is not None}

    def _look(self, zone: str, commit: str, ref: AuthorityRef) -> CommitFacts:
        tree = self._history.tree(commit)
        override = self._override if ref.outside_commit and self._is_override(ref) else None
        validation = self.validation(tree, override)
        authority, files = validation.authority, validation.files
        own = files.get(f"authority/{zone}.yaml")
        return CommitFacts(
            commit=commit,
            on_branch=self._history.is_ancestor(commit, self._head),
            manifest=manifest_sha256(files),
            authority_sha256=None if own is None else sha256_hex(own),
            contracts=validation.contracts,
            desired=Zone.of(zone, (rrset for one in validation.contracts for rrset in one.rrsets())),
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
    sites = {
        ("primary", "primary"): authority.primary.site,
        **{("secondary", one.name): one.site for one in authority.secondaries},
        **{("resolver", one.name): one.site for one in authority.resolvers},
    }
    return {(one.role, one.name): sites[one.role, one.name] for one in servers_of(authority) if one.required}


def _roles(authority: Authority) -> frozenset[str]:
    return frozenset(_ROLES[role] for role in authority.policy.convergence.require)
