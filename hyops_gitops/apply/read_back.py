"""Read back what a PATCH wrote: a 204 alone is not believed.

A database with several writers may answer 204 for what no node has stored (seen on Galera), and one without isolation
stores what two requests wrote at once. So the names of an update, its claim and the SOA are read again, with one small
question for each of a few names, or with the whole zone, from the database itself and past PowerDNS's caches.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from hyops_gitops.apply.send import PatchOutcome, Update, settle
from hyops_gitops.core.damage import REPAIR, SETTINGS, Damage, damage_words, find_damage
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.events import OnEvent, Warned
from hyops_gitops.core.markers import Anchor, anchor_name, claim_name
from hyops_gitops.core.names import is_marker
from hyops_gitops.core.network import FEW_NAMES, ZoneReader, ZoneWriter
from hyops_gitops.core.ports import Clock
from hyops_gitops.core.zone import Key, RRset, same_served, soa_serials
from hyops_gitops.log.entries import Intent

_LOOK_PAUSES_S = (0.0, 0.2, 1.0)  # a read may come from a copy of the database that is a little behind


@dataclass(frozen=True, slots=True)
class ReadBack:
    """The rows of the database where an update was written."""

    differing: tuple[Key, ...] = ()  # keys that are not as the update left them
    damage: tuple[Damage, ...] = ()
    serials: tuple[int, ...] = ()  # of every SOA row
    whole: tuple[RRset, ...] = ()  # the zone, where all of it was read
    unread: str = ""  # why it could not be read

    @property
    def serial(self) -> int | None:
        """The zone's serial, where it has one."""
        return self.serials[0] if len(self.serials) == 1 else None

    @property
    def problem(self) -> str:
        """The traces of another writer, in words."""
        names = ", ".join(f"{name} {rrtype}" for name, rrtype in self.differing)
        changed = f"another writer changed {names} at the same moment" if names else ""
        damaged = f"{damage_words(self.damage)}; repair it: `{REPAIR}`" if self.damage else ""
        return "; ".join(filter(None, (changed, damaged)))


NOTHING_READ = ReadBack()


def read_back(
    reader: ZoneReader, zone: str, expected: Mapping[Key, RRset | None], also: Collection[str] = ()
) -> ReadBack:
    """Compare rows with what should be there; in `also` only damage counts.

    Raises:
        OutsideFailure: they cannot be read.
    """
    # The SOA comes last: a write between these questions moves it.
    names = [*sorted({*(name for name, _ in expected), *also} - {zone}), zone]
    whole = reader.rrsets() if len(names) > FEW_NAMES else ()
    asked = set(names)
    rows = tuple(rrset for rrset in whole if rrset.name in asked) if whole else reader.rows_at(names)
    found = {rrset.key: rrset for rrset in rows}
    differing = (key for key, wanted in expected.items() if not same_served(found.get(key), wanted))
    soa = found.get((zone, "SOA"))
    return ReadBack(tuple(sorted(differing)), find_damage(rows), soa_serials(soa) if soa else (), whole)


def read_landed(primary: ZoneReader, zone: str, anchor: Anchor, intent: Intent, on_event: OnEvent) -> ReadBack:
    """The rows that a settled intent left; later writes there are drift."""
    expected = {change.key: change.after for change in intent.changes if change.writes}
    markers = [anchor_name(zone), claim_name(zone, anchor.seq, anchor.segment)]
    try:
        back = read_back(primary, zone, expected, markers)
    except OutsideFailure as error:
        back = ReadBack(unread=error.message)
    if back.damage:
        on_event(Warned(f"{damage_words(back.damage)}; repair it: `{REPAIR}`"))
    return back


def left_by(update: Update) -> dict[Key, RRset | None]:
    """The RRset that an update leaves at each key; None for nothing."""
    left: dict[Key, RRset | None] = {}
    for operation in (*update.markers, *update.deletes, *update.replaces):
        if not isinstance(operation, RRset):
            if operation[1] != "CNAME" or not is_marker(operation[0], update.zone):
                left[operation] = None
        elif operation.type != "SOA":  # the server moves its serial
            left[operation.key] = operation
    return left


def believed(
    writer: ZoneWriter, update: Update, sent: PatchOutcome, clock: Clock, on_event: OnEvent
) -> tuple[PatchOutcome, ReadBack]:
    """The outcome of an accepted update, by the rows in the database.

    An update whose claim is missing is settled: it never lands later, so that its result may say `failed`.

    Raises:
        Unconfirmed: the claim is missing, and the update cannot be settled either; the intent stays open.
    """
    if sent.outcome != "applied":
        return sent, NOTHING_READ
    expected = left_by(update)
    back = NOTHING_READ
    for pause in _LOOK_PAUSES_S:
        clock.sleep(pause)
        try:
            back = read_back(writer, update.zone, expected)
        except OutsideFailure as error:
            back = ReadBack(unread=error.message)
            continue
        if update.claim.key not in back.differing:
            if back.problem:
                on_event(Warned(back.problem))
            return sent, back
    if back.unread:
        on_event(Warned(f"cannot read back what was written: {back.unread}"))
        return sent, back
    if update.tombstone.key in _standing(writer, update):
        return sent, back  # another run has built on it; the log has its record
    reason = "the primary answered that it stored the update, and holds no claim of it"
    on_event(Warned(f"{reason}; {SETTINGS}"))
    if settle(writer, update):
        return sent, back
    return replace(sent, outcome="failed", new_serial=None, reason=reason), NOTHING_READ


def _standing(writer: ZoneWriter, update: Update) -> Sequence[Key]:
    try:
        return [rrset.key for rrset in writer.rows_at([update.claim.name])]
    except OutsideFailure:
        return ()
