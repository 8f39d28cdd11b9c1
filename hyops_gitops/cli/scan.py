"""`scan`: addresses in the files of applications."""

import sys
from pathlib import Path

import click

from hyops_gitops import __version__
from hyops_gitops.adapters.file_search import SearchResult, search_files
from hyops_gitops.cli.options import on_workspace, place_in_checkout
from hyops_gitops.cli.output import echo, echo_json, echo_orders, note, wants_colour
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.findings import findings_json, findings_text, printable
from hyops_gitops.core.text import counted, first_few
from hyops_gitops.scan.addressbook import read_book
from hyops_gitops.scan.search import SCAN_RULES, Search
from hyops_gitops.validate.formats import findings_annotations, findings_sarif


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path))
@on_workspace("json", "github", "sarif", contracts=True, zones="own")
def scan(workspace: LocalWorkspace, paths: tuple[Path, ...], output_format: str) -> int:
    """Find addresses in other repositories that a name stands for.

    Searches files and folders for addresses that are or were a target of a contract, of any site, and for names that
    were retired or renamed; says which name to write instead. What was is known from the signed log, or where none was
    started, from the history of the contracts.

    Leaves out what git ignores, binary files, what .hyops-scan-ignore names, and lines with `hyops-allow: REASON`. No
    link is followed. Exit 1 on findings; exit 4 without, where a file could not be read.
    """
    found = search_files(paths, Search(read_book(workspace)), workspace.root)
    prefix = place_in_checkout(Path.cwd())[1]
    match output_format:
        case "json":
            counts = {"allowed": found.allowed, "skipped": dict(found.skipped), "unread": found.unread}
            echo_json({**findings_json(found.hits, found.files, "hyops-scan/1"), **counts})
        case "sarif":
            echo_json(findings_sarif(found.hits, SCAN_RULES, __version__, prefix))
        case _:
            github, colour = output_format == "github", wants_colour(sys.stdout)
            text = findings_annotations(found.hits, prefix) if github else findings_text(found.hits, colour=colour)
            if text:
                (echo_orders if github or colour else echo)(text.rstrip("\n"))
            note(_summary(found))
    if found.count:
        return Exit.NO
    return Exit.OUTSIDE if found.unread else Exit.OK


def _summary(found: SearchResult) -> str:
    parts = [f"{counted(found.files, 'file')} searched, {counted(found.count, 'finding')}"]
    parts += [f"{found.allowed} allowed"] if found.allowed else []
    if found.skipped:
        parts.append(f"not searched: {', '.join(f'{found.skipped[kind]} {kind}' for kind in sorted(found.skipped))}")
    parts += [f"cannot read {first_few([printable(text) for text in found.unread])}"] if found.unread else []
    return "; ".join(parts)
