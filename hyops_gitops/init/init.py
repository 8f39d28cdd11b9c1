"""Init: create a zone's repository, or add what it lacks.

1. The authority file: the existing one, the one given, or one made from the answers.
2. Validation of everything in memory, before anything is written.
3. Contracts of the zone's present records, where asked for.
4. The signing key, then the files; existing files are never overwritten.
5. Git: repository, first commit, and the log, as far as asked for; at the end the forge's rulesets.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.document import DocumentReader, SchemaChecker
from hyops_gitops.core.errors import OutsideFailure, UsageError
from hyops_gitops.core.events import OnEvent, Step
from hyops_gitops.core.findings import FindingsError
from hyops_gitops.core.layout import SIGNERS_PATH
from hyops_gitops.core.ports import Signer
from hyops_gitops.core.tree import SourceTree
from hyops_gitops.core.zone import RRset
from hyops_gitops.init import repository as codeowners
from hyops_gitops.init.repository import (
    AUTHORITY_TEMPLATE,
    PLACEHOLDER_REPO,
    SIGNERS_TEMPLATE,
    Answers,
    Ruleset,
    Tool,
    authority_text,
    check_principal,
    other_files,
    rulesets,
    signers_text,
)
from hyops_gitops.init.summary import InitResult, NextSteps
from hyops_gitops.init.zone_contracts import ContractDefaults, ZoneContracts, map_contracts
from hyops_gitops.log.admin import LogStart
from hyops_gitops.validate.validation import MemoryTree, Validation, validate_tree


class RepositoryFolder(Protocol):
    """The directory of the repository. Never overwrites a file."""

    def tree(self) -> SourceTree:
        """The existing files under `endpoints/` and `authority/`."""

    def has(self, path: str) -> bool:
        """Whether a path exists."""

    def mentions(self, path: str, word: str) -> bool:
        """Whether a path is a file with this word in it."""

    def check_place(self) -> None:
        """Check that this can be the top of a repository.

        Raises:
            UsageError: code `inside-repository`: it lies below the top of another.
        """

    def write_new(self, files: Mapping[str, bytes]) -> None:
        """Write new files, each whole or not at all.

        Raises:
            UsageError: code `exists`: a file was created meanwhile.
            OutsideFailure: code `cannot-write`.
        """

    def begin(self, remote_url: str | None) -> None:
        """Make it a Git repository with remote `origin`, where missing.

        Raises:
            UsageError: code `remote-exists`: `origin` leads elsewhere.
        """

    def commit(self, paths: Sequence[str], message: str) -> str:
        """Commit these paths alone; return the commit's id.

        Raises:
            OutsideFailure: code `git-failed`: git has no identity for the commit.
        """

    def pin(self, path: str, sha256: str) -> None:
        """Add `evidence.genesis` to the authority file."""


@dataclass(frozen=True, slots=True)
class InitRequest:
    """Arguments of init."""

    answers: Answers | None  # None: `authority_file`, or the existing one, is used
    tool: Tool
    authority_file: bytes | None = None
    runner: str = "hyops-applier"
    principal: str | None = None
    remote_url: str | None = None
    admins: str | None = None
    organisation: str | None = None
    from_zone: ContractDefaults | None = None  # make contracts of the zone's records
    commit: bool = False
    evidence: bool = False
    github: bool = False
    extra: Mapping[str, bytes] | None = None  # further files, by path


@dataclass(frozen=True, slots=True)
class InitEnvironment:
    """The outside; functions open what a validated authority file names."""

    folder: RepositoryFolder
    templates: Mapping[str, str]
    schemas: Mapping[str, bytes]  # by path
    read: DocumentReader
    check: SchemaChecker
    read_zone: Callable[[Authority], tuple[RRset, ...]]
    signer: Callable[[], Signer] | None  # generates the key where asked for
    start_log: Callable[[], LogStart]
    set_rulesets: Callable[[Sequence[Ruleset]], Sequence[str]] | None
    on_event: OnEvent


_HOOKS = ".pre-commit-config.yaml"
_FIRST_MESSAGE = "Begin the endpoint contracts of {}"
_PIN_MESSAGE = "Pin the evidence log"


@dataclass(frozen=True, slots=True)
class _Draft:
    """The repository in memory."""

    ports: InitEnvironment
    present: Mapping[str, bytes]  # under endpoints/ and authority/
    made: Mapping[str, bytes]

    def judged(self, more: Mapping[str, bytes]) -> Validation:
        """Validate it with these files added."""
        tree = MemoryTree({**more, **self.made, **self.present})
        return validate_tree(tree, self.ports.read, self.ports.check)

    def authority(self) -> Authority:
        """The authority.

        Raises:
            FindingsError: it, or an existing file, is invalid.
        """
        validation = self.judged({})
        if validation.authority is None:
            raise FindingsError(validation.findings, unwritten=True)
        return validation.authority


def init_repository(request: InitRequest, ports: InitEnvironment) -> InitResult:
    """Create the repository, or add what it lacks.

    Raises:
        UsageError: codes `bad-tool`, `bad-principal`, `key-missing`, `answers-missing`, `key-exists`, `exists`,
            `inside-repository`, `remote-exists`.
        FindingsError: the authority would be invalid; nothing was written.
        OutsideFailure: the zone, git, ssh-keygen or the forge.
    """
    request.tool.check()
    ports.folder.check_place()
    principal = _principal(request, ports)
    draft = _draft(request, ports)
    authority = draft.authority()
    principal = principal or f"applier@{authority.zone}"
    check_principal(principal)
    taken = _zone_contracts(request, ports, draft, authority)
    validation = draft.judged(taken.contracts)
    key = ports.signer().public_key() if ports.signer is not None else None
    steps = NextSteps(
        authority=authority,
        has_tool=not _is_incomplete(ports, _HOOKS, PLACEHOLDER_REPO, request.tool.is_placeholder),
        has_key=key is not None or SIGNERS_PATH in draft.present,
        has_contracts=bool(validation.contracts),
        committed=request.commit or request.evidence,
        log_started=request.evidence or authority.evidence.genesis is not None,
        has_owners=not _is_incomplete(ports, codeowners.PATH, codeowners.PLACEHOLDER, request.admins is None),
    )
    wanted = {
        **draft.made,
        **taken.contracts,
        **ports.schemas,
        **(request.extra or {}),
        SIGNERS_PATH: signers_text(ports.templates[SIGNERS_TEMPLATE], principal, key).encode(),
        codeowners.PATH: codeowners.codeowners(validation.contracts, request.admins, request.organisation).encode(),
    }
    others = other_files(ports.templates, authority, request.tool, request.runner, steps.markdown())
    wanted |= {path: text.encode() for path, text in others.items()}
    new = {path: content for path, content in sorted(wanted.items()) if not ports.folder.has(path)}
    ports.on_event(Step(f"writing {len(new)} files"))
    ports.folder.write_new(new)
    result = InitResult(
        zone=authority.zone,
        written=tuple(new),
        kept=tuple(sorted(wanted.keys() - new.keys())),
        taken_over=tuple(sorted(taken.contracts.keys() & new.keys())),
        unmapped=taken.unmapped,
        principal=principal if key is not None and SIGNERS_PATH in new else None,
        key=key,
        next=steps,
    )
    return _with_forge(_with_git(result, request, ports, authority), request, ports, authority)


def _is_incomplete(ports: InitEnvironment, path: str, placeholder: str, as_asked: bool) -> bool:
    """Whether the existing or else the new file has a placeholder."""
    return ports.folder.mentions(path, placeholder) if ports.folder.has(path) else as_asked


def _principal(request: InitRequest, ports: InitEnvironment) -> str | None:
    if request.evidence and ports.signer is None:
        raise UsageError(
            "cannot sign the first entry of the log for --evidence: no key was given",
            code="key-missing",
            hint="give --generate-key FILE or --signing-key FILE",
        )
    if request.principal is not None:
        check_principal(request.principal)
    return request.principal


def _draft(request: InitRequest, ports: InitEnvironment) -> _Draft:
    sources = ports.folder.tree().files()
    present = {source.path: source.content for source in sources if source.content is not None}
    if any(path.startswith("authority/") and path.endswith(".yaml") for path in present):
        return _Draft(ports, present, {})
    if request.authority_file is not None:
        draft = _Draft(ports, present, {"authority/zone.yaml": request.authority_file})
        zone = _zone_of(draft)
    elif request.answers is not None:
        zone, text = request.answers.zone, authority_text(ports.templates[AUTHORITY_TEMPLATE], request.answers)
        return _Draft(ports, present, {f"authority/{zone.replace('/', '_')}.yaml": text.encode()})
    else:
        raise UsageError("expected a zone", code="answers-missing", hint="give --zone or --authority FILE")
    return replace(draft, made={f"authority/{zone}.yaml": request.authority_file})


def _zone_of(draft: _Draft) -> str:
    """The zone of an authority file that has no path yet."""
    (content,) = draft.made.values()
    document, findings = draft.ports.read("authority/zone.yaml", content)
    zone = document.data.get("zone") if document is not None and isinstance(document.data, dict) else None
    if not isinstance(zone, str) or "/" in zone:
        raise FindingsError(findings or draft.judged({}).findings, unwritten=True)
    return zone


def _zone_contracts(request: InitRequest, ports: InitEnvironment, draft: _Draft, authority: Authority) -> ZoneContracts:
    if request.from_zone is None:
        return ZoneContracts({}, ())
    ports.on_event(Step(f"reading the zone {authority.zone}"))
    return map_contracts(authority, ports.read_zone(authority), request.from_zone, draft.judged)


def _with_git(result: InitResult, request: InitRequest, ports: InitEnvironment, authority: Authority) -> InitResult:
    ports.folder.begin(request.remote_url)
    if not (request.commit or request.evidence):
        return result
    commit = ports.folder.commit(result.written, _FIRST_MESSAGE.format(authority.zone)) if result.written else None
    if not request.evidence or authority.evidence.genesis is not None:
        return replace(result, commit=commit)
    started = _log_started(ports)
    ports.folder.pin(authority.path, started.sha256)
    commit = ports.folder.commit([authority.path], _PIN_MESSAGE)
    return replace(result, commit=commit, genesis=started.sha256)


def _log_started(ports: InitEnvironment) -> LogStart:
    """Start the log, or fail with the way to continue."""
    try:
        return ports.start_log()
    except OutsideFailure as failure:
        hint = f"{failure.hint}; all files are committed: run `hyops-gitops evidence init` there to continue"
        raise OutsideFailure(failure.message, code=failure.code, hint=hint) from failure


def _with_forge(result: InitResult, request: InitRequest, ports: InitEnvironment, authority: Authority) -> InitResult:
    if not request.github:
        return result
    wanted = rulesets(authority.evidence.branch)
    reports = ports.set_rulesets(wanted) if ports.set_rulesets is not None else ()
    return replace(result, rulesets=wanted, ruleset_reports=tuple(reports))
