"""Whether the zone ends with a segment that is to be brought in: else it was cut or continued, or something came after.

The primary tells by its anchor. Where it has lost the zone, or went back to an old one, its secondaries tell: they
still serve what was changed last. `restore` brings that back afterwards; before, it would bring back less.
"""

from collections.abc import Callable, Sequence

from hyops_gitops.core.errors import Refused
from hyops_gitops.core.evidence.log import Log
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.verification.segment_reading import Segment
from hyops_gitops.usecases.planning.observation import judge_anchor
from hyops_gitops.usecases.restore.look import Served


def check_end(segment: Segment, log: Log, primary: Anchor | None, ask: Callable[[], Sequence[Served]]) -> str | None:
    """What is to be said of a primary that lost what the segment did; None: it shows the segment's end.

    Args:
        segment: The segment, sound.
        log: What it goes on from.
        primary: The anchor there; None: it has none, or has no such zone.
        ask: Asks the secondaries what they serve.

    Raises:
        Refused: guard `segment`; guard `other-log`: a server shows what another log has written.
    """
    expected = segment.anchor or log.anchor
    if primary == expected:
        return None
    if not _is_older(primary, segment, log):
        raise _otherwise(f"the zone was last changed by {primary}", primary, segment, expected)
    served = ask()
    for one in served:
        if one.anchor is not None and one.anchor != expected and not _is_older(one.anchor, segment, log):
            raise _otherwise(f"secondary {one.name} was last changed by {one.anchor}", one.anchor, segment, expected)
    showing = [one.name for one in served if one.anchor == expected]
    if expected is None or not showing:
        raise _otherwise(f"the zone was last changed by {primary or 'nothing of ours'}", primary, segment, expected)
    return (
        f"the primary has lost what the segment did, and secondary {showing[0]} serves it still: "
        "run `hyops-gitops restore` next"
    )


def _is_older(anchor: Anchor | None, segment: Segment, log: Log) -> bool:
    """Whether a server that shows this anchor is as the segment found the zone, or as it was on the way, or before."""
    if anchor is None or anchor in [entry.anchor for entry, _ in segment.intents()]:
        return anchor is None or segment.anchor is None or anchor.seq < segment.anchor.seq
    return judge_anchor(anchor, log) in ("current", "restored")


def _otherwise(shown: str, anchor: Anchor | None, segment: Segment, expected: Anchor | None) -> Refused:
    if anchor is not None and anchor.segment == segment.ref.id and (expected is None or anchor.seq > expected.seq):
        why = f"{shown}: the segment went on, or its end was dropped"
    else:
        why = f"{shown}, and the segment leads to {expected}: a fork, or no server has it any more"
    return Refused(why, guard="segment", hint="take the folder of whoever went on last")
