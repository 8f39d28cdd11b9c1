"""`validate`: every finding of the work tree, or of some files and what is related to them."""

import os
import sys
from pathlib import Path

import click

from hyops_gitops import __version__
from hyops_gitops.adapters.files.worktree import WorkTree, read_source
from hyops_gitops.adapters.git.history import GitRepository
from hyops_gitops.adapters.host.clock import SystemClock
from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.adapters.yaml.schema_check import check_document
from hyops_gitops.adapters.yaml.schemas import schema_copies
from hyops_gitops.cli.options import common_options, find_repository
from hyops_gitops.cli.output import echo, echo_json, is_terminal, note
from hyops_gitops.cli.paths import inside
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.findings import Finding, has_errors
from hyops_gitops.core.rules.catalog import RULES
from hyops_gitops.render.annotations import findings_annotations
from hyops_gitops.render.findings import findings_json, findings_text, summary
from hyops_gitops.render.sarif import findings_sarif
from hyops_gitops.usecases.ports import SourceTree
from hyops_gitops.usecases.validation.validate import Validation, changed_paths, validate_tree


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--changed-since",
    "since",
    metavar="REF",
    help="Show only findings of what changed since HEAD left this commit; say what deletions leave behind, and refuse "
    "a change of authority and contracts together.",
)
@common_options("json", "github", "sarif")
def validate(
    paths: tuple[Path, ...],
    since: str | None,
    repo: Path | None,
    authority_file: Path | None,
    output_format: str,
    **_common: object,
) -> int:
    """Check contracts and authority: syntax, schema, names, targets.

    With PATHS, show the findings of those files and of contracts that refer to them or that they refer to, and every
    reference that leads nowhere: a deleted file is no path that could be given. All files are checked in any case.

    --format github makes annotations of a pull request, --format sarif a SARIF 2.1.0 log.
    """
    root = find_repository(repo)
    tree = WorkTree(root)
    base = _tree_of(root, since) if since is not None else None
    override = None if authority_file is None else read_source(authority_file.resolve(), str(authority_file))
    validation = validate_tree(
        tree,
        read_document,
        check_document,
        authority_override=override,
        base=base,
        since=since or "",
        as_of=SystemClock().now().date(),
        copies=schema_copies(root),
    )
    findings = validation.findings
    if base is not None:
        findings = validation.findings_about(changed_paths(base, tree))
    if paths:
        about = {*validation.findings_about(inside(root, paths)), *validation.dangling}
        findings = tuple(one for one in findings if one in about)
    findings = (*findings, *_about_segments(root, validation))
    _show(findings, validation.checked, output_format, _place_in_checkout(root))
    return Exit.NO if has_errors(findings) else Exit.OK


def _about_segments(root: Path, validation: Validation) -> tuple[Finding, ...]:
    """What the log of this clone says about break-glass; nothing where there is no clone, or no log yet."""
    started = validation.authority is not None and validation.authority.evidence.genesis is not None
    if not started or not any((one / ".git").exists() for one in (root, *root.parents)):
        return ()
    from hyops_gitops.adapters.ssh.verifying import SshVerifier  # noqa: PLC0415 - reading a log takes cryptography
    from hyops_gitops.cli.wiring import Wiring  # noqa: PLC0415 - as above
    from hyops_gitops.usecases.breakglass.pending import segment_findings  # noqa: PLC0415 - as above

    wiring = Wiring(root)
    return segment_findings(validation, wiring.store, SshVerifier(), wiring.mark(), SystemClock().now())


def _show(findings: tuple[Finding, ...], checked: int, output_format: str, prefix: str) -> None:
    match output_format:
        case "json":
            echo_json(findings_json(findings, checked))
        case "sarif":
            echo_json(findings_sarif(findings, RULES.values(), __version__, prefix))
        case _:
            github = output_format == "github"
            text = findings_annotations(findings, prefix) if github else findings_text(findings, colour=_wants_colour())
            if text:
                echo(text.rstrip("\n"))
            note(summary(findings, checked))


def _place_in_checkout(root: Path) -> str:
    """Where `root` lies in its checkout, ended by "/"; "" for the top. A forge names files from there."""
    top = next((one for one in (root, *root.parents) if (one / ".git").exists()), root)
    return "" if top == root else f"{root.relative_to(top).as_posix()}/"


def _tree_of(root: Path, revision: str) -> SourceTree:
    """Where HEAD left the history of `revision`: what others merged there since is no change of ours."""
    repository = GitRepository(root)
    commit = repository.resolve(revision)
    return repository.tree(repository.merge_base(commit, repository.resolve("HEAD")) or commit)


def _wants_colour() -> bool:
    return is_terminal(sys.stdout) and "NO_COLOR" not in os.environ
