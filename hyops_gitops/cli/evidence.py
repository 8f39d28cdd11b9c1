"""`evidence init` and `evidence verify`."""

from pathlib import Path

import click

from hyops_gitops.adapters.files import replace_file
from hyops_gitops.adapters.worktree import WorkTree
from hyops_gitops.adapters.yaml_edit import add_scalar
from hyops_gitops.adapters.yaml_reader import read_document
from hyops_gitops.cli.options import common_options, find_repository
from hyops_gitops.cli.output import echo, echo_json, note
from hyops_gitops.cli.wiring import TOOL, Wiring, authority_source
from hyops_gitops.core.errors import Exit
from hyops_gitops.render.reports import reading_json, reading_text
from hyops_gitops.usecases.evidence_init import start_log
from hyops_gitops.usecases.evidence_verify import VerifyPorts, verify_log


@click.group("evidence", context_settings={"help_option_names": ["-h", "--help"]})
def evidence() -> None:
    """Start and verify the signed log."""


@evidence.command("init")
@common_options("json")
def init(repo: Path | None, output_format: str, **_common: object) -> int:
    """Start the log: sign and push its first entry, once.

    Needs HYOPS_SIGNING_KEY_FILE and a commit whose authority/allowed_signers has its public half; PowerDNS is not
    asked. Afterwards the zone's authority file pins the new log by `evidence.genesis`; commit that line.
    """
    root = find_repository(repo)
    wiring = Wiring(root)
    started = start_log(wiring.init_ports(), TOOL, {})
    file = root / started.authority.path
    text = add_scalar(file.read_bytes().decode(), "evidence", "genesis", f"sha256:{started.sha256}")
    replace_file(file, text.encode())
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
@common_options("json")
def verify(repo: Path | None, authority_file: Path | None, output_format: str, **_common: object) -> int:
    """Verify the log in this clone: chain, canonical form, signatures, pairs, derived files.

    Never uses the network: run `git fetch origin evidence` first. Signers and genesis are those of the work tree.
    """
    root = find_repository(repo)
    wiring = Wiring(root)
    ports = VerifyPorts(
        read=read_document,
        check=wiring.plan_ports().check,
        tree=WorkTree(root),
        open_store=wiring.store,
        verifier=wiring.plan_ports().verifier,
    )
    reading = verify_log(ports, authority_source(authority_file))
    if output_format == "json":
        echo_json(reading_json(reading))
    else:
        echo(reading_text(reading))
    return Exit.OK if reading.log is not None else Exit.NO
