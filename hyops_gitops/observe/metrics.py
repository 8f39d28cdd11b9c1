"""What `status` and `drift` found, as metrics.

The text is valid OpenMetrics and, for the node exporter, valid Prometheus text: gauges alone, which both know, no time
beside a value, one `# EOF` at the end, which is a comment to the older format. It is also how a reader knows that the
text is whole. A time is a gauge of seconds since 1970: an age would be as old as the file that holds it.

Two files of one folder may not hold the same series: what both commands have is labelled with the command.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple, get_args

from hyops_gitops.core.errors import Exit, Refused
from hyops_gitops.core.findings import printable
from hyops_gitops.core.signers import fingerprint
from hyops_gitops.log.keys import counting
from hyops_gitops.log.log import Log
from hyops_gitops.log.reconciling import pending_reviews
from hyops_gitops.log.trust import MAIN_NAMESPACE
from hyops_gitops.log.workspace import ManagedZone
from hyops_gitops.observe.drift import DriftKind
from hyops_gitops.observe.find_drift import DriftReport
from hyops_gitops.observe.status import NameStatus, Status, Verdict


class Metric(NamedTuple):
    """One gauge; its first label is always `zone`."""

    name: str
    about: str
    labels: tuple[str, ...] = ()  # beside `zone`
    of: tuple[str, ...] = ("status",)  # the commands that print it


class Sample(NamedTuple):
    """One value of a metric."""

    metric: Metric
    value: float
    labels: tuple[str, ...]


_BOTH = ("status", "drift")
RUN_TIME = Metric("hyops_run_timestamp_seconds", "When the command looked.", ("command",), _BOTH)
RUN_EXIT = Metric("hyops_run_exit_code", "The exit code of that run.", ("command",), _BOTH)
CERTIFICATE = Metric(
    "hyops_certificate_expiry_timestamp_seconds",
    "When the certificate of an API that the command asked expires.",
    ("command", "server"),
    _BOTH,
)
NAMES = Metric("hyops_names", "Names by what was found: agrees, unapplied, answered-otherwise, unknown.", ("state",))
SERVER_ANSWERS = Metric(
    "hyops_server_answers",
    "Whether a server answers for the zone (1) or not (0); required: whether policy.convergence wants it.",
    ("role", "server", "required"),
)
SERVER_NAMES = Metric(
    "hyops_server_names", "Names by the verdict about a server's answer.", ("role", "server", "verdict")
)
LOG_VERIFIED = Metric("hyops_log_verified", "Whether this clone has the log and it verifies (1) or not (0).")
LOG_ENTRIES = Metric("hyops_log_entries", "Entries of the log.")
LOG_TIME = Metric("hyops_log_entry_timestamp_seconds", "When the newest entry of the log was written.")
OPEN_INTENT = Metric("hyops_open_intent", "Whether an intent has no result yet (1): an apply runs, or has died.")
UNREVIEWED = Metric(
    "hyops_unreviewed_exceptions",
    "Exceptions that wait for a person: review, segment (not reconciled), gap, compromised.",
    ("kind",),
)
REVIEW_DUE = Metric("hyops_review_due_timestamp_seconds", "Until when the next review of break-glass has to be made.")
WRITING_KEYS = Metric("hyops_writing_keys", "Keys that can sign entries now.")
KEY_EXPIRY = Metric(
    "hyops_key_expiry_timestamp_seconds",
    "When a key that the log counts may sign no longer (valid-before).",
    ("principal", "fingerprint"),
)
DRIFT_CASES = Metric("hyops_drift_cases", "Cases of drift, by kind.", ("kind",), ("drift",))
DRIFT_NOTES = Metric(
    "hyops_drift_notes", "Changes of others where others may write the zone; no drift.", (), ("drift",)
)
DRIFT_BLIND = Metric("hyops_drift_blind", "Whether a server that counts could not be looked at (1).", (), ("drift",))
SERVER_SERIAL = Metric("hyops_server_serial", "The serial that a server has.", ("role", "server"), ("drift",))
METRICS = (
    RUN_TIME,
    RUN_EXIT,
    CERTIFICATE,
    NAMES,
    SERVER_ANSWERS,
    SERVER_NAMES,
    LOG_VERIFIED,
    LOG_ENTRIES,
    LOG_TIME,
    OPEN_INTENT,
    UNREVIEWED,
    REVIEW_DUE,
    WRITING_KEYS,
    KEY_EXPIRY,
    DRIFT_CASES,
    DRIFT_NOTES,
    DRIFT_BLIND,
    SERVER_SERIAL,
)
_SECONDS = "seconds"


def run_metrics(
    command: str, zone: str, now: datetime, exit_code: Exit, certificates: Mapping[str, datetime]
) -> Iterator[Sample]:
    """What every run says of itself, one that failed too.

    Args:
        command: Its name.
        zone: The zone; empty where it is not known.
        now: The time.
        exit_code: How it ends.
        certificates: When those of servers that it connected to expire.
    """
    yield Sample(RUN_TIME, _seconds(now), (zone, command))
    yield Sample(RUN_EXIT, int(exit_code), (zone, command))
    for server, expires in sorted(certificates.items()):
        yield Sample(CERTIFICATE, _seconds(expires), (zone, command, server))


def status_metrics(found: Status, zone: ManagedZone) -> Iterator[Sample]:
    """Names, servers, log and keys."""
    states = Counter(map(_state, found.names))
    for state in ("agrees", "unapplied", "answered-otherwise", "unknown"):
        yield Sample(NAMES, states[state], (found.zone, state))
    for server in found.servers:
        required = "true" if server.required else "false"
        yield Sample(SERVER_ANSWERS, server.answers, (found.zone, server.role, server.name, required))
    verdicts = Counter((answer.role, answer.name, answer.verdict) for name in found.names for answer in name.answers)
    for server in found.servers:
        for verdict in get_args(Verdict):
            labels = (found.zone, server.role, server.name, verdict.replace(" ", "-"))
            yield Sample(SERVER_NAMES, verdicts[server.role, server.name, verdict], labels)
    log, verified = _log(zone)
    yield Sample(LOG_VERIFIED, verified, (found.zone,))
    if log is not None:
        seen = {server.break_glass for server in found.servers if server.break_glass}
        yield from _about_log(log, zone, seen)
    yield from _about_keys(zone, log)


def drift_metrics(found: DriftReport, _zone: ManagedZone) -> Iterator[Sample]:
    """Cases by kind, and the serial of each server."""
    kinds = Counter(case.kind for case in found.cases if case.counts)
    for kind in DriftKind:
        yield Sample(DRIFT_CASES, kinds[kind], (found.zone, kind))
    yield Sample(DRIFT_NOTES, sum(not case.counts for case in found.cases), (found.zone,))
    yield Sample(DRIFT_BLIND, found.blind, (found.zone,))
    for view in found.views:
        if view.serial is not None:
            yield Sample(SERVER_SERIAL, view.serial, (found.zone, view.role, view.name))


def exposition(samples: Iterable[Sample]) -> str:
    """The text of these samples, by metric."""
    by_metric: dict[str, list[Sample]] = {}
    for sample in samples:
        by_metric.setdefault(sample.metric.name, []).append(sample)
    lines: list[str] = []
    for metric in METRICS:
        if metric.name in by_metric:
            lines += [f"# HELP {metric.name} {metric.about}", f"# TYPE {metric.name} gauge"]
            lines += [f"# UNIT {metric.name} {_SECONDS}"] if metric.name.endswith(f"_{_SECONDS}") else []
            lines += map(_line, by_metric[metric.name])
    return "\n".join([*lines, "# EOF"])


def _line(sample: Sample) -> str:
    names = ("zone", *sample.metric.labels)
    labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, sample.labels, strict=True))
    return f"{sample.metric.name}{{{labels}}} {int(sample.value)}"


def _escaped(value: str) -> str:
    """A label's value, control characters spelled out."""
    return printable(value).replace("\\", "\\\\").replace('"', '\\"')


def _seconds(time: datetime) -> int:
    return int(time.timestamp())


def _state(name: NameStatus) -> str:
    if name.intended is None:
        return "unknown"
    if name.recorded_differs:
        return "unapplied"
    return "agrees" if name.agrees else "answered-otherwise"


def _log(zone: ManagedZone) -> tuple[Log | None, bool]:
    """The readable log, and whether it verifies."""
    try:
        log = zone.log_if_started()
    except Refused:
        try:
            return zone.log(tolerate_doubt=True), False
        except Refused:
            return None, False
    return log, log is not None


def _about_log(log: Log, zone: ManagedZone, seen: Collection[str]) -> Iterator[Sample]:
    """The log's end, and what in it waits for a person."""
    yield Sample(LOG_ENTRIES, len(log.entries), (log.zone,))
    yield Sample(LOG_TIME, _seconds(log.head.envelope.time), (log.zone,))
    yield Sample(OPEN_INTENT, log.open_intent is not None, (log.zone,))
    reviews = tuple(pending_reviews(log, zone.authority.policy.breakglass.review_h))
    reconciled = {reconcile.segment for _, reconcile in log.reconciles}
    waiting = {
        "review": len(reviews),
        "segment": len({*zone.workspace.segment_folder.segments(), *seen} - reconciled),
        "gap": sum(entry.seq not in log.acknowledged for entry in log.gaps),
        "compromised": len(set(log.doubtful) - log.acknowledged),
    }
    yield from (Sample(UNREVIEWED, number, (log.zone, kind)) for kind, number in waiting.items())
    if reviews:
        yield Sample(REVIEW_DUE, min(_seconds(review.due) for review in reviews), (log.zone,))


def _about_keys(zone: ManagedZone, log: Log | None) -> Iterator[Sample]:
    """The keys that can sign, and until when."""
    name, lines = zone.authority.zone, zone.signers.lines.lines
    if log is None:
        return
    yield Sample(WRITING_KEYS, len(counting(lines, log.trust, MAIN_NAMESPACE, zone.workspace.clock.now())), (name,))
    ends: dict[tuple[str, str], int] = {}  # a key may have a line for each of its namespaces
    for line in lines:
        if line.valid_before is not None and log.trust.standing(line.key).trusted is not None:
            key = (line.principal, fingerprint(line.key))
            ends[key] = min(_seconds(line.valid_before), ends.get(key, _seconds(line.valid_before)))
    yield from (Sample(KEY_EXPIRY, end, (name, *key)) for key, end in ends.items())
