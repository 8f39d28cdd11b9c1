"""Which change its owner did not approve, by what a forge knows, and what is not known."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hyops_gitops.adapters.forge.forge import RestForge
from hyops_gitops.adapters.forge.rest import ForgeHttp
from hyops_gitops.audit.commits import AuditRequest
from hyops_gitops.audit.owner_approvals import Teams
from hyops_gitops.audit.report import Audit
from hyops_gitops.audit.run import audit
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.people import Approval, Person
from hyops_gitops.log.chain import Problem
from tests.support.book import Book, build, commit_trees
from tests.support.forge import ADA, GRACE, LINUS, REPOSITORY, TOKEN, Answer, ForgeServer, running
from tests.support.forks import offline_audit

CODE = "owner-approval"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Book:
    """A log that is true, and ends at contracts with owners under a table."""
    book = build(tmp_path_factory.mktemp("owned"))
    book.world.edit_authority('"ttl"', '"owners": {"data": ["@acme/data", "@linus"]}, "ttl"')
    book.world.commit("Owners")
    book.unchanged()  # 16
    for name, owner in (("first", "data"), ("api", "web")):
        path = f"endpoints/prod/{name}.yaml"
        book.world.write(path, f"{book.world.read(path)}endpoint_owner: {owner}\n")
    book.world.commit("Own them")
    book.unchanged()  # 17
    return book


@pytest.fixture
def book(started: Book, tmp_path: Path) -> Book:
    copy = started.copy(17)
    copy.world = started.world.copied(tmp_path / "copy")
    return copy


@pytest.fixture(params=["github", "gitea"])
def forge(request: pytest.FixtureRequest) -> Iterator[ForgeServer]:
    with running(is_gitea=request.param == "gitea") as server:
        yield server


def put_team(server: ForgeServer, *members: tuple[str, int], size: int = 50) -> None:
    """The team @acme/data, as the forge shows it."""
    prefix = server.base.removeprefix(server.url)
    pages = Answer(
        document=[{"login": login, "id": number} for login, number in members], headers={"page-size": str(size)}
    )
    if server.is_gitea:
        server.answers[f"{prefix}/orgs/acme/teams"] = [Answer(document=[{"id": 5, "name": "Data"}], headers={})]
        server.answers[f"{prefix}/teams/5/members"] = [pages]
    else:
        server.answers["/orgs/acme/teams/data"] = [Answer(document={"id": 5, "slug": "data"})]
        server.answers["/orgs/acme/teams/data/members"] = [pages]


def teams_of(server: ForgeServer) -> Teams:
    return Teams(lambda: RestForge(ForgeHttp(server.base, TOKEN, timeout_s=0.3, sleep=lambda _: None), REPOSITORY))


def applied(book: Book, *approvals: tuple[str, int], edit: Callable[[Book], None] | None = None) -> None:
    """Move first, merged with these approvals of a forge."""
    book.world.contract("first", "10.0.0.77", endpoint_owner="data")
    if edit is not None:
        edit(book)
    head = book.world.commit("Move")
    intent = book.intent()
    by = tuple(Approval(Person(login, str(number)), head) for login, number in approvals)
    (merged,) = intent.merged
    told = replace(merged, approvals=by, head=head, source="github", author=Person("ada", "11"))
    book.intend(replace(intent, merged=(told,)))
    book.finish()
    commit_trees(book.world.root, book.store.trees)


def audited(book: Book, server: ForgeServer) -> Audit:
    """The audit with a forge at hand; no DNS server answers."""
    environ = {
        **book.world.environ,
        "HYOPS_FORGE_TOKEN": TOKEN,
        "HYOPS_FORGE_URL": server.base,
        "HYOPS_FORGE_REPOSITORY": "acme/dns",
    }
    workspace = LocalWorkspace(book.world.root, environ)
    return audit(AuditRequest(), workspace, workspace.audit_git())


def messages(found: Audit) -> list[str]:
    return [
        notice.message.partition(": ")[2] for notice in found.exceptions if notice.kind == CODE and notice.seq == 18
    ]


def test_an_approval_by_a_member_of_the_owning_team_is_one(book: Book, forge: ForgeServer) -> None:
    put_team(forge, ADA, GRACE)
    applied(book, GRACE)

    assert messages(audited(book, forge)) == []


def test_an_approval_by_another_person_is_not_the_owners(book: Book, forge: ForgeServer) -> None:
    put_team(forge, ADA)
    applied(book, GRACE)

    assert messages(audited(book, forge)) == ["no approval by its owner 'data' (@acme/data, @linus), only by grace"]


def test_a_user_of_the_table_is_known_by_name_without_a_forge(book: Book) -> None:
    applied(book, LINUS)

    assert messages(offline_audit(book.world.root)) == []


def test_a_team_is_not_known_without_a_forge(book: Book) -> None:
    applied(book, GRACE)

    (message,) = messages(offline_audit(book.world.root))

    assert "is not known (by grace): no forge is asked who is in a team" in message


def test_an_author_in_the_owning_team_does_not_approve(book: Book) -> None:
    applied(book, ADA)

    assert messages(offline_audit(book.world.root)) == ["no approval by its owner 'data' (@acme/data, @linus)"]


def test_a_trailer_names_no_account(book: Book) -> None:
    book.world.contract("first", "10.0.0.77", endpoint_owner="data")
    book.world.commit("Move\n\nReviewed-by: linus <l@example.invalid>")
    book.apply()
    commit_trees(book.world.root, book.store.trees)

    assert "linus approved by a trailer, which names no account" in messages(offline_audit(book.world.root))[0]


def test_the_owner_before_the_change_is_asked(book: Book) -> None:
    def take_over(book: Book) -> None:
        book.world.contract("first", "10.0.0.77", endpoint_owner="web")

    applied(book, edit=take_over)

    assert messages(offline_audit(book.world.root)) == ["no approval by its owner 'data' (@acme/data, @linus)"]


def test_an_owner_that_the_table_lacks_is_not_known(book: Book) -> None:
    def other(book: Book) -> None:
        book.world.contract("api", "10.0.0.7", "10.0.0.9", required=False, endpoint_owner="web")

    applied(book, LINUS, edit=other)

    assert messages(offline_audit(book.world.root)) == ["whether 'web' approved is not known: policy.owners lacks it"]


@pytest.mark.parametrize(
    ("approvals", "problems", "inconclusive"), [((), [CODE], []), ((GRACE,), [], [CODE]), ((LINUS,), [], [])]
)
def test_under_enforce_what_is_missing_fails_and_what_is_not_known_never_passes(
    book: Book, approvals: tuple[tuple[str, int], ...], problems: list[str], inconclusive: list[str]
) -> None:
    book.world.edit_authority('"owners"', '"separation_of_duties": "enforce", "owners"')
    book.world.commit("Enforce")
    book.unchanged()  # 18
    applied(book, *approvals)
    found = offline_audit(book.world.root)

    def about(listed: tuple[Problem, ...]) -> list[str]:
        return [each.code for each in listed if each.code == CODE and each.where.endswith("/000019.json")]

    assert (about(found.problems), about(found.inconclusive)) == (problems, inconclusive)


# --- teams


def test_members_are_read_over_all_pages_and_once(forge: ForgeServer) -> None:
    put_team(forge, ADA, GRACE, LINUS, size=2)
    teams = teams_of(forge)

    assert [teams.members("acme/data") for _ in range(2)] == [
        tuple(Person(n, str(i)) for n, i in (ADA, GRACE, LINUS))
    ] * 2
    assert sum(path.endswith("/members") for path in forge.asked) == 2


def test_a_hidden_team_is_not_an_empty_one(forge: ForgeServer) -> None:
    put_team(forge, ADA)

    assert "shows no team @acme/hidden" in str(teams_of(forge).members("acme/hidden"))


def test_after_a_failure_no_other_team_is_asked_for(forge: ForgeServer) -> None:
    put_team(forge, ADA)
    for answers in forge.answers.values():
        answers[:] = [Answer(403, {"message": "Forbidden"})]
    teams = teams_of(forge)

    first, asked = teams.members("acme/data"), len(forge.asked)

    assert "does not tell who is in a team" in str(first)
    assert (teams.members("acme/other"), len(forge.asked)) == (first, asked)
