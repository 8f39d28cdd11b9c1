"""Comparison of the served zone with the end of the log."""

from collections.abc import Collection, Iterator

from hyops_gitops.audit.report import Notice, Remark, Unknown
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.damage import CAUSE, REPAIR, find_damage
from hyops_gitops.core.errors import HyopsError
from hyops_gitops.core.exchange import Answer, Question, why_inconclusive
from hyops_gitops.core.markers import Anchor, anchor_name
from hyops_gitops.core.network import DnsClient, ZoneReader
from hyops_gitops.core.servers import Answers, DnsServer, Expectation, ask_all, servers_of
from hyops_gitops.core.text import first_few
from hyops_gitops.core.zone import Key, Zone
from hyops_gitops.log.admin_entries import Gap
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.entries import Intent
from hyops_gitops.log.log import Log


def look_by_dns(log: Log, authority: Authority, dns: DnsClient) -> Iterator[Remark]:
    """Ask every authoritative server for the anchor and the managed set."""
    servers = [server for server in servers_of(authority) if server.authoritative]
    if authority.primary.dns is None:
        yield Notice("not-seen", None, None, "the primary was not asked: primary.dns is not given")
    if not servers:
        yield Unknown(Problem("live", "dns", "no server to ask"))
        return
    open_keys = _open_keys(log)
    keys = sorted(key for key in log.state.entries if key not in open_keys)
    marker = Question(anchor_name(log.zone), "TXT")
    questions = [marker, *(Question(*key) for key in keys)]
    for server, answers in ask_all(dns, dict.fromkeys(servers, questions)).items():
        yield from _judge(log, server, answers, marker)


def _judge(log: Log, server: DnsServer, answers: Answers, marker: Question) -> Iterator[Remark]:
    where = str(server)
    given = {question: answer for question, answer in answers.items() if answer.conclusive}
    if len(given) < len(answers):
        # Neither a failure nor silence is a sign that the zone was changed.
        some = "" if not given else f", of {len(answers) - len(given)} questions of {len(answers)}"
        yield Unknown(Problem("live", where, f"it {why_inconclusive(answers.values())}{some}"))
    if marker in given and not given[marker].authoritative:
        yield Unknown(Problem("live", where, "it answered without authority for the zone"))
        return
    found = given[marker].rrset(marker) if marker in given else None
    if marker in given and (why := _anchor_problem(log, Anchor.parse(found) if found else None, bool(found))):
        yield Problem("anchor", where, why)
    wrong = [
        f"{question.name} {question.type}"
        for question, answer in given.items()
        if question != marker and not _as_left(log, question, answer)
    ]
    if wrong:
        message = f"{len(wrong)} RRsets are not served as the log left them: {first_few(wrong)}"
        yield Problem("live", where, message)


def _as_left(log: Log, question: Question, answer: Answer) -> bool:
    left = log.observed.rrsets.get((question.name, question.type))
    if left is None:
        return answer.authoritative and answer.rrset(question) is None
    return Expectation(question, left).met_by(answer, authoritative=True)


def look_by_api(log: Log, authority: Authority, reader: ZoneReader) -> Iterator[Remark]:
    """Read the whole zone from the primary."""
    where = authority.primary.api.url
    try:
        seen = reader.rrsets()
    except HyopsError as error:
        yield Unknown(Problem("live", where, error.message))
        return
    for damage in find_damage(seen):
        yield Problem("damaged", where, f"{damage.message} ({CAUSE}); repair it: `{REPAIR}`")
    found = next((rrset for rrset in seen if rrset.key == (anchor_name(log.zone), "TXT")), None)
    if (why := _anchor_problem(log, Anchor.parse(found) if found else None, found is not None)) is not None:
        yield Problem("anchor", where, why)
    left, now, open_keys = log.observed, Zone.of(log.zone, seen), _open_keys(log)
    different = left.served_otherwise(now)
    managed = [key for key in different if key in log.state.entries and key not in open_keys]
    foreign = [key for key in different if key not in log.state.entries and key not in open_keys]
    if managed:
        yield Problem("live", where, f"not as the log left it: {_names(managed)}")
    if foreign and authority.policy.zone_ownership == "exclusive":
        yield Problem("live", where, f"records that no contract owns have changed: {_names(foreign)}")
    elif foreign:
        yield Notice("foreign", None, None, f"records that no contract owns have changed: {_names(foreign)}")


def _open_keys(log: Log) -> Collection[Key]:
    """The RRsets that an intent without a result may have changed."""
    entry = log.open_intent
    return {change.key for change in entry.body.changes} if entry and isinstance(entry.body, Intent) else set()


def _anchor_problem(log: Log, anchor: Anchor | None, present: bool) -> str | None:
    expected, opened = log.anchor, log.open_intent
    if anchor is None:
        if present:
            return "the anchor is not one that this program writes"
        return f"there is no anchor; the log says {expected} was applied last" if expected else None
    if anchor == expected or (opened is not None and anchor == Anchor(opened.seq, opened.sha256)):
        return None
    if _gap_names(log, anchor):
        return None  # the gap itself is a problem until acknowledged
    if anchor.segment is not None:
        return f"the anchor names {anchor}, not the end of the log: it is not reconciled, or was continued since"
    if anchor.seq > log.head.seq:
        return f"the anchor names entry {anchor.seq}, but the log ends at {log.head.seq}: it was cut"
    if log.entries[anchor.seq - 1].sha256 != anchor.sha256:
        return f"the anchor names another entry {anchor.seq} than the log has: it was rewritten, or is another log's"
    denied = log.denied(anchor)
    why = (
        f"entry {denied.seq} records as not applied: it landed afterwards" if denied else "is not the one applied last"
    )
    return f"the anchor names entry {anchor.seq}, which {why}"


def _gap_names(log: Log, anchor: Anchor) -> bool:
    """Whether the anchor is that of acknowledged missing entries."""
    last = log.last_applied.result_entry.seq if log.last_applied else 0
    return any(
        isinstance(gap.body, Gap)
        and gap.body.missing is not None
        and gap.seq > last
        and (gap.body.missing[1], gap.body.anchor_sha256) == (anchor.seq, anchor.sha256)
        for gap in log.gaps
    )


def _names(keys: list[Key]) -> str:
    return first_few([" ".join(key) for key in keys])
