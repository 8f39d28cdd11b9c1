"""Validate a whole tree: all findings, and the valid contracts.

The hook, CI and `apply` all call this one function, so that none of them can be more lenient than another.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import field, replace
from datetime import date
from functools import cached_property, partial
from itertools import chain
from typing import Literal

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.context import zone_context
from hyops_gitops.core.contract import Contract
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.document import Document, DocumentReader, Fields, SchemaChecker
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.findings import Finding, Rule, Severity, finding
from hyops_gitops.core.layout import FILE_PROBLEM, SIGNERS_PATH, START, Layout, check_layout, check_mixed, lay_out
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.names import endpoint_name_of_path
from hyops_gitops.core.signers import check_append_only, parse_allowed_signers
from hyops_gitops.core.tree import Contents, SourceTree
from hyops_gitops.validate.authority_rules import check_authority, check_override
from hyops_gitops.validate.building import (
    ContractDraft,
    build_authority,
    build_contract,
    genesis_digest,
)
from hyops_gitops.validate.concerned import Scope, find_concerned
from hyops_gitops.validate.known import KnownContracts, about_contract
from hyops_gitops.validate.name_rules import check_aliases
from hyops_gitops.validate.reference_rules import (
    TARGET_DANGLING,
    TARGET_DELETED,
    Deletions,
    check_references,
    references,
)
from hyops_gitops.validate.zone_rules import check_other_zones

SCHEMA_COPY_STALE = Rule(
    "schema-copy-stale",
    "A copy of a schema under schemas/ says what the program's own schema says.",
    "Editors check by the copy, the program by its own: they would tell their users different things.",
    "Copy the schemas of the version in use: delete the copy, then hyops-gitops init .",
    "schemas/endpoint.schema.json of an older version, without endpoint_sites",
    Severity.WARNING,
)


Copy = tuple[str, bytes, bytes]  # path, its content, the content of the shipped one


def check_copies(copies: Iterable[Copy]) -> Iterator[Finding]:
    """Compare schema copies as JSON: an editor may have changed their layout."""
    for path, content, shipped in copies:
        if content != shipped and _parsed(content) != json.loads(shipped):
            message = "this copy is not the schema that the program checks by"
            hint = f"delete it, then `hyops-gitops init .` writes it again: git rm {path}"
            yield finding(SCHEMA_COPY_STALE, path, START, message, hint)


def _parsed(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


@dataclass(frozen=True)
class Validation:
    """The contents of a tree and their findings.

    Of a part of a tree, `findings` are those of the contracts in `about`; others are taken to be valid.
    """

    authority: Authority | None  # None: absent, or with an error
    looked_at: tuple[Contract, ...]  # those without error, sorted by path; empty while the authority is None
    findings: tuple[Finding, ...]  # sorted
    checked: int  # contract files looked at
    files: Contents  # every file of the tree that could be read, by path
    references: Mapping[str, frozenset[str]] = field(default_factory=dict)  # contract -> contracts it points at
    about: frozenset[str] | None = None  # the contracts that were looked at, gone ones included; None: all
    others: "Others | None" = None  # the contracts that were not; None: there are none
    vanished: frozenset[str] | None = None  # names that changed contracts have no more; None: unknown

    @cached_property
    def contracts(self) -> tuple[Contract, ...]:
        """All without error, sorted by path.

        Of a part of a tree, this reads the others as well.
        """
        return self.looked_at if self.others is None else self.others.all_valid()

    @cached_property
    def _by_path(self) -> dict[str, Contract | None]:
        return {contract.path: contract for contract in self.looked_at}

    def contract(self, path: str) -> Contract | None:
        """The valid contract at a path, which may be read for this."""
        if path not in self._by_path and self.others is not None and path not in (self.about or ()):
            self._by_path[path] = self.others.read(path)
        return self._by_path.get(path)

    @property
    def invalid_paths(self) -> frozenset[str]:
        """The files with an error."""
        return frozenset(finding.path for finding in self.findings if finding.severity is Severity.ERROR)

    def undecided(self, zone: str, managed: ManagedSet | None = None) -> frozenset[str]:
        """The names of invalid contracts, and those they asked for."""
        invalid = self.invalid_paths
        named = (endpoint_name_of_path(path, zone) for path in invalid)
        recorded = (entry for path in invalid for entry in managed.of_contract(path)) if managed else ()
        asked = (entry.rrset.name for entry in recorded)
        return frozenset((*(str(name) for name in named if name is not None), *asked))

    @property
    def dangling(self) -> tuple[Finding, ...]:
        """The findings that a deletion causes in an unchanged file."""
        return tuple(finding for finding in self.findings if finding.rule in (TARGET_DANGLING.id, TARGET_DELETED.id))

    def findings_about(self, paths: Collection[str]) -> tuple[Finding, ...]:
        """The findings of these files and of contracts related to them.

        A change of the authority concerns every contract.
        """
        wanted = set(paths)
        if any(path.startswith("authority/") for path in wanted):
            return self.findings
        related = {path for path, targets in self.references.items() if targets & wanted}
        related.update(chain.from_iterable(self.references.get(path, ()) for path in wanted))
        shown = wanted | related
        return tuple(finding for finding in self.findings if finding.path in shown)


@dataclass(frozen=True, slots=True)
class Others:
    """The contracts that a validation of a part did not look at."""

    there: bool  # whether there are any
    read: Callable[[str], Contract | None]
    all_valid: Callable[[], tuple[Contract, ...]]  # all of the tree, by a validation of everything


@dataclass(frozen=True, slots=True)
class Start:
    """An earlier state that a tree is compared with."""

    tree: SourceTree
    name: str  # what to call it in messages
    theirs: SourceTree | None = None  # its state elsewhere; a path that is the same there did not change in this tree


def validate_tree(  # noqa: PLR0913 - named, each with a default
    tree: SourceTree | Contents,
    read: DocumentReader,
    check: SchemaChecker,
    *,
    authority_override: SourceFile | None = None,
    start: Start | None = None,
    as_of: date | None = None,
    copies: Iterable[Copy] = (),
    scope: Scope | None = None,
    known: KnownContracts | None = None,
) -> Validation:
    """Check everything below `endpoints/` and `authority/`, or what a scope is about.

    Args:
        tree: What to check; contents, where some of it was read already.
        read: The strict YAML reader.
        check: The schema checker.
        authority_override: Replaces the zone's authority file only; its findings carry its own path.
        start: An earlier state, to find deleted contracts and removed signers.
        as_of: Today, to report aliases past their day; None: they are not reported.
        copies: The repository's copies of our schemas.
        scope: The contracts to look at; None, or where it cannot be answered from a few: all.
        known: Contracts of other trees that were read by the same reader and checker, which remember.
    """
    known = KnownContracts() if known is None else known
    files = tree if isinstance(tree, Contents) else Contents(tree)
    if scope is None:
        files = Contents(files.tree, files.tree.files())
    tree = files.tree
    forms = _Forms(files, read, check, known)
    layout = files.layout
    sources = files.sources([*layout.authorities, SIGNERS_PATH])
    own = next((forms.document("authority", sources[path]) for path in layout.authorities), None)
    replacement = None if authority_override is None else forms.document("authority", authority_override)
    used = own if authority_override is None else replacement
    foreign = tuple(check_override(replacement, own)) if replacement is not None and own is not None else ()
    # Contracts are never measured by the authority file of another zone: that is one mistake, not one a contract.
    context = zone_context(own if foreign else used, layout.contracts, layout.folder, tree.other_zones)
    concerned = find_concerned(scope, tree, context, forms.drafts_of) if scope is not None else None
    everything = partial(
        validate_tree,
        tree,
        read,
        check,
        authority_override=authority_override,
        start=start,
        as_of=as_of,
        copies=copies,
        known=known,
    )
    if scope is not None and concerned is None:
        return everything()
    drafts = concerned.drafts if concerned else tuple(forms.drafts_of(tree, layout.contracts).values())

    findings = [
        *check_layout(layout),
        *(() if own is None else check_authority(own, in_tree=True, context=context)),
        *(() if replacement is None else check_authority(replacement, in_tree=False, context=context)),
        *foreign,
        *_about_signers(sources.get(SIGNERS_PATH)),
        *_about_start(start, tree, sources.get(SIGNERS_PATH), read),
        *known.findings(drafts, context),
        *check_aliases(drafts, context, as_of),
        *check_references(drafts, context, _deletions(start, tree, layout)),
        *check_other_zones(drafts, context, tree, forms.drafts_of, (start.name, start.tree) if start else None),
        *forms.findings,
        *check_copies(copies),
    ]
    if concerned:  # of others that were read for it, not all is known
        known_paths, there = concerned.paths, context.contract_paths
        findings = [each for each in findings if each.path in known_paths or each.path not in there]
    invalid = {finding.path for finding in findings if finding.severity is Severity.ERROR}
    # Two authority files leave open which of them anything is about.
    usable = used is not None and used.path not in invalid and len(layout.authorities) < 2  # noqa: PLR2004
    authority = build_authority(used) if used is not None and usable else None
    here = concerned.paths if concerned else context.contract_paths
    sound = (draft for draft in drafts if draft.path in here and draft.path not in invalid)
    validation = Validation(
        authority=_with_genesis_of(authority, own) if authority is not None and own is not None else authority,
        looked_at=() if authority is None else tuple(known.contract(draft, authority) for draft in sound),
        findings=tuple(sorted(findings)),
        checked=len(here),
        files=files,
        references=references(drafts, context),
    )
    if concerned is None or scope is None:
        return validation

    def read_other(path: str) -> Contract | None:
        draft = forms.drafts_of(tree, [path]).get(path)
        problems = () if draft is None else (*forms.findings, *about_contract(draft, context))
        wrong = any(problem.path == path and problem.severity is Severity.ERROR for problem in problems)
        return None if draft is None or wrong or authority is None else build_contract(draft, authority)

    there = context.contract_paths
    others = Others(any(path not in here for path in there), read_other, lambda: everything().contracts)
    gone = {path for path in scope.changed if path not in there}
    return replace(validation, about=concerned.paths | gone, others=others, vanished=concerned.vanished)


def changed_paths(start: Start, tree: SourceTree) -> frozenset[str]:
    """The paths changed since, unless changed alike elsewhere."""
    changed = tree.changed(start.tree)
    return changed & tree.changed(start.theirs) if start.theirs is not None and changed else changed


class _Forms:
    """Turns files into documents, and collects findings about their form."""

    def __init__(self, files: Contents, read: DocumentReader, check: SchemaChecker, known: KnownContracts) -> None:
        self._files = files
        self._read = read
        self._check = check
        self._known = known
        self._drafts: dict[str, ContractDraft | None] = {}
        self.findings: list[Finding] = []

    def document(self, schema: Literal["endpoint", "authority"], source: SourceFile) -> Document | None:
        """The document of one file, or None when it is unusable."""
        if source.content is None:
            self.findings.append(_unreadable(source))
            return None
        document, findings = self._read(source.path, source.content)
        self.findings += findings
        if document is None:
            return None
        checked, malformed = self._check(schema, document)
        self.findings += malformed
        return checked

    def drafts_of(self, tree: SourceTree, paths: Collection[str]) -> Mapping[str, ContractDraft]:
        """The readable contracts at these paths, sorted.

        Findings are kept of the own tree alone.
        """
        if tree is not self._files.tree:
            return _Forms(Contents(tree), self._read, self._check, self._known).drafts_of(tree, paths)
        for path, source in self._files.sources([path for path in paths if path not in self._drafts]).items():
            document = self.document("endpoint", source)
            self._drafts[path] = None if document is None else self._known.draft(document)
        read = ((path, self._drafts.get(path)) for path in sorted(paths))
        return {path: draft for path, draft in read if draft is not None}


def _unreadable(source: SourceFile) -> Finding:
    return finding(FILE_PROBLEM, source.path, START, source.problem or "cannot be read")


def _about_signers(source: SourceFile | None) -> tuple[Finding, ...]:
    if source is None:
        return ()
    if source.content is None:
        return (_unreadable(source),)
    return parse_allowed_signers(source.content, source.path)[1]


def _about_start(
    start: Start | None, tree: SourceTree, signers: SourceFile | None, read: DocumentReader
) -> Iterator[Finding]:
    """Compare signers and mixed changes with an earlier state."""
    if start is None:
        return
    before = start.tree.read([SIGNERS_PATH]).get(SIGNERS_PATH)
    if before is not None and before.content is not None:
        yield from signers_since(before.content, b"" if signers is None else signers.content or b"", start.name)
    if _is_started(start.tree, read):
        yield from check_mixed(changed_paths(start, tree), start.name)


def signers_since(before: bytes, after: bytes, since: str) -> tuple[Finding, ...]:
    """Whether the allowed signers only grew."""
    then, now = (parse_allowed_signers(content, SIGNERS_PATH)[0] for content in (before, after))
    return tuple(check_append_only(then, now, since))


def _is_started(base: SourceTree, read: DocumentReader) -> bool:
    """Whether the log was started; before that all comes at once."""
    sources = base.read(lay_out(base.below("authority")).authorities)
    documents = (read(path, source.content or b"")[0] for path, source in sources.items())
    return any(genesis_digest(Fields(document)) is not None for document in documents if document is not None)


def _with_genesis_of(authority: Authority, own: Document) -> Authority:
    """The repository's genesis counts, whichever file stands in for its authority file."""
    genesis = genesis_digest(Fields(own))
    return replace(authority, evidence=replace(authority.evidence, genesis=genesis))


def _deletions(start: Start | None, tree: SourceTree, layout: Layout) -> Deletions:
    if start is None:
        return Deletions("the base", frozenset())
    gone = [path for path in tree.changed(start.tree) if path not in layout.contracts]
    return Deletions(start.name, frozenset(lay_out(sorted(start.tree.read(gone)), layout.folder).contracts))


@dataclass(frozen=True, slots=True)
class MemoryTree(SourceTree):
    """Contents by path."""

    contents: Mapping[str, bytes]

    def files(self) -> list[SourceFile]:
        """All of them, sorted by path."""
        return [SourceFile(path, content) for path, content in sorted(self.contents.items())]
