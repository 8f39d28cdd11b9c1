"""`keys`: list the signing keys, and append the entries that change them."""

import click

from hyops_gitops.cli.custody import echo_head
from hyops_gitops.cli.options import on_workspace
from hyops_gitops.cli.output import note, tell
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.signers import fingerprint
from hyops_gitops.log.keys import compromise, list_keys, retire, trust
from hyops_gitops.log.text import keys_text

_reason = click.option("--reason", required=True, metavar="TEXT", help="Why; becomes evidence.")


@click.group("keys", context_settings={"help_option_names": ["-h", "--help"]})
def keys() -> None:
    """List the keys that sign evidence; trust, retire or revoke one.

    A key must be listed in authority/allowed_signers at HEAD, and is trusted from its `trust` entry on.
    HYOPS_SIGNING_KEY_FILE signs these entries: a trusted key, or a recovery key, which has only the namespace
    hyops-gitops-trust and is best kept offline.
    """


@keys.command("list")
@on_workspace("json")
def list_command(workspace: LocalWorkspace, output_format: str) -> int:
    """List every key: owner, purpose, validity, first and last use.

    Never uses the network.
    """
    found = list_keys(workspace)
    tell(found, output_format, lambda: keys_text(found.rows))
    return Exit.OK


@keys.command("trust")
@click.argument("key", metavar="PRINCIPAL|FINGERPRINT")
@_reason
@on_workspace("json")
def trust_command(workspace: LocalWorkspace, key: str, reason: str, output_format: str) -> int:
    """Trust a listed key from the next entry on."""
    echo_head(trust(workspace, key, reason), output_format)
    return Exit.OK


@keys.command("retire")
@click.argument("key", metavar="PRINCIPAL|FINGERPRINT")
@_reason
@on_workspace("json")
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
@on_workspace("json")
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
