"""Log heads pinned outside the repository; they detect a full rollback."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import InvalidData, UsageError
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.envelope import Entry, entry_path
from hyops_gitops.log.verify import Reading
from hyops_gitops.log.workspace import Workspace

_SEEN = re.compile(r"(?P<seq>[1-9][0-9]{0,8}):(?:sha256:)?(?P<sha256>[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class SeenHead:
    """A head of the log as every run prints it: `SEQ:SHA256`."""

    seq: int
    sha256: str

    @classmethod
    def parse(cls, text: str) -> "SeenHead":
        """Read `SEQ:SHA256`.

        Raises:
            UsageError: code `bad-head`.
        """
        match = _SEEN.fullmatch(text.strip())
        if match is None:
            raise UsageError(
                f"{text!r} is not a head of the log",
                code="bad-head",
                hint="write SEQ:SHA256, as every apply prints it after `log head`",
            )
        return cls(int(match["seq"]), match["sha256"])


def check_seen(zone: str, entries: Sequence[Entry], seen: Iterable[SeenHead]) -> Iterator[Problem]:
    """Every remembered head that is not an entry of this log."""
    for head in seen:
        path = entry_path(zone, head.seq)
        if head.seq > len(entries):
            message = f"entry {head.seq} was seen elsewhere, but the log ends at {len(entries)}: it was cut"
            yield Problem("seen", path, message)
        elif entries[head.seq - 1].sha256 != head.sha256:
            yield Problem("seen", path, f"entry {head.seq} is not the one that was seen elsewhere: it was rewritten")


def verify_log(workspace: Workspace, seen: tuple[SeenHead, ...] = ()) -> Reading:
    """Check the whole branch, and that it holds pinned heads.

    Raises:
        FindingsError: the authority file is invalid.
        Refused: guard `evidence-missing`: there is no branch to verify, or nothing pins its genesis.
    """
    zone = workspace.here().zone()  # the signers and the pinned genesis as they lie here
    snapshot = zone.recorded()
    try:
        reading = zone.reading(snapshot)
    except InvalidData as error:
        return Reading(None, 0, (Problem("path", zone.authority.evidence.branch, error.message),))
    if reading.log is None:
        return reading  # what does not verify contradicts every memory anyway
    forgotten = tuple(check_seen(zone.authority.zone, reading.log.entries, seen))
    return replace(reading, problems=(*reading.problems, *forgotten))
