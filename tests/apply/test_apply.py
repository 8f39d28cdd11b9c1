"""What an apply that works does: one PATCH, proof by DNS, and the markers it leaves; and what it never touches."""

import subprocess
import threading
from dataclasses import dataclass, field
from typing import Self

import dns.message
import dns.query
import dns.rcode
import pytest

from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.errors import Refused
from hyops_gitops.core.fields import time_text
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.log.entries import Intent, Result
from hyops_gitops.log.envelope import NO_HASH, encode, entry_path
from tests.support.clone import PRINCIPAL, run
from tests.support.faults import Primary
from tests.support.world import MakeWorld, World

pytestmark = pytest.mark.authority


@dataclass
class Poller:
    """Asks one server for one name's A as fast as it can, and keeps every answer that a client could not use."""

    server: ServerAddress
    name: str
    asked: int = 0
    unusable: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._poll)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _poll(self) -> None:
        query = dns.message.make_query(self.name, "A")
        while not self._stop.wait(0.002):
            reply = dns.query.udp(query, self.server.host, port=self.server.port, timeout=5)
            self.asked += 1
            if reply.rcode() != dns.rcode.NOERROR or not reply.answer:
                self.unusable.append(reply.to_text())


def test_a_client_never_sees_a_gap_while_a_and_cname_take_turns(world: World) -> None:
    world.contract("pg", "10.0.0.9")
    world.commit()
    world.apply()
    assert world.lab is not None
    with Poller(world.lab.primary.dns, world.name("pg")) as poller:
        for target in ("elsewhere.example", "10.0.0.9", "other.example"):
            world.contract("pg", target)
            world.commit()
            assert world.apply().outcome == "applied"
    assert poller.unusable == []
    assert poller.asked > 0


def test_a_second_apply_sends_nothing_and_writes_nothing(world: World) -> None:
    world.apply()
    primary = Primary()
    with world.nothing_written():
        receipt = world.apply(swap=primary.swap)
    assert (receipt.outcome, receipt.exit_code, receipt.intent, receipt.result) == ("nothing", 0, None, None)
    assert (primary.patches, primary.notified) == ([], 0)


def test_one_apply_is_one_patch_and_one_step_of_the_serial(world: World) -> None:
    world.contract("pg", "10.0.0.9", "fd00::9")
    world.contract("web", "elsewhere.example")
    world.commit()
    first, fresh = Primary(), world.serial()
    assert world.apply(swap=first.swap).serial_after == world.serial() == fresh + 2  # the lock row's own PATCH
    assert len(first.patches) == 2
    world.contract("pg", "10.0.0.10", "fd00::9")
    world.commit()
    primary, before = Primary(), world.serial()
    receipt = world.apply(swap=primary.swap)
    assert len(primary.patches) == 1
    assert (receipt.serial_before, receipt.serial_after, world.serial()) == (before, before + 1, before + 1)


def test_every_server_is_seen_to_serve_it(world: World) -> None:
    receipt = world.apply()
    verdicts = [(server.role, server.verdict, server.after_ms is not None) for server in receipt.servers]
    assert verdicts == [("primary", "converged", True), *[("secondary", "converged", True)] * 2]
    assert all(Zone.of(world.zone, world.secondary(n).rrsets()) == world.records() for n in (0, 1))


def test_an_applier_aimed_at_the_secondary_is_refused_and_writes_nothing(world: World) -> None:
    assert world.lab is not None
    world.apply()
    url = world.lab.secondaries[0].api_url
    world.edit_authority('"site": "onprem"', '"site": "gcp"')  # in the failure domain, validation would find it
    world.edit_authority(f'"api_url": "{world.lab.primary.api_url}"', f'"api_url": "{url}"')
    world.environ["HYOPS_PRIMARY_URL"] = url
    world.commit("Wrong server")
    world.contract("pg", "10.0.0.9")
    world.commit("Something to write")
    before = world.secondary().rrsets(), world.secondary().header().serial
    with world.nothing_written(), pytest.raises(Refused) as caught:
        world.apply()
    assert (caught.value.guard, caught.value.exit_code) == ("primary", 3)
    assert (world.secondary().rrsets(), world.secondary().header().serial) == before


def test_the_markers_after_one_two_and_three_applies(world: World) -> None:
    seen = []
    for number in (1, 2, 3):
        world.contract("pg", f"10.0.0.{number}")
        world.commit()
        world.apply()
        seen.append(markers(world))
    intents = [entry for entry in world.entries() if entry.type == "intent"]
    first, second, third = (entry.sha256 for entry in intents)
    turns = {
        f"_{entry.seq}-after-{entry.envelope.prev_entry[:12]}._hyops-gitops": (
            "CNAME",
            f"_{entry.seq}._hyops-gitops.{world.zone}.",
        )
        for entry in intents
    }
    locked = {"_protocol._hyops-gitops": ("TXT", '"v=hyops1 protocol=2"')}
    assert [{name for name in markers if name in turns} for markers in seen] == [
        set(list(turns)[:number]) for number in (1, 2, 3)
    ]
    assert seen[2].items() >= turns.items()
    seen = [{name: said for name, said in markers.items() if name not in turns} for markers in seen]
    assert seen[0] == locked | {
        "_hyops-gitops": ("TXT", f'"v=hyops1 seq=2 intent=sha256:{first}"'),
        "_2._hyops-gitops": ("TXT", f'"v=hyops1 intent=sha256:{first}"'),
    }
    assert seen[1] == locked | {
        "_hyops-gitops": ("TXT", f'"v=hyops1 seq=4 intent=sha256:{second}"'),
        "_2._hyops-gitops": ("CNAME", f"_hyops-gitops.{world.zone}."),
        "_4._hyops-gitops": ("TXT", f'"v=hyops1 intent=sha256:{second}"'),
    }
    assert seen[2] == locked | {
        "_hyops-gitops": ("TXT", f'"v=hyops1 seq=6 intent=sha256:{third}"'),
        "_2._hyops-gitops": ("CNAME", f"_hyops-gitops.{world.zone}."),
        "_4._hyops-gitops": ("CNAME", f"_hyops-gitops.{world.zone}."),
        "_6._hyops-gitops": ("TXT", f'"v=hyops1 intent=sha256:{third}"'),
    }


def markers(world: World) -> dict[str, tuple[str, str]]:
    """Owner, without the zone, to type and rdata."""
    return {
        rrset.name.removesuffix(f".{world.zone}"): (rrset.type, rrset.rdata[0])
        for rrset in world.primary.rrsets()
        if "_hyops-gitops" in rrset.name
    }


def test_no_marker_is_in_any_digest(world: World) -> None:
    world.apply()
    result = world.bodies()[-1]
    assert isinstance(result, Result)
    assert "_hyops" not in world.evidence(f"zones/{world.zone}.zone").decode()
    assert "_hyops" not in world.evidence(f"state/{world.zone}.zone").decode()
    unmarked = [rrset for rrset in world.primary.rrsets() if "_hyops" not in rrset.name]
    assert result.after.whole == Zone.of(world.zone, unmarked).digest()


def test_stock_tools_verify_an_entry(world: World) -> None:
    world.apply()
    entry, folder = world.entries()[1], world.root.parent / "stock"
    folder.mkdir()
    path = entry_path(world.zone, 2)
    (folder / "000002.json").write_bytes(world.evidence(path))
    (folder / "000002.json.sig").write_bytes(world.evidence(f"{path}.sig"))
    time = entry.envelope.time.strftime("%Y%m%d%H%M%SZ")
    verify = ["ssh-keygen", "-Y", "verify", "-f", str(world.root / "authority/allowed_signers"), "-I", PRINCIPAL]
    verify += ["-n", "hyops-gitops", "-O", f"verify-time={time}", "-s", "000002.json.sig"]
    run(*verify, stdin=world.evidence(path), cwd=folder)
    subprocess.run("jq -cS . 000002.json | cmp - 000002.json", shell=True, check=True, cwd=folder)  # noqa: S602 - as the issue writes it


def test_foreign_records_of_every_kind_survive(make_world: MakeWorld) -> None:
    world = make_world(max_deletes=100)
    foreign = [
        RRset.of(f"*.wild.{world.zone}", "A", 300, ["10.9.0.1"]),
        RRset.of(f"*.prod.{world.zone}", "TXT", 300, ['"wild beside us"']),
        RRset.of(f"deep.empty.nonterminal.{world.zone}", "A", 300, ["10.9.0.2"]),
        RRset.of(f"cut.{world.zone}", "NS", 300, ["ns.elsewhere.example."]),
        RRset.of(f"dname.{world.zone}", "DNAME", 300, ["elsewhere.example."]),
        RRset.of(f"alias.{world.zone}", "ALIAS", 300, ["elsewhere.example."]),
        RRset.of(f"half.{world.zone}", "A", 300, ["10.9.0.3"], disabled=["10.9.0.4"]),
        RRset.of(f"off.{world.zone}", "A", 300, [], disabled=["10.9.0.5"]),
        RRset(f"MiXed.{world.zone}", "A", 300, ("10.9.0.6",)),
        RRset.of(f"_sip._tcp.{world.zone}", "SRV", 300, ["0 5 5060 sip.elsewhere.example."]),
        RRset.of(f"pg.prod.{world.zone}", "MX", 300, ["10 mail.elsewhere.example."]),
    ]
    world.primary.patch([], foreign)
    before = set(world.records().rrsets.values())
    for target in ("10.0.0.9", "10.0.0.8", None):
        world.contract("pg", target) if target else world.delete_contract("pg")
        world.commit()
        assert world.apply().outcome == "applied"
        assert before <= set(world.records().rrsets.values())


def test_a_target_that_moves_says_when_the_old_one_may_go(world: World) -> None:
    world.contract("pg", "10.0.0.9")
    world.commit()
    world.apply()
    world.contract("pg", "10.0.0.8")
    world.commit()
    receipt = world.apply()
    assert [one.name for one in receipt.retire] == [world.name("pg")]
    assert receipt.retire[0].after is not None


def test_contracts_that_ask_for_nothing_new_get_an_unchanged_entry(world: World) -> None:
    world.apply()
    world.write("endpoints/README.md", "Words.\n")
    world.contract("first", "10.0.0.1")
    world.write("endpoints/prod/first.yaml", world.read("endpoints/prod/first.yaml") + "# a comment\n")
    commit, serial = world.commit("Only words"), world.serial()
    assert world.apply().outcome == "nothing"
    assert world.types() == ["genesis", "intent", "result", "unchanged"]
    assert commit in world.entry_bytes(4).decode()
    assert world.serial() == serial


def test_an_authority_file_that_changes_gets_an_entry_ahead_of_what_is_done_under_it(world: World) -> None:
    world.apply()
    world.edit_authority('"timeout_s": 10', '"timeout_s": 11')
    world.commit("Wait longer")
    world.contract("pg", "10.0.0.9")
    world.commit("And then a contract")
    world.apply()
    assert world.types() == ["genesis", "intent", "result", "authority", "intent", "result"]


def test_the_intent_names_every_commit_since_the_last_one(world: World) -> None:
    world.apply()
    world.contract("pg", "10.0.0.9")
    one = world.commit("Add pg, says somebody@example.org")
    world.contract("pg", "10.0.0.8")
    two = world.commit("Move pg")
    world.apply()
    intent = world.bodies()[-2]
    assert isinstance(intent, Intent)
    assert [(merged.commit, merged.title) for merged in intent.merged] == [
        (one, "Add pg, says [masked]"),
        (two, "Move pg"),
    ]


def test_the_commits_of_the_log_read_as_the_log(world: World) -> None:
    world.apply()
    world.contract("first", "10.0.0.9")
    world.commit("Move first\n\nApproved-by: Grace <grace@example.org>")
    world.apply()
    subjects = world.git("log", "--reverse", "--format=%B", "-z", "origin/evidence").rstrip("\0").split("\0")
    times = [time_text(entry.envelope.time) for entry in world.entries()]
    line = f"replace {world.name('first')} A | 10.0.0.1 -> 10.0.0.9 | Tester | Grace"
    assert [one.rstrip("\n") for one in subjects[-2:]] == [
        f"000004 | {times[3]} | {line} | intended",
        f"000005 | {times[4]} | {line} | applied",
    ]
    assert f"| 4 | {times[4]} | {line} | applied |\n" in world.evidence("LOG.md").decode()


def test_an_authority_outside_the_repository_is_recorded_as_such(world: World) -> None:
    file = world.root.parent / "elsewhere.yaml"
    file.write_text(world.read(world.authority_path))
    world.apply(authority=file)
    intent = world.bodies()[-2]
    assert isinstance(intent, Intent)
    assert intent.authority.outside_commit


def test_an_older_commit_is_refused_as_history_unless_overridden(world: World) -> None:
    older = world.git("rev-parse", "HEAD")
    world.contract("pg", "10.0.0.9")
    world.commit()
    world.apply()
    with world.only_a_refusal(), pytest.raises(Refused, match="does not descend") as caught:
        world.apply(revision=older)
    assert caught.value.guard == "history"
    assert world.apply("history=taking it back", revision=older).outcome == "applied"
    assert world.at("pg") == {}


def test_a_clone_that_is_behind_the_log_fetches_and_goes_on(world: World) -> None:
    other = world.clone(world.root.parent / "other")
    world.apply()
    other.contract("pg", "10.0.0.9")
    other.commit()
    assert other.apply().outcome == "applied"
    assert world.types() == ["genesis", "intent", "result", "intent", "result"]
    world.git("fetch", "-q", "origin", "main")
    world.git("reset", "-q", "--hard", "FETCH_HEAD")
    assert world.apply().outcome == "nothing"


def test_without_a_remote_the_local_branch_is_the_log(make_world: MakeWorld) -> None:
    world = make_world(local=True)
    assert world.apply().outcome == "applied"
    assert world.types() == ["genesis", "intent", "result"]
    assert world.cli("evidence", "verify").exit == 0


def test_every_entry_reads_back_as_written_chained_and_pinning_its_files(world: World) -> None:
    world.contract("pg", "10.0.0.9", "fd00::9")
    world.commit()
    world.apply()
    world.delete_contract("pg")
    world.commit()
    world.apply("drift:pg.prod.z.internal=not needed")
    entries = world.entries()
    assert [entry.type for entry in entries] == ["genesis", "intent", "result", "intent", "result"]
    for entry, before in zip(entries, (None, *entries[:-1]), strict=True):
        data = world.entry_bytes(entry.seq)
        assert encode(entry.envelope, entry.body) == data
        assert entry.envelope.prev_entry == (before.sha256 if before else NO_HASH)
    newest = entries[-1].envelope
    assert newest.files == {path: sha256_hex(world.evidence(path)) for path in newest.files}
    assert newest.zone_sha256 == newest.files[f"zones/{world.zone}.zone"]
    assert world.evidence(f"log/{world.zone}/0000/000005.json") == world.entry_bytes(5)
