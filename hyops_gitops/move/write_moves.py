"""The common course of moves: edit, check, write or commit."""

import shlex
from collections.abc import Sequence
from dataclasses import replace

from hyops_gitops.apply.propose import known_sites
from hyops_gitops.core.contract import Contract
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.declaration import NOTHING_DECLARED, Declaration
from hyops_gitops.core.errors import HyopsError, Refused, UsageError
from hyops_gitops.core.fields import time_text
from hyops_gitops.core.findings import FindingsError
from hyops_gitops.core.guards import Override
from hyops_gitops.core.names import endpoint_name_of_path, resolved_name
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


def read_contracts(workspace: Workspace, options: CommitOptions) -> Validation:
    """Validate the work tree; for a commit it must be clean.

    Raises:
        FindingsError: the authority is invalid.
        UsageError: code `no-site`: a site declared lost is unknown.
        Refused: guard `dirty`: a commit is wanted, and contracts are not committed.
    """
    if options.commits and (dirty := workspace.history.dirty_paths()):
        raise Refused(
            f"not committed: {first_few(dirty)}",
            guard="dirty",
            hint="commit or remove them first, or leave out --commit",
        )
    validation = validated(workspace)
    check_lost_sites(options, validation)
    return validation


def check_lost_sites(options: CommitOptions, validation: Validation) -> None:
    """Check that sites declared lost exist; slips would pass unseen.

    Raises:
        UsageError: code `no-site`.
    """
    known = known_sites(validation) if options.declared.sites_lost else frozenset()
    for site in options.declared.sites_lost:
        if site not in known:
            raise UsageError(
                f"no server or endpoint has a site {site!r}", code="no-site", hint=suggestion(site, known, "sites")
            )


def named_contract(validation: Validation, name: str) -> Contract:
    """The contract of a name, which may be short.

    Raises:
        UsageError: codes `unknown-name`, `ambiguous-name`.
        FindingsError: the contract is invalid.
    """
    zone = validation.authority.zone if validation.authority else ""
    paths = validation.files.layout.contracts
    named = {str(endpoint): path for path in paths if (endpoint := endpoint_name_of_path(path, zone)) is not None}
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
    remote = workspace.here().zone().authority.evidence.remote
    if remote is None and (options.push or options.pull_request):
        raise UsageError(
            "cannot push: the authority file has no evidence.remote",
            code="no-remote",
            hint="leave out --push and --pr, and push the branch yourself",
        )
    return remote or ""


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
