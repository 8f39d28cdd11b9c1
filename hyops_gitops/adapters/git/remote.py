"""One branch on one remote: ask, fetch without rewinding, compare-and-swap."""

import re
from collections.abc import Mapping
from enum import Enum, auto
from threading import Lock

from hyops_gitops.adapters.git.process import NETWORK_TIMEOUT_S, PLAIN_FETCH, Git, GitResult, locked, summary
from hyops_gitops.adapters.host.machine import no_user_hint
from hyops_gitops.adapters.ssh.key_file import ssh_with_deploy_key
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import OutsideFailure, UsageError

# A push of exactly what is named after it. The delta that git seeks between two state files of a large zone costs more
# than all the rest of an apply (docs/adr/0061).
_PLAIN_PUSH = (
    "-c",
    "pack.window=0",
    "-c",
    "pack.compression=1",
    "push",
    "--porcelain",
    "--no-verify",
    "--no-signed",
    "--no-follow-tags",
    "--recurse-submodules=no",
)
_OF_THE_REMOTE = ("git-timeout", "git-ended", "foreign-owner")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]*")


class PushOutcome(Enum):
    """The outcome of a push by its own output."""

    ACCEPTED = auto()
    REJECTED = auto()  # certainly not stored
    UNCLEAR = auto()  # no verdict on the reference came back


@dataclass(frozen=True, slots=True)
class PushReport:
    """A push's outcome and the words that came with it."""

    outcome: PushOutcome
    words: str


class RemoteHeads:
    """The heads of the logs of several zones, asked for once.

    Each zone may take its own once: what others wrote since is asked of the remote.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._listed: dict[tuple[str, str], Mapping[str, str]] = {}  # remote and beginning of the name -> heads
        self._taken: set[tuple[str, str]] = set()

    def head(self, branch: "RemoteBranch") -> str | None:
        """The remote's head of a branch, as `RemoteBranch.head`."""
        with self._lock:
            if (branch.remote, branch.branch) in self._taken:
                return branch.head()
            self._taken.add((branch.remote, branch.branch))
            if (branch.remote, branch.stem) not in self._listed:
                self._listed[branch.remote, branch.stem] = branch.heads_like()
            return self._listed[branch.remote, branch.stem].get(branch.there)


@dataclass(frozen=True, slots=True)
class RemoteBranch:
    """`refs/heads/<branch>` on a configured remote, and the remote-tracking reference for it."""

    git: Git
    remote: str
    branch: str
    timeout_s: float | None = None  # None: as long as git may take over the network

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.remote):
            raise UsageError(
                f"{self.remote!r} is not the name of a remote",
                code="bad-remote",
                hint="evidence.remote names a remote of this clone, such as origin, never a URL",
            )

    @property
    def there(self) -> str:
        """The reference on the remote."""
        return f"refs/heads/{self.branch}"

    @property
    def tracking(self) -> str:
        """The reference here that remembers it."""
        return f"refs/remotes/{self.remote}/{self.branch}"

    def head(self) -> str | None:
        """The remote's head, None without such a branch.

        Raises:
            OutsideFailure: code `remote-unreachable`.
        """
        return self._heads(self.there).get(self.there)  # the pattern also fits longer names that end in it

    def heads_like(self) -> Mapping[str, str]:
        """The remote's heads whose names begin with this one's stem.

        Raises:
            OutsideFailure: code `remote-unreachable`.
        """
        return self._heads(f"refs/heads/{self.stem}*")

    def _heads(self, pattern: str) -> Mapping[str, str]:
        if f"remote.{self.remote}.url" not in self.git.settings:
            raise OutsideFailure(
                f"this clone has no remote called {self.remote!r}",
                code="remote-unreachable",
                hint=f"add it with `git remote add {self.remote} URL`; `git remote -v` lists them",
            )
        result = self._ask("ls-remote", "--quiet", "--", self.remote, pattern)
        if not result.ok:
            raise self.unreachable(summary(result.stderr))
        found = (line.split("\t") for line in result.stdout.decode("utf-8", "replace").splitlines())
        return {name: object_id for object_id, name in found}

    @property
    def stem(self) -> str:
        """The branch up to its first hyphen: `evidence` of `evidence-corp.example`."""
        return self.branch.partition("-")[0]

    def fetch(self) -> bool:
        """Fetch the branch; False when it was rewound.

        Raises:
            OutsideFailure: codes `remote-unreachable`, `git-locked`.
        """
        result = self._ask(
            *PLAIN_FETCH,
            "--show-forced-updates",  # else git takes every update for a fast-forward
            "--",
            self.remote,
            f"{self.there}:{self.tracking}",
        )
        if not result.ok and "(non-fast-forward)" not in result.stderr:
            raise locked(result.stderr) or self.unreachable(summary(result.stderr))
        return result.ok

    def fetch_objects(self) -> None:
        """Copy the branch's commits here without moving any reference.

        Raises:
            OutsideFailure: code `remote-unreachable`.
        """
        result = self._ask(
            *PLAIN_FETCH,
            "--",
            self.remote,
            self.there,
        )
        if not result.ok:
            raise self.unreachable(summary(result.stderr))

    def forward(self, commit: str, *, dry_run: bool = False) -> str | None:
        """Push a fast-forward, or only try; the refusal, if any."""
        result = self._ask(
            *_PLAIN_PUSH,
            *(["--dry-run"] if dry_run else []),
            "--",
            self.remote,
            f"{commit}:{self.there}",
        )
        return None if result.ok else summary(result.stderr) or f"git push ended with status {result.status}"

    def push(self, commit: str, expected: str | None) -> PushReport:
        """Make `commit` the head if the head is `expected` (None: no branch).

        The lease makes it a compare-and-swap: git compares what the server advertises, and the server compares again
        under its lock. The user's pre-push hook is not run; hooks of the server are.
        """
        result = self._ask(
            *_PLAIN_PUSH,
            f"--force-with-lease={self.there}:{expected or ''}",
            "--",
            self.remote,
            f"{commit}:{self.there}",
        )
        flags = [
            line[0] for line in result.stdout.decode("utf-8", "replace").splitlines() if f":{self.there}\t" in line
        ]
        outcome = PushOutcome.UNCLEAR
        if flags in (
            ["!"],
            ["="],
        ):  # "=": pushed by another process, so not ours to count as a lock
            outcome = PushOutcome.REJECTED
        elif flags and result.ok:
            outcome = PushOutcome.ACCEPTED
        return PushReport(outcome, summary(result.stderr) or f"git push ended with status {result.status}")

    def unreachable(self, words: str) -> OutsideFailure:
        """The remote could not be asked."""
        return OutsideFailure(
            f"remote {self.remote!r} cannot be reached: {words}",
            code="remote-unreachable",
            hint=no_user_hint(words)
            or f"test it with `git ls-remote {self.remote}`; what has to move before it is back: "
            "`hyops-gitops breakglass --help`",
        )

    def _ask(self, *arguments: str) -> GitResult:
        return over_network(self.git, *arguments, timeout_s=self.timeout_s or NETWORK_TIMEOUT_S)


def over_network(git: Git, *arguments: str, stdin: bytes = b"", timeout_s: float = NETWORK_TIMEOUT_S) -> GitResult:
    """A call over the network, whose every failure is the remote's."""
    try:
        with ssh_with_deploy_key(git.environ) as ssh:
            env = _ssh(git) if ssh is None else {"GIT_SSH_COMMAND": ssh}
            return git.attempt(*arguments, stdin=stdin, env=env, timeout_s=timeout_s)
    except UsageError as failure:  # the remote is not a repository
        return GitResult(-1, b"", failure.message)
    except OutsideFailure as failure:
        if failure.code not in _OF_THE_REMOTE:
            raise
        return GitResult(-1, b"", failure.message)


def _ssh(git: Git) -> dict[str, str]:
    """Keep ssh from prompting, unless the user configured it."""
    if not {"GIT_SSH", "GIT_SSH_COMMAND"}.isdisjoint(git.environ) or "core.sshcommand" in git.settings:
        return {}
    return {"GIT_SSH_COMMAND": "ssh -oBatchMode=yes"}
