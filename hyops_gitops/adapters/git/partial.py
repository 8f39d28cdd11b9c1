"""The blobs that a partial clone lacks, fetched in one go.

Where a blob of `git clone --filter=blob:none` is not there, git fetches it by itself: each one by a connection of its
own, as it comes to it.
"""

from collections.abc import Collection

from hyops_gitops.adapters.git.process import PLAIN_FETCH, Git, summary
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.text import counted

_STORED = ("cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objectname)")


def fetch_missing(git: Git, wanted: Collection[str]) -> None:
    """Fetch those of these blobs that a partial clone lacks.

    Raises:
        OutsideFailure: code `remote-unreachable`.
    """
    if git.promisor is None or not (missing := set(wanted) - git.stored):
        return
    git.stored.update(git.output(*_STORED).decode().split())
    if not (missing := missing - git.stored):
        return
    from hyops_gitops.adapters.git.remote import over_network  # noqa: PLC0415 - of no use to a whole clone

    git.say(f"fetching {counted(len(missing), 'file')} that this partial clone lacks, from {git.promisor}")
    fetched = over_network(
        git,
        *("-c", "fetch.negotiationAlgorithm=noop"),  # what is asked for is not found by its history
        *PLAIN_FETCH,
        "--filter=blob:none",
        "--stdin",
        "--",
        git.promisor,
        stdin="".join(f"{object_id}\n" for object_id in sorted(missing)).encode(),
    )
    if not fetched.ok:
        raise OutsideFailure(
            f"cannot fetch {counted(len(missing), 'file')} that this partial clone lacks, from remote "
            f"{git.promisor!r}: {summary(fetched.stderr)}",
            code="remote-unreachable",
            hint="run this where the remote can be reached, or clone without --filter",
        )
    git.stored.update(missing)
