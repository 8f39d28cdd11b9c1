"""What probes said of targets, as lines for people."""

from hyops_gitops.core.json_fields import time_text
from hyops_gitops.core.plan.readiness import ReadinessReport
from hyops_gitops.render.findings import printable


def readiness_line(report: ReadinessReport) -> str:
    """`ready: pg.prod.hyops.internal at 10.72.16.24: tcp 10.72.16.24:5432 accepts connections`."""
    verdict = report.verdict.replace("-", " ")
    if report.attested is not None:
        verdict = f"ready by its publisher's word of {time_text(report.attested)}, probes are unknown"
    why = "; ".join(map(str, report.probes)) or report.reason
    return f"{verdict}: {report.name} at {' '.join(map(printable, report.target))}: {printable(why)}"
