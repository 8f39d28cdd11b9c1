"""What `doctor` found, as a table."""

from collections.abc import Iterator

from hyops_gitops.core.inspection.checkup import Checkup
from hyops_gitops.render.findings import printable


def checkup_text(checkup: Checkup) -> str:
    """One line a check, a remedy below each that is not ok, and the outcome."""
    return "\n".join(_lines(checkup))


def _lines(checkup: Checkup) -> Iterator[str]:
    width = max(len(check.id) for check in checkup.checks)
    for check in checkup.checks:
        yield f"{check.state:<8}  {check.id:<{width}}  {printable(check.seen)}"
        if check.remedy:
            yield f"{'':<8}  {'':<{width}}  -> {printable(check.remedy)}"
    failed, unknown = checkup.count("fail"), checkup.count("unknown")
    if checkup.ok:
        yield f"{checkup.zone}: nothing is in the way of an apply"
    else:
        yield f"{checkup.zone}: {failed} failed, {unknown} cannot be seen from here"
        if unknown:
            yield "whoever has looked at what cannot be seen may say so: --attest CHECK='who looked, when'"
