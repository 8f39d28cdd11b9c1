"""What an audit lists: exceptions, the population of merged changes with their dispositions, a row for each change."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from hyops_gitops.audit.audit import ChangeRow, Disposition, Notice, PopulationRow
from hyops_gitops.core.damage import CAUSE, Damage
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.people import MergedCommit, approved_by, asked_by
from hyops_gitops.log.admin_entries import Gap, Genesis, Reconcile, TrustChange
from hyops_gitops.log.entries import AuthorityChange, Body, Intent, Refusal, Result, Unchanged, ZoneDrift
from hyops_gitops.log.envelope import Entry
from hyops_gitops.log.log import Log
from hyops_gitops.log.segment import segments_in
from hyops_gitops.plan.plan import Drift, summarise

_BYPASSES = {
    "direct-push": "was pushed directly, without a pull request",
    "review": "was merged past its review",
}


def exceptions(log: Log, paths: Collection[str]) -> Iterator[Notice]:
    """Everything in a verified log that was not the ordinary course of things, oldest first."""
    for entry in log.entries:
        for kind, message in _kinds(entry):
            yield Notice(kind, entry.seq, entry.envelope.time, message)
        if entry.seq in log.doubtful:
            yield Notice("compromised", entry.seq, entry.envelope.time, "signed by a key after it was stolen")
    if log.open_intent is not None:
        entry = log.open_intent
        yield Notice("open-intent", entry.seq, entry.envelope.time, f"intent {entry.seq} has no result yet")
    done = {entry.body.segment for entry in log.entries if isinstance(entry.body, Reconcile)}
    for segment in sorted(segments_in(paths) - done):
        yield Notice("segment", None, None, f"break-glass segment {segment} is not reconciled")


def _kinds(entry: Entry) -> Iterator[tuple[str, str]]:
    body = entry.body
    if isinstance(body, Intent | Refusal):
        for used in body.overrides:
            yield "override", f"{used.target}: {used.reason} (by {used.source})"
    if isinstance(body, Intent | Refusal | Unchanged) and body.authority.outside_commit:
        yield "outside-commit", f"its authority file came from outside the commit: sha256:{body.authority.sha256}"
    if isinstance(body, Intent | Unchanged):
        yield from (
            ("bypass", f"{one.commit[:12]} {_BYPASSES.get(one.bypass, one.bypass)}")
            for one in body.merged
            if one.bypass
        )
    if isinstance(body, Intent) and body.restore is not None:
        where = "a primary without it" if body.restore.created else "a primary that had gone back"
        brought = f"{len(body.restore.differences)} RRsets brought back"
        yield "restore", f"the zone of entry {body.restore.from_seq} was restored to {where}: {brought}"
    match body:
        case Intent():
            yield from _about_intent(body)
        case Refusal(refusals=refusals):
            yield "refusal", "; ".join(f"{one.guard}: {one.message}" for one in refusals)
        case Result():
            yield from _about_result(body)
        case ZoneDrift():
            yield from _about_drift(body)
        case _:
            yield from _about_custody(body)


def _about_drift(body: ZoneDrift) -> Iterator[tuple[str, str]]:
    moved = body.before.whole != body.after.whole
    yield from _about_damage(body.damage)
    if body.differences or body.restored or moved or not (body.secondaries or body.damage):
        restored = "; the zone was restored" if body.restored else ""
        yield "drift", f"changed outside the log: {_names(body.differences) or 'it does not say what'}{restored}"
    for one in body.secondaries:
        yield "drift", f"secondary {one.name} ({one.address}) was {one.kind}: {_names(one.differences)}"


def _about_damage(damage: Iterable[Damage]) -> Iterator[tuple[str, str]]:
    yield from (("damaged", f"{one.message} ({CAUSE})") for one in damage)


def _names(differences: Iterable[Drift]) -> str:
    return ", ".join(sorted({one.name for one in differences}))


def _about_intent(intent: Intent) -> Iterator[tuple[str, str]]:
    yield from (("held", f"{one.name}: {one.reason}") for one in intent.held)
    yield from (("drift", f"{one.name} {one.type} was changed outside the log and left alone") for one in intent.drift)
    yield from (("repair", f"rewritten: {one.message}") for one in intent.repair)
    if intent.sites_lost:
        yield "site-lost", f"declared lost, so that its servers were not waited for: {', '.join(intent.sites_lost)}"
    if intent.rollback_of is not None:
        names = ", ".join(sorted({change.name for change in intent.changes}))
        yield "roll-back", f"takes back intent {intent.rollback_of}: {names}"


def _about_custody(body: Body) -> Iterator[tuple[str, str]]:
    match body:
        case Gap(acknowledges=None, missing=missing, reason=reason):
            yield "gap", f"entries {missing[0] if missing else '?'} to {missing[1] if missing else '?'}: {reason}"
        case Gap(acknowledges=seq, reason=reason):
            yield "acknowledged", f"entry {seq}: {reason}"
        case TrustChange(reason=reason):
            yield "keys", reason
        case Reconcile():
            yield from _about_segment(body)
        case AuthorityChange(commit=commit):
            yield "authority", f"authority/ changed by {commit[:12]}"
        case Genesis(continues=continues) if continues is not None:
            yield "continues", f"goes on from log {continues.log}, entry {continues.seq}:{continues.sha256}"
        case _:
            pass


def _about_segment(body: Reconcile) -> Iterator[tuple[str, str]]:
    adopted = body.adopted
    if adopted is not None:
        witnessed = f", seen by {', '.join(adopted.witnesses)}" if adopted.witnesses else ""
        said = f"segment {body.segment} by {', '.join(adopted.operators)}{witnessed}"
        yield "breakglass", f"{said}: {summarise(adopted.changes) or 'nothing applied'}"
        for used in adopted.overrides:
            yield "override", f"{used.target}: {used.reason} (by {used.source})"
    if body.review:
        yield "reviewed", f"segment {body.segment} by {body.review}: {body.reason}"


def _about_result(result: Result) -> Iterator[tuple[str, str]]:
    yield from _about_damage(result.damage)
    if result.recovered:
        yield "recovered", f"the writer of intent {result.intent_seq} had gone; another run found out what became of it"
    if result.outcome != "applied":
        yield result.outcome, f"intent {result.intent_seq} was not applied: {result.reason}"
    elif not result.converged:
        yield "not-converged", f"intent {result.intent_seq} was applied, but not shown to be served"


def change_rows(log: Log) -> Iterator[ChangeRow]:
    """A row for each RRset of each intent, and of each break-glass segment that was brought in; oldest first."""
    for entry in log.entries:
        intent = entry.body
        if isinstance(intent, Reconcile):
            yield from _segment_rows(log, entry, intent)
        if not isinstance(intent, Intent):
            continue
        result, end = log.end_of(entry) or (None, None)
        for change in intent.changes:
            yield ChangeRow(
                seq=entry.seq,
                time=entry.envelope.time,
                change=change,
                commit=intent.contracts.commit,
                asked=asked_by(intent.merged),
                approved=approved_by(intent.merged),
                signer=entry.envelope.principal,
                outcome=result.outcome if result else "open",
                converged=result.converged if result else None,
                result_seq=end.seq if end else None,
                result_time=end.envelope.time if end else None,
            )


def _segment_rows(log: Log, entry: Entry, body: Reconcile) -> Iterator[ChangeRow]:
    """What a segment changed: asked for by its operators, approved by whoever reviewed it afterwards."""
    adopted = body.adopted
    if adopted is None:
        return
    told = (one.body for one in log.entries.of_types("reconcile"))
    reviews = [one.review for one in told if isinstance(one, Reconcile) and one.segment == body.segment and one.review]
    for change in adopted.changes:
        yield ChangeRow(
            seq=entry.seq,
            time=adopted.ended,
            change=change,
            commit="",
            asked=adopted.operators,
            approved=tuple(reviews),
            signer=entry.envelope.principal,
            outcome="break-glass",
            converged=None,
            result_seq=entry.seq,
            result_time=entry.envelope.time,
        )


def dispositions(log: Log) -> Mapping[str, tuple[Disposition, int, MergedCommit]]:
    """What became of each merged commit that the log names; nothing outdoes an apply."""
    found: dict[str, tuple[Disposition, int, MergedCommit]] = {}
    for entry in log.entries:
        body = entry.body
        if not isinstance(body, Intent | Unchanged | Refusal):
            continue
        what = _disposition(log, entry, body)
        for merged in body.merged:
            if what in ("applied", "unchanged") or found.get(merged.commit, (what,))[0] not in ("applied", "unchanged"):
                found[merged.commit] = (what, entry.seq, merged)
    return found


def _disposition(log: Log, entry: Entry, body: Intent | Unchanged | Refusal) -> Disposition:
    match body:
        case Unchanged():
            return "unchanged"
        case Refusal():
            return "refused"
        case Intent():
            end = log.end_of(entry)
            return "intended" if end is None else end[0].outcome


def population_rows(
    commits: Sequence[CommitInfo], log: Log, now: datetime, *, settled: bool
) -> tuple[PopulationRow, ...]:
    """Every merged commit with its disposition.

    Args:
        commits: The first-parent commits that touch contracts or authority, oldest first.
        log: The verified log.
        now: For how long something has been waiting.
        settled: Whether the branch's contracts are, as files, the ones recorded last: then nothing waits.
    """
    known = dispositions(log)
    return tuple(_row(commit, known.get(commit.id), now, settled=settled) for commit in commits)


def _row(
    commit: CommitInfo, known: tuple[Disposition, int, MergedCommit] | None, now: datetime, *, settled: bool
) -> PopulationRow:
    if known is None:
        what: Disposition = "unchanged" if settled else "not applied"
        seq, author, approved = None, commit.merged_author or commit.author, commit.approved_by
    else:
        what, seq, merged = known
        author, approved = merged.author.name, tuple(yes.by.name for yes in merged.approvals)
    waits = what not in ("applied", "unchanged")
    waiting = max(0, int((now - commit.time).total_seconds())) if waits else None
    return PopulationRow(commit.id, commit.time, commit.subject, author, tuple(approved), what, seq, waiting)
