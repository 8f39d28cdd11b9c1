"""Git bundles of single branches. Meets the port `Bundler`.

A bundle is data, where a `.git` directory can run commands when it is opened (core.fsmonitor, hooks, filters).
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hyops_gitops.adapters.files import scratch_folder
from hyops_gitops.adapters.git.objects import descends, look_up
from hyops_gitops.adapters.git.process import NETWORK_TIMEOUT_S, PLAIN_FETCH, Git, GitResult, summary
from hyops_gitops.adapters.git.remote import RemoteBranch
from hyops_gitops.adapters.git.snapshot import GitSnapshot, history_is_linear
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import HyopsError, OutsideFailure, Refused, UsageError


class GitBundler:
    """Bundles commits of one clone."""

    def __init__(self, root: Path) -> None:
        self._git = Git(root)

    def current_branch(self) -> str:
        """The short name of HEAD's branch; `main` when HEAD is on none."""
        found = self._git.ask("symbolic-ref", "--quiet", "--short", "HEAD")
        return found.stdout.decode("utf-8", "replace").strip() if found.ok else "main"

    def file_at(self, commit: str, path: str) -> bytes | None:
        """A file of a commit, its path relative to the repository."""
        found = look_up(self._git, f"{commit}:./{path}")
        return found.content if found and found.kind == "blob" else None

    def bundle(self, branches: Mapping[str, str]) -> bytes:
        """A bundle of whole branches; a clone checks out the first.

        Raises:
            OutsideFailure: codes `git-failed`: an object is missing; `cannot-write`.
        """
        with scratch_folder() as scratch:
            bare, file = scratch / "bare.git", scratch / "bundle"
            form = self._git.output("rev-parse", "--show-object-format").decode().strip()
            self._git.output("init", "-q", "--bare", f"--object-format={form}", "--template=", str(bare))
            refs = [f"refs/heads/{name}" for name in branches]
            wanted = [f"{commit}:{ref}" for ref, commit in zip(refs, branches.values(), strict=True)]
            self._git.output("push", "-q", "--no-verify", "--no-signed", "--", str(bare), *wanted)
            inside = Git(bare, self._git.environ)
            inside.output("symbolic-ref", "HEAD", refs[0])
            inside.output("bundle", "create", "-q", str(file), "HEAD", *refs)
            return file.read_bytes()


_ONLY_FILES = ("-c", "protocol.allow=never", "-c", "protocol.file.allow=always")


class BranchChecker:
    """Looks at the commits of a branch in one clone."""

    def __init__(self, root: Path) -> None:
        self._git = Git(root)

    def __call__(self, commit: str) -> list[str]:
        """The problems of a branch that should only have grown."""
        return history_is_linear(GitSnapshot(self._git, commit))


def copy_branch(git: Git, source: Path, branch: str) -> str:
    """The head of the branch in `source`, its objects in this repository.

    Of a clone both its own branch and its remote-tracking ones count, and the one that descends from the others wins.

    Raises:
        UsageError: code `bad-source`: the path leads to nothing that git can read, or it has no such branch.
        Refused: guard `evidence-diverged`: it has several that do not descend from one another.
    """
    if str(source).startswith("-") or "::" in str(source) or not source.exists():
        raise UsageError(
            f"{str(source)!r} is not the path of a clone or a bundle",
            code="bad-source",
            hint="give a directory with a clone, or a file made by `git bundle create` or `evidence export`",
        )
    address = str(source.resolve())
    listed = _ask(git, "ls-remote", "--quiet", "--", address)
    if not listed.ok:
        raise _unreadable(source, listed)
    found = [line.split("\t") for line in listed.stdout.decode("utf-8", "replace").splitlines()]
    refs = {name: head for head, name in found if _is_branch(name, branch)}
    if not refs:
        raise UsageError(
            f"{source} has no branch {branch!r}",
            code="bad-source",
            hint=f"`git ls-remote {source}` lists what it has",
        )
    copied = _ask(
        git,
        *PLAIN_FETCH,
        "--",
        address,
        *refs,
    )
    if not copied.ok:
        raise _unreadable(source, copied)
    heads = sorted(set(refs.values()))
    for head in heads:
        if all(descends(git, head, other) for other in heads):
            return head
    raise Refused(
        f"{source} has branches {branch!r} that do not descend from one another: {', '.join(sorted(refs))}",
        guard="evidence-diverged",
        hint="make a bundle of the right one: git bundle create FILE REF",
    )


def _is_branch(name: str, branch: str) -> bool:
    if name == f"refs/heads/{branch}":
        return True
    return name.startswith("refs/remotes/") and name.endswith(f"/{branch}")


def _ask(git: Git, *arguments: str) -> GitResult:
    try:
        return git.attempt(*_ONLY_FILES, *arguments, timeout_s=NETWORK_TIMEOUT_S)
    except (UsageError, OutsideFailure) as failure:  # the source is not a repository, or too slow
        return GitResult(-1, b"", failure.message)


def _unreadable(source: Path, result: GitResult) -> HyopsError:
    return UsageError(
        f"git cannot read {str(source)!r}: {summary(result.stderr)}",
        code="bad-source",
        hint="give a directory with a clone, or a file made by `git bundle create` or `evidence export`",
    )


_TIMEOUT_S = 15.0  # a mirror that hangs must not use up the lease of an intent


@dataclass(frozen=True, slots=True)
class MirrorStates:
    """The state of the mirrors, and those that were unreachable."""

    heads: tuple[tuple[RemoteBranch, str], ...]
    problems: tuple[str, ...]


class Mirrors:
    """The mirrors of one branch."""

    def __init__(self, git: Git, names: Iterable[str], branch: str) -> None:
        self._git = git
        self._branches = tuple(RemoteBranch(git, name, branch, _TIMEOUT_S) for name in names)

    def push(self, commit: str) -> Sequence[str]:
        """Push to every mirror, fast-forward only; what went wrong, a line each."""
        problems = []
        for mirror in self._branches:
            try:
                words = mirror.forward(commit)
            except OutsideFailure as failure:
                words = failure.message
            if words is not None:
                problems.append(f"mirror {mirror.remote!r} did not take the log: {words}")
        return problems

    def ask(self) -> MirrorStates:
        """Every mirror's head."""
        heads, problems = [], []
        for mirror in self._branches:
            try:
                head = mirror.head()
            except OutsideFailure as failure:
                problems.append(f"mirror {mirror.remote!r} could not be asked: {failure.message}")
                continue
            if head is not None:
                heads.append((mirror, head))
        return MirrorStates(tuple(heads), tuple(problems))

    def check(self, asked: MirrorStates, commit: str | None) -> None:
        """Whether each mirror had no more than the log has at `commit`.

        Raises:
            Refused: guard `evidence-diverged`.
        """
        for mirror, head in asked.heads:
            if commit is not None and descends(self._git, commit, head):
                continue
            raise Refused(
                f"mirror {mirror.remote!r} has the evidence branch at {head[:12]}, which the log does not have: "
                "entries were lost from the log, or the mirror holds another one",
                guard="evidence-diverged",
                hint=f"compare them; if the log lost entries: git clone --bare $(git remote get-url {mirror.remote}) "
                "DIR && hyops-gitops evidence import DIR",
            )
