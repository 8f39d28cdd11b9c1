"""`validate`: every finding of the work tree, or of some files and what is related to them."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from hyops_gitops.adapters.git import GitRepository
from hyops_gitops.adapters.schema_check import check_document
from hyops_gitops.adapters.worktree import WorkTree, read_source
from hyops_gitops.adapters.yaml_reader import read_document
from hyops_gitops.cli.options import common_options, find_repository
from hyops_gitops.cli.output import echo, echo_json, note
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.findings import has_errors
from hyops_gitops.core.rules.tree import ROOTS
from hyops_gitops.render.findings import findings_json, findings_text, printable, summary
from hyops_gitops.usecases.ports import SourceTree
from hyops_gitops.usecases.validate import changed_paths, validate_tree


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--changed-since",
    "since",
    metavar="REF",
    help="Show only findings of what changed since this commit; say what deletions leave behind.",
)
@common_options("json")
def validate(
    paths: tuple[Path, ...],
    since: str | None,
    repo: Path | None,
    authority_file: Path | None,
    output_format: str,
    **_common: object,
) -> int:
    """Check contracts and authority: syntax, schema, names, targets.

    With PATHS, show the findings of those files and of contracts that refer to them or that they refer to. All files
    are checked in any case.
    """
    root = find_repository(repo)
    tree = WorkTree(root)
    base = _tree_of(root, since) if since is not None else None
    override = None if authority_file is None else read_source(authority_file.resolve(), str(authority_file))
    validation = validate_tree(
        tree, read_document, check_document, authority_override=override, base=base, since=since or ""
    )
    findings = validation.findings
    if base is not None:
        findings = validation.findings_about(changed_paths(base, tree))
    if paths:
        about = set(validation.findings_about(_inside(root, paths)))
        findings = tuple(one for one in findings if one in about)
    if output_format == "json":
        echo_json(findings_json(findings, validation.checked))
    else:
        if text := findings_text(findings, colour=_wants_colour()):
            echo(text.rstrip("\n"))
        note(summary(findings, validation.checked))
    return Exit.NO if has_errors(findings) else Exit.OK


def _tree_of(root: Path, revision: str) -> SourceTree:
    repository = GitRepository(root)
    return repository.tree(repository.resolve(revision))


def _inside(root: Path, paths: Iterable[Path]) -> set[str]:
    """The paths relative to the repository; those we have nothing to say about are noted and left out."""
    sources = [source.path for source in WorkTree(root).files()]
    known: set[str] = set()
    for path in paths:
        absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow a link that is itself meant
        absolute = absolute.parent.resolve() / absolute.name
        relative = absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else ""
        if root.is_relative_to(absolute):
            known.update(sources)
        elif relative.split("/")[0] in ROOTS:
            known.add(relative)
            known.update(source for source in sources if source.startswith(f"{relative}/"))
        else:
            note(f"{printable(str(path))} is not under endpoints/ or authority/, ignored")
    return known


def _wants_colour() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ
