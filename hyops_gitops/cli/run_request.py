"""The request of the commands that write to the log as `apply` does."""

import os
from pathlib import Path

from hyops_gitops.adapters.host.machine import boot_identity
from hyops_gitops.apply.request import ApplyRequest
from hyops_gitops.cli.wiring import TOOL, LocalWorkspace, authority_source, overrides_of


def run_request(
    wiring: LocalWorkspace, override_texts: tuple[str, ...], authority_file: Path | None, recover: int | None
) -> ApplyRequest:
    """A run at HEAD, whatever the work tree holds, with these overrides."""
    return ApplyRequest(
        revision="HEAD",
        work_tree_matters=False,
        overrides=overrides_of(override_texts),
        authority_override=authority_source(authority_file),
        run=wiring.run,
        tool=TOOL,
        boot_id=boot_identity(),
        pid=os.getpid(),
        recover=recover,
    )
