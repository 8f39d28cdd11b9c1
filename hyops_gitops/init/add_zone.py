"""Add a zone to a repository, with contracts of its records.

Nothing that is there is changed, and the zones that are there stay as valid as they were: a name of theirs may belong
to the new zone.
"""

from collections.abc import Mapping
from dataclasses import replace

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import Refused, UsageError
from hyops_gitops.core.events import Step
from hyops_gitops.core.findings import Finding, FindingsError, Severity
from hyops_gitops.core.layout import SIGNERS_PATH, Division, authority_path
from hyops_gitops.core.names import name_problem
from hyops_gitops.core.signers import parse_allowed_signers
from hyops_gitops.core.tree import contents_of
from hyops_gitops.init.init import PIN_MESSAGE, Draft, InitRequest, RepositoryFolder, log_started
from hyops_gitops.init.repository import AUTHORITY_TEMPLATE, ZONE_README, Answers, authority_text, rulesets, zone_readme
from hyops_gitops.init.summary import FurtherZoneSteps, InitResult
from hyops_gitops.init.zone_contracts import ZoneContracts, map_contracts
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.validate.validation import MemoryTree, Validation

_MESSAGE = "Add the zone {}"


@dataclass(frozen=True, slots=True)
class _Others:
    """The zones that are there already."""

    division: Division
    validations: Mapping[str, Validation]

    @classmethod
    def of(cls, workspace: Workspace, present: Mapping[str, bytes], made: Mapping[str, bytes]) -> "_Others":
        """The zones of these files, without new ones."""
        division = MemoryTree(present).division
        drafts = {zone: Draft(workspace, present, made, zone) for zone in division.zones}
        return cls(division, {zone: draft.judged({}) for zone, draft in drafts.items()})

    @property
    def authorities(self) -> dict[str, Authority]:
        """The valid authority files by zone."""
        found = ((zone, validation.authority) for zone, validation in self.validations.items())
        return {zone: authority for zone, authority in found if authority is not None}

    @property
    def remote(self) -> str | None:
        """The git remote of their logs."""
        remotes = (authority.evidence.remote for authority in self.authorities.values())
        return next(filter(None, remotes), None)

    def errors(self) -> frozenset[Finding]:
        """What is wrong with them."""
        found = (finding for validation in self.validations.values() for finding in validation.findings)
        return frozenset(finding for finding in found if finding.severity is Severity.ERROR)


def add_zone(zone: str, request: InitRequest, folder: RepositoryFolder, workspace: Workspace) -> InitResult:
    """Add a zone to a repository that has others.

    Raises:
        UsageError: codes `no-repository`, `bad-zone`, `zone-exists`, `branch-taken`, `answers-missing`, `exists`.
        FindingsError: this zone or another would be invalid; nothing was written.
        Refused: guard `signing-key`: the key that is to start the log is not listed.
        OutsideFailure: the zone or git.
    """
    present = contents_of(workspace.work_tree.files())
    others = _Others.of(workspace, present, {})
    _check_zone(zone, others.division)
    own = f"{zone}/"
    readme, path = f"endpoints/{own}README.md", authority_path(zone)
    draft = Draft(workspace, present, {readme: b"", path: _authority_file(zone, request, others)}, zone)
    authority = draft.authority()
    _check_branch(authority, others)
    if new := _Others.of(workspace, present, draft.made).errors() - others.errors():
        raise FindingsError(tuple(sorted(new)), unwritten=True)
    if request.evidence:
        _check_signer(request, present, workspace)
    taken = _contracts(request, draft, authority, own)
    validation = draft.judged(taken.contracts)
    text = zone_readme(request.templates[ZONE_README], authority, own)
    wanted = {**request.files, path: draft.made[path], readme: text.encode(), **taken.contracts}
    new_files = {path: content for path, content in sorted(wanted.items()) if not folder.has(path)}
    workspace.on_event(Step(f"writing {len(new_files)} files"))
    folder.write_new(new_files)
    result = InitResult(
        zone=zone,
        written=tuple(new_files),
        kept=tuple(sorted(wanted.keys() - new_files.keys())),
        taken_over=tuple(sorted(taken.contracts.keys() & new_files.keys())),
        unmapped=taken.unmapped,
        principal=None,
        key=None,
        next=FurtherZoneSteps(
            authority,
            has_contracts=bool(validation.contracts),
            committed=request.commit or request.evidence,
            log_started=request.evidence or authority.evidence.genesis is not None,
        ),
        rulesets=rulesets(authority.evidence.branch)[1:] if request.github else (),  # main has its own
    )
    return _committed(result, request, authority, folder, workspace)


def _check_zone(zone: str, division: Division) -> None:
    """Check that a zone can be added.

    Raises:
        UsageError: codes `no-repository`, `bad-zone`, `zone-exists`.
    """
    if not division.zones:
        hint = f"begin one: hyops-gitops init DIR --zone {zone}"
        raise UsageError("there is no repository of another zone here", code="no-repository", hint=hint)
    problem = name_problem(zone) or (None if "." in zone else "its folder could be that of an environment")
    if problem is not None:
        raise UsageError(f"cannot add {zone!r}: {problem}", code="bad-zone", hint="give a zone of two or more labels")
    if zone in division.zones:
        hint = "without --add-zone, init writes what a repository lacks"
        raise UsageError(f"{authority_path(zone)} is there already", code="zone-exists", hint=hint)


def _authority_file(zone: str, request: InitRequest, others: _Others) -> bytes:
    if request.authority_file is not None:
        return request.authority_file
    if request.answers is None:
        raise UsageError("expected answers", code="answers-missing", hint="give --primary-url, or --authority FILE")
    answers: Answers = replace(request.answers, zone=zone, branch=_branch(zone), remote=others.remote)
    return authority_text(request.templates[AUTHORITY_TEMPLATE], answers).encode()


def _branch(zone: str) -> str:
    """A branch for the log of a further zone."""  # Git takes none that ends in `.lock`
    return f"evidence-{zone.replace('.', '-') if zone.endswith('.lock') else zone}"


def _check_branch(authority: Authority, others: _Others) -> None:
    """Check that the branch of the log is the zone's own.

    Raises:
        UsageError: code `branch-taken`: it is another zone's, or Git cannot have both.
    """
    branch = authority.evidence.branch
    for zone, other in others.authorities.items():
        taken = other.evidence.branch
        if f"{branch}/".startswith(f"{taken}/") or f"{taken}/".startswith(f"{branch}/"):
            raise UsageError(
                f"evidence.branch is {branch}, but the log of {zone} is on {taken}",
                code="branch-taken",
                hint=f"name a branch of its own, such as {_branch(authority.zone)}",
            )


def _check_signer(request: InitRequest, present: Mapping[str, bytes], workspace: Workspace) -> None:
    """Check that the key can start the log.

    Raises:
        UsageError: code `key-missing`.
        Refused: guard `signing-key`.
    """
    if not request.has_key:
        raise UsageError(
            "cannot sign the first entry of the log for --evidence: no key was given",
            code="key-missing",
            hint="give --signing-key FILE",
        )
    listed, _ = parse_allowed_signers(present.get(SIGNERS_PATH, b""), SIGNERS_PATH)
    if workspace.open_signer().public_key() not in {line.key for line in listed}:
        raise Refused(
            f"the signing key is not in {SIGNERS_PATH}",
            guard="signing-key",
            hint="give the key of an applier of this repository, or list it first by a pull request of its own",
        )


def _contracts(request: InitRequest, draft: Draft, authority: Authority, own: str) -> ZoneContracts:
    if request.from_zone is None:
        return ZoneContracts({}, ())
    draft.workspace.on_event(Step(f"reading the zone {authority.zone}"))
    return map_contracts(authority, request.read_zone(authority), request.from_zone, draft.judged, own)


def _committed(
    result: InitResult, request: InitRequest, authority: Authority, folder: RepositoryFolder, workspace: Workspace
) -> InitResult:
    """The same, committed and its log started, as far as asked for."""
    if not (request.commit or request.evidence):
        return result
    commit = folder.commit(result.written, _MESSAGE.format(result.zone))
    if not request.evidence or authority.evidence.genesis is not None:
        return replace(result, commit=commit)
    started = log_started(workspace.of_zone(result.zone))
    folder.pin(authority.path, started.sha256)
    return replace(result, commit=folder.commit([authority.path], PIN_MESSAGE), genesis=started.sha256)
