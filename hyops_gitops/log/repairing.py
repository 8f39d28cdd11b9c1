"""What mends rows that contradict each other: which of them stay, which go, and why. Pure.

Ours stay as they were applied last, and what a contract asks for stays; of somebody else's records nothing goes unless
that was chosen. Equal records lose nothing, whoever's they are: one of each stays.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from hyops_gitops.core.damage import Damage, DamageKind
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.managed import Managed, ManagedSet
from hyops_gitops.core.markers import anchor_name, marker_of_an_end, protocol_name
from hyops_gitops.core.names import is_marker
from hyops_gitops.core.serials import newest_serial
from hyops_gitops.core.server_report import ServerReport
from hyops_gitops.core.zone import SOA_SERIAL, Key, RRset, soa_serials
from hyops_gitops.log.envelope import EntryRef
from hyops_gitops.plan.plan import Action, Change


@dataclass(frozen=True, slots=True)
class Mend:
    """How the rows at one name are mended, or why they cannot be."""

    damage: tuple[Damage, ...]
    why: str
    stays: tuple[RRset, ...] = ()
    goes: tuple[RRset, ...] = ()
    changes: tuple[Change, ...] = ()  # of what the zone serves
    writes: tuple[RRset, ...] = ()  # RRsets that are written anew
    deletes: tuple[Key, ...] = ()  # markers that are deleted
    mended: bool = True

    @property
    def name(self) -> str:
        """The owner name."""
        return self.damage[0].name

    def to_json(self) -> dict[str, object]:
        """Part of `hyops-repair/1`."""
        return {
            "name": self.name,
            "damage": [one.to_json() for one in self.damage],
            "mended": self.mended,
            "stays": [_shown(one) for one in self.stays],
            "goes": [_shown(one) for one in self.goes],
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Known:
    """What tells ours from others'."""

    zone: str
    state: ManagedSet  # as applied last
    asked: Mapping[Key, Managed]  # what the contracts at HEAD ask for
    claim: str | None  # the marker that every update closes itself
    landed: Callable[[int, str | None], bool]  # whether an earlier intent is recorded as applied
    serials: Sequence[int]  # that secondaries have, or the log recorded
    keep: Mapping[str, str]  # the choices: name -> type


def plan_repair(listed: Iterable[RRset], damage: Iterable[Damage], known: Known) -> tuple[Mend, ...]:
    """How each name is mended, by name."""
    rows: dict[str, dict[str, RRset]] = {}
    for rrset in listed:
        rows.setdefault(rrset.name, {})[rrset.type] = rrset
    by_name: dict[str, list[Damage]] = {}
    for one in damage:
        by_name.setdefault(one.name, []).append(one)
    return tuple(_mend(tuple(found), rows[name], known) for name, found in sorted(by_name.items()))


def _mend(damage: tuple[Damage, ...], rows: Mapping[str, RRset], known: Known) -> Mend:
    name = damage[0].name
    if is_marker(name, known.zone):
        return _marker(damage, rows, known)
    kinds = {one.kind for one in damage}
    if DamageKind.SEVERAL_SOA in kinds:
        return _soa(damage, rows["SOA"], known)
    there = {rrtype: rrset for rrtype, rrset in rows.items() if rrset.rdata}
    if kinds == {DamageKind.EQUAL_RECORDS}:
        twice = tuple(rrset for rrset in there.values() if rrset.repeated)
        return Mend(damage, "one of each stays: nothing is lost", stays=twice, writes=twice)
    if known.state.held_by(name):
        hint = "the name is held: lift that with its contract, or let an apply take what stands in the way"
        return Mend(damage, hint, mended=False)
    return _choose(damage, there, known)


def _choose(damage: tuple[Damage, ...], there: Mapping[str, RRset], known: Known) -> Mend:
    """A CNAME beside other records, or several CNAMEs: something has to go."""
    name = damage[0].name
    ours = {rrtype: known.state.entries[(name, rrtype)] for rrtype in there if (name, rrtype) in known.state.entries}
    why = "it is what was applied last, of {}"
    if not ours:
        ours = {rrtype: known.asked[(name, rrtype)] for rrtype in there if (name, rrtype) in known.asked}
        why = "{} asks for it"
    if ours:
        contract = next(iter(ours.values())).contract
        mine = {rrtype: _as_recorded(there[rrtype], entry.rrset) for rrtype, entry in ours.items()}
        return _changed(damage, there, mine, contract, why.format(contract))
    chosen = known.keep.get(name)
    several = any(one.kind is DamageKind.SEVERAL_RECORDS for one in damage)
    if several:
        return Mend(damage, "no contract owns it: its owner writes the one that is meant", mended=False)
    if chosen is None:
        choices = " or ".join(f"--keep {name}={one}" for one in ("CNAME", *sorted(there.keys() - {"CNAME"})[:1]))
        return Mend(damage, f"no contract owns it: choose, {choices}", mended=False)
    if chosen not in there:
        return Mend(damage, f"--keep {name}={chosen}: there is no {chosen}", mended=False)
    # Whatever is no CNAME may stand together.
    stays = {"CNAME"} if chosen == "CNAME" else there.keys() - {"CNAME"}
    return _changed(damage, there, {one: there[one] for one in stays}, "", f"--keep {name}={chosen}")


def _as_recorded(found: RRset, wanted: RRset) -> RRset:
    """Of several that exclude each other, the one applied last; other values are drift, which is no matter of this."""
    return wanted if len(found.rdata) > 1 and found.type in ("CNAME", "DNAME") else found


def _changed(
    damage: tuple[Damage, ...], there: Mapping[str, RRset], stays: Mapping[str, RRset], contract: str, why: str
) -> Mend:
    kept = dict(stays)
    if "CNAME" not in kept:
        kept = {**{one: rrset for one, rrset in there.items() if one != "CNAME"}, **kept}
    gone = tuple(rrset for rrtype, rrset in sorted(there.items()) if rrtype not in kept)
    changes = [Change(Action.DELETE, one.name, one.type, one, None, contract, cutover=False) for one in gone]
    for rrtype, rrset in sorted(kept.items()):
        if rrset.rdata != there[rrtype].rdata:
            changes.append(Change(Action.REPLACE, rrset.name, rrtype, there[rrtype], rrset, contract, cutover=False))
    written = {change.type for change in changes}
    again = tuple(rrset for rrtype, rrset in kept.items() if there[rrtype].repeated and rrtype not in written)
    return Mend(damage, why, tuple(kept.values()), gone, tuple(changes), again)


def _soa(damage: tuple[Damage, ...], soa: RRset, known: Known) -> Mend:
    """The newest row, with a serial that no secondary has more of: PowerDNS counts on from what is written."""
    rows = {serial: row for row in soa.rdata for serial in soa_serials(replace(soa, rdata=(row,), repeated=()))}
    top = newest_serial(rows)
    if top is None:
        return Mend(damage, "no row has a serial: load the zone anew", mended=False)
    fields = rows[top].split(" ")
    fields[SOA_SERIAL] = str(newest_serial([top, *known.serials]))
    kept = RRset.of(soa.name, "SOA", soa.ttl, [" ".join(fields)])
    gone = replace(soa, rdata=tuple(row for row in soa.rdata if row != rows[top]), repeated=())
    why = "the newest stays, and the next serial is above every one that is known"
    return Mend(damage, why, (kept,), (gone,) if gone.rdata else (), writes=(kept,))


def _marker(damage: tuple[Damage, ...], rows: Mapping[str, RRset], known: Known) -> Mend:
    """Ours: the anchor is written by every update, and of an earlier intent the tombstone stays."""
    name = damage[0].name
    if name == anchor_name(known.zone):
        gone = tuple(rrset for rrtype, rrset in rows.items() if rrtype != "TXT")
        return Mend(damage, "the anchor of this repair replaces it", goes=gone, deletes=tuple(one.key for one in gone))
    if name == known.claim:
        return Mend(damage, "this repair closes the claim, as every update does", goes=tuple(_txt(rows)))
    if name == protocol_name(known.zone) and "CNAME" not in rows:
        return Mend(damage, "every update writes it anew")
    stone = marker_of_an_end(known.zone, name, known.landed)
    if stone is None:
        return Mend(damage, "no update can take it away: delete the CNAME there with pdnsutil", mended=False)
    gone = tuple(rrset for rrtype, rrset in rows.items() if rrtype != "CNAME")
    return Mend(
        damage,
        "its intent is over: what keeps it from landing again stays, as the log records its end",
        (stone,),
        gone,
        writes=(stone,),
        deletes=tuple(one.key for one in gone),
    )


def _txt(rows: Mapping[str, RRset]) -> Iterator[RRset]:
    yield from (rrset for rrtype, rrset in rows.items() if rrtype == "TXT")


def _shown(rrset: RRset) -> dict[str, object]:
    return {"type": rrset.type, "ttl": rrset.ttl, "rdata": list(rrset.rdata)}


RepairOutcome = Literal["mended", "nothing", "left", "unconfirmed", "failed"]


@dataclass(frozen=True, slots=True)
class RepairResult:
    """What a repair came to."""

    outcome: RepairOutcome
    zone: str
    head: EntryRef
    mends: tuple[Mend, ...] = ()
    reason: str = ""
    serial_after: int | None = None
    servers: Sequence[ServerReport] = ()
    intent: EntryRef | None = None
    result: EntryRef | None = None

    @property
    def exit_code(self) -> Exit:
        """What the process answers; 1 while something is left that wants a choice."""
        match self.outcome:
            case "mended" | "nothing":
                return Exit.OK
            case "left":
                return Exit.NO
            case "unconfirmed":
                return Exit.UNCONFIRMED
            case "failed":
                return Exit.OUTSIDE

    def to_json(self) -> dict[str, object]:
        """`hyops-repair/1`."""
        return {
            "format": "hyops-repair/1",
            "outcome": self.outcome,
            "zone": self.zone,
            "reason": self.reason,
            "names": [one.to_json() for one in self.mends],
            "serial_after": self.serial_after,
            "servers": [server.to_json() for server in self.servers],
            "intent": self.intent.to_json() if self.intent else None,
            "result": self.result.to_json() if self.result else None,
            "head": self.head.to_json(),
        }
