"""Zones and managed sets read from lines answer as those made of objects do."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.line_map import LineMap
from hyops_gitops.core.managed import ManagedRRset, ManagedSet
from hyops_gitops.core.zone import Key, RRset, Zone, served

APEX = "z.internal"

# Owners that begin alike and that a bisection could confuse; then some that no line can carry.
_ALIKE = tuple(f"{label}.{APEX}" for label in ("a", "a-b", "a.b", "b", "b.a", "*.a", "*.b", "0", "~", "A"))
_PLAIN = (*_ALIKE, APEX, "a", f"elsewhere-{APEX}")
_ANY = (*_PLAIN, *(f"{label}.{APEX}" for label in ("a\\.", "x y", "é", "a. 30 IN A 10.0.0.1\nb")), "a\\.", "a..")
_rdata = {
    "A": ("10.0.0.1", "10.0.0.10", "10.0.0.2"),
    "AAAA": ("fd00::1", "FD00:0::2", "::ffff:10.0.0.1"),
    "CNAME": ("a.example", "B.example.", "b\\.example"),
    "NS": ("ns1.example.", "ns2.example."),
    "TXT": ('"some text"', '"x ; y IN NS z"', '" IN AAAA FD00::1"', '"\n"', '"é"'),
    "DNAME": ("elsewhere.example.",),
}


@st.composite
def _rrsets(
    draw: st.DrawFn, owners: tuple[str, ...], types: tuple[str, ...] = tuple(_rdata), *, more: bool = True
) -> RRset:
    rrtype = draw(st.sampled_from(types))
    values = st.lists(st.sampled_from(_rdata[rrtype]), max_size=3)
    disabled = draw(values) if more and draw(st.integers(0, 4)) == 0 else ()
    return RRset.of(draw(st.sampled_from(owners)), rrtype, draw(st.sampled_from([5, 30, 300])), draw(values), disabled)


def _zones(owners: tuple[str, ...]) -> st.SearchStrategy[Zone]:
    return st.lists(_rrsets(owners), max_size=12).map(lambda rrsets: Zone.of(APEX, rrsets))


def _entries(owners: tuple[str, ...]) -> st.SearchStrategy[ManagedRRset]:
    return st.builds(
        ManagedRRset,
        _rrsets(owners, ("A", "AAAA", "CNAME"), more=False),
        st.sampled_from(["endpoints/prod/a.yaml", "endpoints/prod/a.yaml2", *(["a b", "x ; y"] * (owners is _ANY))]),
        st.sampled_from([None, None, 0, 7]),
    )


_some_zones = st.one_of(_zones(_PLAIN), _zones(_ANY))
_some_entries = st.one_of(_entries(_PLAIN), _entries(_ANY))
_managed = st.one_of(
    *(
        st.lists(_entries(owners), max_size=12).map(lambda entries: ManagedSet.of(APEX, entries))
        for owners in (_PLAIN, _ANY)
    )
)
_keys = st.tuples(st.sampled_from(_ALIKE).map(str.lower), st.sampled_from(list(_rdata)))


def _read(zone: Zone) -> Zone:
    """The same from its file, with what no line says put back."""
    try:
        read = Zone.parse(APEX, zone.data)
    except InvalidData:  # an owner that no line can carry
        return zone
    return Zone(APEX, read.rrsets.replaced({key: zone.rrsets.get(key) for key in {*read.rrsets, *zone.rrsets}}))


@given(_some_zones, _some_zones, st.lists(_rrsets(_PLAIN), max_size=4), st.lists(_keys, max_size=4))
def test_a_zone_of_lines_answers_as_one_of_objects(
    zone: Zone, other: Zone, rrsets: list[RRset], keys: list[Key]
) -> None:
    lines, others = _read(zone), _read(other)
    for first, same in (
        (zone, lines),
        (zone.with_rrsets(rrsets).without(keys), lines.with_rrsets(rrsets).without(keys)),
    ):
        assert same == first
        assert (same.data, same.digest(), same.lines()) == (first.data, first.digest(), first.lines())
        assert (len(same.rrsets), set(same.rrsets)) == (len(first.rrsets), set(first.rrsets))
        for count in (0, len(first.rrsets), len(first.rrsets) + 1):
            assert same.rrsets.has_at_least(count) == first.rrsets.has_at_least(count) == (count <= len(first.rrsets))
        assert (same.names(), same.by_name()) == (first.names(), first.by_name())
        for key in (*first.rrsets, *keys):
            assert (key in same.rrsets, same.rrsets.get(key)) == (key in first.rrsets, first.rrsets.get(key))
            assert same.rrsets.at(key[0]) == first.rrsets.at(key[0]) == first.by_name().get(key[0], {})
        for rrtype in ("NS", "DNAME"):
            having = sorted(name for (name, found), rrset in first.rrsets.items() if found == rrtype and rrset.rdata)
            assert same.with_type(rrtype) == first.with_type(rrtype) == having
        for that in (other, others):
            differing = {
                key
                for key in {*first.rrsets, *that.rrsets}
                if served(first.rrsets.get(key)) != served(that.rrsets.get(key))
            }
            assert same.differing(that) == first.differing(that) == sorted(differing)
            assert same.served_otherwise(that) == first.served_otherwise(that)
            assert same.respelled(that) == first.respelled(that)
            assert same.select(that.rrsets) == first.select(that.rrsets)
            assert same.digest_at(that) == first.digest_at(that) == first.select(that.rrsets).digest()


_edits = st.lists(
    st.tuples(st.sampled_from(["swap", "again", "ttl", "upper", "drop"]), st.integers(0, 20)), max_size=2
)  # of lines, by place


@given(_zones(_PLAIN), st.lists(_rrsets(_PLAIN), max_size=2), _edits)
def test_lines_that_another_file_has_need_not_be_checked_again(
    zone: Zone, rrsets: list[RRset], edits: list[tuple[str, int]]
) -> None:
    known = Zone.parse(APEX, zone.data)
    lines = known.with_rrsets(rrsets).lines()
    for edit, place in edits if lines else ():
        at = place % len(lines)
        match edit:
            case "swap":
                lines[at - 1], lines[at] = lines[at], lines[at - 1]
            case "again":
                lines.insert(at, lines[at])
            case "ttl":
                lines[at] = lines[at].replace(" 30 ", " 31 ")
            case "upper":
                lines[at] = lines[at].replace("internal. ", "INTERNAL. ", 1)
            case _:
                del lines[at]
                lines = lines or ["b. 30 IN A 10.0.0.1"]
    file = "".join(f"{line}\n" for line in lines).encode()
    alone, beside = Zone.parse(APEX, file), Zone.parse(APEX, file, known)
    assert beside == alone
    assert (beside.rrsets.canonical, beside.data) == (alone.rrsets.canonical, alone.data)


@given(_managed, st.dictionaries(_keys, st.one_of(st.none(), _some_entries), max_size=4))
def test_a_managed_set_of_lines_answers_as_one_of_objects(
    managed: ManagedSet, entries: dict[Key, ManagedRRset | None]
) -> None:
    try:
        lines = ManagedSet.parse(APEX, managed.data)
    except InvalidData:  # an owner with a space, or a contract that looks like a hold
        lines = managed
    lines.zone.digest()  # which is carried forward from here
    lines = lines.with_entries({key: managed.entries.get(key) for key in {*lines.entries, *managed.entries}})
    changes = {entry.rrset.key if entry else key: entry for key, entry in entries.items()}
    for first, same in ((managed, lines), (managed.with_entries(changes), lines.with_entries(changes))):
        assert same == first
        assert (same.data, same.digest(), same.zone) == (first.data, first.digest(), first.zone)
        assert same.names() == first.names()
        for name, _ in (*first.entries, *changes):
            assert same.rrsets_of(name) == first.rrsets_of(name)
            assert same.held_by(name) == first.held_by(name)
        for path in ("endpoints/prod/a.yaml", "endpoints/prod/a.yaml2", "endpoints/prod/b.yaml"):
            owned = {key: each for key, each in first.entries.items() if each.contract == path and each.rrset.rdata}
            assert {each.rrset.key: each for each in same.of_contract(path)} == owned
            assert {each.rrset.key: each for each in first.of_contract(path)} == owned


def _is_lines(found: LineMap[RRset] | LineMap[ManagedRRset]) -> bool:
    return found.canonical is not None


_GOOD = b"a.z.internal. 30 IN A 10.0.0.1\na.z.internal. 30 IN A 10.0.0.2\nb.z.internal. 5 IN AAAA fd00::1\n"


def test_what_this_program_writes_stays_lines_through_a_change() -> None:
    zone = Zone.parse(APEX, _GOOD)
    assert _is_lines(zone.rrsets)
    changed = zone.with_rrsets([RRset.of(f"aa.{APEX}", "A", 30, ["10.0.0.3"])]).without([(f"b.{APEX}", "AAAA")])
    assert _is_lines(changed.rrsets)
    assert changed.data == _GOOD[: _GOOD.index(b"b.z")] + b"aa.z.internal. 30 IN A 10.0.0.3\n"


@pytest.mark.parametrize(
    "lines",
    [
        b"b.z.internal. 30 IN A 10.0.0.1\na.z.internal. 30 IN A 10.0.0.1\n",  # not sorted
        b"a.z.internal. 30 IN A 10.0.0.1\na.z.internal. 30 IN A 10.0.0.1\n",  # twice
        b"a.z.internal. 30 IN A 10.0.0.1\na.z.internal. 5 IN A 10.0.0.2\n",  # two TTLs of one RRset
        b"A.z.internal. 30 IN A 10.0.0.1\n",
        b"a.z.internal. 030 IN A 10.0.0.1\n",
        b"a.z.internal. 30 IN AAAA fd00:0::1\n",
        b"a.z.internal. 30 IN CNAME B.example.\n",
        b"a.z.internal. 30 IN SOA a. b. 1 2 3 4 5\n",
        b"x._hyops-gitops.z.internal. 30 IN A 10.0.0.1\n",
        b"a.z.internal. 30 IN TXT \xc3\xa9\n",
        b"a.z.internal. 30 IN A 10.0.0.1",  # without its end
    ],
)
def test_a_file_that_is_spelled_otherwise_is_read_line_by_line(lines: bytes) -> None:
    zone = Zone.parse(APEX, lines)
    assert not _is_lines(zone.rrsets)
    assert zone.data != lines


@pytest.mark.parametrize("file", [b"\xff. 30 IN A 10.0.0.1\n", "\ud800. 30 IN A 10.0.0.1\n", _GOOD + b"b 30 IN A\n"])
def test_a_file_with_one_bad_line_is_refused(file: bytes | str) -> None:
    for parse in (Zone.parse, ManagedSet.parse):
        with pytest.raises(InvalidData) as caught:
            parse(APEX, file)
        assert caught.value.code == "bad-zone-file"


def test_a_managed_set_is_held_as_lines_where_they_say_all_of_it() -> None:
    rrset = RRset.of("pg.prod.z.internal", "A", 60, ["10.0.0.1"])
    entry = ManagedRRset(rrset, "endpoints/prod/pg.yaml", held=7)
    made = ManagedSet.of("z.internal", [entry])
    assert made.entries.canonical is None
    assert made.in_lines().entries.canonical == made.data
    assert made.in_lines().entries == made.entries

    more = ManagedRRset(replace(rrset, disabled=("10.0.0.2",)), "endpoints/prod/pg.yaml")
    assert ManagedSet.of("z.internal", [more]).in_lines().entries[rrset.key] == more
