"""The common course of moves: edit, check, write or commit."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace

from hyops_gitops.apply.propose import known_sites
from hyops_gitops.core.contract import Contract
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.declaration import NOTHING_DECLARED, Declaration
from hyops_gitops.core.errors import HyopsError, Refused, UsageError
from hyops_gitops.core.fields import time_text
from hyops_gitops.core.findings import FindingsError
from hyops_gitops.core.guards import Override
from hyops_gitops.core.layout import Layout
from hyops_gitops.core.names import endpoint_name_of_path, resolved_name, resolved_zone
from hyops_gitops.core.text import first_few, suggestion
from hyops_gitops.log.log import Log
from hyops_gitops.log.retirement import cached_until
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.move.contract_files import (
    FileChange,
    check_changes,
    edit_file,
    validated,
    write_changes,
)
from hyops_gitops.move.moves import (
    CommitText,
    Move,
    MoveResult,
    branch_name,
    commit_commands,
    pull_request_command,
    trailer_lines,
)
from hyops_gitops.validate.validation import Validation


@dataclass(frozen=True, slots=True)
class CommitOptions:
    """Extent and declarations of a move's commit."""

    declared: Declaration = NOTHING_DECLARED
    overrides: tuple[Override, ...] = ()
    commit: bool = False  # on a new branch, instead of the work tree
    push: bool = False
    pull_request: bool = False
    branch: str | None = None  # None: derived from the move

    @property
    def commits(self) -> bool:
        """Whether to commit, which push and pull request need."""
        return self.commit or self.push or self.pull_request

    @property
    def looking_only(self) -> "CommitOptions":
        """The same without a commit."""
        return replace(self, commit=False, push=False, pull_request=False)


def zone_parts(workspace: Workspace) -> tuple[Workspace, ...]:
    """The workspace of each zone; itself, where it is of one."""
    division = workspace.work_tree.division
    if workspace.zone_name is not None or not division.several:
        return (workspace,)
    return tuple(map(workspace.of_zone, division.zones))


def part_with(name: str, workspace: Workspace) -> Workspace:
    """The workspace of the zone with an endpoint of this name.

    Raises:
        UsageError: codes `unknown-name`, `ambiguous-name`.
    """
    parts = zone_parts(workspace)
    if len(parts) == 1:
        return workspace
    known = {zone: contract_names(part.here().files.layout, zone) for part in parts if (zone := part.zone_name)}
    return workspace.of_zone(resolved_zone(name, known, "contract"))


def zone_label(workspace: Workspace) -> str | None:
    """The zone, where results have to say which of several it is."""
    return workspace.zone_name if workspace.work_tree.other_zones else None


def read_contracts(workspace: Workspace, options: CommitOptions) -> tuple[Validation, ...]:
    """Validate the work tree by zone; committing wants it clean.

    Raises:
        FindingsError: an authority file is invalid.
        UsageError: code `no-site`: a site declared lost is unknown.
        Refused: guard `dirty`: a commit is wanted, and contracts are not committed.
    """
    if options.commits and (dirty := workspace.history.dirty_paths()):
        raise Refused(
            f"not committed: {first_few(dirty)}",
            guard="dirty",
            hint="commit or remove them first, or leave out --commit",
        )
    validations = tuple(map(validated, zone_parts(workspace)))
    check_lost_sites(options, validations)
    return validations


def check_lost_sites(options: CommitOptions, validations: Iterable[Validation]) -> None:
    """Check that sites declared lost exist; slips would pass unseen.

    Raises:
        UsageError: code `no-site`.
    """
    lost = options.declared.sites_lost
    known = {site for validation in validations for site in known_sites(validation)} if lost else frozenset()
    for site in lost:
        if site not in known:
            raise UsageError(
                f"no server or endpoint has a site {site!r}", code="no-site", hint=suggestion(site, known, "sites")
            )


def contract_names(layout: Layout, zone: str) -> dict[str, str]:
    """The paths of the contracts of a zone, by name."""
    named = ((path, endpoint_name_of_path(path, zone)) for path in layout.contracts)
    return {str(name): path for path, name in named if name is not None}


def named_contract(validation: Validation, name: str) -> Contract:
    """The contract of a name, which may be short.

    Raises:
        UsageError: codes `unknown-name`, `ambiguous-name`.
        FindingsError: the contract is invalid.
    """
    zone = validation.authority.zone if validation.authority else ""
    named = contract_names(validation.files.layout, zone)
    path = named[resolved_name(name, zone, named.keys(), "contract")]
    contract = validation.contract(path)
    if contract is None:
        raise FindingsError(validation.findings_about({path}))
    return contract


def edit_moves(moves: Sequence[Move], validation: Validation, workspace: Workspace) -> tuple[FileChange, ...]:
    """Edit the files of these moves in memory, and validate the result.

    Raises:
        FindingsError: a contract would be invalid.
    """
    changes = tuple(edit_file(move.path, validation.files[move.path], move.edits, workspace) for move in moves)
    check_changes(changes, workspace)
    return changes


def write_or_commit(
    result: MoveResult,
    changes: Sequence[FileChange],
    text: CommitText,
    branch: tuple[str, ...],
    options: CommitOptions,
    workspace: Workspace,
    *,
    empty: bool = False,
) -> MoveResult:
    """Write the files, or commit, push and open a pull request.

    Args:
        result: The moves.
        changes: The files, checked.
        text: Subject and body of the commit.
        branch: The words of a new branch's name.
        options: How far to go.
        workspace: The outside.
        empty: Whether to commit even without files, for the trailers.

    Raises:
        UsageError: `no-identity`, `bad-branch`, `no-remote`.
        OutsideFailure: git, the remote or the forge's program failed.
    """
    changed = [change for change in changes if change.changes]
    if not changed and not empty:
        return result
    text = replace(text, trailers=trailer_lines(options.declared, options.overrides))
    name = _branch(options, branch, workspace)
    paths = [change.path for change in changed]
    open_command = pull_request_command(name, text)
    if not options.commits:
        write_changes(changed, workspace)
        commands = ("hyops-gitops plan", *commit_commands(name, paths, text))
        return replace(result, written=tuple(paths), next=commands)
    remote = _remote(workspace, options)
    commit = workspace.branches.commit(name, {change.path: change.after for change in changed}, text.message)
    done = replace(result, branch=name, commit=commit)
    show = f"hyops-gitops plan --commit {name}"
    if not (options.push or options.pull_request):
        return replace(done, next=(show, f"git push {remote or 'REMOTE'} {name}", shlex.join(open_command)))
    workspace.branches.push(remote, name, commit)
    done = replace(done, pushed=True, next=(show, shlex.join(open_command)))
    if not options.pull_request:
        return done
    address = workspace.open_pull_request(open_command)
    return done if address is None else replace(done, pull_request=address, next=(show,))


def _branch(options: CommitOptions, words: tuple[str, ...], workspace: Workspace) -> str:
    wanted = options.branch or branch_name(*words)
    free = workspace.branches.free_name(wanted) if options.commits or not options.branch else wanted
    if options.branch and free != wanted:
        raise UsageError(f"branch {wanted!r} exists already", code="bad-branch", hint=f"use {free}, which is free")
    return free


def _remote(workspace: Workspace, options: CommitOptions) -> str:
    zones = workspace.here().zones.values()
    remotes = sorted({zone.authority.evidence.remote for zone in zones if zone.authority.evidence.remote})
    if len(remotes) != 1 and (options.push or options.pull_request):
        several = f"the zones have several: {', '.join(remotes)}"
        raise UsageError(
            f"cannot push: {several if remotes else 'the authority file has no evidence.remote'}",
            code="no-remote",
            hint="leave out --push and --pr, and push the branch yourself",
        )
    return remotes[0] if len(remotes) == 1 else ""


# --- caches of clients


def cache_warnings(moves: Sequence[Move], validation: Validation, workspace: Workspace) -> tuple[str, ...]:
    """Reasons for which clients keep the old target longer than policy.cutover_ttl_max."""
    authority = validation.authority
    if authority is None:
        return ()
    longest = authority.policy.cutover_ttl_max
    warnings = [
        f"{move.name}: its TTL is {move.ttl} s, policy.cutover_ttl_max is {longest} s: clients may keep the old target "
        f"that long; `hyops-gitops cutover {move.name} --prepare` lowers it ahead"
        for move in moves
        if move.ttl > longest
    ]
    try:
        log = workspace.here().zone().log_if_started()
    except HyopsError as error:
        return (*warnings, f"cannot read earlier TTLs: {error.message}")
    return (*warnings, *_still_cached(moves, log, workspace)) if log else tuple(warnings)


def _still_cached(moves: Sequence[Move], log: Log, workspace: Workspace) -> list[str]:
    now = workspace.clock.now()
    found: list[str] = []
    for move in moves:
        earlier = cached_until(move.name, log.applied_to(move.name), now)
        if earlier is not None and (earlier[0] - now).total_seconds() > move.ttl:
            until, ttl = earlier
            found.append(
                f"{move.name}: caches may hold what was served with its earlier TTL of {ttl} s until "
                f"{time_text(until)}: keep the old target serving until then"
            )
    return found
