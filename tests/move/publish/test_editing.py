"""Edits of a contract's text: the key that is meant changes, and nothing else, byte for byte."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyops_gitops.adapters.yaml.edit import in_order, new_text, set_values
from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.adapters.yaml.schema import load_schema
from hyops_gitops.core.document import Edit
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.move.contract_files import CONTRACT_KEYS, apply_edits, same_data

FLOW = """\
# yaml-language-server: $schema=../../schemas/endpoint.schema.json
endpoint_dns_name: 'db.prod.x.internal'   # never changes

# the rack by the window
endpoint_target: "10.0.0.1"  # leader
endpoint_target_type:   host
endpoint_port: 5432
endpoint_cutover_required: true
endpoint_sites: {onprem: 10.0.0.1,   gcp: 10.1.0.1}   # two
# the end
"""
BLOCK = """\
endpoint_dns_name: db.prod.x.internal
endpoint_target:  # three of them
  - 10.0.0.1   # first
  # between
  - "10.0.0.2"
  - fd00::3
endpoint_target_type: host
endpoint_port: 5432
endpoint_cutover_required: true
endpoint_description: |
  many
  lines
endpoint_sites:
  onprem:
    target:
      - 10.0.0.1
      - 10.0.0.2
      - fd00::3
  # soon in use
  gcp: 10.1.0.1  # small
endpoint_home: onprem"""


def data(text: str) -> object:
    document, findings = read_document("x", text.encode())
    assert (document is not None, findings) == (True, ()), text
    assert document is not None
    return document.data


def test_the_order_is_the_schemas() -> None:
    properties = load_schema("endpoint")["properties"]

    assert isinstance(properties, dict)
    assert tuple(properties) == CONTRACT_KEYS


def test_a_scalar_keeps_its_quotes_and_its_neighbours() -> None:
    assert set_values(FLOW, [Edit(("endpoint_target",), "10.1.0.1")]) == FLOW.replace('"10.0.0.1"', '"10.1.0.1"')
    assert set_values(FLOW, [Edit(("endpoint_port",), 6432)]) == FLOW.replace("5432", "6432")
    name = "endpoint_dns_name"
    assert set_values(FLOW, [Edit((name,), "b.prod.x")]) == FLOW.replace("db.prod.x.internal", "b.prod.x")


def test_a_new_key_stands_where_the_order_puts_it() -> None:
    ttl = set_values(FLOW, [Edit(("endpoint_ttl",), 30)])

    assert ttl == FLOW.replace("required: true\n", "required: true\nendpoint_ttl: 30\n")
    home = set_values(BLOCK, [Edit(("endpoint_readiness",), [{"type": "tcp"}])])
    assert home == BLOCK + "\nendpoint_readiness: [{type: tcp}]\n"
    assert set_values("endpoint_port: 1\n", [Edit(("endpoint_target",), "fd00::1")]) == (
        'endpoint_target: "fd00::1"\nendpoint_port: 1\n'
    )


def test_a_site_in_one_line_and_in_several() -> None:
    made = set_values(FLOW, [Edit(("endpoint_sites", "gcp"), {"target": "10.1.0.9", "type": "host"})])
    assert made == FLOW.replace("gcp: 10.1.0.1", "gcp: {target: 10.1.0.9, type: host}")
    assert set_values(FLOW, [Edit(("endpoint_sites", "edge"), "10.2.0.1")]) == FLOW.replace(
        "gcp: 10.1.0.1}", "gcp: 10.1.0.1, edge: 10.2.0.1}"
    )
    assert set_values(BLOCK, [Edit(("endpoint_sites", "edge"), "10.2.0.1")]) == BLOCK.replace(
        "# small\n", "# small\n  edge: 10.2.0.1\n"
    )
    assert set_values(BLOCK, [Edit(("endpoint_sites", "onprem", "port"), 1)]) == BLOCK.replace(
        "      - fd00::3\n  # soon", "      - fd00::3\n    port: 1\n  # soon"
    )
    assert set_values("endpoint_port: 1\n", [Edit(("endpoint_sites", "gcp"), "10.1.0.1")]) == (
        "endpoint_port: 1\nendpoint_sites: {gcp: 10.1.0.1}\n"
    )


def test_lines_of_a_list_that_stay_are_not_touched() -> None:
    kept = set_values(BLOCK, [Edit(("endpoint_target",), ["10.0.0.2", "10.0.0.9", "10.0.0.1"])])

    assert kept == BLOCK.replace('  - "10.0.0.2"\n  - fd00::3\n', '  - "10.0.0.2"\n  - 10.0.0.9\n', 1)
    fresh = set_values(BLOCK, [Edit(("endpoint_target",), ["10.9.0.1", "fd00::9"])])
    old = '  - 10.0.0.1   # first\n  # between\n  - "10.0.0.2"\n  - fd00::3\n'
    assert fresh == BLOCK.replace(old, '  # between\n  - 10.9.0.1\n  - "fd00::9"\n', 1)


def test_a_list_that_becomes_one_value_leaves_its_comments_above() -> None:
    made = set_values(BLOCK, [Edit(("endpoint_target",), "db.example.com")])

    assert made.startswith(
        "endpoint_dns_name: db.prod.x.internal\n# three of them\n# first\n# between\n"
        "endpoint_target: db.example.com\nendpoint_target_type: host\n"
    )
    assert made.endswith(BLOCK.split("fd00::3\n", 1)[1])


def test_line_ends_of_windows_stay() -> None:
    text = FLOW.replace("\n", "\r\n")
    made = set_values(text, [Edit(("endpoint_ttl",), 30), Edit(("endpoint_port",), 1)])

    assert made.count("\n") == made.count("\r\n") == text.count("\n") + 1


def test_a_contract_in_json_stays_json() -> None:
    text = '{"endpoint_port": 1, "endpoint_sites": {"gcp": "10.1.0.1"}}\n'
    made = set_values(
        text, [Edit(("endpoint_port",), 2), Edit(("endpoint_ttl",), 30), Edit(("endpoint_sites", "a"), "b")]
    )

    assert made == '{"endpoint_port": 2, "endpoint_sites": {"gcp": "10.1.0.1", a: b}, endpoint_ttl: 30}\n'


@pytest.mark.parametrize("text", ["", "- a\n", "a: [\n", "endpoint_sites: x\n"])
def test_what_is_no_mapping_is_not_edited(text: str) -> None:
    with pytest.raises(InvalidData) as caught:
        set_values(text, [Edit(("endpoint_sites", "gcp"), "10.1.0.1")])
    assert caught.value.code == "not-editable"


# --- order


def test_keys_are_put_in_order_and_take_their_comments_along() -> None:
    text = (
        "# header\n\n# about the port\nendpoint_port: 5432  # pg   \nendpoint_sites:\n  a: 10.0.0.1\n  # own\n\n"
        "# the name\nendpoint_dns_name: x\n# footer"
    )

    assert in_order(text) == (
        "# header\n\n# about the port\n\n# the name\nendpoint_dns_name: x\n"
        "endpoint_port: 5432  # pg\nendpoint_sites:\n  a: 10.0.0.1\n  # own\n# footer\n"
    )


@pytest.mark.parametrize("text", [FLOW, BLOCK, FLOW.replace("\n", "\r\n")])
def test_order_is_stable_and_says_the_same(text: str) -> None:
    once = in_order(text)

    assert in_order(once) == once
    assert same_data(data(once), data(text))
    assert sorted(line.strip() for line in once.splitlines()) == sorted(line.strip() for line in text.splitlines())


# --- any edit of any file

hosts = st.from_regex(r"10\.[0-9]\.[0-9]\.[0-9]", fullmatch=True)
values: st.SearchStrategy[object] = st.one_of(
    hosts,
    st.lists(hosts, min_size=2, max_size=4, unique=True),
    st.sampled_from(["fd00::1", "true", "1", "a: b", 'q"', "no"]),
)
edits = st.one_of(
    st.builds(Edit, st.tuples(st.sampled_from(["endpoint_target", "endpoint_source", "endpoint_home"])), values),
    st.builds(Edit, st.tuples(st.sampled_from(["endpoint_port", "endpoint_ttl"])), st.integers(0, 9999)),
    st.builds(Edit, st.tuples(st.just("endpoint_sites"), st.sampled_from(["onprem", "gcp", "new"])), values),
    st.builds(
        Edit,
        st.tuples(st.just("endpoint_sites"), st.sampled_from(["gcp", "new"])),
        st.fixed_dictionaries({"target": values, "type": st.sampled_from(["host", "vip"])}),
    ),
)
styles = st.sampled_from(
    [FLOW, BLOCK, f"{BLOCK}\n# last\n", FLOW.replace("\n", "\r\n"), FLOW.replace("endpoint_port: 5432\n", "")]
)


@settings(max_examples=80, deadline=None)
@given(styles, st.lists(edits, max_size=5))
def test_an_edited_file_says_what_was_meant_and_keeps_every_other_line(text: str, changes: list[Edit]) -> None:
    made = set_values(text, changes)
    before = data(text)
    assert isinstance(before, dict)

    assert same_data(data(made), apply_edits(before, changes))
    keys = {edit.at[0] for edit in changes}
    lines = made.splitlines()
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            assert line.strip() in [one.strip() for one in lines]
        elif line.startswith("endpoint_") and line.split(":")[0] not in keys:
            assert line in lines


@settings(max_examples=30, deadline=None)
@given(st.permutations(FLOW.splitlines()[3:]))
def test_any_order_becomes_the_one(lines: list[str]) -> None:
    made = in_order("\n".join([*FLOW.splitlines()[:2], *lines]))
    keys = [line.split(":")[0] for line in made.splitlines() if line.startswith("endpoint_")]

    assert keys == [key for key in CONTRACT_KEYS if key in keys]
    assert same_data(data(made), data(FLOW))


def test_a_new_contract() -> None:
    made = new_text(
        {"endpoint_port": 1, "endpoint_dns_name": "a.prod.x", "endpoint_target": ["10.0.0.1", "fd00::1"]}, "# h\n"
    )

    assert made == '# h\nendpoint_dns_name: a.prod.x\nendpoint_target: [10.0.0.1, "fd00::1"]\nendpoint_port: 1\n'
