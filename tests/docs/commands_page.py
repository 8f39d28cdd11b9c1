"""The page docs/commands.md, made from the program."""

import re
from collections.abc import Sequence

import click

from hyops_gitops.cli.help import EXAMPLES
from hyops_gitops.cli.main import SECTIONS, cli
from hyops_gitops.core.errors import EXIT_MEANINGS

COMMON = ("--repo", "--authority", "--format")
VARIABLES = {
    "HYOPS_SIGNING_KEY_FILE": "The key that signs evidence: a private key, or a `.pub` file for a key in an agent.",
    "HYOPS_DEPLOY_KEY_FILE": "The private key with which ssh fetches and pushes the log; default: ssh's own.",
    "HYOPS_KNOWN_HOSTS_FILE": "With the deploy key: the only host keys to accept.",
    "POWERDNS_API_KEY": "The primary's API key; `primary.api_key_env` in the authority file names the variable.",
    "POWERDNS_API_KEY_FILE": "The file that holds it instead; likewise for each `api_key_env`.",
    "HYOPS_PRIMARY_URL": "The only `primary.api_url` that this key is sent to, or a list of `ZONE=URL`; required where "
    "`CI` is set.",
    "HYOPS_SECONDARY_URLS": "The same for each `api_url` of a secondary, by commas; default: NOTIFY does the work.",
    "HYOPS_CONTRACTS": "For `scan`: a clone of the contracts, or an unpacked bundle.",
    "HYOPS_OVERRIDES": "Overrides for `apply`, one a line, as `--override` takes them: for the input of a workflow.",
    "HYOPS_RUN_REASON": "Why a person started this run; becomes evidence.",
    "HYOPS_FORGE_TOKEN": "A token that reads pull requests: people and approvals come from there, not from commits. "
    "`audit` asks it for teams (`policy.owners`).",
    "HYOPS_FORGE_URL": "The forge's API, such as `https://HOST/api/v1` for Gitea; default in jobs of GitHub and Gitea.",
    "HYOPS_FORGE_REPOSITORY": "`OWNER/NAME` on the forge; default in jobs of GitHub and Gitea.",
    "HYOPS_NETBOX_URL": "NetBox, for `netbox`: its web address, with its path but without `/api`.",
    "HYOPS_NETBOX_TOKEN": "A token that reads NetBox, in either form.",
    "HYOPS_NETBOX_TOKEN_FILE": "The file that holds it instead.",
    "HYOPS_NETBOX_CA_FILE": "The authorities of NetBox's certificate, in place of the machine's.",
    "HYOPS_TRACEBACK": "If set, an internal error is printed with its traceback.",
    "CI": "Set by CI systems: `HYOPS_PRIMARY_URL` is required, a key file may be readable by others, and nothing is "
    "drawn for a terminal.",
    "NO_COLOR": "No colours, and nothing that is drawn again; `TERM=dumb` does the same.",
}
INTRODUCTION = """\
# Commands

Made from the program's own help; a test keeps it current. `hyops-gitops COMMAND --help` prints the same.

Every command takes, after its name, `--repo`, `--authority` and `--format`:

{common}

stdout is the result, stderr the progress. With `--format json` stdout is one JSON document on every exit code."""


def leaves(group: click.Group, prefix: str = "") -> dict[str, click.Command]:
    """Every command by its path, those of groups included."""
    context = click.Context(group)
    found: dict[str, click.Command] = {}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = isinstance(command, click.Group)
        found |= leaves(command, f"{prefix}{name} ") if inner else {f"{prefix}{name}": command}  # type: ignore[arg-type]
    return found


def commands_page() -> str:
    """The whole page."""
    common = _options(leaves(cli)["explain"], "explain")
    variables = [(f"`{name}`", text) for name, text in VARIABLES.items()]
    parts = [INTRODUCTION.format(common=_table("option", [row for name, row in common.items() if name in COMMON]))]
    parts += ["## Exit codes", _table("exit", [(str(int(code)), text) for code, text in EXIT_MEANINGS.items()])]
    parts += ["## Environment variables", _table("variable", variables)]
    for section, members in SECTIONS.items():
        rows = [(f"[{name}](#{name})", line) for name, (_, _, line) in members.items()]
        parts += [f"## {section}", _table("command", rows)]
        for name in members:
            command = cli.get_command(click.Context(cli), name)
            assert command is not None
            parts += _group(name, command) if isinstance(command, click.Group) else _command(name, command)
    return "\n\n".join(parts) + "\n"


def _group(name: str, group: click.Group) -> list[str]:
    inner = leaves(group, f"{name} ")
    return [
        f"### {name}",
        _prose(group),
        *(part for path, command in inner.items() for part in _command(path, command)),
    ]


def _command(path: str, command: click.Command) -> list[str]:
    usage = command.get_usage(click.Context(command, info_name=f"hyops-gitops {path}")).removeprefix("Usage: ")
    common = _options(leaves(cli)["explain"], "explain")
    own = [row for name, row in _options(command, path).items() if row != common.get(name)]
    examples = "\n".join(EXAMPLES[path])
    parts = [f"{'####' if ' ' in path else '###'} {path}", f"    {' '.join(usage.split())}", _prose(command)]
    return [*parts, *([_table("option", own)] if own else []), f"```sh\n{examples}\n```"]


def _options(command: click.Command, path: str) -> dict[str, tuple[str, str]]:
    """The row of each option, by its longest name."""
    context = click.Context(command, info_name=path)
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    records = {max(option.opts, key=len): option.get_help_record(context) for option in options}
    return {name: (f"`{record[0]}`", " ".join(record[1].split())) for name, record in records.items() if record}


def _table(first: str, rows: Sequence[tuple[str, str]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([f"| {first} | meaning |", "|---|---|", *lines])


def _prose(command: click.Command) -> str:
    """Paragraphs of a help text, a line each."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", (command.help or "").strip()))
