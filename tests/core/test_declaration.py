"""The `Hyops-` trailers: what they declare and lift, and what is wrong with one."""

import pytest

from hyops_gitops.core.declaration import (
    NOTHING_DECLARED,
    Declaration,
    DeclaredHold,
    Trailer,
    TrailerReading,
    UntakenTrailer,
    read_trailers,
    untaken_lines,
    without_repeated,
)
from hyops_gitops.core.guards import Override

COMMIT = "c" * 40


def read(*lines: str) -> TrailerReading:
    return read_trailers(Trailer(COMMIT, *line.split(": ", 1)) for line in lines)


def test_everything_that_can_be_declared() -> None:
    reading = read(
        "Hyops-Kind: incident",
        "Hyops-Reason: on-prem lost power",
        "hyops-reference: INC-4711",
        "Hyops-Site-Lost: onprem",
        "Hyops-Site-Lost: edge",
        "Hyops-Hold: Redis.prod.hyops.internal.=cache, starts empty",
    )

    assert reading.declaration == Declaration(
        "incident",
        "on-prem lost power",
        "INC-4711",
        ("onprem", "edge"),
        (DeclaredHold("redis.prod.hyops.internal", "cache, starts empty"),),
    )
    assert (reading.overrides, reading.problems) == ((), ())


def test_an_override_says_where_it_is_from() -> None:
    reading = read("Hyops-Override: drift:db.prod.hyops.internal=edited at night", "Hyops-Override: max-deletes=a=b")

    assert reading.overrides == (
        Override("drift", "db.prod.hyops.internal", "edited at night", "trailer"),
        Override("max-deletes", None, "a=b", "trailer"),
    )


def test_what_is_said_twice_counts_once_and_of_two_reasons_the_last() -> None:
    reading = read(
        "Hyops-Site-Lost: onprem", "Hyops-Reason: first", "Hyops-Site-Lost: onprem", "Hyops-Reason: what was meant"
    )

    assert (reading.declaration.sites_lost, reading.declaration.reason) == (("onprem",), "what was meant")


def test_trailers_of_others_are_none_of_ours() -> None:
    assert read("Signed-off-by: A <a@x.invalid>") == TrailerReading(NOTHING_DECLARED, (), ())


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("Hyops-Kind: party", "expected drill, incident or maintenance"),
        ("Hyops-Reason: ", "it is empty"),
        ("Hyops-Site-Lost: On Prem", "expected a site name"),
        ("Hyops-Override: drft:a.prod.x=y", "no guard is called 'drft'"),
        ("Hyops-Override: drift:a.prod.x", "no reason"),
        ("Hyops-Override: primary=because", "has no override"),
        ("Hyops-Override: history=because", "cannot lift 'history' about itself"),
        ("Hyops-Override: separation-of-duties=me", "cannot lift 'separation-of-duties' about itself"),
        ("Hyops-Hold: redis.prod.x", "the reason is missing"),
        ("Hyops-Hold: =cache", "expected NAME=REASON"),
        ("Hyops-Overide: max-deletes=x", "no such trailer is known"),
    ],
)
def test_a_trailer_that_cannot_be_understood_is_a_problem_and_does_nothing(line: str, why: str) -> None:
    reading = read(line)

    assert (reading.declaration, reading.overrides) == (NOTHING_DECLARED, ())
    assert [(one.commit, why in one.message) for one in reading.problems] == [(COMMIT, True)]


def test_a_declaration_comes_back_from_the_log_without_its_secrets() -> None:
    said = read(
        "Hyops-Kind: drill",
        "Hyops-Reason: asked by ann@example.invalid " + "x" * 300,
        "Hyops-Hold: a.prod.x=token=abcdefgh",
        "Hyops-Site-Lost: onprem",
    ).declaration.masked()

    assert said.reason is not None
    assert (said.reason.startswith("asked by [masked] xxx"), len(said.reason)) == (True, 200)
    assert said.holds == (DeclaredHold("a.prod.x", "token=[masked]"),)
    assert Declaration.from_json(said.to_json()) == said
    assert NOTHING_DECLARED.to_json() == {}


def looked_like(message: str, *taken: str) -> list[tuple[str, bool]]:
    trailers = [Trailer(COMMIT, *line.split(": ", 1)) for line in taken]
    return [(f"{one.key}: {one.value}", one.is_quoted) for one in untaken_lines(COMMIT, message, trailers)]


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("Move\n\nHyops-Kind: drill\n\nSee merge request dns!7", [("Hyops-Kind: drill", False)]),
        ("Hyops-Site-Lost: onprem", [("Hyops-Site-Lost: onprem", False)]),
        ("Move\n\nhyops-kind : drill\nand prose", [("hyops-kind: drill", False)]),
        ("Move\n\nHyops-Reason: cut over\n two lines\n\nX", [("Hyops-Reason: cut over two lines", False)]),
        ("Move\n\n  Hyops-Kind: drill\n\nX", [("Hyops-Kind: drill", True)]),
        ("Move\n\n> Hyops-Kind: drill\n\nX", [("Hyops-Kind: drill", True)]),
        ("Move\n\n* Hyops-Kind: drill\n\nX", [("Hyops-Kind: drill", True)]),
        ("Move\n\n```\nHyops-Kind: drill\n```\n\nX", [("Hyops-Kind: drill", True)]),
        ("Move\n\n`Hyops-Kind: drill` is one\n\nX", [("Hyops-Kind: drill` is one", True)]),
        ("Move\n\nHyops-Kind=drill", [("Hyops-Kind: drill", True)]),
        ("Move\n\nHyops_Site_Lost: onprem\n\nX", [("Hyops_Site_Lost: onprem", True)]),
        ("Move\n\nThe Hyops-Kind: drill of yesterday", []),
        ("hyops-gitops: use 1.2", []),
        ("Use it\n\nhyops-gitops: 1.2 is out", []),
        ("Move\n\nHyops-Kind is one of three", []),
    ],
)
def test_lines_that_look_like_trailers_and_are_none(message: str, found: list[tuple[str, bool]]) -> None:
    assert looked_like(message) == found


def test_a_line_that_is_taken_or_said_by_another_trailer_is_no_loss() -> None:
    message = "Move\n\nHyops-Reason: one\n  two\n\nHyops-Reason:  one two"
    assert looked_like(message, "Hyops-Reason: one two") == []
    lost = UntakenTrailer(COMMIT, "hyops-kind", "drill")
    assert without_repeated([lost], [Trailer("d" * 40, "Hyops-Kind", "drill")]) == ()
    assert without_repeated([lost], [Trailer("d" * 40, "Hyops-Kind", "incident")]) == (lost,)
