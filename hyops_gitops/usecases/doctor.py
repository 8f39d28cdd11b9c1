"""Doctor: try everything that a first apply needs, and write nothing.

Each check is a small function that says what it saw, or raises why that will not do. What cannot be seen from here is
`unknown`, which is not ok: somebody has to look, and may attest it.
"""

from collections.abc import Mapping

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.checkup import Checkup, attested
from hyops_gitops.usecases import doctor_primary, doctor_repository, doctor_servers
from hyops_gitops.usecases.doctor_ports import DoctorPorts, DoctorRequest
from hyops_gitops.usecases.examining import Look, examined
from hyops_gitops.usecases.findings_error import FindingsError
from hyops_gitops.usecases.validate import validate_tree


def examine(request: DoctorRequest, ports: DoctorPorts, attests: Mapping[str, str]) -> Checkup:
    """Every check, in the order in which an apply needs them.

    Raises:
        FindingsError: the authority file is invalid, so there is nobody to ask.
        UsageError: no repository, or `bad-attest`.
    """
    plan = ports.plan
    commit = plan.history.resolve("HEAD")
    validation = validate_tree(
        plan.history.tree(commit), plan.read, plan.check, authority_override=request.authority_override
    )
    authority = validation.authority
    if authority is None:
        raise FindingsError(validation.findings)
    repository = doctor_repository.Repository(request, ports, validation, authority)
    primary = doctor_primary.PrimaryServer(request, ports, authority, repository.log)
    looks: dict[str, Look] = {
        **doctor_repository.looks(repository),
        **doctor_primary.looks(primary),
        **doctor_servers.looks(ports, authority, primary.header),
        **_sites(request, authority),
    }
    return Checkup(authority.zone, attested((examined(name, look) for name, look in looks.items()), attests))


def _sites(request: DoctorRequest, authority: Authority) -> dict[str, Look]:
    return {
        "site-primary": lambda: doctor_repository.outside(authority, "the primary", authority.primary.site, ""),
        "site-remote": lambda: doctor_repository.outside(
            authority, "the git remote", request.remote_site, "--remote-site"
        ),
        "site-runner": lambda: doctor_repository.outside(
            authority, "the machine that applies", request.runner_site, "--runner-site"
        ),
    }
