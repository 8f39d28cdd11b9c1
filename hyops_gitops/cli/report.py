"""`report`: the verified log as pages that stand alone."""

from datetime import datetime
from pathlib import Path

import click

from hyops_gitops.adapters.files import report_templates
from hyops_gitops.adapters.new_folder import write_folder
from hyops_gitops.audit.report import Period
from hyops_gitops.cli.options import on_workspace, period_options
from hyops_gitops.cli.output import tell
from hyops_gitops.cli.wiring import TOOL, LocalWorkspace
from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import Exit, InvalidData, UsageError
from hyops_gitops.core.findings import printable
from hyops_gitops.core.text import counted
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.envelope import EntryRef
from hyops_gitops.log.text import problem_lines
from hyops_gitops.log.verify import Reading
from hyops_gitops.report.facts import ReportSubject, facts_of
from hyops_gitops.report.render import INDEX, SUMS, failed_report_files, is_own_report, report_files


@dataclass(frozen=True, slots=True)
class ReportWritten(JsonReport):
    """What was written where."""

    FORMAT = "hyops-report/1"
    zone: str
    directory: str
    index: str  # the page to open
    ok: bool  # whether the log verifies
    entries: int
    head: EntryRef | None  # None: nothing verifies
    problems: tuple[Problem, ...]


@click.command()
@click.option(
    "--out",
    "directory",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where to write it: a folder that does not exist, is empty, or holds a report.",
)
@click.option("--replace", is_flag=True, help="Replace DIR whatever it holds.")
@period_options
@on_workspace("json", zones="each")
def report(
    workspace: LocalWorkspace,
    directory: Path,
    replace: bool,
    since: datetime | None,
    until: datetime | None,
    output_format: str,
) -> int:
    """Write the log as web pages for auditors and managers.

    Verifies the log of this clone in full (run `git fetch` first) and reads nothing else: no network, no clock. The
    pages load nothing and can be opened from a file system. The same head gives the same bytes.

    Exit 1 if the log does not verify; the report then says so and shows nothing that cannot be relied on.
    """
    zone = workspace.at("HEAD").zone()
    snapshot = zone.recorded()
    evidence = zone.authority.evidence
    try:
        reading = zone.reading(snapshot)
    except InvalidData as error:
        reading = Reading(None, 0, (Problem("path", evidence.branch, error.message),))
    subject = ReportSubject(
        zone=zone.authority.zone,
        branch=evidence.branch,
        commit=snapshot.commit,
        genesis=evidence.genesis or "",
        signers_sha256=zone.signers.sha256,
        entries=reading.entries,
        problems=reading.problems,
        tool=TOOL,
    )
    period, log, templates = Period(since, until), reading.log, report_templates()
    if log is None:
        files = failed_report_files(subject, templates, period)
    else:
        files = report_files(facts_of(subject, log, snapshot.paths(), period), templates)
    _require_outside(directory, workspace.root)
    if workspace.zone_name is not None:  # each of several zones has a report of its own
        directory = directory / workspace.zone_name
        directory.parent.mkdir(parents=True, exist_ok=True)
    write_folder(directory, files, may_replace=lambda place: replace or _is_report(place))
    made = ReportWritten(
        zone=subject.zone,
        directory=str(directory),
        index=str(directory / INDEX),
        ok=reading.ok,
        entries=reading.entries,
        head=EntryRef(log.head.seq, log.head.sha256) if log else None,
        problems=reading.problems,
    )
    tell(made, output_format, lambda: _text(made))
    return Exit.OK if reading.ok else Exit.NO


def _text(made: ReportWritten) -> str:
    entries = counted(made.entries, "entry", "entries")
    lines = problem_lines(made.problems)
    lines.append(f"{entries} of {made.zone}: {printable(made.index)}")
    lines.append(f"log head {made.head}" if made.ok else "the log does NOT verify; the report says so")
    return "\n".join(lines)


def _require_outside(directory: Path, root: Path) -> None:
    """Refuse a place that holds the repository: replacing it would lose that."""
    place = directory.resolve()
    if root.is_relative_to(place) or place.is_relative_to(root / ".git"):
        raise UsageError(f"{directory} holds the repository", code="not-empty", hint="name a directory for the report")


def _is_report(directory: Path) -> bool:
    try:
        names = [file.name for file in directory.iterdir()]
        return is_own_report(names, (directory / INDEX).read_bytes(), (directory / SUMS).read_bytes())
    except OSError:
        return False
