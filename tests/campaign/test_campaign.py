"""The campaign stays alive: its short form finds nothing, and the witness finds each planted fault."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from campaign.__main__ import LONG, SHORT_RUNS, seeds_of
from campaign.disk import can_mount
from campaign.dns_proxy import DNS_WAYS
from campaign.faults import table
from campaign.faults.kinds import Need
from campaign.faults.table import FAULTS, NOTHING, of_backend
from campaign.place import EVIDENCE, Place
from campaign.program import PLANTS
from campaign.report import FORMAT
from campaign.runs import Done, keep_result, plan_of, results, run
from campaign.soak import soak
from campaign.trial import Trial, denied
from campaign.witness.branch import SEGMENT_NUMBERS, read_entries
from campaign.witness.transfers import TICK_S, Watch
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.zone import RRset
from hyops_gitops.lab.model import BACKENDS, Backend
from tests.support.databases import require
from tests.support.repository import ROOT

pytestmark = pytest.mark.authority

FOUND = {"intent skipped": "unrecorded", "result denies": "lie", "result pretends": "lost", "sent twice": "twice"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, backend: Backend) -> Iterator[Place]:
    require(backend)
    with Place.started(tmp_path_factory.mktemp("place") / "lab", backend) as started:
        yield started


@pytest.mark.parametrize("plant", PLANTS)
def test_the_witness_finds_a_planted_fault(place: Place, tmp_path: Path, plant: str) -> None:
    with place.history(tmp_path / "history") as scene:
        trial = Trial(scene, 0)
        assert trial.apply().exit == 0
        assert scene.faults() == []
        trial.put("first", 60, trial.fresh())
        trial.world.commit()
        trial.apply(CAMPAIGN_PLANT=plant)
        assert [fault.kind for fault in scene.faults()] == [FOUND[plant]]


def test_a_write_between_two_looks_is_found_by_the_serial(place: Place, tmp_path: Path) -> None:
    with place.history(tmp_path / "history") as scene:
        dns, zone = place.lab.primary.dns, scene.world.zone
        watch = Watch(dns.host, dns.port, zone)
        watch.close()
        record = RRset.of(f"other.{zone}", "A", 60, ["10.0.0.9"])
        scene.edit(record)
        watch.look()
        scene.edit(replace(record, ttl=30))
        scene.edit(replace(record, ttl=30))
        watch.look()
        assert [(len(step.changed), step.hidden) for step in watch.steps()] == [(1, 0), (1, 1)]


@pytest.mark.parametrize(
    ("way", "rcode", "flags", "answers"),
    [
        (None, dns.rcode.NOERROR, dns.flags.QR | dns.flags.AA, 1),
        ("truncated", dns.rcode.NOERROR, dns.flags.QR | dns.flags.AA | dns.flags.TC, 0),
        ("SERVFAIL", dns.rcode.SERVFAIL, dns.flags.QR, 0),
        ("refused", dns.rcode.REFUSED, dns.flags.QR, 0),
        ("lame", dns.rcode.NOERROR, dns.flags.QR, 1),
        ("referring", dns.rcode.NOERROR, dns.flags.QR, 0),
    ],
)
def test_an_answer_goes_wrong_on_its_way(place: Place, way: str | None, rcode: int, flags: int, answers: int) -> None:
    proxy = place.answers["secondary1"]
    proxy.way = DNS_WAYS[way] if way else None
    query = dns.message.make_query(place.lab.zone, "SOA", flags=0)
    for ask in (dns.query.udp, dns.query.tcp):
        reply = ask(query, proxy.address.host, 5, proxy.address.port)
        assert (reply.rcode(), reply.flags & 0xFFF0, len(reply.answer)) == (rcode, flags, answers)
    proxy.calm()


def test_the_short_form_survives(tmp_path: Path, backend: Backend) -> None:
    require(backend)
    files = {name: tmp_path / name for name in ("results", "json", "keep")}
    words = [
        ROOT / "script/campaign",
        "--short",
        "--backend",
        backend,
        *(f"--{name}={path}" for name, path in files.items()),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (history,) = results(files["results"])
    assert [(found.step, found.fault) for found in history.runs] == plan_of(1, backend, runs=SHORT_RUNS)
    document = json.loads(files["json"].read_text())
    assert document["format"] == FORMAT
    assert document["failed"] == []
    assert [(line["fault"], line["runs"]) for line in document["backends"]] == [(backend, SHORT_RUNS)]
    again = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (again.returncode, again.stderr) == (0, "")  # nothing is run twice
    assert len(results(files["results"])) == 1


def test_a_seed_is_the_same_history_each_time() -> None:
    assert plan_of(7, "gsqlite3") == plan_of(7, "gsqlite3")
    assert plan_of(7, "gsqlite3") != plan_of(8, "gsqlite3")
    many = {fault for seed in range(200) for _, fault in plan_of(seed, "gsqlite3")}
    assert many == set(of_backend("gsqlite3"))


@pytest.mark.parametrize("storage", BACKENDS)
def test_the_long_form_has_a_thousand_faulted_applies(storage: Backend) -> None:
    plans = [plan_of(seed, storage) for seed in seeds_of(LONG)]
    assert sum(fault != NOTHING for plan in plans for _, fault in plan) >= 1000


def test_a_campaign_goes_on_after_a_line_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    done = [Done("lmdb", seed, 1.0, ()) for seed in (1, 2)]
    keep_result(path, done[0])
    path.write_bytes(path.read_bytes() + b'{"backend": "lm')
    assert results(path) == done[:1]
    keep_result(path, done[1])
    assert results(path) == done


def test_a_history_that_cannot_go_on_is_a_failure(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("campaign.runs.conduct", lambda *_: 1 / 0)
    with place.history(tmp_path / "history") as scene:
        found = run(Trial(scene, 0), 0, "move", NOTHING)
    assert not found.survived
    assert "ZeroDivisionError" in found.problems[0]


def test_a_soak_says_what_applies_take_and_leave(backend: Backend) -> None:
    require(backend)
    (figures,) = soak(backend, 3)
    assert (figures.applies, figures.problems, figures.temporary) == (3, (), 0)
    assert figures.entries == 1 + 2 * 3
    assert figures.memory_mib > 0


def test_the_witness_reads_the_segments_of_an_operator(place: Place, tmp_path: Path) -> None:
    with place.history(tmp_path / "history") as scene:
        trial = Trial(scene, 0)
        assert run(trial, 0, "move", NOTHING).survived
        found = run(trial, 1, "move", "remote gone, glass broken")
        assert found.problems == ()
        assert [outcome.seq > SEGMENT_NUMBERS for outcome in scene.log()] == [False, True]


def test_the_witness_begins_again_with_a_restored_zone(place: Place, tmp_path: Path) -> None:
    with place.history(tmp_path / "history") as scene:
        trial = Trial(scene, 0)
        faults = [NOTHING, "zone deleted before the run", "zone from an old dump", NOTHING]
        assert [run(trial, number, "move", fault).problems for number, fault in enumerate(faults)] == [()] * len(faults)
        assert scene.judged > 0
        assert [outcome.outcome for outcome in scene.log() if outcome.seq > scene.judged] == ["applied", "applied"]


@pytest.mark.parametrize("fault", ["resolver: old", "resolver: raises TTLs"])
def test_a_resolver_that_keeps_what_it_had_is_not_taken_for_one_that_has_the_change(
    place: Place, tmp_path: Path, fault: str
) -> None:
    with place.history(tmp_path / "history") as scene:
        trial = Trial(scene, 0)
        assert [run(trial, number, "move", name).problems for number, name in enumerate([NOTHING, fault])] == [(), ()]


def test_a_full_database_changes_nothing_and_is_emptied_afterwards(place: Place, tmp_path: Path) -> None:
    if not can_mount():
        pytest.skip("only who may mount a file system can fill it")
    with place.history(tmp_path / "history") as scene:
        trial = Trial(scene, 0)
        found = [run(trial, number, "move", "database full before the PATCH") for number in range(2)]
        assert [one.problems for one in found] == [(), ()]
        assert all(one.exit in (4, 5) for one in found)
        free = shutil.disk_usage(place.lab.directory).free
        assert free > 1 << 30


def test_two_machines_apply_at_once_and_are_parted(place: Place, tmp_path: Path) -> None:
    if place.second_machine is None:
        pytest.skip("only who may make network namespaces has a second machine")
    faults = ["two appliers at once, on two machines", "machines parted during the PATCH"]
    with place.history(tmp_path / "history") as scene:
        trial = Trial(scene, 0)
        assert [run(trial, number, "move", fault).problems for number, fault in enumerate(faults)] == [(), ()]
        machines = {
            entry.predicate["lease"]["boot_id"]
            for entry in read_entries(scene.remote, EVIDENCE, trial.world.zone)
            if entry.type == "intent"
        }
        assert "the second" in machines


def test_an_exit_code_that_denies_what_its_process_applied_is_wrong(place: Place, tmp_path: Path) -> None:
    with place.history(tmp_path / "history") as scene:
        trial = Trial(scene, 0)
        assert trial.apply().exit == 0
        (process,) = trial.ended
        (intent,) = scene.log()
        assert denied(trial, known=()) == ""
        trial.ended[process] = Exit.OUTSIDE
        assert denied(trial, known=()) == f"exit 4, and intent {intent.seq} of this process is applied"
        assert denied(trial, known=[intent.seq]) == ""


def test_a_fault_that_this_machine_cannot_have_is_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    need = Need("another moon", lambda: False)
    monkeypatch.setattr(table, "FAULTS", {NOTHING: FAULTS[NOTHING], "tides": replace(FAULTS[NOTHING], need=need)})
    assert list(of_backend("gsqlite3")) == [NOTHING]
    assert table.unmet_needs() == ["another moon"]


@pytest.mark.only_backend("gpgsql")
def test_the_journal_goes_on_in_a_promoted_standby_and_begins_again_in_one_that_was_behind(tmp_path: Path) -> None:
    require("gpgsql")
    faults = ["database failed over after the PATCH", "database failed over, standby behind"]
    with Place.started(tmp_path / "lab", "gpgsql") as place, place.history(tmp_path / "history") as scene:
        trial = Trial(scene, 0)
        assert [run(trial, number, "move", fault).problems for number, fault in enumerate(faults)] == [(), ()]
        assert scene.judged > 0


def test_a_key_ends_when_another_follows_on_it(place: Place, tmp_path: Path) -> None:
    with place.history(tmp_path / "history") as scene:
        trial = Trial(scene, 0)
        found = run(trial, 0, "new key, old one ends", NOTHING)
        assert (found.problems, found.exit) == ((), 0)
        types = [entry.type for entry in read_entries(scene.remote, EVIDENCE, trial.world.zone)]
        assert types.count("trust") == 2


def test_the_witness_is_a_program_of_its_own(place: Place, tmp_path: Path) -> None:
    with place.history(tmp_path / "history") as scene:
        trial = Trial(scene, 0)
        secondaries = (f"--secondary={server.name}={server.dns}" for server in place.lab.secondaries)
        where = [f"--zone={trial.world.zone}", f"--repository={scene.remote}", f"--primary={place.lab.primary.dns}"]
        command = [sys.executable, "-m", "campaign.witness", *where, *secondaries]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as witness:
            assert witness.stdout is not None
            assert witness.stdout.readline() == f"watching {trial.world.zone}\n"
            assert trial.apply().exit == 0
            scene.api.patch([], [RRset.of(f"other.{trial.world.zone}", "A", 60, ["10.0.0.9"])])
            time.sleep(10 * TICK_S)
            witness.send_signal(signal.SIGTERM)
            said = witness.stdout.read()
        assert witness.returncode == 1
        assert "1 applied entries, 1 faults\nunrecorded: step" in said
