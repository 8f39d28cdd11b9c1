"""`doctor` on a real authority: all well, and one thing broken at a time."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.exchange import Answer, Question
from hyops_gitops.core.zone import RRset
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.observe.checkup import DoctorRequest
from tests.support.checkups import LOOKED, SITES, checkup_of, with_clock, wrong
from tests.support.clone import CLOSED, run
from tests.support.world import World

LOOKED_AT_MAIN = LOOKED["protection-main"]
pytestmark = pytest.mark.authority


def on_a_database(world: World) -> set[str]:
    """What only a storage that lets writers pass each other leaves open."""
    assert world.lab is not None
    return {"isolation"} if world.lab.backend in ("gpgsql", "gmysql") else set()


def test_a_world_that_lacks_nothing(still: World) -> None:
    checkup = checkup_of(still)
    open_ids = {check.id for check in checkup.checks if check.state != "ok"}
    assert {check.id: check.seen for check in checkup.checks if check.id in open_ids - on_a_database(still)} == {
        "protection-main": f"cannot see what protects main on origin; attested: {LOOKED_AT_MAIN}",
        "clock": "not behind the log; PowerDNS sends no Date to compare with; attested: one machine",
    }
    assert checkup.ok
    ids = [check.id for check in checkup.checks]
    assert len(ids) == len(set(ids))
    assert {"secondary-secondary1", "secondary-secondary2", "secondary-api-secondary1", "notify"} <= set(ids)


@pytest.mark.every_backend
def test_what_the_suites_ran_on_is_known_as_tried(world: World) -> None:
    """The version is that of the server in front of us: with script/test --powerdns, another one."""
    checks = {check.id: check for check in checkup_of(world).checks}
    assert world.lab is not None
    assert (checks["backend"].state, checks["backend"].seen) == ("ok", world.lab.backend)
    assert checks["version"].state == "ok", checks["version"].seen


@pytest.mark.parametrize("version", ["4.6.4", "4.8.3", "5.0.2", "5.2.0", "0.0.git"])
def test_another_version_is_not_known_as_tried(still: World, version: str) -> None:
    def other(ports: Workspace) -> Workspace:
        return ports.replaced(server_info=lambda authority: replace(still_info(authority), version=version))

    still_info = still.wiring().server_info
    assert wrong(still, swap=other)["version"].seen == f"PowerDNS {version}; tried were 4.7, 4.9, 5.1"


def test_the_zone_is_what_it_was_and_an_apply_follows(world: World) -> None:
    with world.nothing_written():
        checkup_of(world)
    assert world.apply().outcome == "applied"
    checks = {check.id: check for check in checkup_of(world).checks}
    assert checks["anchor"].seen == "names entry 2 of this log"
    assert checks["notify"].state == "ok"


def test_what_cannot_be_seen_is_not_ok(still: World) -> None:
    checkup = checkup_of(still, DoctorRequest(), {})
    assert not checkup.ok
    unknown = {check.id for check in checkup.checks if check.state == "unknown"}
    assert unknown == {"clock", "protection-main", "site-remote", "site-runner"} | on_a_database(still)
    assert all(check.remedy for check in checkup.checks if check.state == "unknown")


def test_offline_no_other_machine_is_asked(world: World) -> None:
    assert world.lab is not None
    world.edit_authority(f'"dns": "{world.lab.primary.dns}"', f'"dns": "{CLOSED}"')
    world.edit_authority(f'"api_url": "{world.lab.primary.api_url}"', f'"api_url": "http://{CLOSED}"')
    world.environ["HYOPS_PRIMARY_URL"] = f"http://{CLOSED}"
    world.commit("Servers that are not there")
    world.git("remote", "set-url", "origin", "ssh://nowhere.invalid/dns.git")
    checkup = checkup_of(world, DoctorRequest(offline=True), {})
    assert [(check.id, check.state) for check in checkup.checks] == [
        (name, "ok")
        for name in (
            *("python", "git", "ssh-keygen", "contracts", "history", "signing-key", "log", "key-trusted"),
            *("api-bound", "api-key"),
        )
    ]
    assert (checkup.ok, checkup.offline) == (True, True)


def test_offline_a_log_that_does_not_verify_fails(world: World) -> None:
    world.apply()
    parent = world.git("rev-parse", "evidence^").strip()
    world.git(
        "update-ref",
        "refs/heads/evidence",
        world.git("commit-tree", "evidence^{tree}", "-p", parent, "-m", "-").strip(),
    )
    found = wrong(world, request=DoctorRequest(offline=True), attests={})
    assert (found["log"].state, found["key-trusted"].seen) == ("fail", "not asked, because of log")


def test_a_word_lifts_no_failure(still: World) -> None:
    request = DoctorRequest(runner_site="onprem", remote_site="onprem")
    checkup = checkup_of(still, request, {**LOOKED, "site-runner": "never mind"})
    assert {check.id for check in checkup.checks if check.state == "fail"} == {"site-remote", "site-runner"}
    assert not checkup.ok


def test_a_word_about_no_check_is_a_wrong_call(still: World) -> None:
    with pytest.raises(UsageError) as caught:
        checkup_of(still, SITES, {"protection": "looked"})
    assert caught.value.code == "bad-attest"


def test_a_wrong_key(still: World) -> None:
    still.environ["POWERDNS_API_KEY"] = "wrong"
    found = wrong(still)
    assert found["api"].state == "fail"
    assert "not accepted" in found["api"].seen
    # What hangs on it was not seen, and says whose fault that is.
    assert found["zone-kind"].seen == "not asked, because of api"
    assert "wrong" not in json.dumps([check.to_json() for check in found.values()]).replace("wrong-", "")


def test_no_key(still: World) -> None:
    del still.environ["POWERDNS_API_KEY"]
    found = wrong(still)
    assert (found["api-key"].state, found["api"].seen) == ("fail", "not asked, because of api-key")


def test_a_secondary_in_place_of_the_primary(world: World) -> None:
    assert world.lab is not None
    url = world.lab.secondaries[0].api_url
    world.edit_authority('"site": "onprem"', '"site": "gcp"')  # in the failure domain, validation would find it
    world.edit_authority(f'"api_url": "{world.lab.primary.api_url}"', f'"api_url": "{url}"')
    world.environ["HYOPS_PRIMARY_URL"] = url
    world.commit("Wrong server")
    found = wrong(world)
    assert found["zone-kind"].state == "fail"
    assert "kind 'slave'" in found["zone-kind"].seen
    assert "writable primary" in found["zone-kind"].remedy


@pytest.mark.parametrize(
    ("settings", "check"),
    [
        ({"soa_edit_api": ""}, "soa-edit-api"),
        ({"soa_edit_api": "SOA-EDIT"}, "soa-edit-api"),
        ({"soa_edit": "INCEPTION-EPOCH"}, "served-serial"),
    ],
)
def test_a_serial_that_would_not_move(world: World, settings: Mapping[str, object], check: str) -> None:
    world.put_zone(settings)
    found = wrong(world)
    assert {check, "plan"} <= found.keys() <= {check, "plan", "secondary-secondary1", "secondary-secondary2"}
    assert found[check].state == "fail"
    assert "SOA-EDIT-API" in found[check].remedy


def test_a_serial_of_which_nothing_can_be_said_before_the_write(world: World) -> None:
    world.put_zone({"soa_edit_api": "EPOCH"})
    world.foreign("mail", "MX", "10 mail.example.com.")
    found = wrong(world)["soa-edit-api"]
    assert found.state == "unknown"
    assert "cannot tell whether the next write moves" in found.seen


def test_no_signing_key(still: World) -> None:
    del still.environ["HYOPS_SIGNING_KEY_FILE"]
    found = wrong(still)
    assert found.keys() == {"signing-key", "key-trusted"}
    assert "HYOPS_SIGNING_KEY_FILE is not set" in found["signing-key"].seen


def test_a_key_that_is_not_listed(still: World) -> None:
    other = still.key.with_name("other")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other)
    still.environ["HYOPS_SIGNING_KEY_FILE"] = str(other)
    found = wrong(still)
    assert "is not listed" in found["signing-key"].seen


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ('valid-before="20200101Z"', "outside its validity window"),
        ('valid-before="{soon}Z"', "only"),
    ],
)
def test_a_key_at_the_end_of_its_window(world: World, window: str, expected: str) -> None:
    soon = run("date", "-u", "-d", "+3 days", "+%Y%m%d").decode().strip()
    signers = world.read("authority/allowed_signers").replace(" ssh-", f" {window.format(soon=soon)} ssh-")
    world.write("authority/allowed_signers", signers)
    world.commit("Retire")
    assert expected in wrong(world)["signing-key"].seen


def test_a_silent_secondary(world: World) -> None:
    assert world.lab is not None
    world.edit_authority(f'"dns": "{world.lab.secondaries[0].dns}"', f'"dns": "{CLOSED}"')
    world.commit("Nobody listens there")
    found = wrong(world)
    assert found.keys() == {"secondary-secondary1"}
    assert (found["secondary-secondary1"].state, found["secondary-secondary1"].remedy != "") == ("fail", True)
    assert "does not answer" in found["secondary-secondary1"].seen


def test_a_secondary_that_is_behind(world: World) -> None:
    with world.without_transfers():
        world.foreign("elsewhere", "TXT", '"nobody is told"')
        found = wrong(world)
    assert {"secondary-secondary1", "secondary-secondary2"} <= found.keys()
    assert "transfers do not arrive" in found["secondary-secondary1"].seen


def test_a_secondary_whose_zone_takes_no_transfers(world: World) -> None:
    world.put_zone({"kind": "Native"}, secondary=0)
    assert wrong(world)["secondary-api-secondary1"].state == "fail"


@pytest.mark.parametrize("by", [timedelta(minutes=-5), timedelta(minutes=5)])
def test_a_clock_that_is_wrong(still: World, by: timedelta) -> None:
    found = wrong(still, attests={"protection-main": "looked"}, swap=with_clock(by))
    assert found.keys() - {"isolation"} == {"clock"}  # unknown on a database of its own until it is tried
    assert found["clock"].state == "fail"


@pytest.mark.parametrize("bound", ["", "https://elsewhere.example:8443"])
def test_a_key_that_is_not_bound_to_its_url(still: World, bound: str) -> None:
    still.environ["HYOPS_PRIMARY_URL"] = bound
    found = wrong(still)
    assert found["api-bound"].state == "fail"
    assert "HYOPS_PRIMARY_URL" in found["api-bound"].remedy


def test_a_branch_that_can_be_rewritten(world: World) -> None:
    assert world.remote is not None
    run("git", "-C", world.remote, "config", "receive.denyDeletes", "false")
    assert wrong(world)["protection-evidence"].seen == "not enforced: deletion"


def test_a_remote_that_lets_nobody_push(world: World) -> None:
    assert world.remote is not None
    world.git("remote", "set-url", "--push", "origin", str(world.remote.with_name("elsewhere.git")))
    found = wrong(world)
    assert found.keys() == {"push"}
    assert found["push"].state == "fail"


def test_a_clone_that_does_not_know_the_newest_entry(world: World) -> None:
    other = world.clone(world.root.with_name("other"))
    other.apply()
    found = wrong(world)
    assert found["log"].state == "unknown"
    assert found["log"].remedy == "git fetch origin evidence"


def test_a_record_in_the_way_is_told_before_an_apply_is_tried(world: World) -> None:
    world.foreign("first", "A", "10.0.0.99")
    world.primary.notify()
    found = wrong(world)
    assert found["plan"].state == "fail"
    assert "--override foreign:" in found["plan"].remedy


def test_a_resolver_that_does_not_answer(world: World) -> None:
    resolvers = json.dumps([{"name": "clients", "site": "onprem", "dns": CLOSED}])
    world.edit_authority("policy:", f"resolvers: {resolvers}\npolicy:")
    world.commit("A resolver")
    assert wrong(world).keys() == {"resolver-clients"}


def test_the_command_is_a_table_and_a_document(still: World) -> None:
    ran = still.cli("doctor", "--runner-site", "hetzner", "--remote-site", "hetzner", "--format", "json")
    document = ran.document()
    assert (ran.exit, document["format"], document["ok"]) == (1, "hyops-doctor/1", False)
    checks = document["checks"]
    assert isinstance(checks, list)
    assert {frozenset(check) for check in checks} == {frozenset({"check", "state", "seen", "remedy"})}
    ran = still.cli("doctor")
    assert ran.exit == 1
    assert "unknown   site-runner" in ran.out


def test_a_server_that_gives_something_else_than_an_soa(still: World) -> None:
    odd = RRset.of(still.zone, "CNAME", 60, ["elsewhere.example."])

    class Odd:
        def ask(self, _: ServerAddress, questions: Sequence[Question], **__: object) -> dict[Question, Answer]:
            return {one: Answer("NOERROR", authoritative=True, rrsets=(odd,), elapsed_ms=1) for one in questions}

    found = wrong(still, swap=lambda ports: ports.replaced(dns=Odd()))
    for check in ("primary-dns", "secondary-secondary1"):
        assert "has no authority" in found[check].seen
