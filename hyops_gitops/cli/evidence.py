"""The commands of the signed log: `evidence`, `keys` and `history`."""

import json
from collections.abc import Mapping
from pathlib import Path

import click

from hyops_gitops.adapters.files import AUDIT_SCRIPT, auditor_kit
from hyops_gitops.adapters.git.exports import BranchChecker, GitBundler
from hyops_gitops.adapters.git.new_repository import pin_genesis
from hyops_gitops.adapters.new_folder import write_folder
from hyops_gitops.apply.text import reading_json, reading_text
from hyops_gitops.cli.completion import endpoint_names
from hyops_gitops.cli.options import on_workspace
from hyops_gitops.cli.output import echo, echo_json, note, tell
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.findings import printable
from hyops_gitops.core.signers import fingerprint
from hyops_gitops.core.text import counted
from hyops_gitops.log.admin import acknowledge, start_log
from hyops_gitops.log.admin_entries import Continues
from hyops_gitops.log.export import export_log, import_log
from hyops_gitops.log.history import history_of, show_entry
from hyops_gitops.log.keys import compromise, list_keys, retire, trust
from hyops_gitops.log.log import Log
from hyops_gitops.log.pages import in_words
from hyops_gitops.log.pinned_heads import SeenHead, verify_log
from hyops_gitops.log.text import entry_text, history_blocks, history_text, keys_text


def echo_head(log: Log, output_format: str, more: Mapping[str, object] | None = None) -> None:
    """Print the new entry and the new head of the log."""
    head = log.head
    if output_format == "json":
        document = {"format": "hyops-entry-written/1", "zone": log.zone, "seq": head.seq, "sha256": head.sha256}
        echo_json({**document, "type": head.type, "principal": head.envelope.principal, **(more or {})})
    else:
        echo(f"entry {head.seq} by {head.envelope.principal}: {in_words(head, log.entries)}")
        echo(f"log head {head.seq}:{head.sha256}")


@click.group("evidence", context_settings={"help_option_names": ["-h", "--help"]})
def evidence() -> None:
    """Start, verify, show, export and import the signed log."""


@evidence.command("init")
@click.option(
    "--continues",
    metavar="LOG:SEQ:SHA256",
    help="After a move to a new repository: the last entry of the old log, which this one continues.",
)
@on_workspace("json")
def init(workspace: LocalWorkspace, continues: str | None, output_format: str) -> int:
    """Start the log: sign and push its first entry, once.

    Needs HYOPS_SIGNING_KEY_FILE and a commit whose authority/allowed_signers has its public half. Does not ask
    PowerDNS. Pins the new log by `evidence.genesis` in the zone's authority file; commit that line.
    """
    before = Continues.parse(continues) if continues is not None else None
    started = start_log(workspace.replaced(authority_override=None), before)
    pin_genesis(workspace.root / started.authority.path, started.sha256)
    if output_format == "json":
        echo_json(started.to_json())
    else:
        remote = started.authority.evidence.remote
        where = f"{remote}/{started.authority.evidence.branch}" if remote else started.authority.evidence.branch
        echo(f"the log of {started.authority.zone} starts on {where}, signed by {started.principal}")
        echo(f"genesis sha256:{started.sha256}")
    note(f"next: git commit -m 'Pin the evidence log' {started.authority.path}")
    return Exit.OK


@evidence.command("verify")
@click.option(
    "--seen",
    "seen_texts",
    multiple=True,
    metavar="SEQ:SHA256",
    help="A log head noted earlier, as apply prints it: it must be an entry of the log. Repeatable.",
)
@on_workspace("json", zones="each")
def verify(workspace: LocalWorkspace, seen_texts: tuple[str, ...], output_format: str) -> int:
    """Verify the log in this clone.

    Checks chain, canonical form, signatures, pairs of intent and result, and derived files. Never uses the network: run
    `git fetch origin evidence` first. Takes signers and genesis from the work tree.
    """
    seen = tuple(map(SeenHead.parse, seen_texts))
    reading = verify_log(workspace, seen)
    if output_format == "json":
        echo_json(reading_json(reading))
    else:
        echo(reading_text(reading))
    return Exit.OK if reading.ok else Exit.NO


@evidence.command("show")
@click.argument("seq", type=int, required=False)
@on_workspace("json")
def show(workspace: LocalWorkspace, seq: int | None, output_format: str) -> int:
    """Show one entry, by default the newest.

    Also shows whether the log verifies. Never uses the network.
    """
    shown = show_entry(workspace, seq)
    problems = shown.reading.problems
    if output_format == "json":
        echo_json(
            {
                "format": "hyops-evidence-show/1",
                "path": shown.path,
                "seq": shown.entry.seq,
                "sha256": shown.entry.sha256,
                "entry": json.loads(shown.content),
                "verification": {"ok": shown.ok, "problems": [problem.to_json() for problem in problems]},
            }
        )
    else:
        echo(entry_text(shown.entry.seq, shown.entry.sha256, shown.content, problems))
    return Exit.OK if shown.ok else Exit.NO


@evidence.command("import")
@click.argument("source", metavar="CLONE|BUNDLE", type=click.Path(path_type=Path))
@on_workspace("json")
def import_command(workspace: LocalWorkspace, source: Path, output_format: str) -> int:
    """Restore a lost log from another clone or a git bundle.

    `.` is this clone. The log is verified in full with this repository's signers and genesis, must continue what the
    remote has, and is pushed. Importing it again changes nothing.
    """
    done = import_log(workspace, source, BranchChecker(workspace.root))
    if output_format == "json":
        echo_json(done.to_json())
    else:
        what = f"entries {done.entries_before + 1} to {done.head.seq}" if done.brought else "nothing new"
        echo(f"imported {what} of the log of {done.zone} from {printable(str(source))}")
        echo(f"log head {done.head}")
    return Exit.OK


@evidence.command("acknowledge")
@click.argument("seq", type=int)
@click.option("--reason", required=True, metavar="TEXT", help="What you found; becomes evidence.")
@on_workspace("json")
def acknowledge_command(workspace: LocalWorkspace, seq: int, reason: str, output_format: str) -> int:
    """Acknowledge an investigated gap, or entry by a stolen key.

    Until then `evidence verify` or `audit` fails because of it. HYOPS_SIGNING_KEY_FILE signs the entry.
    """
    echo_head(acknowledge(workspace, seq, reason), output_format)
    return Exit.OK


@evidence.command("export")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@on_workspace("json")
def export(workspace: LocalWorkspace, directory: Path, output_format: str) -> int:
    """Write a folder for an auditor.

    It holds a git bundle of contracts and log, the signers, the audit scripts and their description. DIR must be empty
    or not exist. Exit 1 if the log does not verify; the folder is written all the same.
    """
    made = export_log(workspace, GitBundler(workspace.root), auditor_kit())
    write_folder(directory, made.files.items(), frozenset({AUDIT_SCRIPT}))
    if output_format == "json":
        echo_json(made.to_json(str(directory)))
    else:
        entries, place = counted(made.entries, "entry", "entries"), printable(str(directory))
        echo(f"{entries} of {made.zone} in {place}: {', '.join(sorted(made.files))}")
        echo(f"log head {made.head}" if made.head else "the log does NOT verify; see: hyops-gitops evidence verify")
    return Exit.NO if made.problems else Exit.OK


_reason = click.option("--reason", required=True, metavar="TEXT", help="Why; becomes evidence.")


@click.group("keys", context_settings={"help_option_names": ["-h", "--help"]})
def keys() -> None:
    """List the keys that sign evidence; trust, retire or revoke one.

    A key must be listed in authority/allowed_signers at HEAD, and is trusted from its `trust` entry on.
    HYOPS_SIGNING_KEY_FILE signs these entries: a trusted key, or a recovery key, which has only the namespace
    hyops-gitops-trust and is best kept offline.
    """


@keys.command("list")
@on_workspace("json", zones="each")
def list_command(workspace: LocalWorkspace, output_format: str) -> int:
    """List every key: owner, purpose, validity, first and last use.

    Never uses the network.
    """
    found = list_keys(workspace)
    tell(found, output_format, lambda: keys_text(found.keys))
    return Exit.OK


@keys.command("trust")
@click.argument("key", metavar="PRINCIPAL|FINGERPRINT")
@_reason
@on_workspace("json", zones="each")
def trust_command(workspace: LocalWorkspace, key: str, reason: str, output_format: str) -> int:
    """Trust a listed key from the next entry on."""
    echo_head(trust(workspace, key, reason), output_format)
    return Exit.OK


@keys.command("retire")
@click.argument("key", metavar="PRINCIPAL|FINGERPRINT")
@_reason
@on_workspace("json", zones="each")
def retire_command(workspace: LocalWorkspace, key: str, reason: str, output_format: str) -> int:
    """Retire a key: later entries by it are rejected whatever their timestamp.

    Set valid-before on its line in authority/allowed_signers first.
    """
    echo_head(retire(workspace, key, reason), output_format)
    return Exit.OK


@keys.command("compromised")
@click.argument("key", metavar="FINGERPRINT")
@click.option(
    "--last-good-seq",
    type=int,
    required=True,
    metavar="SEQ",
    help="The last entry that the key's owner certainly signed; later ones are in doubt until acknowledged.",
)
@_reason
@on_workspace("json", zones="each")
def compromised_command(
    workspace: LocalWorkspace, key: str, last_good_seq: int, reason: str, output_format: str
) -> int:
    """Revoke a stolen key: its entries after SEQ are in doubt.

    It is not trusted any more. Each entry in doubt waits for `evidence acknowledge`.
    """
    log = compromise(workspace, key, last_good_seq, reason)
    doubtful = [seq for seq in log.doubtful if seq not in log.acknowledged]
    echo_head(log, output_format, {"doubtful": doubtful})
    for seq in doubtful:
        entry = log.entries[seq - 1]
        line = f"in doubt: entry {seq}, {entry.type}, signed by {fingerprint(entry.envelope.key)}; look into it, then: "
        note(f"{line}hyops-gitops evidence acknowledge {seq} --reason REASON")
    return Exit.OK


@click.command()
@click.argument("name", shell_complete=endpoint_names)
@on_workspace("json", zones="each")
def history(workspace: LocalWorkspace, name: str, output_format: str) -> int:
    """List every change of a name: who asked, who approved, the outcome.

    NAME may omit the zone, and the environment if the rest is unambiguous. Reads the signed log of this clone; run
    `git fetch` first.
    """
    found = history_of(workspace, name)
    tell(
        found,
        output_format,
        lambda: history_text(found.name, found.changes),
        lambda: history_blocks(found.name, found.changes),
    )
    return Exit.OK
