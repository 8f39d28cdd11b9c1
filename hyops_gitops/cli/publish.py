"""`publish` and `fmt`: write contract files."""

from datetime import UTC, datetime
from pathlib import Path

import click

from hyops_gitops.cli.options import inside, on_workspace
from hyops_gitops.cli.output import echo, echo_json, note, tell
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.errors import Exit, InvalidData, UsageError
from hyops_gitops.core.findings import printable
from hyops_gitops.move.contract_files import format_contracts
from hyops_gitops.move.publication import read_publication
from hyops_gitops.move.publish import PublishRequest
from hyops_gitops.move.publish import publish as publish_outputs
from hyops_gitops.move.text import published_text

_MAX_BYTES = 8 * 1024 * 1024
_INSTANCES = "instances"  # the folder of a module's state files by instance


@click.command()
@click.argument("file", metavar="FILE|-", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--site", metavar="SITE", help="The published site: sets its target in endpoint_sites.")
@click.option("--source", metavar="MODULE#INSTANCE", help="The publisher; default: read from the state file.")
@click.option("--allow-status", is_flag=True, help="Accept a module state whose status is not ok.")
@click.option("--attest", is_flag=True, help="Also record that the status is ok now, for an apply that cannot probe.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if the contract differs from the outputs.")
@on_workspace("json", zones="own")
def publish(
    workspace: LocalWorkspace,
    file: Path,
    site: str | None,
    source: str | None,
    allow_status: bool,
    attest: bool,
    check: bool,
    output_format: str,
) -> int:
    """Write or update a contract from a module's outputs.

    FILE is a HybridOps module state, a JSON object of outputs, or the output of `terraform output -json`; - is stdin.
    The target is endpoint_host, or else endpoint_target. It becomes the active target; with --site of a standby site,
    only that site's target is set and nothing moves. Of several zones the contract is of the one with the longest
    suffix of endpoint_dns_name.
    """
    publication = read_publication(_content(file), "stdin" if str(file) == "-" else str(file))
    known = publication.source
    if source is None and known and "#" not in known and file.parent.name == _INSTANCES:
        source = f"{known}#{file.stem}"
    request = PublishRequest(publication, site, source, allow_status, attest, write=not check)
    done = publish_outputs(request, workspace, datetime.now(UTC))
    tell(done, output_format, lambda: published_text(done))
    return Exit.NO if check and done.differs else Exit.OK


def _content(file: Path) -> str:
    try:
        with click.open_file(str(file), "rb") as stream:
            content: bytes = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}", code="no-file") from None
    if len(content) > _MAX_BYTES:
        raise InvalidData(f"{file} is larger than {_MAX_BYTES // 1024 // 1024} MiB", code="bad-outputs")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidData(f"{file} is not UTF-8", code="bad-outputs") from None


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; exit 1 when a contract is not in canonical order.")
@on_workspace("json", zones="own")
def fmt(workspace: LocalWorkspace, paths: tuple[Path, ...], check: bool, output_format: str) -> int:
    """Put the keys of contracts in canonical order; comments stay.

    With PATHS, only in those files. A comment moves with the key below it.
    """
    chosen = inside(workspace.root, paths) if paths else None
    done = format_contracts(workspace, chosen, write=not check)
    if output_format == "json":
        echo_json(done.to_json())
    else:
        for path in done.changed:
            echo(printable(path))
        note(f"{done.checked} contracts checked, {len(done.changed)} {'not in order' if check else 'rewritten'}")
    return Exit.NO if check and done.changed else Exit.OK
