"""`validate` and `explain`: findings, and the rules behind them."""

import os
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyops_gitops import __version__
from hyops_gitops.adapters.checkout import is_unpacked, work_tree
from hyops_gitops.adapters.files import read_source
from hyops_gitops.adapters.git.work_tree import StagedTree
from hyops_gitops.adapters.host.machine import SystemClock
from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.adapters.yaml.schema import check_document, schema_copies
from hyops_gitops.cli.options import common_options, find_repository, inside, place_in_checkout
from hyops_gitops.cli.output import echo, echo_json, echo_orders, note, wants_colour
from hyops_gitops.core.authority import EvidenceSettings
from hyops_gitops.core.errors import Exit, HyopsError, OutsideFailure, UsageError
from hyops_gitops.core.findings import Finding, Rule, findings_json, findings_text, has_errors, summary
from hyops_gitops.core.guards import GUARDS
from hyops_gitops.core.text import did_you_mean
from hyops_gitops.core.tree import SourceTree
from hyops_gitops.log.segment import SEGMENTS
from hyops_gitops.validate.by_zone import Inquiry, ZonePart, validate_zones
from hyops_gitops.validate.formats import (
    catalogue_text,
    explanations_json,
    findings_annotations,
    findings_sarif,
    guard_text,
    rule_text,
)
from hyops_gitops.validate.rules import RULES
from hyops_gitops.validate.validation import Start, validate_tree

if TYPE_CHECKING:
    from hyops_gitops.adapters.git.clone import GitRepository


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--changed-since",
    "since",
    metavar="REF",
    help="Show only findings about changes since HEAD left this commit, and about their commits: references to deleted "
    "contracts, a change of authority and contracts together, trailers that apply would refuse.",
)
@click.option(
    "--staged",
    is_flag=True,
    help="Check the staged files instead of the work tree, as the hook does; without PATHS, what they change.",
)
@click.option("--full", is_flag=True, help="Read every file, whatever is shown.")
@common_options("json", "github", "sarif")
def validate(
    paths: tuple[Path, ...],
    since: str | None,
    staged: bool,
    full: bool,
    repo: Path | None,
    authority_file: Path | None,
    output_format: str,
    **_common: object,
) -> int:
    """Check contracts and authority: syntax, schema, names, targets.

    With PATHS, --changed-since or --staged, show only findings about those files, the contracts they are related to,
    and those that point at a name which is not there any more; other contracts are not read. A change of the authority
    concerns all of them.

    --format github writes annotations for a pull request, --format sarif a SARIF 2.1.0 log.
    """
    root = find_repository(repo)
    tree = StagedTree(root, os.environ) if staged else work_tree(root)
    history = _history(root) if paths or since is not None or staged else None
    override = None if authority_file is None else read_source(authority_file.resolve(), str(authority_file))
    validate_one = partial(
        validate_tree,
        read=read_document,
        check=check_document,
        as_of=SystemClock().now().date(),
        copies=schema_copies(root),
    )
    asked = None if history is None else _asked(root, paths, since, history, staged=staged, full=full)
    done = validate_zones(tree, asked, validate_one, read_document, override)
    about_commits = () if history is None or since is None else _about_commits(history, since, done.parts)
    about_segments = [found for part in done.parts for found in _about_segments(root, part)]
    findings = (*done.findings, *about_commits, *about_segments)
    show_findings(findings, done.checked, output_format, place_in_checkout(root)[1])
    return Exit.NO if has_errors(findings) else Exit.OK


def _asked(
    root: Path, paths: tuple[Path, ...], since: str | None, history: "GitRepository", *, staged: bool, full: bool
) -> Inquiry | None:
    """What a run is about; None: everything."""
    named = frozenset(inside(root, paths)) if paths else None
    if since is not None:
        start = _start(history, since)
        return Inquiry(named, start, start.tree, full)
    base = _head(history)
    if named is None and (base is None or not staged or full):
        return None
    return Inquiry(named, None, base, full)


def _head(history: "GitRepository") -> SourceTree | None:
    """The tree of HEAD; None where there is no commit."""
    try:
        return history.tree("HEAD")
    except (UsageError, OutsideFailure):
        return None


def _about_segments(root: Path, part: ZonePart) -> tuple[Finding, ...]:
    """Findings about break-glass segments in a zone's log, if there is one."""
    validation = part.validation
    if validation.authority is None or validation.authority.evidence.genesis is None:
        return ()
    if not any((folder / ".git").exists() for folder in (root, *root.parents)):
        return ()
    if not is_unpacked(root) and not _has_segments(root, validation.authority.evidence):
        return ()
    from hyops_gitops.cli.wiring import LocalWorkspace  # noqa: PLC0415 - reading a log takes cryptography
    from hyops_gitops.log.reconciling import segment_findings  # noqa: PLC0415 - as above
    from hyops_gitops.log.workspace import Revision  # noqa: PLC0415 - as above

    workspace = LocalWorkspace(root) if part.zone is None else LocalWorkspace(root).of_zone(part.zone)
    revision = Revision(workspace, part.tree, validation=validation)
    return segment_findings(revision, SystemClock().now())


def _has_segments(root: Path, settings: EvidenceSettings) -> bool:
    """Whether the log has any, as far as this clone knows."""
    from hyops_gitops.adapters.git.objects import look_up  # noqa: PLC0415 - only where a log is started
    from hyops_gitops.adapters.git.process import Git  # noqa: PLC0415 - as above

    git, branches = Git(root), (f"heads/{settings.branch}", f"remotes/{settings.remote}/{settings.branch}")
    try:
        return any(look_up(git, f"refs/{branch}:{SEGMENTS.rstrip('/')}") for branch in branches)
    except HyopsError:  # other checks report it
        return False


def show_findings(
    findings: tuple[Finding, ...],
    checked: int,
    output_format: str,
    prefix: str,
    *,
    rules: Iterable[Rule] = tuple(RULES.values()),
    form: str = "hyops-validate/1",
) -> None:
    """Print findings of these rules.

    Args:
        findings: The result.
        checked: The number of contracts that were looked at.
        output_format: That of `--format`.
        prefix: The path of the repository in its checkout, ended by "/" unless empty.
        rules: Every rule that there can be findings of.
        form: The format of the JSON document.
    """
    match output_format:
        case "json":
            echo_json(findings_json(findings, checked, form))
        case "sarif":
            echo_json(findings_sarif(findings, rules, __version__, prefix))
        case _:
            github = output_format == "github"
            text = (
                findings_annotations(findings, prefix)
                if github
                else findings_text(findings, colour=wants_colour(sys.stdout))
            )
            if text:
                (echo_orders if github or wants_colour(sys.stdout) else echo)(text.rstrip("\n"))
            note(summary(findings, checked))


def _history(root: Path) -> "GitRepository":
    from hyops_gitops.adapters.git.clone import GitRepository  # noqa: PLC0415 - takes as long as a hundred contracts

    return GitRepository(root)


def _start(history: "GitRepository", revision: str) -> Start:
    """Where HEAD left a revision's history."""
    commit = history.resolve(revision)
    left = history.merge_base(commit, history.resolve("HEAD")) or commit
    return Start(history.tree(left), revision, None if left == commit else history.tree(commit))


def _about_commits(history: "GitRepository", revision: str, parts: Iterable[ZonePart]) -> tuple[Finding, ...]:
    """Findings about the commits' messages; doubtful lines are only noted."""
    from hyops_gitops.apply.propose import quoted_lines, trailer_findings  # noqa: PLC0415 - planning is a large import

    commits = history.first_parent_commits(revision, "HEAD")
    for line in quoted_lines(commits):
        note(line)
    known = (part.validation.authority.path for part in parts if part.validation.authority is not None)
    return trailer_findings(commits, next(known, "authority"))


def _every_rule() -> dict[str, Rule]:
    from hyops_gitops.netbox.check import NETBOX_RULES  # noqa: PLC0415 - the hook does not need them
    from hyops_gitops.scan.search import SCAN_RULES  # noqa: PLC0415 - as above

    return {**RULES, **{rule.id: rule for rule in (*SCAN_RULES, *NETBOX_RULES)}}


def _explained(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    return [name for name in (*_every_rule(), *GUARDS) if name.startswith(begun)]


@click.command()
@click.argument("name", metavar="[RULE|GUARD]", required=False, shell_complete=_explained)
@common_options("json")
def explain(name: str | None, output_format: str, **_common: object) -> None:
    """Explain a validation rule or a guard; without a name, list all."""
    known = _every_rule()
    rules = [rule for rule in known.values() if name in (None, rule.id)]
    guards = [guard for guard in GUARDS.values() if name in (None, guard.name)]
    if name is not None and not rules and not guards:
        guess = did_you_mean(name, [*known, *GUARDS])
        hint = f"did you mean {guess}?" if guess else "list them with `hyops-gitops explain`"
        raise UsageError(f"unknown rule or guard {name!r}", code="unknown-rule", hint=hint)
    if output_format == "json":
        echo_json(explanations_json(rules, guards))
    elif name is None:
        echo(catalogue_text(rules, guards).rstrip("\n"))
    else:
        echo("\n".join([*map(rule_text, rules), *map(guard_text, guards)]).rstrip("\n"))
