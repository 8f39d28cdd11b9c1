"""`doctor`: everything that a first apply needs, tried."""

from pathlib import Path

import click

from hyops_gitops.cli.options import common_options, find_repository
from hyops_gitops.cli.output import tell
from hyops_gitops.cli.wiring import Wiring, authority_source
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.inspection.checkup import parse_attest
from hyops_gitops.render.doctor import checkup_text
from hyops_gitops.usecases.doctor.doctor import examine
from hyops_gitops.usecases.doctor.ports import DoctorRequest


@click.command("doctor")
@click.option("--runner-site", metavar="SITE", help="Where the machine that applies stands.")
@click.option("--remote-site", metavar="SITE", help="Where the git remote stands.")
@click.option(
    "--attest",
    "attest_texts",
    metavar="CHECK=REASON",
    multiple=True,
    help="Somebody looked at what cannot be seen from here. Repeatable; lifts no failure.",
)
@common_options("json")
def doctor(
    runner_site: str | None,
    remote_site: str | None,
    attest_texts: tuple[str, ...],
    repo: Path | None,
    authority_file: Path | None,
    output_format: str,
    **_common: object,
) -> int:
    """Try everything that a first apply needs, and say how to mend what is not as it has to be.

    Run it where the applier runs, with the applier's environment. Writes nothing anywhere. What cannot be seen from
    here is not ok: exit 1 when a check fails or is unknown.
    """
    ports = Wiring(find_repository(repo)).doctor_ports()
    request = DoctorRequest(authority_source(authority_file), runner_site, remote_site)
    checkup = examine(request, ports, dict(map(parse_attest, attest_texts)))
    tell(checkup, output_format, lambda: checkup_text(checkup))
    return Exit.OK if checkup.ok else Exit.NO
