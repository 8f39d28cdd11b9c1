"""What an audit makes of the answers in a result, and of the commit that an entry names."""

from dataclasses import replace
from typing import Any

import pytest

from hyops_gitops.audit.checks import (
    check_caught_up,
    check_gaps,
    check_observations,
    check_overrides,
    check_reference,
    check_signers,
    check_subjects,
)
from hyops_gitops.audit.commits import CommitFacts
from hyops_gitops.audit.entry_checks import AuditFindings
from hyops_gitops.audit.report import Unknown
from hyops_gitops.core.declaration import Declaration
from hyops_gitops.core.guards import Override
from hyops_gitops.core.people import MergedCommit, Person
from hyops_gitops.core.server_report import RecordedAnswer, ServerReport
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.entries import Intent, Result, Unchanged
from hyops_gitops.log.envelope import Entry, entry_path
from hyops_gitops.log.pages import subject
from hyops_gitops.log.parts import AuthorityRef
from hyops_gitops.plan.plan import Action
from tests.support.contracts import MINIMAL, validated
from tests.support.paper import AUTHORITY, COMMIT, CONTRACTS, HASH, START, ZONE, Paper, a, change

LOG = (
    Paper.started()
    .intend(change("a", None, "10.0.0.1"), change("gone", "10.0.0.8", None))
    .finish()
)  # fmt: skip
INTENT, RESULT = LOG.entries[1], LOG.entries[2]
ANCHOR = INTENT.anchor.rrset(ZONE)
PRIMARY, SECONDARY = ("primary", "primary"), ("secondary", "s1")
GIVEN = validated({}, MINIMAL.replace(b"site: hetzner}", b'site: hetzner, dns: "10.0.0.1:53"}')).authority
FACTS = CommitFacts(
    rules=None,
    commit=COMMIT,
    on_branch=True,
    manifest=HASH,
    authority_sha256=HASH,
    contracts={},
    desired=Zone.of(ZONE, ()),
    invalid=frozenset(),
    undecided=frozenset(),
    authority=GIVEN,
    separation="off",
    own_authority=True,
    overridable=frozenset({"drift", "restored"}),
)


def told(
    rrset: RRset, *, rcode: str = "NOERROR", ttl: int | None = -1, rdata: tuple[str, ...] | None = None
) -> RecordedAnswer:
    shown = rrset.rdata if rdata is None else rdata
    return RecordedAnswer(rrset.name, rrset.type, rcode, rrset.ttl if ttl == -1 else ttl, shown)


RIGHT: dict[str, RecordedAnswer] = {
    "anchor": told(ANCHOR),
    "a": told(a("a", "10.0.0.1")),
    "gone": told(a("gone", "10.0.0.8"), rcode="NXDOMAIN", ttl=None, rdata=()),
}


def server(
    role: str, name: str, answers: dict[str, RecordedAnswer], verdict: Any = "converged", *, lost: bool = False
) -> ServerReport:
    return ServerReport(role, name, "127.0.0.1:53", verdict, 1, tuple(answers.values()), lost=lost)


def judged(
    *servers: ServerReport, facts: CommitFacts = FACTS, intent: Entry = INTENT, converged: bool = True
) -> AuditFindings:
    body = RESULT.body
    assert isinstance(body, Result)
    told_result = replace(body, servers=servers, converged=converged)
    found = AuditFindings()
    found.add(check_observations(ZONE, RESULT, told_result, intent, facts))
    return found


def both(answers: dict[str, RecordedAnswer]) -> tuple[ServerReport, ServerReport]:
    return server(*PRIMARY, answers), server(*SECONDARY, answers)


def test_answers_as_planned_are_sound() -> None:
    assert judged(*both(RIGHT)) == AuditFindings()


@pytest.mark.parametrize(
    "wrong",
    [
        {"anchor": told(ANCHOR, rdata=("v=hyops1 seq=1",))},
        {"a": told(a("a", "10.0.0.2"))},
        {"a": told(a("a", "10.0.0.1"), ttl=61)},
        {"a": told(a("a", "10.0.0.1"), rcode="SERVFAIL")},
        {"a": told(a("b", "10.0.0.1"))},
        {"gone": told(a("gone", "10.0.0.8"))},
        {"gone": told(a("gone", "10.0.0.8"), rcode="REFUSED", ttl=None, rdata=())},
    ],
)
def test_an_answer_that_was_not_planned_is_not_converged(wrong: dict[str, RecordedAnswer]) -> None:
    found = judged(server(*PRIMARY, RIGHT), server(*SECONDARY, {**RIGHT, **wrong}))
    assert [(one.code, "secondary s1" in one.message) for one in found.problems] == [("not-converged", True)]
    assert judged(*both({**RIGHT, **wrong}), converged=False).problems  # nor may one say so of a server alone


@pytest.mark.parametrize("missing", ["anchor", "a", "gone"])
def test_an_answer_that_is_missing_is_not_converged(missing: str) -> None:
    answers = {name: answer for name, answer in RIGHT.items() if name != missing}
    assert [one.code for one in judged(server(*PRIMARY, answers), server(*SECONDARY, RIGHT)).problems] == [
        "not-converged"
    ]


def test_a_deleted_name_may_be_answered_by_a_wildcard() -> None:
    assert judged(*both({**RIGHT, "gone": told(a("gone", "10.0.0.9"))})) == AuditFindings()


def test_a_resolver_counts_down_and_shows_no_anchor() -> None:
    cached = {"a": told(a("a", "10.0.0.1"), ttl=5), "gone": RIGHT["gone"]}
    assert judged(*both(RIGHT), server("resolver", "r", cached)) == AuditFindings()
    stale = {**cached, "a": told(a("a", "10.0.0.2"), ttl=5)}
    assert len(judged(*both(RIGHT), server("resolver", "r", stale)).problems) == 1
    assert judged(*both(RIGHT), server("resolver", "r", stale, "stale")) == AuditFindings()


@pytest.mark.parametrize("verdict", ["stale", "silent"])
def test_a_required_server_that_does_not_serve_it_is_named(verdict: str) -> None:
    for servers in ((server(*PRIMARY, RIGHT), server(*SECONDARY, RIGHT, verdict)), (server(*PRIMARY, RIGHT),)):
        found = judged(*servers)
        assert [one.message for one in found.problems] == [
            "the result says converged, but required secondary s1 is not shown to be"
        ]
        assert judged(*servers, converged=False) == AuditFindings()


def _intent_with(**fields: Any) -> Entry:
    assert isinstance(INTENT.body, Intent)
    return replace(INTENT, body=replace(INTENT.body, **fields))


def test_a_server_of_a_lost_site_is_not_required() -> None:
    commit = MergedCommit(COMMIT, "x", Person("ada"), START, declared=Declaration(sites_lost=("onprem",)))
    for lost in (_intent_with(sites_lost=("onprem",)), _intent_with(merged=(commit,))):
        assert judged(server(*PRIMARY, RIGHT), intent=lost) == AuditFindings()
        assert len(judged(server(*SECONDARY, RIGHT), intent=lost).problems) == 1
    assert len(judged(server(*PRIMARY, RIGHT), intent=_intent_with(sites_lost=("gcp",))).problems) == 1


def test_where_sites_are_lost_with_all_required_servers_another_has_to_show_it() -> None:
    assert GIVEN
    policy = replace(GIVEN.policy, convergence=replace(GIVEN.policy.convergence, require=("secondaries",)))
    facts = replace(FACTS, authority=replace(GIVEN, policy=policy))
    lost = _intent_with(sites_lost=("onprem",))
    assert judged(server(*PRIMARY, RIGHT), facts=facts, intent=lost) == AuditFindings()
    silent = server(*PRIMARY, {}, "silent")
    assert [remark.message for remark in judged(silent, facts=facts, intent=lost).problems] == [
        "the result says converged, but required primary primary is not shown to be"
    ]


def test_without_the_authority_file_the_servers_that_are_listed_are_held_to_their_roles() -> None:
    unknown = replace(FACTS, own_authority=False)
    assert judged(*both(RIGHT), facts=unknown) == AuditFindings()
    silent = server(*SECONDARY, {}, "silent")
    assert len(judged(server(*PRIMARY, RIGHT), silent, facts=unknown).problems) == 1
    lost = replace(silent, lost=True)
    assert len(judged(server(*PRIMARY, RIGHT), lost, facts=unknown).problems) == 1  # nobody declared a site lost
    declared = _intent_with(sites_lost=("onprem",))
    assert judged(server(*PRIMARY, RIGHT), lost, facts=unknown, intent=declared) == AuditFindings()
    watched = server("resolver", "r", {}, "silent")
    assert judged(*both(RIGHT), watched, facts=unknown) == AuditFindings()
    nobody = judged(watched, facts=unknown)
    assert (nobody.problems, [one.code for one in nobody.inconclusive]) == ([], ["not-converged"])
    assert judged(watched, facts=replace(unknown, authority=None)) == AuditFindings()


@pytest.mark.parametrize(
    ("answers", "verdict", "last", "problems"),
    [
        (RIGHT, "converged", INTENT, 0),
        ({**RIGHT, "anchor": told(ANCHOR, rdata=("x",))}, "converged", INTENT, 1),
        ({**RIGHT, "a": told(a("a", "10.0.0.2"))}, "converged", INTENT, 1),
        (RIGHT, "stale", INTENT, 1),
        (RIGHT, "converged", None, 1),
        (RIGHT, "converged", RESULT, 1),
    ],
)
def test_who_caught_up_showed_what_was_applied_last(
    answers: dict[str, RecordedAnswer], verdict: str, last: Entry | None, problems: int
) -> None:
    caught_up = (server(*SECONDARY, answers, verdict),)
    assert len(list(check_caught_up(ZONE, RESULT, caught_up, last))) == problems


def test_an_entry_names_a_commit_of_the_branch_and_what_it_holds() -> None:
    def codes(entry: Entry, **facts: Any) -> list[str]:
        return [one.code for one in check_reference(ZONE, entry, replace(FACTS, **facts))]

    assert codes(INTENT) == []
    assert codes(INTENT, on_branch=False) == ["not-on-main"]
    assert codes(INTENT, manifest="e" * 64) == ["manifest"]
    assert codes(INTENT, authority_sha256="e" * 64) == ["manifest"]
    assert codes(INTENT, authority_sha256=None) == ["manifest"]
    outside = _intent_with(authority=AuthorityRef(HASH, True))
    assert codes(outside, authority_sha256="e" * 64) == []
    assert codes(outside, manifest="e" * 64, on_branch=False) == ["not-on-main", "manifest"]
    assert codes(RESULT, on_branch=False) == []
    assert codes(replace(INTENT, body=Unchanged(CONTRACTS, AUTHORITY, ())), on_branch=False) == ["not-on-main"]


def test_an_override_was_allowed_by_the_policy_of_its_commit_and_by_the_one_before() -> None:
    lifted = (Override("drift", "a.x.internal", "why", "option"), Override("restored", None, "why", "option"))
    loosened = replace(FACTS, overridable=frozenset())

    assert list(check_overrides("p", lifted, FACTS, None)) == []
    assert list(check_overrides("p", lifted, FACTS, FACTS)) == []
    (problem,) = check_overrides("p", lifted, FACTS, loosened)  # what is about the zone itself counts at once
    assert "drift:a.x.internal is recorded as lifted" in str(problem)
    assert len(list(check_overrides("p", lifted, replace(FACTS, overridable=None), FACTS))) == 2


def test_without_the_authority_file_an_override_cannot_be_judged() -> None:
    lifted = (Override("foreign", "a.x.internal", "why", "option"),)
    (remark,) = check_overrides("p", lifted, replace(FACTS, own_authority=False), None)

    assert isinstance(remark, Unknown)


def test_nobody_is_asked_for_what_was_not_written() -> None:
    assert isinstance(INTENT.body, Intent)
    adopted = replace(change("b", None, "10.0.0.3"), action=Action.ADOPT)
    assert judged(*both(RIGHT), intent=_intent_with(changes=(*INTENT.body.changes, adopted))) == AuditFindings()
    created = _intent_with(changes=(*INTENT.body.changes, change("b", None, "10.0.0.3")))
    assert len(judged(*both(RIGHT), intent=created).problems) == 2


def test_what_answers_to_an_entry_that_is_no_intent_says_nothing() -> None:
    assert judged(*both({}), intent=RESULT) == AuditFindings()


def test_gaps_signers_and_subjects_are_held_against_what_is_known() -> None:
    assert [one.code for one in check_gaps(ZONE, [INTENT, RESULT], [3])] == ["gap"]
    assert list(check_gaps(ZONE, [INTENT], [2])) == []
    assert list(check_signers(ZONE, LOG.entries, [HASH])) == []
    assert {one.code for one in check_signers(ZONE, LOG.entries, ["e" * 64])} == {"signers"}
    right = {entry_path(ZONE, one.seq): subject(one, LOG.entries) for one in LOG.entries}
    assert list(check_subjects(ZONE, LOG.entries, right)) == []
    for wrong in ({**right, entry_path(ZONE, 2): "something else"}, dict(list(right.items())[:2])):
        assert [one.code for one in check_subjects(ZONE, LOG.entries, wrong)] == ["subject"]


def test_contracts_that_were_invalid_by_the_same_rules_are_no_valid_ones() -> None:
    ruled = _intent_with(contracts=replace(CONTRACTS, rules=HASH))
    invalid = frozenset({"endpoints/prod/b.yaml", "endpoints/prod/a.yaml"})

    def problems(entry: Entry, **facts: Any) -> list[Problem]:
        return list(check_reference(ZONE, entry, replace(FACTS, **facts)))

    message = f"the contracts at {COMMIT[:12]} are recorded as valid, but endpoints/prod/a.yaml is not"
    assert problems(ruled, invalid=invalid, rules=HASH) == [Problem("rules", entry_path(ZONE, 2), message)]
    assert problems(ruled, invalid=invalid, rules="e" * 64) == []  # judged by other rules
    assert problems(INTENT, invalid=invalid, rules=HASH) == []  # by which rules is not recorded
    assert problems(INTENT, invalid=invalid, rules=None) == []
    assert problems(ruled, rules=HASH) == []


def test_each_problem_says_where_it_is_and_what_is_wrong() -> None:
    at, of_result = entry_path(ZONE, 2), entry_path(ZONE, 3)
    wrong = replace(FACTS, on_branch=False, manifest="e" * 64, authority_sha256="e" * 64)
    short = COMMIT[:12]
    assert list(check_reference(ZONE, INTENT, wrong)) == [
        Problem("not-on-main", at, f"commit {short} is not on the contracts' branch"),
        Problem("manifest", at, f"the contracts at {short} do not have the manifest of the entry"),
        Problem("manifest", at, f"the authority file at {short} does not have the SHA-256 of the entry"),
    ]
    answered = "secondary s1 is recorded as converged, but answered otherwise: a.paper.internal A"
    stale = {**RIGHT, "a": told(a("a", "10.0.0.2"))}
    assert judged(server(*PRIMARY, RIGHT), server(*SECONDARY, stale)).problems == [
        Problem("not-converged", of_result, answered)
    ]
    missing = "the result says converged, but required secondary s1 is not shown to be"
    assert judged(server(*PRIMARY, RIGHT)).problems == [Problem("not-converged", of_result, missing)]
    unknown = "the authority file is not at hand, and the result lists no server of a required role"
    nobody = judged(facts=replace(FACTS, own_authority=False))
    assert nobody.inconclusive == [Problem("not-converged", of_result, unknown)]
    behind = "secondary s1 is listed as caught up, but did not show it:"
    caught_up = (server(*SECONDARY, stale),)
    assert list(check_caught_up(ZONE, RESULT, caught_up, INTENT)) == [
        Problem("not-converged", of_result, f"{behind} a.paper.internal A")
    ]
    assert list(check_caught_up(ZONE, RESULT, caught_up, None)) == [
        Problem("not-converged", of_result, f"{behind} nothing was applied that it could have missed")
    ]
    forbidden = (Override("foreign", "a.x", "why", "option"),)
    said = "entry 2 of segment s: foreign:a.x is recorded as lifted, which policy.overridable did not allow"
    assert list(check_overrides(at, forbidden, FACTS, None, "entry 2 of segment s: ")) == [
        Problem("override", at, said)
    ]
    (unjudged,) = check_overrides(at, forbidden, replace(FACTS, own_authority=False), None)
    here = "foreign:a.x is recorded as lifted, which policy.overridable did not allow"
    assert unjudged == Unknown(Problem("override", at, here))
    acknowledge = "entries are missing; investigate, then run `hyops-gitops evidence acknowledge`"
    assert list(check_gaps(ZONE, [INTENT], [])) == [Problem("gap", at, acknowledge)]
    never = "signed under an authority/allowed_signers that the contracts' branch never had"
    assert list(check_signers(ZONE, [INTENT], [])) == [Problem("signers", at, never)]
    subject_line = "the message of its commit is not the line that follows from the entry"
    assert list(check_subjects(ZONE, LOG.entries, {}))[1] == Problem("subject", at, subject_line)


def test_an_adopted_record_that_was_asked_for_has_to_be_there() -> None:
    assert isinstance(INTENT.body, Intent)
    adopted = replace(change("b", None, "10.0.0.3"), action=Action.ADOPT)
    intent = _intent_with(changes=(*INTENT.body.changes, adopted))

    assert judged(*both({**RIGHT, "b": told(a("b", "10.0.0.3"))}), intent=intent) == AuditFindings()
    assert len(judged(*both({**RIGHT, "b": told(a("b", "10.0.0.4"))}), intent=intent).problems) == 2
