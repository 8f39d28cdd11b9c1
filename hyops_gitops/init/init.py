"""Init: create a zone's repository, or add what it lacks.

1. The authority file: the existing one, the one given, or one made from the answers.
2. Validation of everything in memory, before anything is written.
3. Contracts of the zone's present records, where asked for.
4. The signing key, then the files; existing files are never overwritten.
5. Git: repository, first commit, and the log, as far as asked for; at the end the forge's rulesets.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Protocol

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import OutsideFailure, UsageError
from hyops_gitops.core.events import Step
from hyops_gitops.core.findings import FindingsError
from hyops_gitops.core.layout import SIGNERS_PATH
from hyops_gitops.core.tree import SourceTree, contents_of
from hyops_gitops.core.zone import RRset
from hyops_gitops.core.zone_tree import zone_tree
from hyops_gitops.init import repository as codeowners
from hyops_gitops.init.repository import (
    AUTHORITY_TEMPLATE,
    PLACEHOLDER_REPO,
    SIGNERS_TEMPLATE,
    Answers,
    Tool,
    authority_text,
    check_principal,
    other_files,
    rulesets,
    signers_text,
)
from hyops_gitops.init.summary import InitResult, NextSteps
from hyops_gitops.init.zone_contracts import ContractDefaults, ZoneContracts, map_contracts
from hyops_gitops.log.admin import LogStart, start_log
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.validate.validation import MemoryTree, Validation, validate_tree


class RepositoryFolder(Protocol):
    """The directory of the repository. Never overwrites a file."""

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
    authority_file: bytes | None
    runner: str
    principal: str | None
    has_key: bool  # whether the workspace has a signer
    remote_url: str | None
    admins: str | None
    organisation: str | None
    from_zone: ContractDefaults | None  # make contracts of the zone's records
    read_zone: Callable[[Authority], tuple[RRset, ...]]
    commit: bool
    evidence: bool
    github: bool
    templates: Mapping[str, str]  # by path
    files: Mapping[str, bytes]  # further ones, by path


_HOOKS = ".pre-commit-config.yaml"
_FIRST_MESSAGE = "Begin the endpoint contracts of {}"
PIN_MESSAGE = "Pin the evidence log"


@dataclass(frozen=True, slots=True)
class Draft:
    """The repository in memory."""

    workspace: Workspace
    present: Mapping[str, bytes]  # under endpoints/ and authority/
    made: Mapping[str, bytes]
    zone: str | None = None  # None: the first, where there are several

    @property
    def zones(self) -> tuple[str, ...]:
        """The zones; the one without a folder is the first."""
        division = self._tree({}).division
        return tuple(sorted(division.zones, key=lambda zone: (division.several and zone in division.folders, zone)))

    def judged(self, more: Mapping[str, bytes]) -> Validation:
        """Validate its zone with these files added."""
        tree, zones = self._tree(more), self.zones
        if len(zones) > 1:
            tree = zone_tree(tree, self.zone or zones[0])
        return validate_tree(tree, self.workspace.read, self.workspace.check)

    def _tree(self, more: Mapping[str, bytes]) -> SourceTree:
        return MemoryTree({**more, **self.made, **self.present})

    def authority(self) -> Authority:
        """The authority.

        Raises:
            FindingsError: it, or an existing file, is invalid.
        """
        validation = self.judged({})
        if validation.authority is None:
            raise FindingsError(validation.findings, unwritten=True)
        return validation.authority


def init_repository(request: InitRequest, folder: RepositoryFolder, workspace: Workspace) -> InitResult:
    """Create the repository, or add what it lacks.

    Raises:
        UsageError: codes `bad-tool`, `bad-principal`, `key-missing`, `answers-missing`, `key-exists`, `exists`,
            `inside-repository`, `remote-exists`.
        FindingsError: the authority would be invalid; nothing was written.
        OutsideFailure: the zone, git, ssh-keygen or the forge.
    """
    request.tool.check()
    folder.check_place()
    if request.evidence and not request.has_key:
        raise UsageError(
            "cannot sign the first entry of the log for --evidence: no key was given",
            code="key-missing",
            hint="give --generate-key FILE or --signing-key FILE",
        )
    if request.principal is not None:
        check_principal(request.principal)
    draft = _draft(request, workspace)
    authority = draft.authority()
    principal = request.principal or f"applier@{authority.zone}"
    check_principal(principal)
    taken = _zone_contracts(request, draft, authority)
    validation = draft.judged(taken.contracts)
    beside = [replace(draft, zone=zone).judged({}) for zone in draft.zones[1:]]
    key = workspace.open_signer().public_key() if request.has_key else None
    steps = NextSteps(
        authority=authority,
        has_tool=not _is_incomplete(folder, _HOOKS, PLACEHOLDER_REPO, request.tool.is_placeholder),
        has_key=key is not None or SIGNERS_PATH in draft.present,
        has_contracts=bool(validation.contracts),
        committed=request.commit or request.evidence,
        log_started=request.evidence or authority.evidence.genesis is not None,
        has_owners=not _is_incomplete(folder, codeowners.PATH, codeowners.PLACEHOLDER, request.admins is None),
    )
    wanted = {
        **draft.made,
        **taken.contracts,
        **request.files,
        SIGNERS_PATH: signers_text(request.templates[SIGNERS_TEMPLATE], principal, key).encode(),
        codeowners.PATH: codeowners.codeowners(
            [contract for each in (validation, *beside) for contract in each.contracts],
            request.admins,
            request.organisation,
            authority.policy.owners,
        ).encode(),
    }
    others = other_files(request.templates, authority, request.tool, request.runner, steps.markdown())
    wanted |= {path: text.encode() for path, text in others.items()}
    new = {path: content for path, content in sorted(wanted.items()) if not folder.has(path)}
    workspace.on_event(Step(f"writing {len(new)} files"))
    folder.write_new(new)
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
    result = _with_git(result, request, folder, workspace, authority)
    if not request.github:
        return result
    further = [rulesets(zone.authority.evidence.branch)[1:] for zone in beside if zone.authority]  # main has its own
    return replace(result, rulesets=tuple(chain(rulesets(authority.evidence.branch), *further)))


def _is_incomplete(folder: RepositoryFolder, path: str, placeholder: str, as_asked: bool) -> bool:
    """Whether the existing or else the new file has a placeholder."""
    return folder.mentions(path, placeholder) if folder.has(path) else as_asked


def _draft(request: InitRequest, workspace: Workspace) -> Draft:
    present = contents_of(workspace.work_tree.files())
    if any(path.startswith("authority/") and path.endswith(".yaml") for path in present):
        return Draft(workspace, present, {})
    if request.authority_file is not None:
        draft = Draft(workspace, present, {"authority/zone.yaml": request.authority_file})
        zone = _zone_of(draft)
    elif request.answers is not None:
        zone, text = request.answers.zone, authority_text(request.templates[AUTHORITY_TEMPLATE], request.answers)
        return Draft(workspace, present, {f"authority/{zone.replace('/', '_')}.yaml": text.encode()})
    else:
        raise UsageError("expected a zone", code="answers-missing", hint="give --zone or --authority FILE")
    return replace(draft, made={f"authority/{zone}.yaml": request.authority_file})


def _zone_of(draft: Draft) -> str:
    """The zone of an authority file that has no path yet."""
    (content,) = draft.made.values()
    document, findings = draft.workspace.read("authority/zone.yaml", content)
    zone = document.data.get("zone") if document is not None and isinstance(document.data, dict) else None
    if not isinstance(zone, str) or "/" in zone:
        raise FindingsError(findings or draft.judged({}).findings, unwritten=True)
    return zone


def _zone_contracts(request: InitRequest, draft: Draft, authority: Authority) -> ZoneContracts:
    if request.from_zone is None:
        return ZoneContracts({}, ())
    draft.workspace.on_event(Step(f"reading the zone {authority.zone}"))
    return map_contracts(authority, request.read_zone(authority), request.from_zone, draft.judged)


def _with_git(
    result: InitResult, request: InitRequest, folder: RepositoryFolder, workspace: Workspace, authority: Authority
) -> InitResult:
    folder.begin(request.remote_url)
    if not (request.commit or request.evidence):
        return result
    commit = folder.commit(result.written, _FIRST_MESSAGE.format(authority.zone)) if result.written else None
    if not request.evidence or authority.evidence.genesis is not None:
        return replace(result, commit=commit)
    started = log_started(workspace)
    folder.pin(authority.path, started.sha256)
    commit = folder.commit([authority.path], PIN_MESSAGE)
    return replace(result, commit=commit, genesis=started.sha256)


def log_started(workspace: Workspace) -> LogStart:
    """Start the log, or fail with the way to continue."""
    try:
        return start_log(workspace)
    except OutsideFailure as failure:
        which = f" --zone {workspace.zone_name}" if workspace.zone_name else ""
        again = f"all files are committed: run `hyops-gitops evidence init{which}` there to continue"
        raise OutsideFailure(failure.message, code=failure.code, hint=f"{failure.hint}; {again}") from failure
