"""What the adapter makes of what GitHub and Gitea answer, and of what they should not."""

import socket
from dataclasses import replace

import pytest

from hyops_gitops.adapters.forge import forge as adapter
from hyops_gitops.adapters.forge.forge import RestForge, forge_from_environment
from hyops_gitops.adapters.forge.rest import ForgeHttp
from hyops_gitops.core.errors import OutsideFailure, UsageError
from hyops_gitops.core.people import Approval, Person
from tests.support.forge import ADA, BOT, GRACE, LINUS, REPOSITORY, TOKEN, Answer, ForgeServer, review, running

COMMIT, HEAD, OLD = "c" * 40, "a" * 40, "b" * 40


def forge_of(server: ForgeServer, pauses: list[float] | None = None) -> RestForge:
    taken = [] if pauses is None else pauses
    return RestForge(ForgeHttp(server.base, TOKEN, timeout_s=0.3, sleep=taken.append), REPOSITORY)


def person(who: tuple[str, int]) -> Person:
    return Person(who[0], str(who[1]))


def approvals(server: ForgeServer) -> tuple[Approval, ...]:
    pull = forge_of(server).pull_request(COMMIT)
    assert pull is not None
    return pull.approvals


def code(server: ForgeServer) -> str:
    with pytest.raises(OutsideFailure) as caught:
        forge_of(server).pull_request(COMMIT)
    assert TOKEN not in f"{caught.value.message} {caught.value.hint} {caught.value!r}"
    return caught.value.code


def objection(server: ForgeServer) -> str:
    return "REQUEST_CHANGES" if server.is_gitea else "CHANGES_REQUESTED"


# --- what is there


def test_a_pull_request_with_the_people_behind_it(server: ForgeServer) -> None:
    server.repository()
    server.pull(7, COMMIT, HEAD, review(1, GRACE, "APPROVED", HEAD), title="Move postgres")
    server.commit(HEAD, ADA, LINUS)

    pull = forge_of(server).pull_request(COMMIT)

    assert pull is not None
    assert (pull.number, pull.title, pull.head) == ("7", "Move postgres", HEAD)
    assert (pull.author, pull.merged_by) == (person(ADA), person(LINUS))
    assert pull.approvals == (Approval(person(GRACE), HEAD),)
    assert pull.pushers == (person(ADA), person(LINUS))
    assert pull.bypass is None


def test_only_the_newest_verdict_of_each_reviewer_counts(server: ForgeServer) -> None:
    server.repository()
    server.pull(
        7,
        COMMIT,
        HEAD,
        review(4, GRACE, "APPROVED", HEAD),
        review(1, GRACE, objection(server), OLD),
        review(2, LINUS, "APPROVED", OLD),
        review(3, LINUS, objection(server), HEAD),
        review(5, GRACE, "COMMENT" if server.is_gitea else "COMMENTED", HEAD),
        review(6, BOT, "APPROVED", HEAD),
        review(7, None, "APPROVED", HEAD),
        review(8, ADA, "PENDING", HEAD),
    )

    pull = forge_of(server).pull_request(COMMIT)

    assert pull is not None
    assert pull.approvals == (Approval(person(GRACE), HEAD), Approval(person(BOT), HEAD))
    assert (pull.objectors, pull.bypass) == ((person(LINUS),), "review")


def test_a_dismissed_approval_is_none(server: ForgeServer) -> None:
    dismissed = {"dismissed": True} if server.is_gitea else {}
    server.repository()
    server.pull(
        7,
        COMMIT,
        HEAD,
        review(1, GRACE, "APPROVED" if server.is_gitea else "DISMISSED", HEAD, **dismissed),
        review(2, LINUS, "APPROVED", OLD, **({"dismissed": False, "stale": True} if server.is_gitea else {})),
    )

    assert approvals(server) == (Approval(person(LINUS), OLD),)


def test_reviews_come_in_pages(server: ForgeServer) -> None:
    server.repository()
    server.pull(7, COMMIT, HEAD)
    many = [review(number, (f"user{number}", number), "APPROVED", HEAD) for number in range(1, 8)]
    server.put_pages("/pulls/7/reviews", many, 3)

    assert len(approvals(server)) == 7
    assert not any("elsewhere" in path for path in server.asked)


def test_a_commit_without_a_pull_request_has_none_and_an_author(server: ForgeServer) -> None:
    server.repository()
    server.no_pull(COMMIT)
    server.commit(COMMIT, LINUS)

    forge = forge_of(server)

    assert forge.pull_request(COMMIT) is None
    assert forge.author(COMMIT) == person(LINUS)


def test_a_commit_by_nobody_whom_the_forge_knows(server: ForgeServer) -> None:
    server.commit(COMMIT, None)

    assert forge_of(server).author(COMMIT) is None


def test_deleted_accounts_are_no_failure(server: ForgeServer) -> None:
    server.repository()
    server.pull(7, COMMIT, HEAD, user=None)
    server.commit(HEAD, None)

    pull = forge_of(server).pull_request(COMMIT)

    assert pull is not None
    assert (pull.author, pull.pushers) == (Person("ghost"), ())


def test_open_pull_requests_and_those_of_other_branches_brought_nothing(github: ForgeServer) -> None:
    github.repository()
    open_one = {"number": 1, "merged_at": None, "merge_commit_sha": COMMIT, "base": {"ref": "main"}}
    elsewhere = {"number": 2, "merged_at": "2026-11-20T10:00:00Z", "merge_commit_sha": OLD, "base": {"ref": "dev"}}
    github.put(f"/commits/{COMMIT}/pulls", [open_one, elsewhere])

    assert forge_of(github).pull_request(COMMIT) is None


def test_a_rebased_commit_belongs_to_the_pull_request_that_brought_it(github: ForgeServer) -> None:
    github.repository()
    github.pull(7, COMMIT, HEAD, merge_commit_sha=OLD)

    pull = forge_of(github).pull_request(COMMIT)

    assert pull is not None
    assert pull.number == "7"


@pytest.mark.parametrize(("given", "bypass"), [(1, "review"), (2, None)])
def test_fewer_approvals_than_the_branch_asks_for_are_a_bypass(
    github: ForgeServer, given: int, bypass: str | None
) -> None:
    github.repository(required_approvals=2)
    github.pull(7, COMMIT, HEAD, *[review(one, (f"user{one}", one), "APPROVED", HEAD) for one in range(given)])

    pull = forge_of(github).pull_request(COMMIT)

    assert pull is not None
    assert pull.bypass == bypass


def test_what_was_told_once_is_not_asked_again(server: ForgeServer) -> None:
    server.repository()
    server.pull(7, COMMIT, HEAD)
    forge = forge_of(server)
    forge.pull_request(COMMIT)
    asked = len(server.requests)

    forge.pull_request(COMMIT)

    assert len(server.requests) == asked


# --- what goes wrong


def test_the_token_is_sent_in_a_header_and_nowhere_else(server: ForgeServer) -> None:
    server.repository()
    server.pull(7, COMMIT, HEAD)

    forge_of(server).pull_request(COMMIT)

    assert {headers["Authorization"] for _, _, headers in server.requests} == {f"token {TOKEN}"}
    assert TOKEN not in str([(path, query) for path, query, _ in server.requests])
    assert TOKEN not in repr(forge_of(server))


def test_a_redirect_is_not_followed(server: ForgeServer) -> None:
    with running() as target:
        server.put("", Answer(301, headers={"Location": f"{target.url}/repos/other/name"}))

        assert code(server) == "forge-redirect"

    assert target.requests == []


@pytest.mark.parametrize(
    ("answer", "expected", "requests"),
    [
        (Answer(401), "forge-unauthorized", 1),
        (Answer(403), "forge-unauthorized", 1),
        (Answer(404), "forge-not-found", 1),
        (Answer(422), "forge-status", 1),
        (Answer(403, headers={"X-RateLimit-Remaining": "0"}), "forge-rate-limited", 1),
        (Answer(429, headers={"Retry-After": "3600"}), "forge-rate-limited", 1),
        (Answer(429, headers={"Retry-After": "2"}), "forge-rate-limited", 3),
        (Answer(503), "forge-status", 3),
        (Answer(document=b"<html>"), "forge-reply", 1),
        (Answer(document=b"\xff\xfe"), "forge-reply", 1),
        (Answer(document=b"[" * 100_000), "forge-reply", 1),
        (Answer(429, headers={"Retry-After": "\u00b2"}), "forge-rate-limited", 1),
        (Answer(document=[]), "forge-reply", 1),
        (Answer(document={"default_branch": 7}), "forge-reply", 1),
    ],
)
def test_what_is_no_answer_is_a_failure(github: ForgeServer, answer: Answer, expected: str, requests: int) -> None:
    github.put("", answer)

    assert code(github) == expected
    assert len(github.requests) == requests


def test_a_short_wait_that_the_forge_asks_for_is_taken(github: ForgeServer) -> None:
    github.repository()
    github.pull(7, COMMIT, HEAD)
    whole = github.answers[REPOSITORY]
    github.put("", Answer(429, headers={"Retry-After": "2"}), Answer(502), *whole)
    pauses: list[float] = []

    assert forge_of(github, pauses).pull_request(COMMIT) is not None
    assert pauses == [2.0, 2.0]


def test_a_list_without_end_is_a_failure(github: ForgeServer) -> None:
    github.repository()
    github.pull(7, COMMIT, HEAD)
    endless = Answer(document=[review(1, GRACE, "APPROVED", HEAD)], headers={"Link": '<x>; rel="next"'})
    github.put("/pulls/7/reviews", endless)

    assert code(github) == "forge-reply"


def test_nobody_there_and_silence(github: ForgeServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        silent = replace(github, url=f"http://127.0.0.1:{deaf.getsockname()[1]}")

        assert code(silent) == "forge-unreachable"
    assert code(silent) == "forge-unreachable"


# --- which forge


def test_without_a_token_there_is_no_forge() -> None:
    assert forge_from_environment({"GITHUB_API_URL": "https://api.github.com", "GITHUB_REPOSITORY": "a/b"}) is None


def test_a_job_needs_nothing_but_the_token() -> None:
    environ = {adapter.FORGE_TOKEN: TOKEN, "GITHUB_API_URL": "https://api.github.com", "GITHUB_REPOSITORY": "a/b"}

    forge = forge_from_environment(environ)

    assert forge is not None
    assert (forge.name, forge.http.url, forge.repository) == ("github", "https://api.github.com", "/repos/a/b")


def test_our_own_variables_come_first() -> None:
    forge = forge_from_environment(
        {
            adapter.FORGE_TOKEN: TOKEN,
            adapter.FORGE_URL: "https://git.example.net/api/v1",
            adapter.FORGE_REPOSITORY: "x/y z",
            "GITHUB_API_URL": "https://api.github.com",
            "GITHUB_REPOSITORY": "a/b",
        }
    )

    assert forge is not None
    assert (forge.name, forge.repository) == ("gitea", "/repos/x/y%20z")


@pytest.mark.parametrize("repository", ["", "alone", "a/b/c", "/b", "a/"])
def test_a_token_for_no_repository_is_wrong_usage(repository: str) -> None:
    environ = {adapter.FORGE_TOKEN: TOKEN, adapter.FORGE_URL: "https://h", adapter.FORGE_REPOSITORY: repository}
    with pytest.raises(UsageError):
        forge_from_environment(environ)


@pytest.mark.parametrize(
    "url",
    [
        "http://git.example.net/api/v1",
        "ftp://h",
        f"https://{'a' * 64}.net",
        "https://git..net",
        "https://",
        "https://u:p@h",
        "https://h?x=1",
        "nonsense",
        "https://h:x",
    ],
)
def test_a_token_is_not_sent_just_anywhere(url: str) -> None:
    with pytest.raises(OutsideFailure) as caught:
        ForgeHttp(url, TOKEN)
    assert caught.value.code == "forge-url"


@pytest.mark.parametrize("token", ["", "two words", "line\nend", "ümlaut"])
def test_a_token_no_header_can_carry(token: str) -> None:
    with pytest.raises(OutsideFailure) as caught:
        ForgeHttp("https://h", token)
    assert caught.value.code == "forge-token"
