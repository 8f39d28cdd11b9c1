"""What an apply makes of commits: people as a forge tells of them, else as the commits do."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from hyops_gitops.apply.merged_commits import attribute, mixed_change
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.events import Event, Warned
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.people import Approval, Person, PullRequest

ADA, GRACE, LINUS = Person("ada", "1"), Person("grace", "2"), Person("linus", "3")
HEAD, MERGE, PUSHED = "a" * 40, "b" * 40, "c" * 40
PULL = PullRequest("7", "Move it", ADA, HEAD, (Approval(GRACE, HEAD),), LINUS, (ADA,))


@dataclass
class Told:
    """A forge that knows these pull requests; the named commits make it fail."""

    pulls: Mapping[str, PullRequest]
    fails_at: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)
    name: str = "github"

    def pull_request(self, commit: str) -> PullRequest | None:
        self.asked.append(commit)
        if commit in self.fails_at:
            raise OutsideFailure("the forge did not answer", code="forge-unreachable")
        return self.pulls.get(commit)

    def author(self, commit: str) -> Person | None:
        return LINUS if commit == PUSHED else None

    def members(self, team: str) -> None:
        raise AssertionError(f"nothing here is about {team}")


def commit(commit_id: str, *approved_by: str) -> CommitInfo:
    moment = datetime(2026, 11, 20, tzinfo=UTC)
    return CommitInfo(commit_id, "Subject", "Ada L.", moment, ("endpoints/prod/a.yaml",), "Ada L.", approved_by)


def nothing(_event: Event) -> None:
    pass


def test_a_pull_request_tells_everything_but_time_and_commit() -> None:
    (one,) = attribute([commit(MERGE, "Forged")], Told({MERGE: PULL}), nothing)

    merged = one.merged
    assert (merged.source, merged.pull_request, merged.title, merged.head) == ("github", "7", "Move it", HEAD)
    assert (merged.author, merged.approvals, merged.merged_by) == (ADA, (Approval(GRACE, HEAD),), LINUS)
    assert (merged.bypass, one.pushers, one.unanswered) == (None, (ADA,), "")


def test_a_direct_push_is_named_and_its_trailers_approve_nothing() -> None:
    pushed, unknown = attribute([commit(PUSHED, "Forged"), commit(MERGE, "Forged")], Told({}), nothing)

    assert (pushed.merged.bypass, pushed.merged.author, pushed.merged.approvals) == ("direct-push", LINUS, ())
    assert (unknown.merged.bypass, unknown.merged.author, unknown.merged.approvals) == (
        "direct-push",
        Person("Ada L."),
        (),
    )


def test_a_merge_past_its_review_is_named() -> None:
    against = PullRequest("7", "Move it", ADA, HEAD, (), LINUS, (ADA,), objectors=(GRACE,))

    (one,) = attribute([commit(MERGE)], Told({MERGE: against}), nothing)

    assert one.merged.bypass == "review"


def test_a_forge_that_fails_is_said_once_and_not_asked_again() -> None:
    said: list[Event] = []
    forge = Told({MERGE: PULL}, fails_at=(PUSHED,))

    before, at, after = attribute([commit(MERGE), commit(PUSHED, "Grace"), commit("d" * 40)], forge, said.append)

    assert forge.asked == [MERGE, PUSHED]
    assert (before.merged.source, at.merged.source, after.merged.source) == ("github", "commit", "commit")
    assert at.merged.approvals == (Approval(Person("Grace")),)
    assert (before.unanswered, bool(at.unanswered), bool(after.unanswered)) == ("", True, True)
    assert [type(event) for event in said] == [Warned]


def test_without_a_forge_the_commits_tell() -> None:
    (one,) = attribute([commit(MERGE, "Grace")], None, nothing)

    assert (one.merged.source, one.merged.bypass, one.unanswered) == ("commit", None, "")
    assert one.merged.approvals == (Approval(Person("Grace")),)


def test_authority_and_contracts_in_one_pull_request_are_seen_in_several_commits_too() -> None:
    contract = commit(MERGE)
    authority = replace(commit(PUSHED), changed=("authority/z.yaml",))

    rebased = attribute([contract, authority], Told({MERGE: PULL, PUSHED: PULL}), nothing)
    apart = attribute([contract, authority], Told({MERGE: PULL}), nothing)
    at_once = attribute([replace(contract, changed=("authority/z.yaml", "endpoints/prod/a.yaml"))], None, nothing)

    assert mixed_change(rebased) == "pull request 7"
    assert mixed_change(apart) is None
    assert mixed_change(at_once) == f"commit {MERGE[:12]}"


def test_what_a_forge_tells_is_masked() -> None:
    loud = PullRequest("7", "token=hunter2 by ada@example.net", ADA, HEAD, (), None, ())

    (one,) = attribute([commit(MERGE)], Told({MERGE: loud}), nothing)

    assert one.merged.title == "token=[masked] by [masked]"
