"""The repair of rows that contradict each other.

Ours stay as applied last, and rows that a contract asks for stay; foreign records go only by choice. Of equal records
one stays, ours or not.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated

from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.damage import Damage, DamageKind
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.fields import Of
from hyops_gitops.core.managed import ManagedRRset, ManagedSet
from hyops_gitops.core.markers import anchor_name, marker_of_an_end, protocol_name
from hyops_gitops.core.names import is_marker
from hyops_gitops.core.serials import newest_serial
from hyops_gitops.core.zone import SOA_SERIAL, Key, RRset, soa_serials
from hyops_gitops.plan.plan import Action, Change


class KeptRows:
    """Rows that stay or go."""

    type: str
    ttl: int
    rdata: tuple[str, ...]


class RowRepairDocument:
    """The repair of one name, in hyops-repair/1."""

    name: str
    damage: tuple[Damage, ...]
    mended: Annotated[bool, Of("possible")]  # verbatim: a field of hyops-repair/1
    stays: tuple[KeptRows, ...]
    goes: tuple[KeptRows, ...]
    why: str


@dataclass(frozen=True, slots=True)
class RowRepair(JsonReport):
    """The repair of a name's rows, or a reason."""

    FORM = RowRepairDocument
    damage: tuple[Damage, ...]
    why: str
    stays: tuple[RRset, ...] = ()
    goes: tuple[RRset, ...] = ()
    changes: tuple[Change, ...] = ()  # of what the zone serves
    writes: tuple[RRset, ...] = ()  # RRsets to rewrite
    deletes: tuple[Key, ...] = ()  # markers to delete
    possible: bool = True

    @property
    def name(self) -> str:
        """The owner name."""
        return self.damage[0].name


@dataclass(frozen=True, slots=True)
class RepairFacts:
    """The facts that tell our rows from foreign ones."""

    zone: str
    state: ManagedSet  # as applied last
    asked: Mapping[Key, ManagedRRset]  # RRsets of the contracts at HEAD
    claim: str | None  # the marker that every update closes itself
    landed: Callable[[int, str | None], bool]  # whether an earlier intent is recorded as applied
    serials: Sequence[int]  # that secondaries have, or the log recorded
    keep: Mapping[str, str]  # the choices: name -> type


def plan_repair(listed: Iterable[RRset], damage: Iterable[Damage], known: RepairFacts) -> tuple[RowRepair, ...]:
    """Plan the repair of each name, in order of names."""
    rows: dict[str, dict[str, RRset]] = {}
    for rrset in listed:
        rows.setdefault(rrset.name, {})[rrset.type] = rrset
    by_name: dict[str, list[Damage]] = {}
    for contradiction in damage:
        by_name.setdefault(contradiction.name, []).append(contradiction)
    return tuple(_repair(tuple(found), rows[name], known) for name, found in sorted(by_name.items()))


def _repair(damage: tuple[Damage, ...], rows: Mapping[str, RRset], known: RepairFacts) -> RowRepair:
    name = damage[0].name
    if is_marker(name, known.zone):
        return _marker(damage, rows, known)
    kinds = {found.kind for found in damage}
    if DamageKind.SEVERAL_SOA in kinds:
        return _soa(damage, rows["SOA"], known)
    there = {rrtype: rrset for rrtype, rrset in rows.items() if rrset.rdata}
    if kinds == {DamageKind.EQUAL_RECORDS}:
        twice = tuple(rrset for rrset in there.values() if rrset.repeated)
        return RowRepair(damage, "one of each stays: nothing is lost", stays=twice, writes=twice)
    if known.state.held_by(name):
        hint = "lift the hold of the name by its contract, or let an apply take the conflicting record"
        return RowRepair(damage, hint, possible=False)
    return _choose(damage, there, known)


def _choose(damage: tuple[Damage, ...], there: Mapping[str, RRset], known: RepairFacts) -> RowRepair:
    """Choose between a CNAME and other records, or among several CNAMEs."""
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
    several = any(found.kind is DamageKind.SEVERAL_RECORDS for found in damage)
    if several:
        return RowRepair(damage, "no contract owns it: its owner has to write the right record", possible=False)
    if chosen is None:
        choices = " or ".join(f"--keep {name}={rrtype}" for rrtype in ("CNAME", *sorted(there.keys() - {"CNAME"})[:1]))
        return RowRepair(damage, f"no contract owns it: choose, {choices}", possible=False)
    if chosen not in there:
        return RowRepair(damage, f"--keep {name}={chosen}: the name has no {chosen}", possible=False)
    # All types but CNAME may stand together.
    stays = {"CNAME"} if chosen == "CNAME" else there.keys() - {"CNAME"}
    return _changed(damage, there, {rrtype: there[rrtype] for rrtype in stays}, "", f"--keep {name}={chosen}")


def _as_recorded(found: RRset, wanted: RRset) -> RRset:
    """The record applied last, among exclusive ones."""
    return wanted if len(found.rdata) > 1 and found.type in ("CNAME", "DNAME") else found


def _changed(
    damage: tuple[Damage, ...], there: Mapping[str, RRset], stays: Mapping[str, RRset], contract: str, why: str
) -> RowRepair:
    kept = dict(stays)
    if "CNAME" not in kept:
        kept = {**{rrtype: rrset for rrtype, rrset in there.items() if rrtype != "CNAME"}, **kept}
    gone = tuple(rrset for rrtype, rrset in sorted(there.items()) if rrtype not in kept)
    changes = [Change(Action.DELETE, rrset.name, rrset.type, rrset, None, contract, cutover=False) for rrset in gone]
    for rrtype, rrset in sorted(kept.items()):
        if rrset.rdata != there[rrtype].rdata:
            changes.append(Change(Action.REPLACE, rrset.name, rrtype, there[rrtype], rrset, contract, cutover=False))
    written = {change.type for change in changes}
    again = tuple(rrset for rrtype, rrset in kept.items() if there[rrtype].repeated and rrtype not in written)
    return RowRepair(damage, why, tuple(kept.values()), gone, tuple(changes), again)


def _soa(damage: tuple[Damage, ...], soa: RRset, known: RepairFacts) -> RowRepair:
    """Keep the newest SOA row, with a serial above all."""
    rows = {serial: row for row in soa.rdata for serial in soa_serials(replace(soa, rdata=(row,), repeated=()))}
    top = newest_serial(rows)
    if top is None:
        return RowRepair(damage, "no row has a serial: load the zone again", possible=False)
    fields = rows[top].split(" ")
    fields[SOA_SERIAL] = str(newest_serial([top, *known.serials]))
    kept = RRset.of(soa.name, "SOA", soa.ttl, [" ".join(fields)])
    gone = replace(soa, rdata=tuple(row for row in soa.rdata if row != rows[top]), repeated=())
    why = "the newest stays, and the next serial is above every known one"
    return RowRepair(damage, why, (kept,), (gone,) if gone.rdata else (), writes=(kept,))


def _marker(damage: tuple[Damage, ...], rows: Mapping[str, RRset], known: RepairFacts) -> RowRepair:
    """Repair our markers: anchor, claim, tombstone."""
    name = damage[0].name
    if name == anchor_name(known.zone):
        gone = tuple(rrset for rrtype, rrset in rows.items() if rrtype != "TXT")
        return RowRepair(
            damage, "the anchor of this repair replaces it", goes=gone, deletes=tuple(rrset.key for rrset in gone)
        )
    if name == known.claim:
        return RowRepair(damage, "this repair closes the claim, as every update does", goes=tuple(_txt(rows)))
    if name == protocol_name(known.zone) and "CNAME" not in rows:
        return RowRepair(damage, "every update rewrites it")
    stone = marker_of_an_end(known.zone, name, known.landed)
    if stone is None:
        return RowRepair(damage, "no update can remove it: delete the CNAME there with pdnsutil", possible=False)
    gone = tuple(rrset for rrtype, rrset in rows.items() if rrtype != "CNAME")
    return RowRepair(
        damage,
        "its intent has ended in the log: the row that keeps it from landing again stays",
        (stone,),
        gone,
        writes=(stone,),
        deletes=tuple(rrset.key for rrset in gone),
    )


def _txt(rows: Mapping[str, RRset]) -> Iterator[RRset]:
    yield from (rrset for rrtype, rrset in rows.items() if rrtype == "TXT")
