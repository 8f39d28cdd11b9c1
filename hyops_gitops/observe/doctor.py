"""Doctor: try everything that a first apply needs, and write nothing.

Each check is a small function that says what it saw, or raises why that will not do. What cannot be seen from here is
`unknown`, which is not ok: somebody has to look, and may attest it.
"""

from collections.abc import Mapping

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.findings import FindingsError
from hyops_gitops.observe import doctor_primary as primary_checks
from hyops_gitops.observe import doctor_repository as repository_checks
from hyops_gitops.observe import doctor_servers as server_checks
from hyops_gitops.observe.checkup import Checkup, DoctorPorts, DoctorRequest, Look, attested, examined
from hyops_gitops.validate.validation import validate_tree


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
    repository = repository_checks.Repository(request, ports, validation, authority)
    primary = primary_checks.PrimaryServer(request, ports, authority, repository.log)
    looks: dict[str, Look] = {
        **repository_checks.looks(repository),
        **primary_checks.looks(primary),
        **server_checks.looks(ports, authority, primary.header),
        **_sites(request, authority),
    }
    return Checkup(authority.zone, attested((examined(name, look) for name, look in looks.items()), attests))


def _sites(request: DoctorRequest, authority: Authority) -> dict[str, Look]:
    """Where the primary stands is no check: a rule refuses an authority file that has it in the failure domain."""
    return {
        "site-remote": lambda: repository_checks.outside(
            authority, "the git remote", request.remote_site, "--remote-site"
        ),
        "site-runner": lambda: repository_checks.outside(
            authority, "the machine that applies", request.runner_site, "--runner-site"
        ),
    }
