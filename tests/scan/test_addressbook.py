"""What the book says of addresses and names, present and past."""

from hyops_gitops.scan.addressbook import ContractFacts, PastRecord, make_book

A, B, OLD, OLDER = (f"{service}.prod.hyops.internal" for service in ("a", "b", "old", "older"))
ZONES = ["hyops.internal"]


def test_an_address_of_several_names_has_all_of_them() -> None:
    book = make_book(ZONES, [ContractFacts(B, ("10.0.0.1",), ()), ContractFacts(A, ("10.0.0.1",), ())], [])
    known = book.addresses["10.0.0.1"]

    assert (known.message, known.names, known.hint) == (f"is a target of {A} and {B}", (A, B), f"write {A} or {B}")


def test_an_address_that_was_another_names_is_of_both() -> None:
    book = make_book(
        ZONES,
        [ContractFacts(A, ("10.0.0.1",), ()), ContractFacts(B, ("10.0.0.2",), ())],
        [PastRecord(B, "A", ("10.0.0.1",))],
    )
    known = book.addresses["10.0.0.1"]

    assert (known.message, known.names) == (f"is a target of {A}, and was a target of {B}", (A, B))


def test_an_alias_is_a_renamed_name() -> None:
    book = make_book(ZONES, [ContractFacts(A, (), (OLD,))], [PastRecord(OLD, "A", ("10.0.0.1",))])

    assert (book.names[OLD].message, book.names[OLD].names) == (f"was renamed to {A}", (A,))
    assert book.addresses["10.0.0.1"].names == (A,)


def test_names_that_were_renamed_twice_lead_to_the_last() -> None:
    past = [PastRecord(OLDER, "CNAME", (f"{OLD}.",)), PastRecord(OLD, "CNAME", (f"{A}.",))]
    book = make_book(ZONES, [ContractFacts(A, ("10.0.0.1",), ())], past)

    assert (book.names[OLDER].names, book.names[OLD].names) == ((A,), (A,))


def test_a_name_that_went_without_an_alias_has_the_names_at_its_last_address() -> None:
    past = [PastRecord(OLD, "A", ("10.0.0.9",)), PastRecord(OLD, "A", ("10.0.0.1",))]
    book = make_book(ZONES, [ContractFacts(A, ("10.0.0.1",), ()), ContractFacts(B, ("10.0.0.9",), ())], past)

    assert (book.names[OLD].message, book.names[OLD].names) == ("was retired", (A,))


def test_a_name_without_a_successor_says_so() -> None:
    known = make_book(ZONES, [], [PastRecord(OLD, "A", ("10.0.0.1",))]).names[OLD]

    assert (known.names, known.hint) == ((), f"no name took its place; see `hyops-gitops history {OLD}`")


def test_names_that_led_to_each_other_end() -> None:
    past = [PastRecord(OLD, "CNAME", (f"{OLDER}.",)), PastRecord(OLDER, "CNAME", (f"{OLD}.",))]

    assert make_book(ZONES, [], past).names[OLD].names == ()


def test_a_name_in_use_is_not_looked_for() -> None:
    assert make_book(ZONES, [ContractFacts(A, ("10.0.0.1",), ())], [PastRecord(A, "A", ("10.0.0.1",))]).names == {}
