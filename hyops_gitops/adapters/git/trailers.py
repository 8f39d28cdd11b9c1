"""Which `Hyops-` trailers each first-parent commit brings in: its own, and those of the commits that it merges."""

from collections.abc import Iterator, Mapping, Sequence

from hyops_gitops.adapters.git.process import Git
from hyops_gitops.core.trailers import PREFIX, Trailer


def trailers_by_commit(
    git: Git, first_parents: Sequence[str], exclude: Sequence[str]
) -> dict[str, tuple[Trailer, ...]]:
    """The trailers of each of these commits, oldest first, a merge's own last.

    Args:
        git: The repository.
        first_parents: A line of first parents, oldest first.
        exclude: Revisions whose ancestors are left out, as `git log` takes them.
    """
    if not first_parents:
        return {}
    output = git.output(
        "log",
        "-z",
        "--topo-order",
        "--reverse",
        "--no-show-signature",
        "--encoding=UTF-8",
        "--format=tformat:%H%n%P%n%(trailers:only,unfold)",
        first_parents[-1],
        *exclude,
        "--",
    )
    records = [record.decode("utf-8", "backslashreplace").split("\n") for record in output.split(b"\0")[:-1]]
    parents = {commit: line.split() for commit, line, *_ in records}
    trailers = {commit: tuple(_trailers(commit, lines)) for commit, _, *lines in records}
    told: dict[str, tuple[Trailer, ...]] = {}
    for commit, brought in _brought(first_parents, parents).items():
        told[commit] = tuple(trailer for one in brought for trailer in trailers[one])
    return told


def _brought(first_parents: Sequence[str], parents: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The commits that are in each first parent's history and in none before it, oldest first."""
    found: dict[str, list[str]] = {}
    order = {commit: place for place, commit in enumerate(parents)}
    left = set(parents)
    for commit in first_parents:
        brought: list[str] = []
        pending = [commit]
        while pending:
            one = pending.pop()
            if one in left:
                left.discard(one)
                brought.append(one)
                pending += parents[one]
        found[commit] = sorted(brought, key=order.__getitem__)
    return found


def _trailers(commit: str, lines: Sequence[str]) -> Iterator[Trailer]:
    for line in lines:
        key, colon, value = line.partition(":")
        if colon and key.strip().lower().startswith(PREFIX):
            yield Trailer(commit, key.strip(), value.strip())
