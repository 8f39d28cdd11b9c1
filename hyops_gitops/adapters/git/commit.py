"""Makes commits out of bytes: blobs, a temporary index, a tree, a commit object. Moves no reference.

The work tree, the index, HEAD and the user's identity take no part, and neither do filters, line-ending conversion,
hooks or the user's commit signing: the same parent, files, subject, author, time and signature give the same commit
id everywhere.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from hyops_gitops.adapters.files.files import scratch_folder
from hyops_gitops.adapters.git.process import Git

NO_REPLY_ADDRESS = "noreply@hyops-gitops.invalid"
_SHA256_DIGITS = 64


def write_commit(
    git: Git,
    parent: str | None,
    files: Mapping[str, bytes | None],
    subject: str,
    author: str,
    time: datetime,
    sign: Callable[[bytes], bytes] | None = None,
) -> str:
    """The id of a new commit: `parent`'s tree with these files written, or deleted where the content is None.

    Args:
        git: The repository to write objects to.
        parent: A full commit id, or None for a root commit.
        files: Contents by path from the top of the tree, with "/".
        subject: The commit's message, one line.
        author: The name of author and committer.
        time: Aware; written in UTC.
        sign: Makes an armoured signature of a commit's bytes; None leaves the commit unsigned.

    Raises:
        OutsideFailure: code `git-failed`: git refused a path, or could not write.
    """
    tree = write_tree(git, parent, files)
    parents = ["-p", parent] if parent else []
    made = git.output(
        "-c",
        "i18n.commitEncoding=UTF-8",
        "commit-tree",
        tree,
        *parents,
        stdin=f"{subject}\n".encode(),
        env=identity(author, time),
    )
    commit = made.decode().strip()
    return commit if sign is None else _signed(git, commit, sign)


def write_tree(git: Git, parent: str | None, files: Mapping[str, bytes | None]) -> str:
    """The id of a new tree: `parent`'s with these files written, or deleted where the content is None.

    Raises:
        OutsideFailure: codes `git-failed`: git refused a path, or could not write; `cannot-write`.
    """
    with scratch_folder() as folder:
        blobs = _write_blobs(git, folder, {path: data for path, data in files.items() if data is not None})
        index = {"GIT_INDEX_FILE": str(folder / "index")}
        git.output("read-tree", parent or "--empty", env=index)
        git.output("update-index", "-z", "--index-info", stdin=_index_info(files, blobs), env=index)
        return git.output("write-tree", env=index).decode().strip()


def _signed(git: Git, commit: str, sign: Callable[[bytes], bytes]) -> str:
    """The same commit with a signature, in the header that git verifies (gitformat-signature(5))."""
    payload = git.output("cat-file", "commit", commit)
    header = b"gpgsig-sha256 " if len(commit) == _SHA256_DIGITS else b"gpgsig "
    signature = header + sign(payload).rstrip(b"\n").replace(b"\n", b"\n ")
    headers, _, message = payload.partition(b"\n\n")
    whole = b"%b\n%b\n\n%b" % (headers, signature, message)
    return git.output("hash-object", "-t", "commit", "-w", "--stdin", stdin=whole).decode().strip()


def identity(author: str, time: datetime) -> dict[str, str]:
    """The environment that makes git write this author and committer, whoever runs it."""
    date = f"@{int(time.astimezone(UTC).timestamp())} +0000"
    return {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", author), ("EMAIL", NO_REPLY_ADDRESS), ("DATE", date))
    }


def _write_blobs(git: Git, folder: Path, contents: Mapping[str, bytes]) -> dict[str, str]:
    """Blob ids by path, all written by one process."""
    names = [folder / f"blob{number}" for number in range(len(contents))]
    for name, data in zip(names, contents.values(), strict=True):
        name.write_bytes(data)
    listed = "".join(f"{name}\n" for name in names).encode()
    written = git.output("hash-object", "-w", "-t", "blob", "--no-filters", "--stdin-paths", stdin=listed)
    return dict(zip(contents, written.decode().split(), strict=True))


def _index_info(files: Mapping[str, bytes | None], blobs: Mapping[str, str]) -> bytes:
    """The input of `update-index -z --index-info`; mode 0 deletes, whatever the id."""
    width = len(next(iter(blobs.values()), "0" * 40))
    records = (f"100644 {blobs[path]}" if path in blobs else f"0 {'0' * width}" for path in files)
    return b"".join(
        f"{record}\t{path}\0".encode("utf-8", "surrogateescape") for record, path in zip(records, files, strict=True)
    )
