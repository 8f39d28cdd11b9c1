"""The evidence branch at one commit, and the shape of its history."""

import contextlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from hyops_gitops.adapters.files import replace_file
from hyops_gitops.adapters.git.objects import descends, look_up, read_blobs, unreadable
from hyops_gitops.adapters.git.partial import fetch_missing
from hyops_gitops.adapters.git.process import Git, own_file
from hyops_gitops.adapters.git.tree_objects import changed_leaves, leaves_below, read_trees
from hyops_gitops.adapters.git.trees import ORDINARY, is_full_id
from hyops_gitops.core.errors import HyopsError, InvalidData, OutsideFailure
from hyops_gitops.core.exchange import VerifiedCommit
from hyops_gitops.core.path_list import shown

_GROW_ONLY = ("log", "segments")
_PAGE = re.compile(r"log/[^/]+/[0-9]{4,}/README\.md(?:\.sig)?")  # follows from the entries, and grows with them
MAX_BYTES = 1024 * 1024 * 1024  # of all that is read; 100,000 entries have a sixth of that
_SHOWN = 5  # commits or paths named in one problem


class GitSnapshot:
    """One commit's whole tree. Meets `EvidenceSnapshot`."""

    def __init__(self, git: Git, commit: str) -> None:
        self.git = git
        self._commit = commit
        self._left = MAX_BYTES

    @property
    def commit(self) -> str:
        """The commit's full id."""
        return self._commit

    def paths(self) -> list[str]:
        """Every path, sorted.

        Raises:
            InvalidData: code `evidence-invalid`: the tree holds anything but ordinary files with UTF-8 names.
        """
        return list(self._blobs)

    def read(self, paths: Collection[str]) -> Mapping[str, bytes]:
        """The content of these paths by one process, without missing ones.

        Raises:
            InvalidData: code `evidence-invalid`: as `paths` does; more was read than any log has.
            OutsideFailure: a blob is missing, and of a partial clone cannot be fetched.
        """
        ids = {path: self._blobs[path] for path in paths if path in self._blobs}
        fetch_missing(self.git, self._blobs.values())  # all, where some are: one command asks for most of them in turn
        with _as_of_a_log():
            contents = read_blobs(self.git, ids.values(), self._left)
        self._left -= sum(map(len, contents.values()))
        return {path: contents[object_id] for path, object_id in ids.items()}

    def earlier(self, commit: str, paths: Collection[str]) -> Mapping[str, bytes]:
        """As `read`, at an earlier commit of the branch, known here."""
        found = {path: look_up(self.git, f"{commit}:{path}") for path in paths} if is_full_id(commit) else {}
        return {path: blob.content for path, blob in found.items() if blob and blob.content is not None}

    def unchanged_since(self, commit: str) -> frozenset[str] | None:
        """The paths whose content is what it was in an earlier commit.

        None for another line of history, or when since then files of the log, its pages aside, were changed or deleted.
        """
        if not is_full_id(commit) or not descends(self.git, self._commit, commit):
            return None
        if commit == self._commit:
            return frozenset(self._blobs)
        trees = [self._tree_of(each) for each in (commit, self._commit)]
        left = dict(self._blobs)
        for raw, was, _ in changed_leaves(self.git, *trees):
            path = shown(raw)
            folder, _, rest = path.partition("/")
            if was is not None and folder in _GROW_ONLY and not rest.endswith(("/README.md", "/README.md.sig")):
                return None
            left.pop(path, None)
        return frozenset(left)

    def _tree_of(self, commit: str) -> str:
        top = look_up(self.git, f"{commit}^{{tree}}")
        if top is None:
            raise unreadable(commit)
        return top.id

    @cached_property
    def _blobs(self) -> dict[str, str]:
        """Blob ids by path, sorted by path."""
        blobs: dict[str, str] = {}
        with _as_of_a_log():
            leaves = list(leaves_below(self.git, read_trees(self.git, [self._tree_of(self._commit)])[0]))
        for raw, leaf in leaves:
            path = shown(raw)
            if leaf.mode != ORDINARY:
                raise _invalid(f"{path!r} has mode {leaf.mode}, not {ORDINARY}: not an ordinary file")
            if path.encode() != raw:
                raise _invalid(f"the file name {path!r} is not valid UTF-8")
            blobs[path] = leaf.object_id
        return dict(sorted(blobs.items()))


def history_is_linear(snapshot: GitSnapshot, since: str | None = None) -> list[str]:
    """The problems of commits that should only have added to the log.

    Checked are: one root, no merges, and under `log/` and `segments/` nothing was ever modified, deleted or changed
    in type. With `since`, a commit known to be good, only the commits after it are looked at, and it must be an
    ancestor.
    """
    git, commit = snapshot.git, snapshot.commit
    if since is not None and not descends(git, commit, since):
        return [f"commit {commit[:12]} does not descend from {since[:12]}"]
    scope = [commit, *([f"^{since}"] if since is not None else [])]
    listed = [line.split() for line in git.output("rev-list", "--parents", *scope, "--").decode().splitlines()]
    roots = [commit for commit, *parents in listed if not parents]
    merges = [commit for commit, *parents in listed if len(parents) > 1]
    problems = []
    if len(roots) != (1 if since is None else 0):
        problems.append(f"the branch has {len(roots)} root commits here: {_shortened(roots)}")
    if merges:
        problems.append(f"the branch holds merges: {_shortened(merges)}")
    return problems + _rewritten(git, scope)


def _rewritten(git: Git, scope: list[str]) -> list[str]:
    output = git.output(
        "log",
        "-z",
        "--full-history",
        "--diff-merges=separate",
        "--no-renames",
        "--no-relative",
        "--no-show-signature",
        "--diff-filter=MDT",
        "--name-only",
        "--format=",
        *scope,
        "--",
        *(f":(top){folder}" for folder in _GROW_ONLY),
        env={"GIT_LITERAL_PATHSPECS": "0"},
    )
    changed = {token.decode("utf-8", "backslashreplace").lstrip("\n") for token in output.split(b"\0") if token.strip()}
    paths = {path for path in changed if not _PAGE.fullmatch(path)}
    if not paths:
        return []
    shown = ", ".join(repr(path) for path in sorted(paths)[:_SHOWN])
    return [f"{len(paths)} files that may only be added were changed or deleted later: {shown}"]


def _shortened(commits: list[str]) -> str:
    return ", ".join(commit[:12] for commit in commits[:_SHOWN]) or "none"


@contextlib.contextmanager
def _as_of_a_log() -> Iterator[None]:
    """Take what no log can hold for a finding about this one."""
    try:
        yield
    except OutsideFailure as failure:
        if failure.code != "too-large":
            raise
        raise _invalid(f"{failure.message}, as no log has") from None


def _invalid(message: str) -> InvalidData:
    return InvalidData(message, code="evidence-invalid")


_FILE = "verified.json"
_FORMAT = "hyops-verified/2"
_LONGEST = 16 * 1024 * 1024  # octets of a mark that is worth reading: 100,000 names in caches


class GitVerifiedMark:
    """The mark of one clone, or of one of its zones."""

    def __init__(self, root: Path | Git, zone: str | None = None) -> None:
        self._git = Git.of(root)
        self._zone = zone

    def read(self) -> VerifiedCommit | None:
        """The last verification, None where it is missing or illegible."""
        try:
            with own_file(self._git, _FILE, self._zone).open("rb") as file:
                fields = json.loads(file.read(_LONGEST))
        except (OSError, ValueError, RecursionError, HyopsError):
            return None
        match fields:
            case {
                "format": "hyops-verified/2",
                "zone": str(zone),
                "commit": str(commit),
                "genesis": str(genesis),
                "signers": str(signers),
                "ledger": dict(ledger),
            }:
                return VerifiedCommit(zone, commit, genesis, signers, ledger)
            case _:
                return None

    def write(self, verified: VerifiedCommit) -> None:
        """Remember this, beside and renamed; where that cannot be done, nothing."""
        fields = {
            "format": _FORMAT,
            "zone": verified.zone,
            "commit": verified.commit,
            "genesis": verified.genesis,
            "signers": verified.signers_sha256,
            "ledger": verified.ledger,
        }
        with contextlib.suppress(OSError, HyopsError):
            path = own_file(self._git, _FILE, self._zone)
            path.parent.mkdir(exist_ok=True)
            replace_file(path, json.dumps(fields).encode() + b"\n")
