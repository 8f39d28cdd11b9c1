"""Which keys count, and what is known of each, entry by entry."""

import pytest

from hyops_gitops.log.admin_entries import Genesis, StolenKey, TrustChange
from hyops_gitops.log.parts import TrustedKey
from hyops_gitops.log.trust import Standing, TrustBook
from tests.log.test_verify_log import TRUST_BOB, UNCHANGED, applied
from tests.support.paper import ADA, BOB, COMMIT, EVE, LOCK, MAIN, TRUSTED

AS_ADA, AS_BOB = TrustedKey("ada", ADA, (MAIN,)), TrustedKey("bob", BOB, (MAIN,))
LISTED_ONLY = "the key is not trusted by genesis or a trust entry before this one"


def changed(
    *, trust: tuple[TrustedKey, ...] = (), retire: tuple[TrustedKey, ...] = (), stolen: tuple[StolenKey, ...] = ()
) -> TrustChange:
    return TrustChange(COMMIT, trust, retire, stolen, "why")


def book(*bodies: object) -> TrustBook:
    """After genesis, entry 1, and these, from entry 2 on."""
    made = TrustBook()
    for seq, body in enumerate((Genesis(COMMIT, TRUSTED), *bodies), 1):
        made.accept(seq, body)
    return made


def test_a_key_counts_from_the_entry_that_trusted_it() -> None:
    after = book(UNCHANGED, changed(trust=(AS_BOB,)))
    assert after.standing(ADA) == Standing(AS_ADA, trusted_by=1)
    assert after.standing(BOB) == Standing(AS_BOB, trusted_by=3)
    assert after.trusted() == (*TRUSTED, AS_BOB)


def test_nothing_is_known_of_a_key_that_no_entry_names() -> None:
    assert book().standing(EVE) == Standing(None)
    assert book().why_not("eve", EVE, MAIN) == LISTED_ONLY


@pytest.mark.parametrize(
    ("gone", "last_good"),
    [(changed(retire=(AS_ADA,)), None), (changed(stolen=(StolenKey(ADA, 1),)), 1)],
    ids=["retired", "stolen"],
)
def test_a_retired_key_stays_dead_and_is_known_by_the_entry_that_retired_it(
    gone: TrustChange, last_good: int | None
) -> None:
    after = book(gone, changed(trust=(AS_ADA,)), changed(retire=(AS_ADA,)))
    assert after.standing(ADA) == Standing(None, trusted_by=1, retired_by=2, last_good_seq=last_good)
    assert after.why_not("ada", ADA, MAIN) == "the key was retired by entry 2"
    assert after.why_not("lock", LOCK, "hyops-gitops-trust") is None


def test_a_key_may_be_retired_before_any_entry_trusts_it() -> None:
    after = book(changed(retire=(AS_BOB,)), changed(trust=(AS_BOB,)))
    assert after.standing(BOB) == Standing(None, retired_by=2)


@pytest.mark.parametrize(("first", "second"), [(3, 5), (5, 3), (3, 3)])
def test_the_earliest_of_the_last_good_entries_stands(first: int, second: int) -> None:
    after = book(*(changed(stolen=(StolenKey(ADA, seq),)) for seq in (first, second)))
    assert after.standing(ADA).last_good_seq == 3
    assert after.standing(BOB).last_good_seq is None


def test_of_two_keys_stolen_each_has_its_own_last_good_entry() -> None:
    after = book(changed(stolen=(StolenKey(ADA, 3),)), changed(stolen=(StolenKey(LOCK, 5),)))
    assert (after.standing(ADA).last_good_seq, after.standing(LOCK).last_good_seq) == (3, 5)


def test_what_the_log_trusts_a_key_for_is_named() -> None:
    after = book()
    assert after.why_not("ada", ADA, MAIN) is None
    assert after.why_not("bob", ADA, MAIN) == "the log trusts the key as 'ada', not as 'bob'"
    assert after.why_not("ada", ADA, "observer") == "the key is not trusted for namespace 'observer'"


def test_a_book_made_of_a_ledger_knows_which_entry_trusted_and_retired() -> None:
    retire = changed(retire=(AS_ADA,))
    log = applied().add(TRUST_BOB).add(UNCHANGED, by="bob", key=BOB).add(retire, by="bob", key=BOB)
    made = TrustBook.of(log.entries, log.checkpoint(6).ledger)
    assert made.standing(BOB) == Standing(AS_BOB, trusted_by=4)
    assert made.standing(ADA) == Standing(None, trusted_by=1, retired_by=6)
