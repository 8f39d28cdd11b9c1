"""Bodies of requests: written as text, what a JSON writer makes of the same objects."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hyops_gitops.adapters.powerdns.json_form import content, encode_patch, encode_zone
from hyops_gitops.core.names import absolute
from hyops_gitops.core.zone import Operation, RRset

TEXTS = st.text(max_size=12)
VALUES = st.lists(TEXTS, max_size=3).map(tuple)
RRSETS = st.builds(
    RRset, TEXTS, st.sampled_from(["A", "TXT", "LUA", "TYPE65300"]), st.integers(0, 2**31), VALUES, VALUES
)
REPLACES = RRSETS.filter(lambda rrset: bool(rrset.rdata or rrset.disabled))
DELETES = st.tuples(TEXTS, st.sampled_from(["A", "CNAME"]))


def object_of(operation: Operation, *, twice: bool) -> dict[str, object]:
    """The object that PowerDNS documents."""
    if not isinstance(operation, RRset):
        return {"name": absolute(operation[0]), "type": operation[1], "changetype": "DELETE"}
    records = [
        {"content": content(operation.type, value, twice=twice), "disabled": disabled}
        for values, disabled in ((operation.rdata, False), (operation.disabled, True))
        for value in values
    ]
    head = {"name": absolute(operation.name), "type": operation.type, "changetype": "REPLACE"}
    return {**head, "ttl": operation.ttl, "records": records}


@given(st.lists(REPLACES | DELETES, max_size=4))
@example([RRset('a"b\\c', "TYPE65300", 1, ('a"b\\c', "\x00\x1f\x7f\u2028\ud800ü"))])
def test_a_patch_is_what_a_json_writer_makes_of_its_operations(operations: list[Operation]) -> None:
    expected = json.dumps({"rrsets": [object_of(each, twice=False) for each in operations]}, separators=(",", ":"))
    assert encode_patch(operations) == expected.encode()


def test_for_a_server_that_resolves_escapes_twice_they_are_doubled() -> None:
    rrset = RRset("a.z", "TXT", 1, (r'"\""',))
    assert json.loads(encode_patch([rrset], twice=True))["rrsets"] == [object_of(rrset, twice=True)]


@given(st.lists(REPLACES, max_size=4))
def test_a_new_zone_is_its_settings_and_its_rrsets(rrsets: list[RRset]) -> None:
    made = json.loads(encode_zone("z", rrsets, {"kind": "Native", "nameservers": []}))
    objects = [
        {key: value for key, value in object_of(each, twice=False).items() if key != "changetype"} for each in rrsets
    ]
    assert made == {"name": "z.", "kind": "Native", "nameservers": [], "rrsets": json.loads(json.dumps(objects))}


def test_a_replace_without_records_would_be_a_delete() -> None:
    with pytest.raises(ValueError, match="without records"):
        encode_patch([RRset("a.z", "A", 1, ())])
