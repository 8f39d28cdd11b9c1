"""One PATCH, sent until its outcome is known.

A PATCH is one transaction and idempotent, so it may be repeated; whether one whose reply was lost has landed is read
from its claim. When that stays unknown the claim settles it: a CNAME put where the claim would stand makes the server
refuse that PATCH for ever, and is itself refused where the claim stands already (measured on 4.7 and 4.9).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hyops_gitops.core.errors import OutsideFailure, ReplyLost, ServerRefused, Unconfirmed
from hyops_gitops.core.evidence.entries import ResultOutcome
from hyops_gitops.core.markers import Anchor, claim, tombstone
from hyops_gitops.core.zone import Key, RRset
from hyops_gitops.usecases.ports import Clock, ZoneWriter

_PAUSES_S = (0.05, 0.2, 0.8, 2.0)


@dataclass(frozen=True, slots=True)
class Update:
    """Everything one PATCH carries."""

    zone: str
    intent: Anchor
    deletes: Sequence[Key] = ()
    replaces: Sequence[RRset] = ()

    @property
    def claim(self) -> RRset:
        """The claim that this update puts down."""
        return claim(self.zone, self.intent.seq, self.intent.sha256, self.intent.segment)

    @property
    def tombstone(self) -> RRset:
        """What the claim becomes."""
        return tombstone(self.zone, self.intent.seq, self.intent.segment)


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of it."""

    outcome: ResultOutcome
    new_serial: int | None = None
    reason: str = ""


def send(writer: ZoneWriter, update: Update, clock: Clock, why_not: Callable[[], str | None]) -> Sent:
    """Send an update until its outcome is known.

    Args:
        writer: The primary.
        update: What to send.
        clock: For pauses between tries.
        why_not: Asked before each repeat; a reason not to send (again), such as a lease that is over.

    Raises:
        Unconfirmed: sent, and neither reply nor claim can be read.
    """
    may_have_landed = stopped = False
    reason = ""
    for pause in (0.0, *_PAUSES_S):
        clock.sleep(pause)
        try:
            if may_have_landed and _landed(writer, update):
                return Sent("applied")
            if stop := why_not():
                stopped, reason = True, stop
                break
            return Sent("applied", writer.patch(update.deletes, update.replaces).new_serial)
        except ServerRefused as error:
            reason = error.message
            break
        except OutsideFailure as error:
            may_have_landed |= isinstance(error, ReplyLost)
            reason = error.message
    if may_have_landed and settle(writer, update):
        return Sent("applied")
    return Sent("refused" if stopped else "failed", reason=reason)


def settle(writer: ZoneWriter, update: Update) -> bool:
    """Find out for good whether an update landed: afterwards it either has, or never can.

    Raises:
        Unconfirmed: the server cannot be reached, or answers with something else.
    """
    try:
        writer.patch([], [update.tombstone])
    except ServerRefused:
        try:
            if _landed(writer, update):
                return True
        except OutsideFailure as error:
            raise _unknown(error.message) from None
        raise _unknown("the claim's name holds something else") from None
    except OutsideFailure as error:
        raise _unknown(error.message) from None
    return False


def _landed(writer: ZoneWriter, update: Update) -> bool:
    return update.claim in writer.rrsets_at([update.claim.name])


def _unknown(why: str) -> Unconfirmed:
    return Unconfirmed(
        f"the update was sent, but whether it landed is not known: {why}",
        code="outcome-unknown",
        hint="the intent stays open; the next apply settles it",
    )
