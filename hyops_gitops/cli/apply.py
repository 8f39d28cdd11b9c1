"""`apply`: carry the contracts of a commit to the zone."""

import os
from pathlib import Path

import click

from hyops_gitops.cli.options import common_options, find_repository
from hyops_gitops.cli.output import echo, echo_json
from hyops_gitops.cli.progress import show_event
from hyops_gitops.cli.wiring import TOOL, Wiring, authority_source, override_option, overrides_of
from hyops_gitops.render.reports import receipt_text
from hyops_gitops.usecases.apply import apply as apply_commit
from hyops_gitops.usecases.apply_ports import ApplyRequest

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@click.command()
@click.option("--commit", "revision", metavar="REV", help="Apply this commit; default: HEAD, with a clean work tree.")
@override_option
@common_options("json")
def apply(
    revision: str | None,
    override_texts: tuple[str, ...],
    repo: Path | None,
    authority_file: Path | None,
    output_format: str,
    **_common: object,
) -> int:
    """Apply the contracts of a commit to the primary, prove it by DNS, record it.

    Needs the API key (in the variable that the authority file names) and HYOPS_SIGNING_KEY_FILE, a private key whose
    public half is in authority/allowed_signers, or a .pub whose private half an agent holds. Where CI is set,
    HYOPS_PRIMARY_URL must repeat primary.api_url.
    """
    wiring = Wiring(find_repository(repo))
    request = ApplyRequest(
        revision=revision or "HEAD",
        work_tree_matters=revision is None,
        overrides=overrides_of(override_texts),
        authority_override=authority_source(authority_file),
        tool=TOOL,
        boot_id=_boot_id(),
        pid=os.getpid(),
    )
    receipt = apply_commit(request, wiring.apply_ports(show_event))
    if output_format == "json":
        echo_json(receipt.to_json())
    else:
        echo(receipt_text(receipt))
    return receipt.exit_code


def _boot_id() -> str | None:
    """What tells this boot of this machine from every other; None where the kernel does not say."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return None
