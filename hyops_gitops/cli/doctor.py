"""`doctor`: check everything that a first apply needs."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import click

from hyops_gitops.adapters.host.machine import PRIMARY_URL
from hyops_gitops.cli.options import on_workspace
from hyops_gitops.cli.output import tell
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.errors import Exit, UsageError
from hyops_gitops.observe.checkup import DoctorRequest, parse_attest
from hyops_gitops.observe.doctor import examine
from hyops_gitops.observe.text import checkup_text


@click.command("doctor")
@click.option("--runner-site", metavar="SITE", help="Site of the machine that applies.")
@click.option("--remote-site", metavar="SITE", help="Site of the git remote.")
@click.option(
    "--attest",
    "attest_texts",
    metavar="CHECK=REASON",
    multiple=True,
    help="Confirm a check that cannot be made from here: who looked, and when. Repeatable; lifts no failure.",
)
@click.option(
    "--race",
    is_flag=True,
    help="Also test whether the primary's database isolates simultaneous updates, in a scratch zone with a random "
    "name, which is created and removed.",
)
@click.option(
    "--offline",
    is_flag=True,
    help="Look at this machine alone, for the health of a container: programs, contracts, keys, the log as it is here. "
    "Servers, remote and forge are not asked.",
)
@on_workspace("json", zones="each")
def doctor(
    workspace: LocalWorkspace,
    runner_site: str | None,
    remote_site: str | None,
    attest_texts: tuple[str, ...],
    race: bool,
    offline: bool,
    output_format: str,
) -> int:
    """Check everything that a first apply needs.

    Shows how to fix what fails. Run it where the applier runs, with the applier's environment. Writes nothing, unless
    --race is given. A check that cannot be made from here counts as unknown: exit 1 when a check fails or is unknown.
    """
    if offline and (race or runner_site or remote_site):
        raise UsageError("--offline excludes --race, --runner-site and --remote-site", code="usage")
    request = DoctorRequest(runner_site, remote_site, workspace.environ.get(PRIMARY_URL, ""), race, offline)
    with _ended_as_by_ctrl_c():  # a scratch zone is removed then
        checkup = examine(request, workspace, dict(map(parse_attest, attest_texts)))
    tell(checkup, output_format, lambda: checkup_text(checkup))
    return Exit.OK if checkup.ok else Exit.NO


@contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """Take SIGTERM, which CI systems and `timeout` send, for an interrupt."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
