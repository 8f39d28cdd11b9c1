"""`--format openmetrics` of the commands that look."""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from hyops_gitops.adapters.host.tls import take_certificate_expiries
from hyops_gitops.cli.output import echo_metrics
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.errors import Exit, HyopsError
from hyops_gitops.log.workspace import ManagedZone
from hyops_gitops.observe.metrics import Sample, exposition, run_metrics


class _Look(Protocol):
    @property
    def exit_code(self) -> Exit: ...


_Found = TypeVar("_Found", bound=_Look)


def show_metrics(
    command: str,
    workspace: LocalWorkspace,
    look: Callable[[], _Found],
    metrics: Callable[[_Found, ManagedZone], Iterable[Sample]],
) -> int:
    """Print what a look finds; of one that fails, when and how."""
    name, samples = workspace.zone_name or "", list[Sample]()
    exit_code: Exit = Exit.BUG
    try:
        zone = workspace.at("HEAD").zone()
        name = zone.authority.zone
        found = look()
        samples, exit_code = list(metrics(found, zone)), found.exit_code
    except HyopsError as error:
        exit_code = error.exit_code
        raise
    except KeyboardInterrupt:
        exit_code = Exit.INTERRUPTED
        raise
    finally:
        own = run_metrics(command, name, workspace.clock.now(), exit_code, take_certificate_expiries())
        echo_metrics(exposition([*own, *samples]))
    return exit_code
