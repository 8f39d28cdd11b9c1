"""Commands over the zones of a repository, with one result."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hyops_gitops.cli.help import next_step
from hyops_gitops.cli.output import (
    EventDisplay,
    KeptResult,
    echo,
    echo_json,
    echo_metrics,
    into,
    note,
    tell_error,
    write_json,
)
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import Exit, HyopsError, UsageError
from hyops_gitops.core.findings import printable
from hyops_gitops.core.names import canonical_name, zone_of_name

if TYPE_CHECKING:
    from hyops_gitops.cli.wiring import LocalWorkspace

# In a repository with several zones a command is about each in turn, all at the same time, the one that `--zone` names,
# or what it finds out itself.
ZoneMode = Literal["each", "at once", "one", "own"]
FORMAT = "hyops-zones/1"
MOST_AT_ONCE = 8  # each holds a connection to its primary and to the remote of the log
# What is worse than what, for the exit code of several: a change in doubt is worse than one that was not made.
_WORSE = (Exit.OK, Exit.NO, Exit.REFUSED, Exit.OUTSIDE, Exit.USAGE, Exit.UNCONFIRMED, Exit.BUG, Exit.INTERRUPTED)


@dataclass(frozen=True, slots=True)
class ZoneRun:
    """A command on one zone of several."""

    zone: str
    exit_code: int
    part: KeptResult  # what it printed
    error: HyopsError | None = None

    def to_json(self) -> dict[str, object]:
        """One member of `zones`."""
        error = None if self.error is None else self.error.to_json()
        return {"zone": self.zone, "exit_code": self.exit_code, "result": self.part.document, "error": error}


@dataclass(frozen=True, slots=True)
class ZoneChoice:
    """The zones of a repository, and those that a command is about."""

    known: tuple[str, ...]
    chosen: tuple[str, ...]
    named: str | None = None  # a name that may be short, to be looked for in each

    @property
    def is_whole(self) -> bool:
        """Whether there is nothing to choose: the repository has one zone."""
        return len(self.known) <= 1


def choose_zones(
    workspace: "LocalWorkspace", asked: str | None, mode: ZoneMode, options: Mapping[str, object]
) -> ZoneChoice:
    """The zones that a command is about.

    Args:
        workspace: That of the whole repository.
        asked: `--zone`.
        mode: How the command takes several.
        options: Its other options, of which `revision`, `branch` and `name` matter.

    Raises:
        UsageError: codes `unknown-zone`, `usage`.
    """
    if asked is None and not _has_several(workspace.root):
        return ZoneChoice((), ())
    known = _zones_at(workspace, options.get("revision") or options.get("branch"))
    if asked is not None:
        if asked not in known:
            hint = f"name one of: {', '.join(known)}" if known else "write its authority file"
            raise UsageError(f"there is no zone {asked}", code="unknown-zone", hint=hint)
        return ZoneChoice(known, (asked,))
    of_one: dict[str, object] = {"--authority": workspace.authority_override}
    # Numbers of entries are those of one log.
    of_one |= {"--seen": options.get("seen_texts"), "--recover": options.get("recover")}
    of_one |= {"--last-good-seq": options.get("last_good_seq")}
    if mode in ("each", "at once"):
        of_one |= dict.fromkeys(_nameless(options.get("override_texts")), True)
    for option, given in of_one.items():
        if given and len(known) > 1:
            raise UsageError(f"{option} is of one zone", code="usage", hint=f"name it: --zone {' | '.join(known)}")
    if mode == "own" or len(known) <= 1:
        return ZoneChoice(known, known)
    name = options.get("name")
    zone = zone_of_name(canonical_name(name), known) if isinstance(name, str) else None
    if zone is not None:
        return ZoneChoice(known, (zone,))
    if mode == "one":
        return ZoneChoice(known, ())
    return ZoneChoice(known, known, name if isinstance(name, str) else None)


def on_chosen(
    workspace: "LocalWorkspace",
    choice: ZoneChoice,
    mode: ZoneMode,
    form: str,
    command: Callable[["LocalWorkspace"], int],
    file: Path | None = None,
) -> int:
    """Run a command on the chosen zones; the worst exit code.

    Args:
        workspace: That of the whole repository.
        choice: The zones.
        mode: How the command takes several.
        form: That of `--format`.
        command: The command on the workspace of one zone, or of the whole repository.
        file: Where the document of several zones goes too.

    Raises:
        UsageError: code `unknown-zone`: the command is about one zone, and none was named.
        HyopsError: that of the command, where it runs on one zone.
    """
    if choice.is_whole or (mode == "own" and len(choice.chosen) != 1):
        return command(workspace)
    if not choice.chosen:
        message = "this repository has several zones, and the command is about one"
        raise UsageError(message, code="unknown-zone", hint=f"name it: --zone {' | '.join(choice.known)}")
    if len(choice.chosen) == 1:
        return command(workspace.of_zone(choice.chosen[0]))
    if form not in ("text", "markdown", "json", "openmetrics"):
        hint = f"name one: --zone {' | '.join(choice.known)}"
        raise UsageError(f"--format {form} is of one zone", code="usage", hint=hint)
    workspace = workspace.shared()
    if choice.named is not None:
        return _where_known(choice, form, [_captured(workspace, zone, command) for zone in choice.chosen])
    if mode == "at once":
        runs = _at_once(workspace, choice.chosen, command)
    elif form in ("text", "markdown"):
        return _worst([_shown(workspace, zone, form, command) for zone in choice.chosen])
    else:
        runs = [_captured(workspace, zone, command) for zone in choice.chosen]
    try:
        _tell(runs, form)
    finally:  # a reader of stdout that is gone takes no receipt away
        if file is not None:
            write_json(_document(runs), file)
    return _worst([run.exit_code for run in runs])


def _nameless(overrides: object) -> Iterator[str]:
    """The overrides that would lift their guard in every zone."""
    for text in overrides if isinstance(overrides, tuple) else ():
        guard = str(text).partition("=")[0]
        if ":" not in guard:
            yield f"--override {printable(guard)}"


def _has_several(root: Path) -> bool:
    """Whether the folder has more than one authority file."""
    try:
        names = [entry.name for entry in (root / "authority").iterdir()]
    except OSError:
        return False
    return sum(name.endswith(".yaml") and not name.startswith(".") for name in names) > 1


def _zones_at(workspace: "LocalWorkspace", revision: object) -> tuple[str, ...]:
    """The zones at a revision, else as they lie here."""
    if isinstance(revision, str):
        return workspace.at(revision).tree.division.zones
    return workspace.work_tree.division.zones


def _shown(workspace: "LocalWorkspace", zone: str, form: str, command: Callable[["LocalWorkspace"], int]) -> int:
    """Run a command on one zone, and show the result at once."""
    echo(_heading(zone, form))
    try:
        return command(workspace.of_zone(zone))
    except HyopsError as error:
        tell_error(form, error, zone)
        return error.exit_code


def _captured(workspace: "LocalWorkspace", zone: str, command: Callable[["LocalWorkspace"], int]) -> ZoneRun:
    """Run a command on one zone, and keep the result."""
    part = KeptResult(zone)
    with into(part):
        try:
            return ZoneRun(zone, command(workspace.of_zone(zone)), part)
        except HyopsError as error:
            error.hint = next_step(error, "hyops-gitops")
            return ZoneRun(zone, error.exit_code, part, error)


def _at_once(
    workspace: "LocalWorkspace", zones: Sequence[str], command: Callable[["LocalWorkspace"], int]
) -> list[ZoneRun]:
    """Run a command on several zones at the same time.

    An interrupt starts no further zone, and waits for those that are being changed: each is left settled.
    """
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - imports logging, for what few repositories need

    restricted = {zone: workspace.replaced(on_event=EventDisplay(zone)) for zone in zones}
    with ThreadPoolExecutor(min(MOST_AT_ONCE, len(zones))) as pool:
        started = [pool.submit(copy_context().run, _captured, restricted[zone], zone, command) for zone in zones]
        try:
            return [future.result() for future in started]
        except KeyboardInterrupt:
            note("interrupted: waiting for the zones that are being applied")
            pool.shutdown(cancel_futures=True)
            raise


def _where_known(choice: ZoneChoice, form: str, runs: Sequence[ZoneRun]) -> int:
    """Show the result of the zone that knows a short name.

    Raises:
        UsageError: codes `unknown-name`, `ambiguous-name`.
    """
    known = [run for run in runs if run.error is None or run.error.code != "unknown-name"]
    if not known and runs[0].error is not None:
        raise runs[0].error
    if len(known) > 1:
        hint = f"give it in full, or name the zone: --zone {' | '.join(run.zone for run in known)}"
        raise UsageError(f"{choice.named!r} is short for names of several zones", code="ambiguous-name", hint=hint)
    if known[0].error is not None:
        raise known[0].error
    known[0].part.replay(form)
    return known[0].exit_code


def _tell(runs: Sequence[ZoneRun], form: str) -> None:
    """Show the results of several zones as one."""
    match form:
        case "json":
            echo_json(_document(runs))
        case "openmetrics":
            echo_metrics("\n".join(_merged_metrics([text for run in runs for text in run.part.texts])))
            for run in runs:
                _tell_error(run, "text")
        case _:
            for run in runs:
                echo(_heading(run.zone, form))
                run.part.replay(form)
                _tell_error(run, form)


def _document(runs: Sequence[ZoneRun]) -> dict[str, object]:
    """The results of several zones as one document, hyops-zones/1."""
    exit_code = _worst([run.exit_code for run in runs])
    return {"format": FORMAT, "exit_code": exit_code, "zones": [run.to_json() for run in runs]}


def _tell_error(run: ZoneRun, form: str) -> None:
    if run.error is not None:
        tell_error(form, run.error, run.zone)


def _heading(zone: str, form: str) -> str:
    return f"## `{printable(zone)}`\n" if form == "markdown" else f"zone {printable(zone)}"


def _merged_metrics(texts: Sequence[str]) -> Iterator[str]:
    """The samples of several texts, each family once, as the format wants."""
    families: dict[str, list[str]] = {}
    family = ""
    for line in (line for text in texts for line in text.splitlines() if line and line != "# EOF"):
        if line.startswith("# "):
            family = line.split(" ")[2]
        lines = families.setdefault(family, [])
        if not line.startswith("# ") or line not in lines:
            lines.append(line)
    yield from (line for lines in families.values() for line in lines)
    yield "# EOF"


def _worst(codes: Sequence[int]) -> int:
    return max(codes, key=lambda code: _WORSE.index(Exit(code)))
