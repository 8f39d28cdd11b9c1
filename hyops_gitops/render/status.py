"""Status as text."""

from collections.abc import Iterator

from hyops_gitops.core.evidence.entry_parts import MergedCommit
from hyops_gitops.core.inspection.status import NameStatus, ServerAnswer, Since, Status, rdata_of, ttl_of
from hyops_gitops.core.json_fields import time_text
from hyops_gitops.core.zone import RRset
from hyops_gitops.render.findings import printable

_COMMITS_SHOWN = 3


def status_text(status: Status, *, whole: bool) -> str:
    """A block for each name, or a line where nothing is the matter; then what was seen besides, and what was not.

    Args:
        status: What was found.
        whole: A block for every name.
    """
    blocks = [
        "\n".join(_block(name)) if whole or not name.agrees or _is_caching(name) else _line(name)
        for name in status.names
    ]
    warnings = [f"warning: {printable(warning)}" for warning in status.warnings]
    unseen = [f"not seen: {printable(reason)}" for reason in status.unseen]
    notes = [f"note: {printable(note)}" for note in status.notes]
    return "\n".join([*(blocks or ["no endpoint is known"]), *notes, *warnings, *unseen])


def _is_caching(name: NameStatus) -> bool:
    return any(answer.verdict == "caching" for answer in name.answers)


def _line(name: NameStatus) -> str:
    seen = sum(answer.verdict == "as intended" for answer in name.answers)
    since = f", {_since(name.since)}" if name.since else ""
    return f"{name.name}: as intended, {_records(name.intended or ())}, on {seen} of {len(name.answers)} servers{since}"


def _block(name: NameStatus) -> Iterator[str]:
    yield f"{name.name}: {'as intended' if name.agrees else 'DIFFERS'}"
    yield f"  intended   {'unknown: its contract is invalid' if name.intended is None else _records(name.intended)}"
    if name.held:
        yield f"  held       {printable(name.held)}"
    if name.recorded is not None:
        since = f", {_since(name.since)}" if name.since else ""
        mark = "  <- not applied yet" if name.recorded_differs and not name.held else ""
        yield f"  recorded   {_records(name.recorded)}{since}{mark}"
    yield from map(_answer, name.answers)


def _answer(answer: ServerAnswer) -> str:
    unsaid = {"silent": "silent", "inconclusive": "cannot conclude"}
    said = unsaid.get(answer.verdict) or _records(answer.records)
    mark = ""
    if answer.verdict == "differs":
        mark = f"  <- differs{': ' if answer.note else ''}{answer.note}"
    elif answer.verdict == "inconclusive":
        mark = f"  <- {answer.note}"
    elif answer.verdict == "caching":
        left = "until its TTL has run out" if answer.left_s is None else f"for {answer.left_s} s at most"
        mark = f"  <- still cached, {left}"
    return f"  {answer.role:<10} {said} ({answer.name}, {answer.address}){mark}"


def _since(since: Since) -> str:
    who = f" (break-glass segment {since.segment} of {since.operator})" if since.segment else _by(since.merged)
    return f"since {time_text(since.time)} by entry {since.seq}{who}"


def _by(merged: tuple[MergedCommit, ...]) -> str:
    if not merged:
        return ""
    newest = [_change(one) for one in reversed(merged)]
    more = f" and {len(newest) - _COMMITS_SHOWN} more" if len(newest) > _COMMITS_SHOWN else ""
    return f" ({'; '.join(newest[:_COMMITS_SHOWN])}{more})"


def _change(one: MergedCommit) -> str:
    which = f"pull request {one.pull_request}" if one.pull_request else one.commit[:12]
    return printable(f"{which} of {one.author.name}: {one.title}")


def _records(records: tuple[RRset, ...]) -> str:
    values = " ".join(map(printable, rdata_of(records)))
    return f"{values} (TTL {ttl_of(records)})" if values else "nothing"
