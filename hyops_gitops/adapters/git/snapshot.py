"""The evidence branch at one commit, and the shape of its history."""

import contextlib
import json
import re
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from hyops_gitops.adapters.files import replace_file
from hyops_gitops.adapters.git.objects import descends, look_up, read_blobs
from hyops_gitops.adapters.git.process import Git
from hyops_gitops.adapters.git.trees import ORDINARY, is_full_id
from hyops_gitops.core.errors import HyopsError, InvalidData
from hyops_gitops.core.exchange import Verified

_GROW_ONLY = ("log", "segments")
_PAGE = re.compile(r"log/[^/]+/[0-9]{4,}/README\.md(?:\.sig)?")  # follows from the entries, and grows with them
MAX_BYTES = 1024 * 1024 * 1024  # of all files; 100,000 entries have a sixth of that
_SHOWN = 5  # commits or paths named in one problem


class GitSnapshot:
    """One commit's whole tree. Meets `EvidenceSnapshot`."""

    def __init__(self, git: Git, commit: str) -> None:
        self.git = git
        self._commit = commit

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
        """The content of these paths by one process, without missing ones."""
        ids = {path: self._blobs[path] for path in paths if path in self._blobs}
        contents = read_blobs(self.git, ids.values())
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
        scope = ["diff-tree", "-r", "-z", "--no-renames", "--no-relative", "--name-status", commit, self._commit, "--"]
        tokens = [token.decode("utf-8", "backslashreplace") for token in self.git.output(*scope).split(b"\0")[:-1]]
        changed = dict(zip(tokens[1::2], tokens[::2], strict=True))
        for path, status in changed.items():
            folder, _, rest = path.partition("/")
            if status != "A" and folder in _GROW_ONLY and not rest.endswith(("/README.md", "/README.md.sig")):
                return None
        return frozenset(self._blobs.keys() - changed.keys())

    @cached_property
    def _blobs(self) -> dict[str, str]:
        """Blob ids by path, sorted by path."""
        blobs: dict[str, str] = {}
        output = self.git.output("ls-tree", "-r", "-z", "-l", "--full-tree", self._commit)
        leaves = [_leaf(record) for record in output.split(b"\0")[:-1]]
        if (size := sum(leaf.size for leaf in leaves)) > MAX_BYTES:
            raise _invalid(f"its files have {size} bytes, no log has more than {MAX_BYTES}")
        for leaf in leaves:
            path = leaf.path.decode("utf-8", "backslashreplace")
            if leaf.mode != ORDINARY:
                raise _invalid(f"{path!r} has mode {leaf.mode}, not {ORDINARY}: not an ordinary file")
            if path.encode() != leaf.path:
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


class _SizedLeaf(NamedTuple):
    """One leaf of the tree."""

    path: bytes
    mode: str  # six octal digits
    object_id: str
    size: int  # octets; 0 for a submodule


def _leaf(record: bytes) -> _SizedLeaf:
    head, _, path = record.partition(b"\t")
    mode, _, object_id, size = head.decode().split()
    return _SizedLeaf(path, mode, object_id, 0 if size == "-" else int(size))


def _invalid(message: str) -> InvalidData:
    return InvalidData(message, code="evidence-invalid")


_FILE = "verified.json"
_FORMAT = "hyops-verified/2"
_LONGEST = 1024 * 1024  # octets of a mark that is worth reading


class GitVerifiedMark:
    """The mark of one clone."""

    def __init__(self, root: Path | Git) -> None:
        self._git = Git.of(root)

    def read(self) -> Verified | None:
        """The last verification, None where it is missing or illegible."""
        try:
            with (self._git.place.own / _FILE).open("rb") as file:
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
                return Verified(zone, commit, genesis, signers, ledger)
            case _:
                return None

    def write(self, verified: Verified) -> None:
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
            path = self._git.place.own / _FILE
            path.parent.mkdir(exist_ok=True)
            replace_file(path, json.dumps(fields).encode() + b"\n")
