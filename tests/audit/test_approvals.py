"""Whether the log names the commits of main, truly, and whether another person approved each."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from hyops_gitops.apply.opening import merged_commit
from hyops_gitops.audit.approvals import FirstParentLine, check_people, check_population
from hyops_gitops.audit.commits import AuditGit, SeparationOfDuties
from hyops_gitops.audit.report import Notice, Remark, Unknown
from hyops_gitops.core.declaration import Declaration, Trailer
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.guards import Override
from hyops_gitops.core.people import Approval, MergedCommit, Person
from hyops_gitops.core.ports import History
from hyops_gitops.core.text import masked
from hyops_gitops.log.admin_entries import Gap, MissingEntries
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.entries import Intent, Refusal, Unchanged
from hyops_gitops.log.envelope import Entry, entry_path
from hyops_gitops.log.log import Log
from hyops_gitops.log.parts import ContractsRef, Lease, RecordedRefusal
from tests.support.paper import AUTHORITY, COMMIT, HASH, START, ZONE, Paper

PATH = "endpoints/prod/a.yaml"


def commit(number: int) -> str:
    """The commits of main after that of genesis."""
    return f"{number:040x}" if number else COMMIT


def info(number: int, **fields: Any) -> CommitInfo:
    """A merge by Linus of what Ada wrote and Grace approved."""
    given = CommitInfo(
        commit(number), f"Change {number}", "Linus", START, (PATH,), "Linus", ("Grace",), commit(100 + number), "Ada"
    )
    return replace(given, **fields)


def at(seq: int) -> str:
    return entry_path(ZONE, seq)


# --- logs


def carried(
    log: Paper, number: int, *merged: MergedCommit, overrides: tuple[Override, ...] = (), outcome: str = "applied"
) -> Paper:
    """An intent for a commit of main, and its result."""
    start = log.digests()
    contracts, lease = ContractsRef(commit(number), HASH), Lease(60, "b", 1)
    log.add(Intent(contracts, AUTHORITY, merged, start, start, HASH, (), (), (), overrides, lease))
    return log.finish(outcome=outcome)


def unchanged(log: Paper, number: int, *merged: MergedCommit) -> Paper:
    return log.add(Unchanged(ContractsRef(commit(number), HASH), AUTHORITY, merged))


def refused(log: Paper, number: int, *merged: MergedCommit) -> Paper:
    stopped = (RecordedRefusal("drift", None, "why"),)
    return log.add(Refusal(ContractsRef(commit(number), HASH), AUTHORITY, merged, stopped, (), ()))


def read(log: Paper) -> Log:
    found = log.read().log
    assert found is not None
    return found


# --- the line of main


@dataclass
class Main:
    """Main from the commit of genesis on, as git tells it."""

    commits: Sequence[CommitInfo]
    asked: list[tuple[str | None, str]] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        return [COMMIT, *(one.id for one in self.commits)]

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        ids = self.ids
        return {ancestor, descendant} <= set(ids) and ids.index(ancestor) <= ids.index(descendant)

    def main_lines(self, ranges: Sequence[tuple[str | None, str]]) -> Sequence[tuple[CommitInfo, ...]]:
        self.asked += ranges
        starts = [self.ids.index(after) if after else 0 for after, _ in ranges]
        return [
            tuple(self.commits[start : self.ids.index(upto)])
            for start, (_, upto) in zip(starts, ranges, strict=True)
        ]  # fmt: skip


def line(log: Paper, *commits: CommitInfo, head: int | None = None) -> FirstParentLine:
    main = Main(commits)
    return FirstParentLine.of(cast(History, main), read(log), commit(head) if head is not None else main.ids[-1])


def numbers(found: FirstParentLine) -> dict[int, list[int]]:
    return {seq: [int(one.id, 16) for one in commits] for seq, commits in found.ranges.items()}


def test_an_entry_carries_out_what_main_got_since_the_one_applied_before() -> None:
    log = carried(Paper.started(), 2)  # 2, 3
    unchanged(log, 3)  # 4
    carried(log, 5)  # 5, 6
    assert numbers(line(log, *map(info, range(1, 6)))) == {2: [1, 2], 4: [3], 5: [4, 5]}


@pytest.mark.parametrize("outcome", ["failed", "refused"])
def test_what_was_not_applied_is_carried_out_again(outcome: str) -> None:
    log = carried(Paper.started(), 1, outcome=outcome)
    refused(log, 2)  # 4
    carried(log, 3)
    assert numbers(line(log, *map(info, range(1, 4)))) == {2: [1], 4: [1, 2], 5: [1, 2, 3]}


def test_entries_of_other_types_carry_out_nothing() -> None:
    log = Paper.started().add(Gap("lost", MissingEntries(3, 4), HASH))
    carried(log, 1)
    assert numbers(line(log, info(1))) == {3: [1]}


def test_an_entry_of_a_commit_that_is_not_in_this_clone_has_no_range() -> None:
    log = carried(Paper.started(), 99)
    carried(log, 1)
    main = Main([info(1)])
    found = FirstParentLine.of(cast(History, main), read(log), commit(1))
    assert numbers(found) == {4: [1]}
    assert main.asked == [(None, commit(1)), (commit(1), commit(1))]  # nor is it a beginning


def test_the_population_is_what_touched_contracts_up_to_the_head() -> None:
    commits = [info(1), info(2, changed=()), info(3), info(4)]
    found = line(carried(Paper.started(), 1), *commits, head=3)
    assert found.begins_here
    assert [one.id for one in found.population] == [commit(1), commit(3)]


def test_a_branch_without_the_commit_of_genesis_has_no_population() -> None:
    class Elsewhere(Main):
        def is_ancestor(self, ancestor: str, descendant: str) -> bool:
            return ancestor != COMMIT and super().is_ancestor(ancestor, descendant)

    main = Elsewhere([info(1), info(2)])
    found = FirstParentLine.of(cast(History, main), read(carried(Paper.started(), 1)), commit(2))
    assert (found.begins_here, found.population) == (False, ())


def test_a_commit_that_a_later_merge_brought_to_main_was_never_main() -> None:
    log = carried(Paper.started(), 1)
    carried(log, 2)
    merge = info(2, joined=commit(1))
    assert line(log, info(1), merge).never_main == {commit(1)}
    assert line(log, info(1), info(2, joined=commit(7))).never_main == frozenset()
    assert line(log, info(1), info(2)).never_main == frozenset()


def test_a_commit_that_main_was_fast_forwarded_over_was_main() -> None:
    log = carried(Paper.started(), 1)
    carried(log, 3)
    merge, came_with = info(2, joined=commit(1)), info(3, arrived_with=commit(2))
    assert line(log, info(1), merge, came_with).never_main == frozenset()
    assert line(log, info(1), merge, info(3, arrived_with=commit(9))).never_main == {commit(1)}


def test_what_was_applied_last_may_have_been_merged_since() -> None:
    assert line(carried(Paper.started(), 1), info(1), info(2, joined=commit(1))).never_main == {commit(1)}


# --- that the log names them


def found_in(log: Paper, *commits: CommitInfo, **known: Any) -> list[Problem]:
    return list(check_population(read(log), replace(line(log, *commits), **known)))


def test_commits_that_are_named_truly_are_no_problem() -> None:
    log = carried(Paper.started(), 2, merged_commit(info(1)), merged_commit(info(2)))
    unchanged(log, 3, merged_commit(info(3)))
    assert found_in(log, info(1), info(2), info(3)) == []


def test_a_genesis_of_another_branch_is_a_problem() -> None:
    log = carried(Paper.started(), 1, merged_commit(info(1)))
    message = f"genesis names commit {COMMIT[:12]}, which is not on the contracts' branch"
    assert found_in(log, info(1), begins_here=False) == [Problem("not-on-main", at(1), message)]


def test_what_main_never_was_at_may_be_refused_but_not_carried_out() -> None:
    merged, aside = merged_commit(info(1)), frozenset({commit(1)})
    message = f"main was never at commit {commit(1)[:12]}: a merge brought it there later"
    problem = Problem("not-on-main", at(2), message)
    for write, expected in ((carried, [problem]), (unchanged, [problem]), (refused, [])):
        log = write(Paper.started(), 1, merged)
        assert found_in(log, info(1), never_main=aside) == expected


def test_a_commit_that_no_entry_names_is_a_problem_once() -> None:
    log = carried(Paper.started(), 2, outcome="failed")
    carried(log, 2, merged_commit(info(2)))
    message = f"commit {commit(1)[:12]} was merged by {commit(2)[:12]}, and is not named"
    assert found_in(log, info(1), info(2, changed=())) == [Problem("population", at(2), message)]


def test_what_a_refusal_names_is_still_to_be_named() -> None:
    log = refused(Paper.started(), 1, merged_commit(info(1)))
    assert found_in(log, info(1)) == []
    assert [(one.code, one.where) for one in found_in(carried(log, 1), info(1))] == [("population", at(3))]


def test_what_was_named_and_not_applied_need_not_be_named_again() -> None:
    log = carried(Paper.started(), 1, merged_commit(info(1)), outcome="failed")
    assert found_in(carried(log, 1), info(1)) == []


def test_a_commit_that_main_did_not_get_since_is_not_named() -> None:
    log = carried(Paper.started(), 1, merged_commit(info(1)), merged_commit(info(7)))
    message = f"changes[] names {commit(7)[:12]}, which main did not get since what was applied before"
    assert found_in(log, info(1)) == [Problem("not-on-main", at(2), message)]


def test_what_an_entry_of_a_commit_that_is_not_here_names_is_not_on_main() -> None:
    log = carried(Paper.started(), 99, NOBODY)
    message = f"changes[] names {commit(1)[:12]}, which main did not get since what was applied before"
    assert found_in(log, info(1)) == [Problem("not-on-main", at(2), message)]
    assert people_of(log.entries[1], line(log, info(1))) == []  # there is nothing to hold its approvals against


# --- and truly


NAMED = merged_commit(info(1))
DECLARED = info(1, trailers=(Trailer(commit(1), "Hyops-Kind", "drill"),))


@pytest.mark.parametrize(
    ("fact", "fields"),
    [
        ("author", {"author": Person("Grace")}),
        ("title", {"title": "Another"}),
        ("approvals", {"approvals": (Approval(Person("Eve")),)}),
        ("head", {"head": commit(8)}),
        ("declaration", {"declared": Declaration(kind="incident")}),
    ],
)
def test_a_fact_that_is_not_as_in_the_commit_is_a_problem(fact: str, fields: dict[str, Any]) -> None:
    log = carried(Paper.started(), 1, replace(NAMED, **fields))
    message = f"the {fact} of {commit(1)[:12]} is not as in the commit"
    assert found_in(log, info(1)) == [Problem("commit-facts", at(2), message)]
    forge = carried(Paper.started(), 1, replace(NAMED, source="github", **fields))
    assert [one.message for one in found_in(forge, info(1))] == ([message] if fact == "declaration" else [])


def test_an_entry_without_declarations_is_older_than_their_reading() -> None:
    assert found_in(carried(Paper.started(), 1, NAMED), DECLARED) == []
    assert found_in(carried(Paper.started(), 1, merged_commit(DECLARED)), DECLARED) == []


def test_an_earlier_version_took_main_for_what_a_merge_brought_in() -> None:
    joined = info(1, merged_head=None, merged_author=None, joined=commit(8), joined_author="Edith")
    as_then = replace(merged_commit(joined), head=commit(8), author=Person("Edith"))
    assert found_in(carried(Paper.started(), 1, as_then), joined) == []
    assert found_in(carried(Paper.started(), 1, merged_commit(joined)), joined) == []
    other = replace(as_then, head=commit(9))
    assert len(found_in(carried(Paper.started(), 1, other), joined)) == 2


def lifting(reason: str, **fields: Any) -> CommitInfo:
    return info(1, trailers=(Trailer(commit(1), "Hyops-Override", f"drift:a.{ZONE}={reason}"),), **fields)


def test_the_reason_of_a_trailer_is_masked_in_the_log() -> None:
    lifted = lifting("asked a@example.invalid")
    recorded = Override("drift", f"a.{ZONE}", masked("asked a@example.invalid"), "trailer")
    assert "@" not in recorded.reason
    assert found_in(carried(Paper.started(), 1, merged_commit(lifted), overrides=(recorded,)), lifted) == []


@pytest.mark.parametrize(
    ("override", "known"),
    [
        (Override("drift", f"a.{ZONE}", "known", "trailer"), False),
        (Override("drift", f"b.{ZONE}", "mended", "trailer"), False),
        (Override("drift", f"a.{ZONE}", "mended", "trailer"), True),
        (Override("max-deletes", None, "typed", "option"), True),
    ],
)
def test_an_override_that_no_named_commit_lifts_is_a_problem(override: Override, known: bool) -> None:
    lifted = lifting("mended")
    log = carried(Paper.started(), 1, merged_commit(lifted), overrides=(override,))
    problem = Problem("commit-facts", at(2), f"no named commit lifts {override.target}")
    assert found_in(log, lifted) == ([] if known else [problem])


def test_a_commit_that_is_not_named_lifts_nothing() -> None:
    override = Override("drift", f"a.{ZONE}", "mended", "trailer")
    log = carried(Paper.started(), 2, merged_commit(info(2)), overrides=(override,))
    assert [one.code for one in found_in(log, lifting("mended", changed=()), info(2))] == ["commit-facts"]


# --- approvals


@dataclass(frozen=True)
class Clone:
    """What git says of one head: who wrote it, and whether merging it gives the commit."""

    author_of_head: str | None = "Ada"
    matches: bool | None = True

    def author(self, commit: str) -> str | None:
        assert commit == NAMED.head
        return self.author_of_head

    def merge_matches(self, merged: str, head: str) -> bool | None:
        assert (merged, head) == (NAMED.commit, NAMED.head)
        return self.matches


def remarks(
    merged: MergedCommit = NAMED,
    separation: SeparationOfDuties = "enforce",
    clone: Clone = Clone(),
    *overrides: Override,
    changed: tuple[str, ...] = (PATH,),
) -> list[Remark]:
    log = carried(Paper.started(), 1, merged, overrides=overrides)
    return list(check_people(ZONE, log.entries[1], separation, line(log, info(1, changed=changed)), git(clone)))


def git(clone: Clone) -> AuditGit:
    return cast(AuditGit, clone)


SHORT, HEAD = NAMED.commit[:12], str(NAMED.head)[:12]
NOBODY = replace(NAMED, approvals=())


def test_an_approved_commit_has_nothing_to_say() -> None:
    assert remarks() == []


@pytest.mark.parametrize(
    ("merged", "clone", "message", "unknown"),
    [
        (NOBODY, Clone(), f"commit {SHORT}: nobody approved it", False),
        (NAMED, Clone("Grace"), f"commit {SHORT}: Grace approved and pushed last", False),
        (
            NAMED,
            Clone(None),
            f"commit {SHORT}: its head {HEAD} is not in this clone: its last pusher is unknown",
            True,
        ),
        (NAMED, Clone(matches=None), f"commit {SHORT}: this git cannot repeat the merge of {HEAD}", True),
        (
            NAMED,
            Clone(matches=False),
            f"commit {SHORT} is not what merging {HEAD} gives: it has content without approval",
            False,
        ),
    ],
)
def test_what_is_wrong_with_an_approval(merged: MergedCommit, clone: Clone, message: str, unknown: bool) -> None:
    problem = Problem("separation-of-duties", at(2), message)
    notice = Notice("separation-of-duties", 2, START.replace(minute=2), message)
    assert remarks(merged, "enforce", clone) == [Unknown(problem) if unknown else problem]
    assert remarks(merged, "warn", clone) == [notice]
    assert remarks(merged, "off", clone) == []


def test_a_commit_without_a_head_has_no_pusher_to_ask_for() -> None:
    assert remarks(replace(NAMED, head=None)) == []
    assert len(remarks(replace(NOBODY, head=None), "enforce", Clone(None, None))) == 1


def test_a_lifted_guard_makes_a_notice_of_it() -> None:
    lifted = Override("separation-of-duties", None, "alone on call", "option")
    assert [type(one) for one in remarks(NOBODY, "enforce", Clone(), lifted)] == [Notice]
    other = Override("max-deletes", None, "all of them", "option")
    assert [type(one) for one in remarks(NOBODY, "enforce", Clone(), other)] == [Problem]


def test_a_commit_that_touches_no_contract_needs_no_approval() -> None:
    assert remarks(NOBODY, changed=()) == []


def people_of(entry: Entry, found: FirstParentLine) -> list[Remark]:
    return list(check_people(ZONE, entry, "enforce", found, git(Clone())))


def test_what_is_carried_out_is_asked_about_and_what_is_refused_is_not() -> None:
    log = refused(Paper.started(), 1, NOBODY)
    unchanged(log, 1, NOBODY)
    found = line(log, info(1))
    assert people_of(log.entries[1], found) == []
    assert [type(one) for one in people_of(log.entries[2], found)] == [Problem]
    assert people_of(log.entries[0], found) == []
