"""What the reader of the log refuses, each fault alone in a log that is right in every other way."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hyops_gitops.core.canonical import canonical_json, sha256_hex
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.signers import SignerSet
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.admin_entries import Gap, Genesis, Reconcile, StolenKey, TrustChange
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.entries import Unchanged, ZoneDrift
from hyops_gitops.log.envelope import Subject, decode, encode, entry_path
from hyops_gitops.log.log import README, state_path, zone_path
from hyops_gitops.log.pages import FORM, LOG_PAGE, folder_page
from hyops_gitops.log.parts import Hold, TrustedKey
from hyops_gitops.log.segment import Base, SegmentRef
from hyops_gitops.log.verify import Checkpoint
from tests.support.paper import (
    ADA,
    AUTHORITY,
    BOB,
    COMMIT,
    CONTRACTS,
    EVE,
    HASH,
    LOCK,
    MAIN,
    RECOVERY,
    SIGNERS,
    TRUSTED,
    ZONE,
    Edit,
    Paper,
    a,
    change,
    check,
    sign,
)

UNCHANGED = Unchanged(CONTRACTS, AUTHORITY, ())
TRUST_BOB = TrustChange(COMMIT, (TrustedKey("bob", BOB, (MAIN,)),), (), (), "rotation")


def at(seq: int) -> str:
    return entry_path(ZONE, seq)


def _repinned(log: Paper, files: dict[str, str]) -> bytes:
    """The newest entry, with other digests of the files."""
    return encode(replace(log.head.envelope, files=files), log.head.body)


def applied() -> Paper:
    """Genesis, and one change applied: entries 1 to 3."""
    return Paper.started().intend(change("a", None, "10.0.0.1")).finish()


def long_log() -> Paper:
    """A log with everything in it that this file damages."""
    log = applied().add(UNCHANGED).add(TRUST_BOB, by="lock", key=LOCK, namespace=RECOVERY)
    log.add(UNCHANGED, by="bob", key=BOB)
    outside = log.zone.with_rrsets([a("x", "10.9.9.9")])
    log.add(ZoneDrift(COMMIT, log.digests(), log.digests(outside), (), restored=False), zone=outside)
    log.intend(change("a", "10.0.0.1", "10.0.0.2"), holds=(Hold(f"a.{ZONE}", HASH),)).finish()
    log.intend(change("b", None, "10.0.0.3")).finish(outcome="failed")
    return log.intend(change("a", "10.0.0.2", None), change("b", None, "10.0.0.3")).finish()


def test_a_log_that_is_right_is_read() -> None:
    reading = long_log().read()
    assert reading.ok
    assert reading.log is not None
    written, head = long_log(), reading.log.head.envelope
    assert (reading.log.zone, reading.log.commit, reading.log.head_sig_sha256) == (ZONE, COMMIT, written.sig)
    assert reading.log.entries == written.entries
    assert (reading.log.observed, reading.log.observed.apex) == (written.zone, ZONE)
    assert reading.log.state.entries.canonical is not None  # the lines of the file are checked, and kept
    assert {path: sha256_hex(page) for path, page in reading.log.pages.items()} == {
        path: head.files[path] for path in (LOG_PAGE, folder_page(ZONE, 13))
    }
    assert len(reading.log.entries) == 13
    assert [one.principal for one in reading.log.trust.trusted()] == ["ada", "lock", "bob"]
    assert set(reading.log.state.entries) == {(f"b.{ZONE}", "A")}


@pytest.mark.parametrize("known", range(14))
@pytest.mark.parametrize("pages", [False, True])
def test_what_was_verified_before_is_taken_over_and_the_rest_is_checked(known: int, pages: bool) -> None:
    log = long_log()
    checkpoint = log.checkpoint(known, log.trees[known - 1][1] if known else ManagedSet.of(ZONE, ()))
    if pages and known:
        kept = {path: log.trees[known - 1][0][path] for path in (LOG_PAGE, folder_page(ZONE, known))}
        checkpoint = replace(checkpoint, pages=kept)
    reading = log.read(checkpoint=checkpoint)
    assert reading.ok, reading.problems
    assert reading.log is not None
    assert (reading.log.state, len(reading.log.entries)) == (log.state, 13)


def with_paths(log: Paper, known: int) -> Checkpoint:
    """What was verified of the first entries, with the paths whose files are as they were then."""
    then, state = log.trees[known - 1]
    same = frozenset(path for path, data in then.items() if log.files.get(path) == data)
    return replace(log.checkpoint(known, state), paths=same)


@pytest.mark.parametrize("known", range(1, 14))
def test_paths_that_are_as_they_were_are_not_expected_anew(known: int) -> None:
    log = long_log()
    reading = log.read(checkpoint=with_paths(log, known))
    assert reading.ok, reading.problems
    assert reading.log is not None
    assert (reading.log.entries, reading.log.state) == (log.entries, log.state)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (at(4), "not a file of this log, or an entry behind a gap"),
        (f"{at(4)}.sig", "the signature is missing"),
        (LOG_PAGE, "the file is missing"),
        (f"{folder_page(ZONE, 1)}.sig", "the signature is missing"),
        (zone_path(ZONE), "the file is missing"),
    ],
)
def test_a_path_that_is_missing_is_named_though_others_are_as_they_were(path: str, message: str) -> None:
    log = applied().add(UNCHANGED).add(UNCHANGED)
    del log.files[path]
    problems = log.read(checkpoint=with_paths(log, 3)).problems
    where = at(5) if path == at(4) else path
    assert (where, message) in [(one.where, one.message) for one in problems]


def test_a_file_that_came_since_is_named_though_others_are_as_they_were() -> None:
    log = applied().add(UNCHANGED)
    log.files["stray"] = b""
    stray = Problem("path", "stray", "not a file of this log, or an entry behind a gap")
    assert log.read(checkpoint=with_paths(log, 3)).problems == (stray,)


def test_entries_that_were_verified_before_are_not_checked_again() -> None:
    log, signatures = applied().add(UNCHANGED), list[bytes]()

    def count(message: bytes, signature: bytes, key: str, namespace: str) -> bool:
        signatures.append(signature)
        return check(message, signature, key, namespace)

    for known, expected in ((0, [1, 2, 3, 4]), (3, [4])):
        checkpoint = log.checkpoint(known, log.trees[known - 1][1] if known else ManagedSet.of(ZONE, ()))
        signatures.clear()
        assert log.read(checkpoint=checkpoint, check_signature=count).ok
        pages = [LOG_PAGE, folder_page(ZONE, 4)]
        assert signatures == [log.files[f"{path}.sig"] for path in (*map(at, expected), *pages)]


def test_a_file_that_is_missing_is_named_where_entries_were_verified_before() -> None:
    log = applied().add(UNCHANGED)
    del log.files[f"{at(3)}.sig"]
    found = log.read(checkpoint=log.checkpoint(3, log.trees[2][1])).problems
    assert Problem("path", f"{at(3)}.sig", "the signature is missing") in found


@pytest.mark.parametrize("path", [LOG_PAGE, folder_page(ZONE, 1)])
def test_pages_that_were_verified_before_are_not_made_again(path: str) -> None:
    log = applied().add(UNCHANGED)
    log.files[f"{path}.sig"] = b"what is wrong here would be found"
    assert log.read(same_pages=frozenset({LOG_PAGE, folder_page(ZONE, 1)})).ok
    assert [
        one.where for one in log.read(same_pages=frozenset({LOG_PAGE, folder_page(ZONE, 1)} - {path})).problems
    ] == [f"{path}.sig"]


def test_a_page_whose_signature_cannot_be_checked_is_a_problem_beside_others() -> None:
    log = applied()
    pages = [LOG_PAGE, folder_page(ZONE, 1)]

    def fail(message: bytes, signature: bytes, key: str, namespace: str) -> bool:
        if message in (log.files[path] for path in pages):
            raise InvalidData("the verifier is broken", code="x")
        return check(message, signature, key, namespace)

    problems = tuple(Problem("signature", f"{path}.sig", "the verifier is broken") for path in pages)
    assert log.read(check_signature=fail).problems == problems


# --- one entry, its envelope wrong


def _edited(**fields: object) -> Edit:
    return lambda envelope: replace(envelope, **fields)  # type: ignore[arg-type]


SEGMENT = SegmentRef("ab" * 6, Base((1, HASH), None))


@pytest.mark.parametrize(
    ("edit", "code", "message"),
    [
        (
            lambda given: replace(given, subject=Subject("other.internal", given.zone_sha256)),
            "form",
            "the entry is about zone 'other.internal'",
        ),
        (_edited(segment=SEGMENT), "form", "the entry is of a break-glass segment"),
        (_edited(form=99), "unknown-form", f"its pages have form 99, this version knows {FORM}"),
        (_edited(prev_entry=HASH), "chain", "prev.entry is not the SHA-256 of the entry before"),
        (_edited(prev_sig=HASH), "chain", "prev.sig is not the SHA-256 of the signature before"),
        (_edited(log="2" * 32), "chain", "the entry belongs to another log"),
        (_edited(seq=5), "chain", "the entry says seq 5"),
        (
            lambda envelope: replace(envelope, time=envelope.time - timedelta(minutes=2)),
            "time",
            "the entry is older than the one before",
        ),
        (
            lambda given: replace(given, subject=Subject(given.zone, HASH)),
            "continuity",
            "the zone changed without an intent, result or drift entry",
        ),
        (_edited(principal="bob"), "signer", "the key belongs to 'ada', not to 'bob'"),
    ],
)
@pytest.mark.parametrize("known", [0, 3])
def test_an_envelope_that_does_not_fit_is_refused(edit: Edit, code: str, message: str, known: int) -> None:
    log = applied()
    before, checkpoint = dict(log.files), log.checkpoint(known) if known else None
    log.add(UNCHANGED, edit=edit)
    if code != "continuity":  # an entry that calls itself otherwise, where the reader looks for the next
        data = log.entries.blobs(4)[3]
        log.files = {**before, at(4): data, f"{at(4)}.sig": sign(data, ADA, MAIN)}
    assert Problem(code, at(4), message) in log.read(checkpoint=checkpoint).problems


def test_equal_times_are_in_order() -> None:
    log = applied()
    log.add(UNCHANGED, edit=_edited(time=log.head.envelope.time))
    assert log.read().ok


def test_genesis_is_the_first_entry_and_only_the_first() -> None:
    message = "genesis is the first entry, and only the first"
    assert Problem("chain", at(2), message) in Paper.started().add(Genesis(COMMIT, TRUSTED)).read().problems
    assert Problem("chain", at(1), message) in Paper().add(UNCHANGED).read().problems
    again = Paper.started().add(Genesis(COMMIT, (TrustedKey("bob", BOB, (MAIN,)),))).add(UNCHANGED, by="bob", key=BOB)
    assert ("trust", at(3)) in again.problems()  # and a second one lets nobody in


def test_the_genesis_that_is_pinned() -> None:
    log = applied()
    assert log.read(genesis=log.entries[0].sha256).ok
    message = f"genesis is sha256:{log.entries[0].sha256}, the authority file pins sha256:{HASH}"
    assert log.read(genesis=HASH).problems == (Problem("genesis", at(1), message),)


# --- who signed


NOT_SIGNED = "not a canonical signature of the entry by the key it names, in its namespace"


@pytest.mark.parametrize(
    ("by", "key", "namespace", "code", "message"),
    [
        ("bob", BOB, MAIN, "trust", "the key is not trusted by genesis or a trust entry before this one"),
        ("eve", EVE, MAIN, "signer", f"is not allowed to sign in namespace {MAIN!r}"),
        ("eve", EVE, "observer", "signature", NOT_SIGNED),
        ("lock", LOCK, RECOVERY, "signature", NOT_SIGNED),  # a recovery key signs nothing but trust
        ("lock", LOCK, MAIN, "signer", f"is not allowed to sign in namespace {MAIN!r}"),
        ("ada", LOCK, RECOVERY, "signature", NOT_SIGNED),
        ("mallory", "ssh-ed25519 TWFs", MAIN, "signer", "is not listed"),
    ],
)
def test_who_may_not_sign_is_refused(by: str, key: str, namespace: str, code: str, message: str) -> None:
    log = applied().add(UNCHANGED, by=by, key=key, namespace=namespace)
    found = [(one.code, one.message) for one in log.read().problems if one.where.startswith(at(4))]
    assert [one for one, words in found if message in words] == [code]


@pytest.mark.parametrize(("seconds", "ok"), [(0, True), (-1, False)])
def test_a_key_counts_at_the_time_of_the_entry_if_its_line_does(seconds: int, ok: bool) -> None:
    log = applied()
    last = log.head.envelope.time + timedelta(seconds=seconds)
    lines = [replace(one, valid_before=last) if one.principal == "ada" else one for one in SIGNERS.lines]
    found = log.read(signers=SignerSet(tuple(lines))).problems
    assert [(one.code, one.where) for one in found] == ([] if ok else [("signer", f"{at(3)}.sig")])


def test_a_trust_entry_counts_from_its_own_place_on() -> None:
    log = applied().add(UNCHANGED, by="bob", key=BOB).add(TRUST_BOB)
    assert log.problems() == [("trust", at(4))]
    retired = TrustChange(COMMIT, (), (TrustedKey("ada", ADA, (MAIN,)),), (), "gone")
    log = applied().add(TRUST_BOB).add(retired).add(UNCHANGED)
    assert ("trust", at(5)) in log.problems() or ("trust", at(6)) in log.problems()
    back = log.add(TrustChange(COMMIT, (TrustedKey("ada", ADA, (MAIN,)),), (), (), "back"), by="bob", key=BOB)
    assert Problem("trust", at(8), "the key was retired by entry 5") in back.add(UNCHANGED).read().problems


def test_a_key_is_trusted_as_whom_and_for_what_the_log_says() -> None:
    as_other = TrustChange(COMMIT, (TrustedKey("robert", BOB, (MAIN,)),), (), (), "x")
    assert applied().add(as_other).add(UNCHANGED, by="bob", key=BOB).problems() == [("trust", at(5))]
    for_other = TrustChange(COMMIT, (TrustedKey("bob", BOB, ("observer",)),), (), (), "x")
    assert applied().add(for_other).add(UNCHANGED, by="bob", key=BOB).problems() == [("trust", at(5))]
    for_all = TrustChange(COMMIT, (TrustedKey("bob", BOB, ()),), (), (), "x")
    assert applied().add(for_all).add(UNCHANGED, by="bob", key=BOB).problems() == []
    twice = applied().add(TRUST_BOB).add(as_other).add(UNCHANGED, by="bob", key=BOB)
    assert twice.problems() == []  # the first word about a key stands


def test_what_a_stolen_key_signed_after_the_last_good_entry_is_in_doubt() -> None:
    def stolen(last_good: int) -> TrustChange:
        return TrustChange(COMMIT, (), (), (StolenKey(ADA, last_good),), "stolen")

    log = applied().add(TRUST_BOB).add(stolen(3), by="bob", key=BOB)
    message = "signed by a key after it was stolen; look into it, then `evidence acknowledge` it"
    assert log.read().problems == (Problem("compromised", at(4), message),)
    assert (log.read().entries, log.read().ok) == (5, False)
    assert log.add(stolen(9), by="bob", key=BOB).problems() == [("compromised", at(4))]  # nobody takes doubt back
    assert ("trust", at(6)) in applied().add(TRUST_BOB).add(stolen(4), by="bob", key=BOB).add(UNCHANGED).problems()
    more = [("compromised", at(3)), ("compromised", at(4))]
    assert log.add(stolen(2), by="bob", key=BOB).problems() == more
    known = log.add(Gap("looked", acknowledges=4), by="bob", key=BOB).add(
        Gap("looked", acknowledges=3), by="bob", key=BOB
    )
    assert known.read().ok


@pytest.mark.parametrize("path", [at(2), LOG_PAGE, folder_page(ZONE, 1)])
def test_a_signature_of_something_else_is_refused(path: str) -> None:
    for other in (b"", sign(b"other", ADA, MAIN), sign(applied().files[path], BOB, MAIN)):
        log = applied()
        log.files[f"{path}.sig"] = other
        message = NOT_SIGNED if path == at(2) else "not a canonical signature of the page"
        assert Problem("signature", f"{path}.sig", message) in log.read().problems


def test_pages_are_signed_as_their_entry_was() -> None:
    log = applied().add(TRUST_BOB, by="lock", key=LOCK, namespace=RECOVERY)
    assert log.problems() == []
    assert log.read(checkpoint=log.checkpoint(4)).ok
    for path in (LOG_PAGE, folder_page(ZONE, 1)):
        damaged = dict(log.files)
        damaged[f"{path}.sig"] = sign(log.files[path], LOCK, MAIN)
        for known in (None, log.checkpoint(4)):
            found = replace(log, files=damaged).read(checkpoint=known).problems
            assert [(one.code, one.where) for one in found] == [("signature", f"{path}.sig")]


# --- the files


@pytest.mark.parametrize("path", [README, LOG_PAGE, zone_path(ZONE), state_path(ZONE), folder_page(ZONE, 1)])
def test_every_file_beside_the_entries_is_pinned(path: str) -> None:
    log = applied()
    log.files[path] += b"more\n"
    assert Problem("files", path, "not what the newest entry pins") in log.read().problems
    del log.files[path]
    assert Problem("path", path, "the file is missing") in log.read().problems


def test_the_zone_file_is_that_of_the_zone_that_the_newest_entry_is_about() -> None:
    log = applied()
    other = log.zone.with_rrsets([a("x", "10.9.9.9")])
    drift = ZoneDrift(COMMIT, log.digests(), log.digests(other), (), restored=False)
    log.add(drift, edit=_edited(subject=Subject(ZONE, other.digest())))
    message = "not the zone that the newest entry is about"
    assert log.read().problems == (Problem("files", zone_path(ZONE), message),)
    assert (log.read().log, log.read().entries) == (None, 4)


@pytest.mark.parametrize("path", [LOG_PAGE, folder_page(ZONE, 1)])
def test_a_page_that_is_pinned_and_signed_has_to_follow_from_the_entries_all_the_same(path: str) -> None:
    log = applied()
    false = log.files[path].replace(b"applied", b"refused")
    envelope = log.head.envelope
    files = {**envelope.files, path: sha256_hex(false)}
    other = Paper(dict(log.trees[1][0]), log.entries.__class__(log.entries.blobs(2)), envelope.prev_sig)
    other.add(log.head.body, zone=log.zone, state=log.state, edit=_edited(time=envelope.time))
    data = _repinned(other, files)
    other.files |= {
        at(3): data,
        f"{at(3)}.sig": sign(data, ADA, MAIN),
        path: false,
        f"{path}.sig": sign(false, ADA, MAIN),
    }
    assert other.read().problems == (Problem("page", path, "not what follows from the entries"),)


@pytest.mark.parametrize("path", ["note.txt", f"log/{ZONE}/0000/000005.json", f"zones/{ZONE}.txt", "log/other/1.json"])
def test_what_belongs_to_no_log_is_refused(path: str) -> None:
    log = applied()
    log.files[path] = b"x"
    message = "not a file of this log, or an entry behind a gap"
    assert log.read().problems == (Problem("path", path, message),)


@pytest.mark.parametrize("path", [f"{at(2)}.sig", f"{LOG_PAGE}.sig", f"{folder_page(ZONE, 1)}.sig"])
def test_a_signature_that_is_missing_is_named(path: str) -> None:
    log = applied()
    del log.files[path]
    assert log.read().problems[0] == Problem("path", path, "the signature is missing")


def test_nothing_is_no_log() -> None:
    assert Problem("path", at(1), "the first entry is missing") in Paper().read().problems


def test_what_is_pinned_but_no_zone_file_is_no_log() -> None:
    log = applied()
    bad = Zone.of(ZONE, [replace(a("a", "10.0.0.1"), type="A B")])
    damaged = log.zone.with_rrsets(bad.rrsets.values())
    log.add(ZoneDrift(COMMIT, log.digests(), log.digests(damaged), (), restored=False), zone=damaged)
    log.add(ZoneDrift(COMMIT, log.digests(), log.digests(Zone.of(ZONE, [replace(a("b", "10.0.0.1"), name="b c")])), ()),
            zone=Zone.of(ZONE, [replace(a("b", "10.0.0.1"), name="b c")]))  # fmt: skip
    reading = log.read()
    assert reading.problems == (Problem("files", zone_path(ZONE), "line 1 is not 'owner ttl IN type rdata'"),)
    assert (reading.log, reading.entries) == (None, 5)


# --- pairs and continuity


def test_an_intent_needs_its_result_before_the_next() -> None:
    for body in (UNCHANGED, Reconcile("s1", 2, HASH, "bob"), None):
        log = applied().intend(change("b", None, "10.0.0.2"))
        log = log.add(body) if body else log.intend(change("b", None, "10.0.0.2"))
        for known in (None, log.checkpoint(4)):
            assert Problem("pairs", at(5), "intent 4 has no result yet") in log.read(checkpoint=known).problems


@pytest.mark.parametrize("wrong", [{"intent_seq": 2}, {"intent_sha256": HASH}])
@pytest.mark.parametrize("known", [0, 4])
def test_a_result_names_the_open_intent(wrong: dict[str, Any], known: int) -> None:
    log = applied().intend(change("b", None, "10.0.0.2"))
    before = log.state
    log.finish(outcome="failed", **wrong)
    found = log.read(checkpoint=log.checkpoint(known, before) if known else None).problems
    message = f"the result names intent {wrong.get('intent_seq', 4)}, which is not the open one"
    assert Problem("pairs", at(5), message) in found


def test_there_is_one_result_of_an_intent() -> None:
    log = applied().add(UNCHANGED)
    body = log.entries[2].body
    log.add(body)
    assert log.problems() == [("pairs", at(5))]
    assert [one.code for one in log.read(checkpoint=log.checkpoint(4)).problems] == ["pairs"]


def _elsewhere(log: Paper) -> Zone:
    return log.zone.with_rrsets([a("x", "10.9.9.9")])


def _intent_from_elsewhere(log: Paper) -> Paper:
    return log.intend(change("b", None, "10.0.0.2"), before=_elsewhere(log))


def _result_leaves_more(log: Paper) -> Paper:
    log.intend(change("b", None, "10.0.0.2"))
    return log.finish(zone=log.after(change("b", None, "10.0.0.2"), change("c", None, "10.0.0.3")))


def _failure_changes_the_zone(log: Paper) -> Paper:
    log.intend(change("b", None, "10.0.0.2"))
    return log.finish(outcome="failed", zone=log.after(change("b", None, "10.0.0.2")))


def _result_says_another_zone(log: Paper) -> Paper:
    log.intend(change("b", None, "10.0.0.2"))
    return log.finish(after=log.digests())


def _silent_change(log: Paper) -> Paper:
    return log.add(UNCHANGED, zone=_elsewhere(log))


def _drift_from_elsewhere(log: Paper) -> Paper:
    other = _elsewhere(log)
    return log.add(ZoneDrift(COMMIT, log.digests(other), log.digests(other), (), restored=False), zone=other)


def _drift_to_elsewhere(log: Paper) -> Paper:
    return log.add(ZoneDrift(COMMIT, log.digests(), log.digests(_elsewhere(log)), (), restored=False))


RESULT_WRONG = "the result leaves another zone than its intent expected"
DRIFT_WRONG = "the drift does not lead from the zone before to the one after"


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (_intent_from_elsewhere, "the intent starts from another zone than the entry before left"),
        (_result_leaves_more, RESULT_WRONG),
        (_failure_changes_the_zone, RESULT_WRONG),
        (_result_says_another_zone, RESULT_WRONG),
        (_silent_change, "the zone changed without an intent, result or drift entry"),
        (_drift_from_elsewhere, DRIFT_WRONG),
        (_drift_to_elsewhere, DRIFT_WRONG),
    ],
)
@pytest.mark.parametrize("known", [0, 2, 3])
def test_the_zone_changes_only_as_entries_say(write: Callable[[Paper], Paper], message: str, known: int) -> None:
    log = applied()
    checkpoint = log.checkpoint(known, log.trees[known - 1][1]) if known else None
    write(log)
    assert Problem("continuity", at(len(log.entries)), message) in log.read(checkpoint=checkpoint).problems


def test_only_the_first_intent_takes_the_zone_as_it_finds_it() -> None:
    found = Zone.of(ZONE, [a("old", "10.1.1.1")])
    log = Paper.started()
    log.add(UNCHANGED)
    log.zone = found
    log.intend(change("a", None, "10.0.0.1")).finish()
    assert log.problems() == []
    assert log.read(checkpoint=log.checkpoint(1, ManagedSet.of(ZONE, ()))).ok
    log.zone = found
    log.intend(change("b", None, "10.0.0.2"))
    assert ("continuity", at(5)) in log.problems()


def _state(change_it: Callable[[ManagedSet], ManagedSet]) -> Paper:
    log = applied().intend(change("b", None, "10.0.0.2"), holds=(Hold(f"b.{ZONE}", HASH),)).finish()
    return log.add(UNCHANGED, state=change_it(log.state))


def test_the_managed_set_is_the_sum_of_what_was_applied() -> None:
    assert _state(lambda state: state).problems() == []
    key = (f"b.{ZONE}", "A")
    for wrong in (
        lambda _: ManagedSet.of(ZONE, ()),
        lambda state: state.with_entries({key: replace(state.entries[key], held=None)}),
        lambda state: state.with_entries({key: replace(state.entries[key], held=2)}),
        lambda state: state.with_entries({key: replace(state.entries[key], contract="x")}),
    ):
        message = "not the sum of the changes that the entries applied"
        assert _state(wrong).read().problems == (Problem("state", state_path(ZONE), message),)


def test_a_held_name_that_is_changed_is_held_no_longer() -> None:
    log = _state(lambda state: state)
    assert log.state.held_by(f"b.{ZONE}") == 4
    log.intend(change("a", "10.0.0.1", "10.0.0.5")).finish()
    assert log.state.held_by(f"b.{ZONE}") == 4
    log.intend(change("b", "10.0.0.2", "10.0.0.6")).finish()
    assert log.state.held_by(f"b.{ZONE}") is None
    assert log.problems() == []


def test_what_was_not_applied_is_not_managed() -> None:
    log = applied().intend(change("b", None, "10.0.0.2")).finish(outcome="failed")
    assert log.problems() == []
    log = applied().intend(change("b", None, "10.0.0.2")).finish(outcome="refused")
    assert set(log.state.entries) == {(f"a.{ZONE}", "A")}
    assert log.problems() == []


def test_a_name_is_held_by_an_intent_that_leaves_it_as_it_is() -> None:
    log = applied().intend(change("b", None, "10.0.0.2"), holds=(Hold(f"a.{ZONE}", HASH),)).finish()
    assert (log.state.held_by(f"a.{ZONE}"), log.state.held_by(f"b.{ZONE}")) == (4, None)
    assert log.problems() == []


@pytest.mark.parametrize("write", [_drift_from_elsewhere, _drift_to_elsewhere, _silent_change])
def test_before_the_first_intent_the_zone_is_what_genesis_left(write: Callable[[Paper], Paper]) -> None:
    assert write(Paper.started()).problems() == [("continuity", at(2))]


def test_the_page_of_a_folder_that_is_full_is_made_anew_too() -> None:
    log = Paper.started()
    assert log.problems() == []
    for count in range(2, 103):
        log.add(UNCHANGED)
        assert count not in (99, 100, 102) or log.problems() == []
    full, last = folder_page(ZONE, 1), folder_page(ZONE, 102)
    assert full != last
    log.files[full] = log.files[full].replace(b"unchanged", b"nothing")
    log.files[f"{full}.sig"] = sign(log.files[full], ADA, MAIN)
    assert log.problems() == [("page", full)]


@pytest.mark.parametrize(
    ("change_it", "code"),
    [
        (lambda one: {**one, "_type": "x"}, "unknown-type"),
        (lambda one: {**one, "predicateType": f"{one['predicateType']}0"}, "unknown-type"),
        (lambda one: {**one, "subject": one["subject"] * 2}, "bad-entry"),
        (lambda one: {**one, "subject": []}, "bad-entry"),
        (lambda one: {**one, "subject": ["x"]}, "bad-entry"),
        (lambda one: {**one, "predicate": {**one["predicate"], "type": "resulf"}}, "unknown-type"),
        (lambda one: {**one, "predicate": {**one["predicate"], "seq": True}}, "bad-entry"),
        (lambda one: {**one, "predicate": {**one["predicate"], "seq": "4"}}, "bad-entry"),
        (lambda one: {**one, "predicate": {**one["predicate"], "log": 7}}, "bad-entry"),
        (lambda one: {**one, "predicate": {**one["predicate"], "prev": {"entry": "0" * 64}}}, "bad-entry"),
        (lambda one: {**one, "predicate": {**one["predicate"], "signers": "0" * 63}}, "bad-entry"),
        (lambda one: {**one, "predicate": {**one["predicate"], "time": "2026-03-01T08:04:00+00:00"}}, "bad-entry"),
        (lambda one: {**one, "predicate": [one["predicate"]]}, "bad-entry"),
    ],
)
def test_a_statement_of_another_shape_is_no_entry(change_it: Callable[[Any], object], code: str) -> None:
    log = applied().add(UNCHANGED)
    assert decode(log.files[at(4)]).seq == 4
    data = canonical_json(change_it(json.loads(log.files[at(4)])))
    with pytest.raises(InvalidData) as caught:
        decode(data)
    assert caught.value.code == code
    log.files |= {at(4): data, f"{at(4)}.sig": sign(data, ADA, MAIN)}
    assert log.read().problems == (Problem(code, at(4), caught.value.message),)


def test_a_key_that_jq_would_write_otherwise_has_no_canonical_form() -> None:
    with pytest.raises(InvalidData):
        canonical_json({"a\x7f": 1})
