"""The request of commands that write to the log like `apply`."""

from hyops_gitops.apply.opening import ApplyRequest
from hyops_gitops.cli.wiring import overrides_of


def run_request(override_texts: tuple[str, ...], recover: int | None) -> ApplyRequest:
    """A run at HEAD, whatever the work tree holds, with these overrides."""
    return ApplyRequest(
        revision="HEAD",
        work_tree_matters=False,
        overrides=overrides_of(override_texts),
        recover=recover,
    )
