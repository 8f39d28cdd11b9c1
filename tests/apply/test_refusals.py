"""What stops an apply before anything is written: the error, its exit code, and the zone and log as they were."""

import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hyops_gitops.apply.receipt import Receipt
from hyops_gitops.core.errors import HyopsError, OutsideFailure, Refused
from hyops_gitops.core.events import Event, Warned
from hyops_gitops.core.findings import FindingsError
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.zone import RRset
from hyops_gitops.log.entries import Intent
from tests.support.clone import PRINCIPAL, run
from tests.support.drifts import drift
from tests.support.faults import LOST, FakeClock, Primary, fail_first, with_primary
from tests.support.world import MakeWorld, Swap, World

pytestmark = pytest.mark.authority


def refused(
    world: World, *overrides: str, swap: Swap = lambda ports: ports, recorded: bool = False, wait: bool = True
) -> HyopsError:
    """The error of an apply that has to leave everything as it was, but for the entry that says it was refused."""
    leaves = world.only_a_refusal() if recorded else world.nothing_written()
    with leaves, pytest.raises(HyopsError) as caught:
        world.apply(*overrides, swap=swap, wait=wait)
    return caught.value


def refused_by_plan(world: World) -> Receipt:
    """The receipt of an apply whose plan refuses, and that leaves everything as it was, but for the entry about it."""
    with world.only_a_refusal():
        receipt = world.apply()
    assert (receipt.outcome, receipt.exit_code, receipt.intent) == ("refused", 3, None)
    return receipt


# --- the API


def test_a_wrong_api_key(world: World) -> None:
    world.environ["POWERDNS_API_KEY"] = "wrong-key"
    error = refused(world)
    assert (error.code, error.exit_code) == ("powerdns-unauthorized", 4)
    assert "wrong-key" not in f"{error.message}{error.hint}"


def test_no_api_key(world: World) -> None:
    del world.environ["POWERDNS_API_KEY"]
    error = refused(world)
    assert (error.code, error.exit_code) == ("powerdns-no-key", 4)


def test_an_unreachable_api(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    error = refused_at(world, url)
    assert (error.code, error.exit_code) == ("powerdns-unreachable", 4)


def refused_at(world: World, url: str, *, bound_to: str | None = None) -> HyopsError:
    """Apply with another `primary.api_url`, and HYOPS_PRIMARY_URL agreeing unless said otherwise."""
    assert world.lab is not None
    world.edit_authority(f'primary: {{"api_url": "{world.lab.primary.api_url}"', f'primary: {{"api_url": "{url}"')
    world.commit("Another primary")
    world.environ["HYOPS_PRIMARY_URL"] = bound_to or url
    return refused(world)


def test_a_zone_that_the_server_does_not_have(make_world: MakeWorld, zone_name: str) -> None:
    world = make_world()
    missing = World.make(world.root.parent / "missing", f"missing.{zone_name}", world.lab)
    with pytest.raises(OutsideFailure) as caught:
        missing.apply()
    assert (caught.value.code, caught.value.exit_code) == ("powerdns-no-zone", 4)
    assert missing.types() == ["genesis"]


@pytest.mark.parametrize("kind", ["Slave", "Consumer"])
def test_a_zone_whose_kind_is_not_to_be_written(world: World, kind: str) -> None:
    world.put_zone({"kind": kind, "masters": ["127.0.0.1:1"]})
    error = refused(world, "drift:x=no override exists")
    assert (error.code, error.exit_code) == ("primary", 3)


def test_a_native_zone_with_secondaries(world: World) -> None:
    world.put_zone({"kind": "Native"})
    assert refused(world).code == "primary"


def test_a_native_zone_that_a_database_replicates(make_world: MakeWorld) -> None:
    world = make_world(replication="native", convergence={"timeout_s": 10, "require": ["primary"]})
    world.put_zone({"kind": "Native"})
    assert world.apply().outcome == "applied"


def test_a_primary_url_that_disagrees_gets_not_a_byte(world: World) -> None:
    assert world.lab is not None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        error = refused_at(world, f"http://127.0.0.1:{listener.getsockname()[1]}", bound_to=world.lab.primary.api_url)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert (error.code, error.exit_code) == ("primary-url", 3)


def test_no_primary_url_where_ci_is_set(world: World) -> None:
    del world.environ["HYOPS_PRIMARY_URL"]
    world.environ["CI"] = "true"
    error = refused(world)
    assert (error.code, error.exit_code) == ("primary-url", 3)


def test_no_primary_url_elsewhere_is_fine(world: World) -> None:
    del world.environ["HYOPS_PRIMARY_URL"]
    assert world.apply().outcome == "applied"


# --- the contracts


def untracked(world: World) -> None:
    world.contract("pg", "10.0.0.9")


def modified(world: World) -> None:
    world.contract("first", "10.0.0.9")


def staged(world: World) -> None:
    world.contract("first", "10.0.0.9")
    world.git("add", "-A")


def deleted(world: World) -> None:
    world.delete_contract("first")


@pytest.mark.parametrize("dirty", [untracked, modified, staged, deleted])
def test_contracts_that_are_not_committed(world: World, dirty: Callable[[World], None]) -> None:
    dirty(world)
    error = refused(world)
    assert (error.code, error.exit_code) == ("dirty", 3)
    assert "endpoints/prod/" in error.message


def test_files_elsewhere_may_be_dirty(world: World) -> None:
    world.write("notes.txt", "not ours\n")
    assert world.apply().outcome == "applied"


def test_a_commit_given_by_name_is_applied_whatever_the_work_tree_holds(world: World) -> None:
    world.contract("pg", "10.0.0.9")
    assert world.apply(revision="HEAD").outcome == "applied"
    assert world.at("pg") == {}


def test_two_authority_files(world: World) -> None:
    world.write("authority/other.internal.yaml", world.read(world.authority_path).replace(world.zone, "other.internal"))
    world.commit()
    error = refused(world)
    assert (error.code, error.exit_code) == ("findings", 1)


def test_a_thousand_broken_files_are_all_reported(world: World) -> None:
    for number in range(1000):
        world.write(f"endpoints/prod/broken{number}.yaml", "endpoint_target: 10.0.0.1\n")
    world.commit()
    with world.only_a_refusal(), pytest.raises(FindingsError) as caught:
        world.apply()
    assert caught.value.exit_code == 1
    assert len({finding.path for finding in caught.value.findings}) == 1000


def test_a_contract_that_became_invalid_is_refused(world: World) -> None:
    world.apply()
    world.contract("first", "8.8.8.8")
    world.commit()
    error = refused(world, recorded=True)
    assert (type(error), error.exit_code) == (FindingsError, 1)


def test_an_empty_tree_of_contracts(world: World) -> None:
    world.apply()
    world.delete_contract("first")
    world.commit()
    receipt = refused_by_plan(world)
    assert [refusal.guard for refusal in receipt.plan.refusals] == ["empty-tree"]


def test_one_commit_for_authority_and_contracts(world: World) -> None:
    world.apply()
    world.edit_authority('"timeout_s": 10', '"timeout_s": 11')
    world.contract("pg", "10.0.0.9")
    world.commit("Both")
    error = refused(world, recorded=True)
    assert (error.code, error.exit_code) == ("mixed-commit", 3)


def test_a_shallow_clone(world: World) -> None:
    world.apply()
    shallow = World(world.root.parent / "shallow", world.zone, world.environ, world.lab, world.remote, world.key)
    run("git", "clone", "-q", "--depth=1", f"file://{world.remote}", shallow.root)
    error = refused(shallow)
    assert (error.code, error.exit_code) == ("shallow", 3)


# --- policy


def test_a_conflicting_foreign_record_and_the_line_that_lifts_it(world: World) -> None:
    world.foreign("first", "CNAME", "elsewhere.example")
    receipt = refused_by_plan(world)
    assert [(one.guard, one.name) for one in receipt.plan.refusals] == [("foreign", world.name("first"))]
    assert receipt.plan.refusals[0].hint.endswith(f"--override foreign:{world.name('first')}='REASON'")
    assert world.apply(f"foreign:{world.name('first')}=it was ours all along").outcome == "applied"
    assert world.at("first") == {"A": (60, ("10.0.0.1",))}


def test_more_deletions_than_allowed_and_the_override(make_world: MakeWorld) -> None:
    world = make_world(max_deletes=1)
    for service in ("a", "b"):
        world.contract(service, "10.0.0.9")
    world.commit()
    world.apply()
    for service in ("a", "b"):
        world.delete_contract(service)
    world.commit()
    receipt = refused_by_plan(world)
    assert [one.guard for one in receipt.plan.refusals] == ["max-deletes"]
    assert world.apply("max-deletes=the team has left").outcome == "applied"
    assert '"reason":"the team has left"' in world.entry_bytes(5).decode()


def test_a_limit_loosened_by_the_same_merge_does_not_count_yet(make_world: MakeWorld) -> None:
    world = make_world(max_replaces=0)
    world.apply()
    world.edit_authority('"max_replaces": 0', '"max_replaces": 9')
    world.commit("Loosen")
    world.contract("first", "10.0.0.9")
    world.commit("Profit")
    assert [one.guard for one in refused_by_plan(world).plan.refusals] == ["max-replaces"]


def test_an_override_that_the_policy_does_not_allow_lifts_nothing(make_world: MakeWorld) -> None:
    world = make_world(overridable=["drift"])
    world.foreign("first", "A", "10.0.0.2")
    with world.only_a_refusal():
        receipt = world.apply(f"foreign:{world.name('first')}=I say so")
    assert receipt.outcome == "refused"


def test_an_override_that_the_policy_does_not_allow_is_not_recorded(make_world: MakeWorld) -> None:
    world = make_world(overridable=["drift"])
    events: list[Event] = []
    receipt = world.apply(f"foreign:{world.name('first')}=in vain", "drift:x=for nothing", on_event=events.append)
    intents = [entry.body for entry in world.entries() if isinstance(entry.body, Intent)]

    assert receipt.outcome == "applied"
    assert [[used.target for used in intent.overrides] for intent in intents] == [["drift:x"]]
    assert [event.text for event in events if isinstance(event, Warned) and "lifts nothing" in event.text] == [
        f"foreign:{world.name('first')} lifts nothing: policy.overridable does not list foreign"
    ]


def test_a_name_below_a_delegation(world: World) -> None:
    world.primary.patch([], [RRset.of(f"prod.{world.zone}", "NS", 60, ["ns.elsewhere.example"])])
    receipt = refused_by_plan(world)
    assert [one.guard for one in receipt.plan.refusals] == ["occluded"]


# --- keys


def test_no_signing_key(world: World) -> None:
    del world.environ["HYOPS_SIGNING_KEY_FILE"]
    error = refused(world)
    assert (error.code, error.exit_code) == ("signing-key", 3)


def test_a_key_that_nobody_lists(world: World) -> None:
    stranger = world.root.parent / "stranger"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger)
    world.environ["HYOPS_SIGNING_KEY_FILE"] = str(stranger)
    error = refused(world)
    assert (error.code, error.exit_code) == ("signing-key", 3)


def test_a_principal_that_is_a_pattern(world: World) -> None:
    world.write("authority/allowed_signers", f"*@tests {world.public_key}\n")
    world.commit()
    error = refused(world)
    assert (error.code, error.exit_code) == ("signing-key", 3)


def test_a_key_outside_its_window(world: World) -> None:
    line = f'{PRINCIPAL} valid-before="20200101Z" {world.public_key}\n'
    world.write("authority/allowed_signers", line)
    world.commit()
    error = refused(world)
    assert (error.code, error.exit_code) == ("signing-key", 3)


@pytest.mark.parametrize("offset", [timedelta(minutes=5), timedelta(minutes=-5)])
def test_a_clock_far_from_the_date_that_the_api_gives(world: World, offset: timedelta) -> None:
    primary = Primary(header=lambda header: replace(header, server_time=datetime.now(UTC) + offset))
    error = refused(world, swap=primary.swap)
    assert (error.code, error.exit_code) == ("clock", 3)


def test_a_clock_behind_the_log(world: World) -> None:
    world.apply()
    world.contract("pg", "10.0.0.9")
    world.commit()
    error = refused(world, swap=FakeClock(timedelta(seconds=-60)).swap)
    assert (error.code, error.exit_code) == ("clock", 3)


# --- the log


def test_a_log_that_was_never_started(make_world: MakeWorld) -> None:
    world = make_world(init=False)
    before = world.serial()
    with pytest.raises(Refused) as caught:
        world.apply()
    assert (caught.value.guard, world.serial()) == ("evidence-missing", before)


def test_a_remote_that_cannot_be_reached(world: World) -> None:
    world.git("remote", "set-url", "origin", str(world.root.parent / "nowhere.git"))
    error = refused(world)
    assert (error.code, error.exit_code) == ("remote-unreachable", 4)


def test_a_remote_that_takes_no_push(world: World) -> None:
    assert world.remote is not None
    hook = world.remote / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    error = refused(world)
    assert (error.code, error.exit_code) == ("remote-refused", 4)


def test_a_branch_that_is_gone_from_the_remote(world: World) -> None:
    before = world.serial()
    run("git", "-C", world.remote or "", "update-ref", "-d", "refs/heads/evidence")
    with pytest.raises(Refused) as caught:
        world.apply()
    assert (caught.value.guard, world.serial()) == ("evidence-missing", before)


def test_a_rewound_log(world: World) -> None:
    genesis = world.evidence_head()
    world.apply()
    run("git", "-C", world.remote or "", "update-ref", "refs/heads/evidence", genesis)
    error = refused(world)
    assert (error.code, error.exit_code) == ("evidence-diverged", 3)


def test_a_rewound_log_met_by_a_fresh_clone(world: World) -> None:
    genesis = world.evidence_head()
    world.apply()
    run("git", "-C", world.remote or "", "update-ref", "refs/heads/evidence", genesis)
    error = refused(world.clone(world.root.parent / "fresh"))
    assert (error.code, error.exit_code) == ("log-gap", 3)


def test_a_local_branch_that_diverged(world: World) -> None:
    first = world.evidence_head()
    world.apply()
    tree = world.git("rev-parse", f"{first}^{{tree}}")
    stray = world.git("commit-tree", tree, "-p", first, "-m", "stray")
    world.git("update-ref", "refs/heads/evidence", stray)
    error = refused(world)
    assert (error.code, error.exit_code) == ("evidence-diverged", 3)


@pytest.mark.parametrize(
    "path",
    ["README.md", "zones/ZONE.zone", "state/ZONE.zone", "log/ZONE/0000/000002.json", "log/ZONE/0000/000009.json"],
)
def test_a_log_that_somebody_else_wrote_to(world: World, path: str) -> None:
    world.apply()
    world.rewrite_evidence({path.replace("ZONE", world.zone): b"forged\n"})
    error = refused(world)
    assert (error.code, error.exit_code) == ("evidence-invalid", 3)


class Died(BaseException):
    """The end of the process."""


def die(_number: int) -> None:
    raise Died


def test_an_open_intent_is_named(world: World) -> None:
    with pytest.raises(Died):
        world.apply(swap=Primary(before=die).swap)
    assert world.types() == ["genesis", "intent"]
    error = refused(world, wait=False)
    assert (error.code, error.exit_code) == ("open-intent", 3)
    assert "intent 2" in error.message


# --- the anchor


def put_anchor(world: World, seq: int, sha256: str) -> None:
    world.primary.patch([], [Anchor(seq, sha256).rrset(world.zone)])


@pytest.mark.parametrize(
    ("seq", "guard"), [(1, "other-log"), (3, "other-log"), (999, "log-gap")], ids=["at genesis", "at an entry", "newer"]
)
def test_an_anchor_that_this_log_does_not_know(world: World, seq: int, guard: str) -> None:
    world.apply()
    put_anchor(world, seq, "0" * 64)
    error = refused(world, "restored=it was not")
    assert (error.code, error.exit_code) == (guard, 3)


def test_an_anchor_before_anything_was_applied(world: World) -> None:
    put_anchor(world, 1, "0" * 64)
    assert refused(world).code == "other-log"


def test_an_anchor_that_is_not_ours_to_read(world: World) -> None:
    world.apply()
    world.primary.patch([], [RRset.of(f"_hyops-gitops.{world.zone}", "TXT", 60, ['"v=hyops9"'])])
    assert refused(world).code == "other-log"


def test_an_older_anchor_and_its_override(world: World) -> None:
    world.apply()
    first = world.entries()[1]
    world.contract("pg", "10.0.0.9")
    world.commit()
    world.apply()
    put_anchor(world, first.seq, first.sha256)
    error = refused(world, recorded=True)
    assert (error.code, error.exit_code) == ("restored", 3)
    world.foreign("pg", "A", "10.0.0.7")  # as the copy has it, and as it is wanted by now
    world.contract("pg", "10.0.0.7")
    world.contract("web", "10.0.0.8")
    world.commit()
    receipt = world.apply("restored=from last night's copy")
    assert receipt.outcome == "applied"
    assert [(one.name, one.action.value) for one in receipt.plan.changes] == [
        (world.name("pg"), "adopt"),
        (world.name("web"), "create"),
    ]
    assert world.at("web") == {"A": (60, ("10.0.0.8",))}
    assert world.cli("audit", "--offline").exit == 0


def test_what_was_removed_and_comes_back_with_an_older_zone_is_removed_again(world: World) -> None:
    """Otherwise it would be of nobody, and the anchor would stay old for want of a change."""
    world.contract("old", "10.0.0.5")
    world.contract("given-away", "10.0.0.6")
    world.commit()
    world.apply()
    first = world.entries()[-2]
    world.delete_contract("old")
    world.delete_contract("given-away")
    world.commit()
    world.apply()
    put_anchor(world, first.seq, first.sha256)
    world.foreign("old", "A", "10.0.0.5")
    world.foreign("given-away", "A", "10.0.0.7")  # as nothing of ours was
    receipt = world.apply("restored=from last night's copy")
    assert [(change.name, change.action.value) for change in receipt.plan.changes] == [(world.name("old"), "delete")]
    assert (world.at("old"), world.at("given-away")) == ({}, {"A": (60, ("10.0.0.7",))})
    assert world.apply().outcome == "nothing"
    assert world.cli("audit", "--offline").exit == 0


def test_an_update_that_landed_after_it_was_recorded_as_failed_is_called_that(world: World) -> None:
    """As where a standby without the tombstone was promoted, and the late PATCH arrived there."""
    world.apply()
    world.contract("pg", "10.0.0.9")
    world.commit()
    lost = Primary(before=fail_first(5, LOST))
    assert world.apply(swap=with_primary(lost)).outcome == "failed"
    fence = [one.key for one in world.primary.rrsets() if one.name.startswith("_4") and one.type == "CNAME"]
    assert len(fence) == 2  # tombstone and turn
    world.primary.patch(fence, [])
    world.primary.patch(*lost.patches[0])
    error = refused(world, recorded=True)
    assert (error.code, error.exit_code) == ("restored", 3)
    assert "names entry 4, which entry 5 records as not applied: its update landed afterwards" in error.message
    assert "hyops-gitops restore" not in error.hint
    (case,) = [one for one in drift(world).cases if one.kind.value == "restored"]
    assert "entry 5 records it as not applied, and its update landed afterwards" in case.message
    audited = world.cli("audit", "--live")
    assert "the anchor names entry 4, which entry 5 records as not applied: it landed afterwards" in audited.out
    assert world.apply("restored=it was wanted").outcome == "applied"
    assert world.at("pg") == {"A": (60, ("10.0.0.9",))}
    assert drift(world).exit_code == 0
    assert world.cli("audit", "--offline").exit == 0


def test_a_missing_anchor_and_its_override(world: World) -> None:
    world.apply()
    world.primary.patch([(f"_hyops-gitops.{world.zone}", "TXT"), (world.name("first"), "A")], [])
    assert refused(world, recorded=True).code == "restored"
    assert world.apply("restored=rebuilt by hand").outcome == "applied"
    assert world.at("first") == {"A": (60, ("10.0.0.1",))}
