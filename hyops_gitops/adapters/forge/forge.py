"""GitHub and Gitea by REST: a commit's pull request and its people.

The two differ in few places, which are `Dialect`. An API below `/api/v1` is Gitea's (or Forgejo's), anything else
GitHub's. Reads only.

What each cannot tell: Gitea finds a pull request by the one commit that merged it, so that of a rebased one only the
last commit is found. Rules of a branch are visible on GitHub as rulesets (the older branch protection is not).
"""

import shlex
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote, urlsplit

from hyops_gitops.adapters.git.process import printable, summary
from hyops_gitops.adapters.host.machine import Program
from hyops_gitops.core.codec import JsonObject
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import InvalidData, OutsideFailure, UsageError
from hyops_gitops.core.fields import At
from hyops_gitops.core.people import Approval, Person, PullRequest

if TYPE_CHECKING:
    from hyops_gitops.adapters.forge.rest import ForgeHttp

FORGE_URL = "HYOPS_FORGE_URL"
FORGE_REPOSITORY = "HYOPS_FORGE_REPOSITORY"
FORGE_TOKEN = "HYOPS_FORGE_TOKEN"  # noqa: S105 - a variable's name

_VERDICTS = ("APPROVED", "CHANGES_REQUESTED", "REQUEST_CHANGES", "DISMISSED")
_GHOST = Person("ghost")  # whose account was deleted
_OBJECTIONS = ("CHANGES_REQUESTED", "REQUEST_CHANGES")  # GitHub's word, Gitea's word


@dataclass(frozen=True, slots=True)
class Dialect:
    """Paths and words of one kind of forge."""

    name: Literal["github", "gitea"]
    pulls_of_commit: str  # below a commit
    commit: str  # a commit with the forge's users


_GITHUB = Dialect("github", "/commits/{commit}/pulls", "/commits/{commit}")
_GITEA = Dialect("gitea", "/commits/{commit}/pull", "/git/commits/{commit}")


@dataclass(frozen=True, slots=True)
class _User(JsonObject):
    login: str
    id: int

    @property
    def person(self) -> Person:
        return Person(self.login, str(self.id))


@dataclass(frozen=True, slots=True)
class _Team(JsonObject):
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class _Listed(JsonObject):
    number: int
    base: Annotated[str, At("base.ref")]
    merged_at: str | None = None
    merge_commit_sha: str | None = None


@dataclass(frozen=True, slots=True)
class _Pull(JsonObject):
    title: str
    head: Annotated[str, At("head.sha")]
    base: Annotated[str, At("base.ref")]
    user: _User | None = None
    merged_by: _User | None = None


@dataclass(frozen=True, slots=True)
class _Review(JsonObject):
    id: int
    state: str
    user: _User | None = None
    commit_id: str | None = None
    submitted_at: str | None = None
    dismissed: bool = False

    @property
    def verdict(self) -> str:
        """Gitea marks a dismissed review, GitHub gives it another state."""
        return "DISMISSED" if self.dismissed else self.state


@dataclass(frozen=True, slots=True)
class _Login(JsonObject):
    """The user of a commit, with login and id if known."""

    login: str | None = None
    id: int | None = None


@dataclass(frozen=True, slots=True)
class _CommitUsers(JsonObject):
    author: _Login | None = None
    committer: _Login | None = None


@dataclass(frozen=True, slots=True)
class _Parameters(JsonObject):
    required_approving_review_count: int = 0


@dataclass(frozen=True, slots=True)
class _Rule(JsonObject):
    type: str
    parameters: _Parameters | None = None


@dataclass(frozen=True, slots=True)
class _Repository(JsonObject):
    default_branch: str


def dialect_of(url: str) -> Dialect:
    """The kind of forge whose API has this base URL."""
    return _GITEA if urlsplit(url).path.rstrip("/").endswith("/api/v1") else _GITHUB


def forge_url(environ: Mapping[str, str]) -> str:
    """The base URL of the API that the environment names, or ""."""
    return environ.get(FORGE_URL) or environ.get("GITHUB_API_URL", "")


def forge_from_environment(environ: Mapping[str, str]) -> "RestForge | None":
    """The forge that the environment names, None without a token.

    Raises:
        UsageError: code `no-forge`: a token, but not what it is for.
        OutsideFailure: codes `forge-url`, `forge-token`.
    """
    token = environ.get(FORGE_TOKEN, "").strip()
    if not token:
        return None
    url = forge_url(environ)
    repository = environ.get(FORGE_REPOSITORY) or environ.get("GITHUB_REPOSITORY", "")
    owner, slash, name = repository.partition("/")
    if not url or not slash or not owner or not name or "/" in name:
        raise UsageError(
            f"{FORGE_TOKEN} is set, but not which repository of which forge it is for",
            code="no-forge",
            hint=f"set {FORGE_URL}=https://HOST/api/v1 (https://api.github.com for GitHub) and "
            f"{FORGE_REPOSITORY}=OWNER/NAME",
        )
    from hyops_gitops.adapters.forge.rest import ForgeHttp  # noqa: PLC0415 - requests takes a tenth of a second

    return RestForge(ForgeHttp(url, token), f"/repos/{quote(owner, safe='')}/{quote(name, safe='')}")


@dataclass(slots=True)
class RestForge:
    """One repository of one forge, with remembered answers.

    An apply that starts again asks once.
    """

    http: "ForgeHttp"
    repository: str  # its path below the API's base
    _pulls: dict[str, PullRequest | None] = field(default_factory=dict)
    _required: dict[str, int] = field(default_factory=dict)
    _branch: str | None = None

    @property
    def name(self) -> str:
        """`github` or `gitea`."""
        return self._dialect.name

    def pull_request(self, commit: str) -> PullRequest | None:
        """The merged pull request of this commit; None: pushed directly.

        Raises:
            OutsideFailure: the forge did not answer, or not what it should.
        """
        if commit not in self._pulls:
            try:
                self._pulls[commit] = self._find(commit)
            except InvalidData as error:
                raise OutsideFailure(f"cannot read the forge's answer: {error.message}", code="forge-reply") from None
        return self._pulls[commit]

    def author(self, commit: str) -> Person | None:
        """The user who wrote a commit, where the forge knows one.

        Raises:
            OutsideFailure: the forge did not answer, or not what it should.
        """
        return next(iter(self._people(commit)), None)

    def members(self, team: str) -> tuple[Person, ...] | None:
        """The members of `organisation/team` now; None: it is not shown.

        Raises:
            OutsideFailure: the forge did not answer, or not what it should.
        """
        try:
            path = self._team(*team.split("/", 1))
            listed = None if path is None else self.http.pages(f"{path}/members")
            return None if listed is None else tuple(_User.from_json(member).person for member in listed)
        except InvalidData as error:
            raise OutsideFailure(f"cannot read the forge's answer: {error.message}", code="forge-reply") from None

    def _team(self, organisation: str, name: str) -> str | None:
        """The path of a team that the token may see.

        A list of members is empty for a team that is hidden too.
        """
        listed = f"/orgs/{quote(organisation, safe='')}/teams"
        if self._dialect is _GITHUB:
            path = f"{listed}/{quote(name, safe='')}"
            return path if self.http.get(path) is not None else None
        teams = (_Team.from_json(team) for team in self.http.pages(listed))
        return next((f"/teams/{team.id}" for team in teams if team.name.casefold() == name.casefold()), None)

    @property
    def _dialect(self) -> Dialect:
        return dialect_of(self.http.url)

    def _find(self, commit: str) -> PullRequest | None:
        branch = self._default_branch()
        path = self.repository + self._dialect.pulls_of_commit.format(commit=commit)
        found = [self.http.get(path)] if self._dialect is _GITEA else list(self.http.pages(path))
        pulls = [_Listed.from_json(pull) for pull in found if pull is not None]
        merged = [pull for pull in pulls if pull.merged_at is not None]
        exact = [pull for pull in merged if pull.merge_commit_sha == commit]
        rebased = [pull for pull in merged if pull.base == branch]
        chosen = next(iter(exact or rebased), None)
        return None if chosen is None else self._read(chosen.number)

    def _read(self, number: int) -> PullRequest:
        path = f"{self.repository}/pulls/{number}"
        document = self.http.get(path)
        if document is None:
            raise OutsideFailure(f"cannot read pull request {number}: it is gone", code="forge-reply")
        pull = _Pull.from_json(document)
        verdicts = _newest_of_each(_Review.from_json(review) for review in self.http.pages(f"{path}/reviews"))
        return PullRequest(
            str(number),
            pull.title,
            pull.user.person if pull.user else _GHOST,
            pull.head,
            tuple(Approval(by, review.commit_id or None) for by, review in verdicts if review.verdict == "APPROVED"),
            pull.merged_by.person if pull.merged_by else None,
            self._people(pull.head),
            tuple(by for by, review in verdicts if review.verdict in _OBJECTIONS),
            self._required_approvals(pull.base),
        )

    def _people(self, commit: str) -> tuple[Person, ...]:
        document = self.http.get(self.repository + self._dialect.commit.format(commit=commit))
        if document is None:
            return ()
        found = _CommitUsers.from_json(document)
        users = [user for user in (found.author, found.committer) if user is not None]
        return tuple(Person(user.login, str(user.id)) for user in users if user.login is not None)

    def _default_branch(self) -> str:
        if self._branch is None:
            document = self.http.get(self.repository)
            if document is None:
                raise OutsideFailure(
                    f"{self.http.url}{self.repository} is not there, or the token may not see it",
                    code="forge-not-found",
                    hint=f"check {FORGE_REPOSITORY} and what the token may read",
                )
            self._branch = _Repository.from_json(document).default_branch
        return self._branch

    def _required_approvals(self, branch: str) -> int:
        """The number of approvals that the visible rules of a branch require."""
        if self._dialect is _GITEA:
            return 0
        if branch not in self._required:
            path = f"{self.repository}/rules/branches/{quote(branch, safe='')}"
            rules = [_Rule.from_json(rule) for rule in self.http.pages(path)]
            reviews = [rule.parameters for rule in rules if rule.type == "pull_request" and rule.parameters]
            counts = [parameters.required_approving_review_count for parameters in reviews]
            self._required[branch] = max(counts, default=0)
        return self._required[branch]


def _newest_of_each(reviews: Iterable[_Review]) -> list[tuple[Person, _Review]]:
    """Each reviewer's newest verdict; comments do not change it."""
    judged = [(review.user.person, review) for review in reviews if review.user and review.verdict in _VERDICTS]
    judged.sort(key=lambda pair: (_moment(pair[1].submitted_at), pair[1].id))
    return list({by.id: (by, review) for by, review in judged}.values())


def _moment(text: str | None) -> float:
    """A time; Gitea writes the changing offset of its own zone."""
    try:
        return datetime.fromisoformat(text or "").timestamp()
    except ValueError:
        return 0.0


_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class ForgeProgram:
    """Runs in one clone, with the user's own credentials."""

    root: Path
    path: str | None = None  # where programs are looked for; None: as PATH says

    def open(self, command: Sequence[str]) -> str | None:
        """Run the command; its last line, None without the program.

        Raises:
            OutsideFailure: code `pull-request-failed`.
        """
        program = shutil.which(command[0], path=self.path)
        if program is None:
            return None
        try:
            done = Program(program, code="no-program", timeout_s=_TIMEOUT_S).run(*command[1:], cwd=self.root)
        except OutsideFailure as failure:
            raise self._failed(command, failure.message) from None
        if done.returncode != 0:
            raise self._failed(command, summary(printable(done.stderr)) or f"exit status {done.returncode}")
        lines = printable(done.stdout).splitlines()
        return lines[-1].strip() if lines else ""

    def _failed(self, command: Sequence[str], words: str) -> OutsideFailure:
        return OutsideFailure(
            f"{command[0]} opened no pull request: {words}",
            code="pull-request-failed",
            hint=f"open it for the pushed branch: {shlex.join(command)}",
        )
