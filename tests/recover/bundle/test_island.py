"""From a bundle alone: no network but the zone's servers, no git, no package index. Real servers, in a namespace."""

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hyops_gitops.lab.model import load_lab
from tests.recover.bundle.conftest import Island, sign, tools_without
from tests.support.bundles import unpack
from tests.support.clone import run
from tests.support.repository import ROOT
from tests.support.world import Ran, World

ZONE = "island.internal"
SITES = {"onprem": "10.0.0.1", "gcp": "10.0.1.1"}


@dataclass(frozen=True, slots=True)
class Rescue:
    """A bundle unpacked and installed on the island, and the clone it was made of."""

    island: Island
    world: World
    folder: Path
    path: str
    bytes_twice: tuple[bytes, bytes]

    def cli(self, *arguments: str | Path) -> Ran:
        """The installed program, in the bundle, without git."""
        environ = {**self.world.environ, "PATH": self.path}
        return self.island.run(self.folder / "venv/bin/hyops-gitops", *arguments, cwd=self.folder, env=environ)

    def clone(self, *arguments: str | Path) -> Ran:
        """The program in the real clone, where the zone's servers can be reached."""
        program = (sys.executable, "-m", "hyops_gitops")
        return self.island.run(*program, *arguments, cwd=self.world.root, env=self.world.environ)

    def status(self) -> dict[str, object]:
        """What status says in the bundle."""
        return self.cli("status", "--format", "json").document()

    def answers(self) -> list[list[str]]:
        """Where each server says the first service is."""
        names = {one["name"]: one for one in self.status()["names"]}  # type: ignore[attr-defined]
        return [answer["rdata"] for answer in names[f"first.prod.{ZONE}"]["answers"]]


@pytest.fixture(scope="module")
def rescue(island: Island, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rescue]:
    """One contract applied, a second one merged and waiting; then the forge is gone."""
    top = tmp_path_factory.mktemp("island")
    program = (sys.executable, "-m", "hyops_gitops")
    bare = World.make(top / "bare", ZONE, init=False)
    ok(island.run(*program, "lab", "up", "--dir", top / "lab", cwd=bare.root, env=bare.environ))
    try:
        world = World.make(top / "w", ZONE, load_lab(top / "lab"))
        world.contract("first", "10.0.0.1", sites=SITES, endpoint_home="onprem")
        world.commit("Two sites")
        ok(island.run(*program, "apply", cwd=world.root, env=world.environ))
        world.contract("second", "10.0.0.2")
        world.commit("Second")
        elsewhere = world.clone(top / "a second clone").root
        for name, root, mask, epoch in (("one", world.root, "022", "1"), ("two", elsewhere, "077", "1700000000")):
            surroundings = {"TZ": name, "LC_ALL": {"one": "C", "two": "C.UTF-8"}[name], "SOURCE_DATE_EPOCH": epoch}
            command = ("sh", "-c", f'umask {mask} && exec "$@"', "sh", *program)
            ok(island.run(*command, "bundle", "--out", top / name, cwd=root, env={**world.environ, **surroundings}))
        content = ((top / "one").read_bytes(), (top / "two").read_bytes())
        (top / "pinned").write_text(world.read("authority/allowed_signers"))
        folder, path = unpack(content[0], top / "unpacked"), tools_without(top / "bin", "git")
        found = Rescue(island, world, folder, path, content)
        planted = plant(folder, top / "planted")
        installed = island.run(folder / "install", "--signers", top / "pinned", cwd=top, env={"PATH": path})
        ok(installed)
        assert "signed by applier@tests" in installed.err
        assert not planted.exists()
        yield found
    finally:
        ok(island.run(*program, "lab", "down", "--dir", top / "lab", cwd=top, env=bare.environ))


def plant(folder: Path, sign: Path) -> Path:
    """Put beside a signed bundle what Python would run if it looked there; what is there once it did."""
    code = f"open({str(sign)!r}, 'w')"
    for name in ("venv.py", "pip.py", "site.py"):
        (folder / name).write_text(code)
    packages = folder / f"venv/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    packages.mkdir(parents=True)
    (packages / "planted.pth").write_text(f"import os; {code}")
    return sign


def ok(ran: Ran) -> Ran:
    assert ran.exit == 0, ran.err
    return ran


def check_the_real_bundle_is_the_same_bytes_twice(rescue: Rescue) -> None:
    assert rescue.bytes_twice[0] == rescue.bytes_twice[1]


def check_there_is_no_git_and_no_way_out(rescue: Rescue) -> None:
    assert shutil.which("git", path=rescue.path) is None
    routes = ok(rescue.island.run("ip", "route", cwd=rescue.folder, env={"PATH": rescue.path}))
    assert routes.out == ""


def check_status_asks_the_servers(rescue: Rescue) -> None:
    ran = rescue.cli("status", "--format", "json")
    names = {one["name"]: one for one in json.loads(ran.out)["names"]}
    first, second = names[f"first.prod.{ZONE}"], names[f"second.prod.{ZONE}"]

    assert ran.exit == 1  # the second contract is not applied yet
    assert [one["verdict"] for one in first["answers"]] == ["as intended"] * 2
    assert (second["intended"], second["recorded"]) == (["10.0.0.2"], [])


def check_plan_is_the_plan_of_the_clone(rescue: Rescue) -> None:
    of_bundle = ok(rescue.cli("plan", "--format", "json")).document()
    of_clone = ok(rescue.world.cli("plan", "--format", "json")).document()
    live = ok(rescue.cli("plan", "--live", "--format", "json")).document()

    assert of_bundle == of_clone
    assert f"second.prod.{ZONE}" in str(of_bundle["changes"])
    assert f"first.prod.{ZONE}" not in str(of_bundle["changes"])
    assert (live["digest"], live["changes"]) == (of_bundle["digest"], of_bundle["changes"])


def check_drift_sees_what_was_never_applied(rescue: Rescue) -> None:
    ran = rescue.cli("drift", "--format", "json")
    found = ran.document()

    assert ran.exit == 1, ran.err
    assert '"never-applied"' in json.dumps(found)
    assert f"second.prod.{ZONE}" in json.dumps(found)


def check_validate_and_verify(rescue: Rescue) -> None:
    ok(rescue.cli("validate"))
    assert ok(rescue.cli("evidence", "verify", "--format", "json")).document()["entries"] == 3
    assert ok(rescue.cli("history", "first.prod", "--format", "json")).document()["name"] == f"first.prod.{ZONE}"


def check_audit_says_what_it_cannot_know(rescue: Rescue) -> None:
    ran = rescue.cli("audit", "--format", "json")
    found = ran.document()

    assert (ran.exit, found["problems"], found["conclusive"]) == (4, [], False)
    assert all(f'"code": "{code}"' in json.dumps(found["inconclusive"]) for code in ("shallow", "tool"))
    assert "the zone as its servers answer by DNS" in str(found["checked"])
    assert "1 entries against contracts that are here; 0 name" in str(found["checked"])


def check_audit_holds_the_log_against_the_contracts_applied_last(rescue: Rescue, tmp_path: Path) -> None:
    """A bundle carries them; here somebody with a key made it say that others were."""
    copy = tmp_path / "copy"
    run("cp", "-a", rescue.folder, copy)
    shutil.rmtree(copy / "venv")
    recorded = copy / "recorded/endpoints/prod/first.yaml"
    recorded.write_text(recorded.read_text().replace("10.0.0.1", "10.0.0.7"))
    sign(copy, rescue.world.key)
    ran = rescue.world.cli("audit", "--offline", "--format", "json", cwd=copy)
    codes = [
        f'"code": "{code}"' in json.dumps(ran.document()["problems"]) for code in ("manifest", "plan-not-contract")
    ]

    assert (ran.exit, codes) == (1, [True, True])


def check_the_audit_with_stock_tools_needs_no_git(rescue: Rescue) -> None:
    genesis = json.loads((rescue.folder / "bundle.json").read_text())["log"]["genesis"]
    script = (rescue.folder / "script/audit.sh", "evidence", "authority/allowed_signers", "--genesis", genesis)
    said = ok(rescue.island.run(*script, cwd=rescue.folder, env={"PATH": rescue.path})).out

    assert said.endswith("OK\n")


def check_the_glass_can_be_broken(rescue: Rescue) -> None:
    """There, seen on every server, and back, and there again, signed by the operator's own key."""
    why = ("--reason", "the forge is gone", "--yes", "--format", "json")
    failed_over = ok(rescue.cli("breakglass", "failover", "--from", "onprem", "--to", "gcp", *why)).document()
    assert (failed_over["outcome"], failed_over["entries"]) == ("applied", 2)
    assert rescue.answers() == [["10.0.1.1"]] * 2
    assert f"segment {failed_over['segment']} is not reconciled" in str(rescue.status()["warnings"])
    ok(rescue.cli("breakglass", "failback", "first.prod", *why))
    assert rescue.answers() == [["10.0.0.1"]] * 2
    ok(rescue.cli("breakglass", "cutover", "first.prod", "--to", "gcp", *why))
    asked = rescue.cli("breakglass", "failback", "first.prod", *why[:2])
    assert (asked.exit, "stdin is not a terminal" in asked.err) == (2, True)


def check_it_is_accounted_for_afterwards(rescue: Rescue) -> None:
    """The forge is back: the segment comes into the log; an unrelated merge moves nothing of it."""
    (segment,) = (one for one in (rescue.folder / "segments").iterdir() if one.is_dir())
    assert rescue.clone("apply").exit == 3
    done = ok(rescue.clone("reconcile", segment, "--commit", "--format", "json")).document()
    assert done["held"] == [f"first.prod.{ZONE}"]
    applied = ok(rescue.clone("apply", "--format", "json")).document()  # the merge that had waited all along
    assert [one["name"] for one in applied["changes"]] == [f"second.prod.{ZONE}"]  # type: ignore[attr-defined]
    assert rescue.answers() == [["10.0.1.1"]] * 2
    audit = rescue.clone("audit", "--format", "json")
    assert audit.exit == 0, audit.out
    assert '"kind": "breakglass"' in audit.out
    script = (ROOT / "script/audit.sh", rescue.world.root, rescue.world.root / "authority/allowed_signers")
    said = ok(rescue.island.run(*script, cwd=rescue.folder, env=rescue.world.environ)).out
    assert "ok       break-glass segments" in said


def test_everything_that_reads_works_from_the_bundle_alone(rescue: Rescue, tmp_path: Path) -> None:
    """One scenario, because a lab, an installation and a namespace are dear."""
    check_the_real_bundle_is_the_same_bytes_twice(rescue)
    check_there_is_no_git_and_no_way_out(rescue)
    check_status_asks_the_servers(rescue)
    check_plan_is_the_plan_of_the_clone(rescue)
    check_drift_sees_what_was_never_applied(rescue)
    check_validate_and_verify(rescue)
    check_audit_says_what_it_cannot_know(rescue)
    check_audit_holds_the_log_against_the_contracts_applied_last(rescue, tmp_path)
    check_the_audit_with_stock_tools_needs_no_git(rescue)
    check_the_glass_can_be_broken(rescue)
    check_it_is_accounted_for_afterwards(rescue)
