"""`netbox suggest` from addresses that are marked: what it drafts, what it refuses, and what it leaves alone."""

import json

from tests.stories.netbox.conftest import Caller
from tests.support.netbox_scene import DRAFTS, ZONE


def test_drafts_are_of_marked_addresses_and_refused_with_a_reason(call: Caller) -> None:
    ran = call("suggest", "--format", "json")

    drafts = {item["name"]: item for item in json.loads(ran.out)["drafts"]}
    assert {name: item["outcome"] for name, item in drafts.items()} == {
        name: outcome for name, outcome in DRAFTS.items() if outcome is not None
    }
    assert ran.code == 1
    assert [name for name, item in drafts.items() if item["outcome"] == "refused" and not item["why"]] == []


def test_what_is_drafted_validates_and_agrees_with_netbox(call_small: Caller) -> None:
    names = [f"fresh.prod.{ZONE}", f"virtual.dev.{ZONE}"]

    written = call_small("suggest", "--write", *names)
    checked = call_small("check", "endpoints/prod/fresh.yaml", "endpoints/dev/virtual.yaml")

    assert (written.code, checked.code) == (0, 0), (written, checked)
    fresh, virtual = (call_small.folder / "endpoints" / path for path in ("prod/fresh.yaml", "dev/virtual.yaml"))
    assert "{onprem: 10.12.250.1, gcp: 10.72.250.1}" in fresh.read_text() or "onprem: 10.12.250.1" in fresh.read_text()
    assert "endpoint_port: 8443" in fresh.read_text()
    assert "endpoint_target_type: vip" in virtual.read_text()
    assert "endpoint_protocol: udp" in virtual.read_text()


def test_an_existing_file_stays_as_it_is(call_small: Caller) -> None:
    file = call_small.folder / "endpoints/prod/app00000.yaml"
    before = file.read_bytes()

    ran = call_small("suggest", "--write", f"app00000.prod.{ZONE}")

    assert (ran.code, file.read_bytes()) == (0, before)


def test_an_outdated_file_is_edited_where_asked(call_small: Caller) -> None:
    file = call_small.folder / "endpoints/prod/app00000.yaml"
    before = file.read_text()
    file.write_text(before.replace("endpoint_port: 443", "endpoint_port: 444"))

    call_small("suggest", "--write", "--update", f"app00000.prod.{ZONE}")

    assert file.read_text() == before
