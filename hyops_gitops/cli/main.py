"""The command group and the one place where errors become exit codes."""

import errno
import gc
import importlib
import itertools
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import click

from hyops_gitops import __version__
from hyops_gitops.cli.help import EXIT_CODES, INTERRUPTED, next_step, usage_words, with_examples
from hyops_gitops.cli.output import ResultLost, note, tell_error
from hyops_gitops.core.errors import Exit, HyopsError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# Section -> command -> (module, attribute, one line of help). Modules are imported when their command runs: the hook
# runs on every commit, and requests, jsonschema and dnspython cost more to import than most commands take to run.
SECTIONS: Mapping[str, Mapping[str, tuple[str, str, str]]] = {
    "Engineers": {
        "validate": ("validate", "validate", "Check contracts and authority: syntax, schema, names, targets."),
        "plan": ("plan", "plan", "Show what an apply would change. Needs no credentials."),
        "status": ("status", "status", "Compare what is intended, recorded and answered by each server."),
        "history": ("evidence", "history", "List every change of a name: who asked, who approved, the outcome."),
        "cutover": ("cutover", "cutover", "Point an endpoint at another site or target; --prepare lowers its TTL."),
        "failover": ("cutover", "failover", "Move every endpoint of a site to another; --check rehearses it."),
        "failback": ("cutover", "failback", "Point an endpoint back at its home, or at where it was before."),
        "publish": ("publish", "publish", "Write or update a contract from a module's outputs."),
        "fmt": ("publish", "fmt", "Put the keys of contracts in canonical order; comments stay."),
        "owners": ("owners", "owners", "Write CODEOWNERS lines for contracts, from their owners."),
        "netbox": ("netbox", "netbox", "Compare contracts with NetBox; draft contracts from it."),
        "explain": ("validate", "explain", "Explain a validation rule or a guard."),
        "scan": ("scan", "scan", "Find addresses in other repositories that a name stands for."),
        "completion": ("completion", "completion", "Print a script by which bash, zsh or fish completes."),
    },
    "Applier and operators": {
        "init": ("init", "init", "Create a repository for your own zone."),
        "doctor": ("doctor", "doctor", "Check everything that a first apply needs."),
        "apply": ("apply", "apply", "Apply a commit's contracts to the primary, prove it by DNS, record it."),
        "drift": ("drift", "drift", "Find changes made outside the log, or never applied, or missing on a secondary."),
        "restore": ("restore", "restore", "Rebuild a lost primary from the recorded zone."),
        "bundle": ("bundle", "bundle", "Pack contracts, log and program into one signed file, for use without git."),
        "breakglass": (
            "breakglass",
            "breakglass",
            "Move endpoints while the log cannot be reached.",
        ),
        "reconcile": ("reconcile", "reconcile", "Import a break-glass segment into the log; prepare its pull request."),
        "lab": ("lab", "lab", "Run a real local authority: a PowerDNS primary and its secondaries."),
    },
    "Auditors": {
        "audit": ("audit", "audit", "Cross-check log, contracts, approvals and the served zone."),
        "report": ("report", "report", "Write the verified log as web pages that stand alone."),
        "evidence": ("evidence", "evidence", "Start, verify, show, export and import the signed log."),
        "keys": ("evidence", "keys", "List the keys that sign evidence; trust, retire or revoke one."),
    },
}
_COMMANDS = {name: spec for section in SECTIONS.values() for name, spec in section.items()}
_NO_MEMORY = ("start new thread", "failed to map segment", "annot allocate memory")
TRACEBACK = "HYOPS_TRACEBACK"  # set: an internal error comes with its traceback


class LazyGroup(click.Group):
    """A group that knows its commands' one-line help without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All command names, in the order of the sections."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[cmd_name]
        command = cast(click.Command, getattr(importlib.import_module(f"hyops_gitops.cli.{module}"), attribute))
        return with_examples(command, cmd_name)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list["CompletionItem"]:
        """Commands and options that begin so."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - for shells alone

        found = [(name, line) for name, (_, _, line) in _COMMANDS.items() if name.startswith(incomplete)]
        commands = [CompletionItem(name, help=line) for name, line in found]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The commands by the people who use them."""
        for section, commands in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(name, help_line) for name, (_, _, help_line) in commands.items()])


# One command is over before cycles matter, and what lives has to be looked through for them: a first apply of 10,000
# makes three million objects, needs as much memory without, and took 0.13 s longer with a look at each 200,000.
_COLLECT_AFTER = 5_000_000


@click.group(cls=LazyGroup, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hyops-gitops")
def cli() -> None:
    """Move internal DNS names by pull request.

    Endpoint contracts are YAML files in Git. `apply` writes them to the PowerDNS primary, proves by DNS that every
    server answers with them, and commits signed evidence to Git.
    """


def run() -> None:
    """Run one command and exit: the console entry point."""
    gc.set_threshold(_COLLECT_AFTER)
    sys.exit(int(execute(sys.argv[1:])))


def execute(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    form = _form(arguments)
    try:
        outcome: object = cli.main(arguments, prog_name="hyops-gitops", standalone_mode=False)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except (click.Abort, KeyboardInterrupt) as abort:
        # click takes any EOFError for the end of a terminal; a prompt's own comes without a cause.
        if isinstance(abort.__cause__, EOFError):
            return _bug(form, abort.__cause__)
        return _fail(form, Exit.INTERRUPTED, "interrupted", "interrupted", INTERRUPTED)
    except click.UsageError as error:
        return _usage(form, error)
    except ResultLost as lost:
        return _say("text", lost)
    except HyopsError as error:
        error.hint = next_step(error, " ".join(["hyops-gitops", *arguments[:1]]))
        return _say(form, error)
    except Exception as error:  # noqa: BLE001 - the last resort: a bug must not look like an answer
        return _bug(form, error)
    return outcome if isinstance(outcome, int) else Exit.OK


def _bug(form: str, error: BaseException) -> int:
    """Report an internal error."""
    if os.environ.get(TRACEBACK):
        import traceback  # noqa: PLC0415 - for bugs alone

        traceback.print_exception(error)
    if _is_of_memory(error):
        hint = "give it more, and run it again; an intent that it left open is settled by the next apply"
        return _fail(form, Exit.BUG, "no-memory", "not enough memory", hint)
    hint = f"report this bug of hyops-gitops, with what it prints when {TRACEBACK}=1 is set"
    return _fail(form, Exit.BUG, "bug", f"{type(error).__name__}: {error}", hint)


def _is_of_memory(error: BaseException | None) -> bool:
    """Whether memory was missing, for this error or its cause.

    A thread needs some to start, and a library to be loaded.
    """
    while error is not None:
        by_words = isinstance(error, RuntimeError | ImportError) and any(words in str(error) for words in _NO_MEMORY)
        if by_words or isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        error = error.__cause__ or error.__context__
    return False


def _form(arguments: list[str]) -> str:
    """The value of --format, even if the command line is invalid."""
    asked = [after for before, after in itertools.pairwise(arguments) if before == "--format"]
    asked += [argument.removeprefix("--format=") for argument in arguments if argument.startswith("--format=")]
    return asked[-1] if asked else "text"


def _usage(form: str, error: click.UsageError) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError) and form == "text":
        note(error.format_message())
        return Exit.USAGE
    return _fail(form, Exit.USAGE, "usage", *usage_words(error))


def _fail(form: str, code: Exit, slug: str, message: str, hint: str) -> int:
    error = HyopsError(message, code=slug, hint=hint)
    error.exit_code = code
    return _say(form, error)


def _say(form: str, error: HyopsError) -> int:
    """Print an error in this form and return its exit code."""
    try:
        tell_error(form, error)
    except ResultLost as lost:
        tell_error("text", lost)
    return error.exit_code
