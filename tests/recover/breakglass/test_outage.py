"""A whole outage on a real zone: the forge goes, people move endpoints, the forge comes back."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hyops_gitops.adapters.ssh.signing import SshVerifier
from hyops_gitops.core.errors import InvalidData, OutsideFailure, Refused, Unconfirmed
from hyops_gitops.core.markers import Anchor, anchor_name
from hyops_gitops.lab.model import Lab
from hyops_gitops.log.admin import open_for_writing
from hyops_gitops.log.admin_entries import Reconcile, TrustChange
from hyops_gitops.log.entries import Intent, Result, ZoneDrift
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.move.failover import FailoverRequest
from hyops_gitops.move.write_moves import CommitOptions
from hyops_gitops.recover.breakglass import Cutover, Failback
from tests.support.lived import Lived, restore
from tests.support.outage import TOKEN_OWNER, Outage, target
from tests.support.world import World

FIRST = Cutover("first.prod", "gcp")
SITE = FailoverRequest("onprem", "gcp")


@pytest.fixture
def outage(lab: Lab, zone_name: str, tmp_path: Path) -> Outage:
    return Outage.make(tmp_path / "world", zone_name, lab)


@dataclass
class Racing:
    """Somebody else writes to the log between a run's reading of it and its own entry, once."""

    world: World
    done: bool = False

    def swap(self, ports: Workspace) -> Workspace:
        return ports.replaced(verifier=self)

    def verify(self, message: bytes, signature: bytes, key: str, namespace: str) -> bool:
        if namespace == "hyops-gitops-breakglass" and not self.done:  # of the segment: the log has been read
            self.done = True
            opened = open_for_writing(self.world.wiring(), about_keys=True, tolerate_doubt=False)
            opened.append(TrustChange(opened.zone.commit, (), (), (), "somebody else was faster"))
        return SshVerifier().verify(message, signature, key, namespace)


def refused(outage: Outage, folder: Path | str, **options: object) -> tuple[str, str]:
    """The guard that stops a reconcile, and what it says."""
    with pytest.raises(Refused) as error:
        outage.bring_in(folder, **options)  # type: ignore[arg-type]
    return error.value.guard, error.value.message


def test_a_freeze_stops_a_break_glass_command_unless_its_kind_passes(outage: Outage) -> None:
    window = {"from": "2026-01-01T00:00", "until": "2999-01-01T00:00", "time_zone": "UTC", "reason": "why"}
    shut = json.dumps({**window, "passes": []})
    outage.world.edit_authority("policy: {", f'policy: {{"freezes": [{shut}], ')
    outage.forge_down()
    refused_at_first = outage.break_glass(FIRST).receipt
    lifted = outage.break_glass(FIRST, f"freeze:{outage.world.name('first')}=it burns").receipt
    outage.world.edit_authority(shut, json.dumps(window))
    passed = outage.break_glass(Failback("first.prod")).receipt

    assert [refusal.guard for refusal in refused_at_first.plan.refusals] == ["freeze"]
    assert (lifted.outcome, passed.outcome) == ("applied", "applied")


def test_site_fails_over_and_one_endpoint_back_while_the_forge_is_down(outage: Outage) -> None:
    before, anchored = outage.world.evidence_head(), outage.anchor()
    assert anchored is not None
    outage.forge_down()
    with pytest.raises(OutsideFailure):
        outage.world.apply()

    assert outage.break_glass(SITE).receipt.outcome == "applied"
    assert (target(outage, "first"), target(outage, "second")) == (("10.0.1.1",), ("10.0.1.2",))
    intent, result = outage.entries()
    assert isinstance(intent.body, Intent)
    assert isinstance(result.body, Result)
    assert (intent.body.declared.reason, intent.body.declared.kind) == ("the forge is down", "incident")
    assert (result.body.converged, {one.verdict for one in result.body.servers}) == (True, {"converged"})
    assert intent.envelope.segment is not None
    assert intent.envelope.segment.base.anchor == anchored
    assert outage.anchor() == intent.anchor
    markers = outage.markers()
    assert markers[f"_1-{intent.anchor.segment}"] == "TXT"
    assert {markers[f"_{number}"] for number in range(anchored.seq, anchored.seq + 9)} == {"CNAME"}

    assert outage.break_glass(Failback("first.prod"), by="bob@tests").receipt.outcome == "applied"
    assert (target(outage, "first"), target(outage, "second")) == (("10.0.0.1",), ("10.0.1.2",))
    entries = outage.entries()
    assert [one.envelope.principal for one in entries] == ["alice@tests"] * 2 + ["bob@tests"] * 2
    assert outage.anchor() == entries[2].anchor
    assert outage.markers()[f"_1-{intent.anchor.segment}"] == "CNAME"
    assert outage.break_glass(None).receipt.outcome == "nothing"  # what moved is not undone by the contracts

    outage.forge_up()
    with pytest.raises(Refused) as error:
        outage.world.apply()
    assert error.value.guard == "breakglass"
    assert outage.world.evidence_head() == before


def test_segment_is_brought_in_and_its_names_wait_for_their_pull_request(outage: Outage) -> None:
    world = outage.world
    outage.forge_down()
    outage.break_glass(FIRST)
    segment, anchor = outage.segment(), outage.anchor()
    assert anchor is not None
    outage.forge_up()

    done = outage.bring_in(segment, order=CommitOptions(push=True))
    assert (done.written, done.holds, done.reviewed_by) == (True, (world.name("first"),), None)
    body = world.bodies()[-1]
    assert isinstance(body, Reconcile)
    assert body.imported is not None
    assert (body.count, body.imported.anchor, body.imported.operators) == (2, anchor, ("alice@tests",))
    for path in segment.iterdir():
        assert world.evidence(f"segments/{segment.name}/{path.name}") == path.read_bytes()
    markers = outage.markers()
    assert {name for name, rrtype in markers.items() if rrtype == "TXT"} == {"_protocol", f"_1-{segment.name}"}
    assert max(int(name[1:]) for name in markers if name[1:].isdigit()) < len(world.entries())  # none is closed
    assert outage.anchor() == anchor
    names = world.cli("status", "first.prod", "--format", "json").document()["names"]
    assert isinstance(names, list)
    (since,) = (one["since"] for one in names)
    assert (since["segment"], since["operator"], since["seq"]) == (segment.name, "alice@tests", len(world.entries()))

    world.contract("third", "10.0.0.3")  # an unrelated merge
    world.commit("Something else")
    receipt = world.apply()
    assert (receipt.outcome, [one.name for one in receipt.plan.held]) == ("applied", [world.name("first")])
    assert target(outage, "first") == ("10.0.1.1",)
    assert outage.anchor() != anchor

    assert done.commit is not None
    assert done.commit.branch is not None
    world.git("merge", "-q", "--no-ff", "-m", "Adopt", done.commit.branch)
    world.commit("ImportedSegment")
    receipt = world.apply()
    assert (receipt.outcome, receipt.plan.held) == ("nothing", ())
    assert target(outage, "first") == ("10.0.1.1",)

    audit = world.cli("audit", "--live", "--format", "json")
    assert audit.exit == 0, audit.out + audit.err
    assert refused(outage, segment.name, reviewed="fine", by="alice@tests")[0] == "segment-review"
    assert outage.bring_in(segment.name, reviewed="I saw the incident", by="bob@tests").reviewed_by == "bob@tests"
    with pytest.raises(InvalidData):
        outage.bring_in(segment)


def test_primary_lost_before_its_segment_was_brought_in_comes_back_with_it_and_can_be_taken_back(
    outage: Outage,
) -> None:
    """Restoring first would bring back less than what secondaries serve; they tell that the segment is whole."""
    world = outage.world
    outage.forge_down()
    outage.break_glass(FIRST)
    outage.forge_up()
    left, head = world.records(), world.evidence_head()
    Lived(world, (), left).lose_zone()

    with pytest.raises(Refused) as error:
        restore(world)
    assert (error.value.guard, f"segments/{outage.segment().name}" in error.value.hint) == ("breakglass", True)
    assert world.evidence_head() == head
    done = outage.bring_in(outage.segment(), order=CommitOptions(commit=True), revert=True, swap=Racing(world).swap)
    assert "run `hyops-gitops restore` next" in outage.warned()
    assert "another run wrote to the log first" in outage.warned()
    assert world.types()[-2:] == ["trust", "reconcile"]
    restored = restore(world)
    assert (restored.outcome, world.records().digest()) == ("restored", left.digest())
    assert outage.markers()[f"_1-{outage.segment().name}"] == "CNAME"  # a late repeat of its update is refused
    assert world.cli("audit", "--live", "--format", "json").exit == 0

    assert done.commit is not None
    assert done.commit.branch is not None
    world.git("merge", "-q", "--no-ff", "-m", "Take back", done.commit.branch)
    world.commit("More")
    assert world.apply().outcome == "applied"
    assert target(outage, "first") == ("10.0.0.1",)


def test_every_segment_that_is_not_what_was_written_is_refused(outage: Outage, tmp_path: Path) -> None:
    outage.forge_down()
    outage.break_glass(FIRST)
    outage.break_glass(Failback("first.prod"))
    outage.forge_up()
    whole = outage.segment()

    def damaged(name: str) -> Path:
        return Path(shutil.copytree(whole, tmp_path / name / whole.name))

    edited = damaged("edited")
    entry = edited / "000002.json"
    entry.write_bytes(entry.read_bytes().replace(b'"converged":true', b'"converged":false', 1))
    guard, message = refused(outage, edited)
    assert (guard, "000002.json.sig: signature" in message) == ("segment", True)

    cut = damaged("cut")
    for name in ("000003.json", "000003.json.sig", "000004.json", "000004.json.sig"):
        (cut / name).unlink()
    assert "was continued, or its end was dropped" in refused(outage, cut)[1]

    open_one = damaged("open")
    for name in ("000004.json", "000004.json.sig"):
        (open_one / name).unlink()
    assert "open-intent" in refused(outage, open_one)[1]

    another = outage.second_log(tmp_path / "another")
    assert "other-log: the segment continues log" in refused(outage, whole, root=another)[1]
    assert outage.bring_in(whole).written


def test_key_retired_since_is_refused_unless_somebody_vouches(outage: Outage) -> None:
    world = outage.world
    outage.forge_down()
    outage.break_glass(FIRST)
    outage.forge_up()
    signers = world.read("authority/allowed_signers")
    line = next(one for one in signers.splitlines() if one.startswith("alice@tests"))
    ended = line.replace("namespaces=", 'valid-before="20991231235959Z",namespaces=')
    world.write("authority/allowed_signers", signers.replace(line, ended))
    world.commit("Alice leaves")
    ran = world.cli("keys", "retire", "alice@tests", "--reason", "left")
    assert ran.exit == 0, ran.err

    guard, message = refused(outage, outage.segment())
    assert (guard, "the key was retired by entry" in message) == ("segment-trust", True)
    outage.bring_in(outage.segment(), "segment-trust=I was there")
    audit = world.cli("audit", "--offline", "--format", "json")
    assert audit.exit == 0, audit.out
    assert "segment-trust: I was there" in audit.out


def test_two_operators_continue_one_segment_and_a_fork_is_refused(outage: Outage, tmp_path: Path) -> None:
    outage.forge_down()
    outage.break_glass(FIRST, witness="bob@tests")
    other = Path(shutil.copytree(outage.world.root, tmp_path / "other", symlinks=True))
    empty = Path(shutil.copytree(outage.world.root, tmp_path / "empty", symlinks=True))
    shutil.rmtree(empty / "segments")
    outage.break_glass(Failback("first.prod"), by=TOKEN_OWNER, root=other)

    for root, word in ((outage.world.root, "ends before that"), (empty, "not in this folder")):
        with pytest.raises(Refused) as error:
            outage.break_glass(FIRST, root=root)
        assert (error.value.guard, word in error.value.message) == ("breakglass", True)
    outage.forge_up()
    assert "its end was dropped" in refused(outage, outage.segment())[1]
    done = outage.bring_in(outage.segment(other))
    assert (done.operators, done.holds) == (("alice@tests", TOKEN_OWNER), ())
    assert outage.entries(other)[-1].envelope.key.startswith("sk-ssh-ed25519@openssh.com ")


def test_bundle_older_than_the_zone_works_and_says_so(outage: Outage, tmp_path: Path) -> None:
    """What is known here is of before the last two applies; the forge knows them."""
    world = outage.world
    old = Path(shutil.copytree(world.root, tmp_path / "old", symlinks=True))
    world.contract("second", "10.0.0.22")
    world.commit("Move second")
    world.apply()
    newest = outage.anchor()
    outage.forge_down()

    broken = outage.break_glass(FIRST, root=old)
    assert broken.receipt.outcome == "applied"
    assert [one.name for one in broken.receipt.plan.drift] == [world.name("second")]
    assert "is older than the zone" in outage.warned()
    assert (target(outage, "first"), target(outage, "second")) == (("10.0.1.1",), ("10.0.0.22",))
    (intent, _) = outage.entries(old)
    assert intent.envelope.segment is not None
    assert intent.envelope.segment.base.anchor == newest
    outage.forge_up()
    assert outage.bring_in(outage.segment(old)).written
    assert not any(isinstance(one, ZoneDrift) for one in world.bodies())
    assert world.cli("audit", "--live").exit == 0


def test_applier_asleep_behind_the_dead_forge_cannot_overwrite(outage: Outage) -> None:
    """Its intent is in the log; its PATCH comes after break-glass, and the server refuses it."""
    world = outage.world
    world.contract("first", "10.0.0.77", sites={"onprem": "10.0.0.77", "gcp": "10.0.1.1"}, endpoint_home="onprem")
    world.commit("Move first")
    moved = []

    class Sleeper:
        """Falls asleep between its last look and its PATCH."""

        def __init__(self, real: object) -> None:
            self.real = real

        def __getattr__(self, name: str) -> object:
            return getattr(self.real, name)

        def patch(self, *operations: object) -> object:
            outage.forge_down()
            moved.append(outage.break_glass(Cutover("second.prod", "gcp")).receipt.outcome)
            return self.real.patch(*operations)  # type: ignore[attr-defined]

    def asleep(ports):  # type: ignore[no-untyped-def]
        return ports.replaced(open_writer=lambda authority: Sleeper(ports.open_writer(authority)))

    with pytest.raises((OutsideFailure, Unconfirmed)):
        world.apply(swap=asleep)
    assert moved == ["applied"]
    assert (target(outage, "first"), target(outage, "second")) == (("10.0.0.1",), ("10.0.1.2",))
    assert isinstance(outage.anchor(), Anchor)
    outage.forge_up()
    assert outage.bring_in(outage.segment(), recover=world.types().index("intent", 2) + 1).written
    assert [one.outcome for one in world.bodies() if isinstance(one, Result)] == ["applied", "failed"]
    assert world.apply().outcome == "applied"
    assert target(outage, "first") == ("10.0.0.77",)


def test_lost_segment_is_given_up_by_hand(outage: Outage) -> None:
    """What docs/breakglass.md says: the anchor goes, somebody vouches for the zone, and every number is free again."""
    world = outage.world
    outage.forge_down()
    outage.break_glass(FIRST)
    shutil.rmtree(outage.segment())
    outage.forge_up()
    world.primary.patch([(anchor_name(world.zone), "TXT")], [])

    for number in range(6):
        world.contract("second", f"10.0.2.{number}")
        world.commit("Move second")
        overrides = ("restored=the host burned down",) if number == 0 else ()
        assert world.apply(*overrides).outcome == "applied"
    assert target(outage, "first") == ("10.0.0.1",)  # as its contract says
    assert sum(isinstance(one, ZoneDrift) for one in world.bodies()) == 1


@pytest.mark.parametrize("landed", [False, True])
def test_intent_that_a_crash_left_open_is_settled_by_the_next_command(outage: Outage, landed: bool) -> None:
    outage.forge_down()

    class Dies(Exception):
        """The machine goes down before the PATCH, or after it."""

    def dying(ports):  # type: ignore[no-untyped-def]
        class Primary:
            def __init__(self, real: Any) -> None:
                self.real = real

            def __getattr__(self, name: str) -> object:
                return getattr(self.real, name)

            def patch(self, *given: object) -> object:
                if landed:
                    self.real.patch(*given)
                raise Dies

        return ports.replaced(open_writer=lambda authority: Primary(ports.open_writer(authority)))

    with pytest.raises(Dies):
        outage.break_glass(FIRST, swap=dying)
    assert [one.type for one in outage.entries()] == ["intent"]
    with pytest.raises(Refused) as error:
        outage.break_glass(FIRST)
    assert error.value.guard == "open-intent"
    outage.break_glass(FIRST, recover=1, by="bob@tests")
    bodies = [one.body for one in outage.entries()]
    again = [] if landed else ["Intent", "Result"]
    assert [type(one).__name__ for one in bodies] == ["Intent", "Result", *again]
    assert isinstance(bodies[1], Result)
    assert (bodies[1].outcome, bodies[1].recovered) == ("applied" if landed else "failed", True)
    assert target(outage, "first") == ("10.0.1.1",)


def test_witness_that_the_policy_requires(lab: Lab, zone_name: str, tmp_path: Path) -> None:
    outage = Outage.make(tmp_path / "world", zone_name, lab, breakglass={"witness": "required"})
    outage.forge_down()
    for witness in (None, "alice@tests"):
        with pytest.raises(Refused) as error:
            outage.break_glass(FIRST, witness=witness)
        assert error.value.guard == "breakglass-witness"
    outage.break_glass(FIRST, witness="bob@tests")
    outage.forge_up()
    (outage.segment() / "000001.json.witness.sig").rename(tmp_path / "kept")
    assert "there is no witness's signature" in refused(outage, outage.segment())[1]
    (tmp_path / "kept").rename(outage.segment() / "000001.json.witness.sig")
    assert outage.bring_in(outage.segment(), reviewed="seen", by=outage_reviewer()).reviewed_by == outage_reviewer()


def outage_reviewer() -> str:
    """Somebody who neither moved nor witnessed."""
    return "applier@tests"
