"""A folder without git: an unpacked bundle or `git archive`.

A bundle names its commit in `bundle.json`, under a signed list of sums that every file is held against. An archive
names it in `.git_archival.txt`, written by git on export (`export-subst` in .gitattributes), or by hand:
`echo "node: $(git get-tar-commit-id < FILE.tar)" > .git_archival.txt`. Nothing vouches for that, and edits of
an archive cannot be detected.

Of history there is only what a bundle carries: the commits not applied yet, and the tree applied last.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from hyops_gitops.adapters.checkout import archived_commit
from hyops_gitops.adapters.files import WorkTree
from hyops_gitops.adapters.ssh.signing import SshVerifier
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import HyopsError, InvalidData, OutsideFailure, UsageError
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.layout import ROOTS, SIGNERS_PATH
from hyops_gitops.core.signers import SignerSet, parse_allowed_signers
from hyops_gitops.core.sshsig import parse_signature
from hyops_gitops.core.text import first_few
from hyops_gitops.recover.bundle import (
    INFO,
    OWN_FOLDERS,
    RECORDED_FOLDER,
    SUMS,
    SUMS_SIGNATURE,
    WHEELS_FOLDER,
    BundleInfo,
    bundle_invalid,
    differences,
    parse_sums,
)

_SHOWN = 3


@dataclass(frozen=True)
class UnpackedFolder:
    """One folder, seen from `root`, which holds `authority/`."""

    root: Path

    @cached_property
    def info(self) -> BundleInfo | None:
        """A signed bundle's description of itself; None for an archive.

        Raises:
            InvalidData: code `bundle-invalid`: not signed, or files other than contracts are not as signed.
        """
        if not (self.root / INFO).is_file():
            return None
        if wrong := [f"{path} {what}" for path, what in self._differences if not _is_contract(path)]:
            raise bundle_invalid(first_few(wrong, _SHOWN, "; "))
        info = BundleInfo.from_bytes((self.root / INFO).read_bytes())
        self._check_signature(info)
        return info

    @property
    def changed(self) -> tuple[str, ...]:
        """Contract and authority paths edited since; unknown for an archive."""
        return tuple(path for path, _ in self._differences if _is_contract(path))

    @cached_property
    def _differences(self) -> tuple[tuple[str, str], ...]:
        if not (self.root / INFO).is_file():
            return ()
        try:
            sums = parse_sums((self.root / SUMS).read_bytes())
        except OSError as error:
            raise bundle_invalid(f"{SUMS}: {error.strerror}") from None
        # Wheels are installed or they are not: what runs now came from elsewhere.
        listed = {path: item for path, item in sums.items() if not path.startswith(f"{WHEELS_FOLDER}/")}
        own = set(listed)
        for folder in OWN_FOLDERS:
            if folder != WHEELS_FOLDER:
                own |= {path.relative_to(self.root).as_posix() for path in _leaves(self.root / folder)}
        found = {
            path: _sha256(self.root / path)
            for path in own
            if (self.root / path).is_symlink() or (self.root / path).exists()
        }
        return tuple(differences(listed, found))

    def _check_signature(self, info: BundleInfo) -> None:
        """Check SHA256SUMS against the bundle's own signers.

        That its signers are the right ones, only a copy from outside can show; `install --signers` takes one.
        """
        from hyops_gitops.log.trust import BUNDLE_NAMESPACE  # noqa: PLC0415 - a work tree needs no log

        try:
            signature = (self.root / SUMS_SIGNATURE).read_bytes()
            lines, _ = parse_allowed_signers((self.root / SIGNERS_PATH).read_bytes(), SIGNERS_PATH)
            key = parse_signature(signature).key
            SignerSet(lines).principal_of(key, BUNDLE_NAMESPACE, info.as_of)
            sound = SshVerifier().verify((self.root / SUMS).read_bytes(), signature, key, BUNDLE_NAMESPACE)
        except OSError as error:
            raise bundle_invalid(f"{SUMS_SIGNATURE} or {SIGNERS_PATH}: {error.strerror}") from None
        except HyopsError as error:
            if isinstance(error, OutsideFailure):
                raise
            raise bundle_invalid(error.message) from None
        if not sound:
            raise bundle_invalid(f"{SUMS_SIGNATURE} is not a signature of {SUMS}")

    @cached_property
    def commit(self) -> str | None:
        """The commit that the folder was made of, if known."""
        return self.info.commit if self.info else archived_commit(self.root)

    @property
    def is_unattested(self) -> bool:
        """Whether it is an archive, whose commit is not vouched for."""
        return not (self.root / INFO).is_file() and self.commit is not None


class UnpackedHistory:
    """The contracts' history as far as a folder has it. Meets `History`."""

    def __init__(self, folder: UnpackedFolder) -> None:
        self._folder = folder

    def resolve(self, revision: str) -> str:
        """The full id of HEAD, or of a bundled commit.

        Raises:
            UsageError: code `no-commit`.
        """
        head = self._folder.commit
        if head is None:
            raise UsageError(
                f"{self._folder.root} is not a clone, and nothing says which commit it is",
                code="no-commit",
                hint='echo "node: $(git get-tar-commit-id < FILE.tar)" > .git_archival.txt, with the archive itself; '
                "where there is none, run this in a clone (`git init` begins one)",
            )
        if revision in ("HEAD", head):
            return head
        info = self._folder.info
        if revision and info is not None and revision in (info.recorded, info.base):
            return revision
        raise UsageError(
            f"commit {revision!r} is not in this folder, which is not a clone",
            code="no-commit",
            hint=f"name the commit that it holds, {head}",
        )

    def dirty_paths(self) -> tuple[str, ...]:
        """Contract and authority paths edited since; none for an archive."""
        return self._folder.changed

    def is_shallow(self) -> bool:
        """True: no earlier history is here."""
        return True

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Whether this folder knows that `descendant` equals or descends from `ancestor`."""
        head, info = self._folder.commit, self._folder.info
        if ancestor == descendant:
            return ancestor in (head, self._recorded)  # those whose files are here
        if info is None or descendant != head:
            return False
        known = {commit.id for commit in info.commits}
        return ancestor in known or (info.is_descendant and ancestor == info.base)

    def first_parent_commits(self, after: str | None, upto: str) -> tuple[CommitInfo, ...]:
        """The commits in (after, upto] that a bundle carries.

        Raises:
            OutsideFailure: code `no-history`: others are asked for.
        """
        info = self._folder.info
        if info is not None and upto == info.commit:
            ids = [commit.id for commit in info.commits]
            if after == info.base:
                return info.commits
            if after in ids:
                return info.commits[ids.index(after) + 1 :]
        if after == upto:
            return ()
        raise _no_history("which commits were merged")

    def main_lines(self, ranges: Sequence[tuple[str | None, str]]) -> Sequence[tuple[CommitInfo, ...]]:
        """As `first_parent_commits`, for each of these ranges."""
        return [self.first_parent_commits(after, upto) for after, upto in ranges]

    def versions(self, path: str, upto: str) -> tuple[tuple[str, bytes], ...]:
        """Refuse: no earlier version is here.

        Raises:
            OutsideFailure: code `no-history`.
        """
        raise _no_history(f"what {path} was before {upto[:12]}")

    def merged(self, into: str, commit: str, changed: Mapping[str, bytes | None]) -> WorkTree:
        """Refuse: no merge can be tried here.

        Raises:
            OutsideFailure: code `no-history`.
        """
        raise _no_history(f"what merging {commit[:12]} with {len(changed)} changes into {into[:12]} gives")

    def tree(self, commit: str) -> WorkTree:
        """The files of one commit.

        Raises:
            UsageError: code `no-commit`.
            InvalidData: code `bundle-changed`: files were edited, and what they were is gone.
        """
        resolved = self.resolve(commit)
        if resolved not in (self._folder.commit, self._recorded):
            raise UsageError(f"the files of commit {resolved[:12]} are not in this folder", code="no-commit")
        if resolved != self._folder.commit:
            return WorkTree(self._folder.root / RECORDED_FOLDER)
        if changed := self._folder.changed:
            raise InvalidData(
                f"edited since the bundle was made: {first_few(changed, _SHOWN)}",
                code="bundle-changed",
                hint="unpack it again; only `validate` and `plan` look at edited files",
            )
        return WorkTree(self._folder.root)

    @property
    def _recorded(self) -> str | None:
        """The commit applied last, where its tree is here."""
        info = self._folder.info
        here = info is not None and (self._folder.root / RECORDED_FOLDER / "authority").is_dir()
        return info.recorded if info is not None and here else None


def read_files(directory: Path) -> Mapping[str, bytes]:
    """Every file below a folder, by its path there.

    Raises:
        InvalidData: code `evidence-invalid`: something else than ordinary files is there.
    """
    contents: dict[str, bytes] = {}
    for path in _leaves(directory):
        shown = path.relative_to(directory).as_posix()
        if path.is_symlink() or not path.is_file():
            raise InvalidData(f"{shown} is not an ordinary file", code="evidence-invalid")
        try:
            contents[shown] = path.read_bytes()
        except OSError as error:
            raise OutsideFailure(f"cannot read {path}: {error.strerror}", code="unreadable") from None
    return contents


def _leaves(directory: Path) -> Iterator[Path]:
    """Everything below a folder but folders; links are not followed."""
    pending = [directory] if directory.is_dir() and not directory.is_symlink() else []
    while pending:
        for path in sorted(pending.pop().iterdir()):
            if path.is_dir() and not path.is_symlink():
                pending.append(path)
            else:
                yield path


def _sha256(path: Path) -> str | None:
    if path.is_symlink() or not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _is_contract(path: str) -> bool:
    return path.split("/", 1)[0] in ROOTS and path != SIGNERS_PATH


def _no_history(what: str) -> OutsideFailure:
    return OutsideFailure(
        f"this folder is not a clone: {what} is not known here", code="no-history", hint="run this in a clone"
    )
