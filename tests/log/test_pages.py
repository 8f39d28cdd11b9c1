"""One line for an entry, wherever it stands."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from hyops_gitops.core.people import Approval, MergedCommit, Person
from hyops_gitops.core.zone import RRset
from hyops_gitops.log.admin_entries import Gap, Genesis, MissingEntries, Reconcile, TrustChange
from hyops_gitops.log.entries import (
    AuthorityChange,
    Body,
    Intent,
    Refusal,
    Result,
    Unchanged,
    ZoneDrift,
)
from hyops_gitops.log.envelope import NO_HASH, Entry, EntryList, Envelope, Subject, decode, encode
from hyops_gitops.log.pages import LINES, folder_page, folder_readme, lines_of, log_page, pages_after, subject
from hyops_gitops.log.parts import AuthorityRef, ContractsRef, Lease, RecordedRefusal, TrustedKey, ZoneDigests
from hyops_gitops.plan.plan import Action, Change

ZONE = "z.internal"
AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
DIGESTS = ZoneDigests(NO_HASH, NO_HASH, 1)
CONTRACTS, AUTHORITY = ContractsRef("a" * 40, NO_HASH), AuthorityRef(NO_HASH, outside_commit=False)
LONGEST = 4 * 160 * len("U+10FFFF") + 100  # every character of every cell escaped


def entry(seq: int, body: Body) -> Entry:
    envelope = Envelope(
        subject=Subject(ZONE, NO_HASH), log="0" * 32, seq=seq, prev_entry=NO_HASH, prev_sig=NO_HASH, time=AT,
        principal="me", key="ssh-ed25519 AAAA", signers_sha256=NO_HASH, tool="t", run={}, files={}, form=1,
    )  # fmt: skip
    return decode(encode(envelope, body))


def merged(author: str = "Ada", *approvers: str) -> MergedCommit:
    return MergedCommit("c" * 40, "title", Person(author), AT, tuple(Approval(Person(one)) for one in approvers))


def replaced(name: str = "db", *after: str) -> Change:
    rrsets = [RRset.of(f"{name}.{ZONE}", "A", 30, rdata) for rdata in (["10.0.0.1"], after or ["10.0.0.2"])]
    return Change(Action.REPLACE, f"{name}.{ZONE}", "A", rrsets[0], rrsets[1], "endpoints/db.yaml", cutover=True)


def intent(*changes: Change, commits: tuple[MergedCommit, ...] = ()) -> Intent:
    people, lease = commits or (merged("Ada", "Grace"),), Lease(120, None, 1)
    changed = changes or (replaced(),)
    return Intent(CONTRACTS, AUTHORITY, people, DIGESTS, DIGESTS, NO_HASH, changed, (), (), (), lease)


def result(outcome: str = "applied", *, converged: bool = True) -> Result:
    return Result(1, NO_HASH, outcome, converged, 1, DIGESTS, "computed", AT, (), ())  # type: ignore[arg-type]


def log(*bodies: Body) -> list[Entry]:
    return [entry(seq, body) for seq, body in enumerate(bodies, 1)]


def undecoded(entries: list[Entry]) -> EntryList:
    return EntryList(encode(one.envelope, one.body) for one in entries)


def rows(entries: list[Entry]) -> list[str]:
    return log_page(ZONE, entries).decode().splitlines()[4:]


def test_subject_is_the_line_of_the_log_page_under_the_entrys_own_number() -> None:
    entries = log(intent(), result())
    line = "2026-05-04T03:02:01Z | replace db.z.internal A | 10.0.0.1 -> 10.0.0.2 | Ada | Grace | applied"
    assert rows(entries) == [f"| 1 | {line} |"]
    assert subject(entries[1], entries) == f"000002 | {line}"
    assert subject(entries[0], entries[:1]) == f"000001 | {line.replace('applied', 'intended')}"
    assert rows(entries[:1]) == [f"| 1 | {line.replace('applied', 'intended')} |"]


def test_every_kind_of_entry_has_its_line() -> None:
    people = (merged("Ada", "Grace", "Linus"), merged("Bob"))
    key = TrustedKey("new@tests", "ssh-ed25519 AAAA", ())
    stopped = (RecordedRefusal("max-deletes", None, "too many"), RecordedRefusal("drift", "db", "moved"))
    said: dict[Body, str] = {
        Genesis("a" * 40, ()): "genesis of the log of z.internal |  |  |  | recorded",
        Refusal(CONTRACTS, AUTHORITY, people, stopped, (), ()): (
            "refused by drift, max-deletes |  | Ada, Bob | Grace, Linus | refused"
        ),
        Unchanged(CONTRACTS, AUTHORITY, people[1:]): "unchanged by aaaaaaaaaaaa |  | Bob |  | nothing to do",
        ZoneDrift("a" * 40, DIGESTS, DIGESTS, (), restored=True): (
            "drift of 0 RRsets, zone restored |  |  |  | recorded"
        ),
        AuthorityChange("a" * 40, (), ()): "authority changed by aaaaaaaaaaaa |  |  |  | recorded",
        TrustChange("a" * 40, (key,), (key,), (), "why"): (
            "keys: trusts new\\@tests; retires new\\@tests |  |  |  | recorded"
        ),
        Gap("gone", MissingEntries(13, 14), NO_HASH): "gap: entries 13 to 14 are missing |  |  |  | recorded",
        Gap("looked into", acknowledges=12): "entry 12 acknowledged |  |  |  | recorded",
        Reconcile("s1", 1, NO_HASH, "Ada"): "reconciled break-glass segment s1 |  |  |  | recorded",
    }
    for body, line in said.items():
        entries = log(body)
        assert subject(entries[0], entries) == f"000001 | 2026-05-04T03:02:01Z | {line}"
        assert rows(entries) == [f"| 1 | 2026-05-04T03:02:01Z | {line} |"]


def test_outcomes_are_told_apart() -> None:
    for outcome, converged, word in (("failed", False, "failed"), ("applied", False, "applied, not converged")):
        entries = log(intent(), result(outcome, converged=converged))
        assert subject(entries[1], entries).endswith(f" | {word}")
    entries = log(intent(), replace(result(), recovered=True))
    assert subject(entries[1], entries).endswith(" | applied, found out later")


def test_several_changes_share_a_subject_and_have_a_line_each() -> None:
    names = [f"s{number}" for number in range(5)]
    entries = log(intent(*(replaced(name, f"10.1.0.{number}") for number, name in enumerate(names))), result())
    assert len(list(lines_of(entries[1], entries))) == len(rows(entries)) == 5
    cells = subject(entries[1], entries).split(" | ")
    assert cells[2] == "replace s0.z.internal A; replace s1.z.internal A; replace s2.z.internal A; and 2 more"
    assert cells[3] == "10.0.0.1 -> 10.1.0.0; 10.0.0.1 -> 10.1.0.1; 10.0.0.1 -> 10.1.0.2; and 2 more"


called = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"), max_size=300)


@given(st.lists(called, min_size=1, max_size=30), st.lists(called, max_size=5))
def test_subject_is_one_bounded_line_whatever_people_are_called(authors: list[str], approvers: list[str]) -> None:
    many = [f"10.9.{number}.1" for number in range(200)]
    changes = [replaced("x" * 60, *many)] * 40
    entries = log(intent(*changes, commits=tuple(merged(author, *approvers) for author in authors)), result())
    line = subject(entries[1], entries)
    assert all(" " <= char <= "~" for char in line)
    assert len(line) <= LONGEST
    assert line.replace("\\|", "").count(" | ") == 6


def test_intent_that_changes_nothing_still_has_a_subject() -> None:
    entries = log(replace(intent(), changes=()))
    assert subject(entries[0], entries) == "000001 | 2026-05-04T03:02:01Z |  |  |  |  | "


_bodies = st.one_of(
    st.integers(0, 3).map(lambda count: intent(*(replaced(f"s{number}") for number in range(count)))),
    st.sampled_from([1, LINES - 1, LINES, LINES + 5]).map(lambda count: intent(*[replaced()] * count)),
    st.just(intent(commits=(merged("Ada \u2028\r\n"),))),
    st.just(Gap("looked into", acknowledges=12)),
    st.just(Unchanged(CONTRACTS, AUTHORITY, (merged(),))),
)


@given(st.lists(st.tuples(_bodies, st.booleans()), min_size=1, max_size=5), st.sampled_from([0, 97]))
def test_pages_are_made_from_those_before_as_they_are_made_whole(steps: list[tuple[Body, bool]], skipped: int) -> None:
    bodies: list[Body] = [Gap("looked into", acknowledges=1)] * skipped
    for body, ended in steps:
        bodies.append(body)
        if ended and isinstance(body, Intent):
            bodies.append(replace(result(), intent_seq=len(bodies)))
    entries, pages = log(*bodies), dict[str, bytes]()
    blobs = undecoded(entries)
    for seq in range(skipped + 1, len(entries) + 1):
        pages = pages_after(ZONE, blobs, seq, pages)
        assert pages == {
            "LOG.md": log_page(ZONE, entries[:seq]),
            folder_page(ZONE, seq): folder_readme(ZONE, entries, seq),
        }


def test_pages_that_are_not_ours_are_made_whole() -> None:
    entries = log(Gap("looked into", acknowledges=1), Gap("looked into", acknowledges=1))
    path = folder_page(ZONE, 2)
    whole = pages_after(ZONE, undecoded(entries), 2, {})
    for other in ({"LOG.md": b"# Another log\n"}, {path: b"# Entries 1 to 1 of another log\n"}):
        assert pages_after(ZONE, undecoded(entries), 2, other) == whole
