"""Every command of docs/runbooks, in order, on real servers; and what each walk leaves behind."""

import json
import re
import shutil
import subprocess
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from hyops_gitops.adapters.powerdns.zone_api import PowerDnsWriter
from hyops_gitops.core.markers import protocol_marker, protocol_name
from hyops_gitops.core.zone import RRset
from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.zones import create_zone
from hyops_gitops.log.admin_entries import Gap, Reconcile, TrustChange
from hyops_gitops.log.entries import Intent
from tests.support.clone import PRINCIPAL, run
from tests.support.commands import programs
from tests.support.lived import Lived
from tests.support.repository import ROOT
from tests.support.rows import Rows
from tests.support.standby import Pair
from tests.support.world import World

PAGES = ROOT / "docs" / "runbooks"
SITES = {"onprem": "10.0.0.1", "gcp": "10.1.0.1"}
_BLOCK = re.compile(
    r"(?:^ *<!-- exits (?P<exit>\d+) -->\n)?^(?P<indent> *)```sh\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_HAND_ON = 'declare -p fingerprint HYOPS_SIGNING_KEY_FILE HYOPS_PRIMARY_URL 2>/dev/null >"$EXPORTED" || true\n'


@dataclass(frozen=True, slots=True)
class Block:
    code: str
    exit: int


def blocks(page: str, *sections: str) -> Iterator[Block]:
    """The commands of a page, or of what stands before its sections and of those named."""
    parts = re.split(r"^## (.*)\n", (PAGES / page).read_text(), flags=re.MULTILINE)
    titled = list(zip(parts[1::2], parts[2::2], strict=True))
    assert set(sections) <= {title for title, _ in titled}
    wanted = "".join([parts[0], *(text for title, text in titled if title in sections or not sections)])
    for match in _BLOCK.finditer(wanted):
        yield Block(textwrap.dedent(match["code"]), int(match["exit"] or 0))


def walk(world: World, page: str, sections: Sequence[str] = (), **variables: str) -> None:
    """Run them in the clone, one shell after the other that hand on what they exported."""
    exported = world.root.parent / "exported"
    path = f"{programs()}:{world.environ['PATH']}"
    environ = {**world.environ, **variables, "PATH": path, "EXPORTED": str(exported)}
    for block in blocks(page, *sections):
        script = f'[ ! -e "$EXPORTED" ] || . "$EXPORTED"\n{block.code}{_HAND_ON}'
        shell = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(shell, cwd=world.root, env=environ, capture_output=True, check=False, text=True)
        assert done.returncode == block.exit, f"{block.code}\n{done.stdout}\n{done.stderr}"
    exported.unlink(missing_ok=True)


def test_every_page_is_in_the_table_and_walked() -> None:
    pages = {path.name for path in PAGES.glob("*.md")} - {"README.md"}
    listed = set(re.findall(r"\]\((\w[\w-]*\.md)\)", (PAGES / "README.md").read_text()))

    assert listed == pages
    assert {page for page in pages if f'"{page}"' not in Path(__file__).read_text()} == set()


def test_failover_and_failback(served: World) -> None:
    served.contract("first", SITES["onprem"], sites=SITES, endpoint_home="onprem")
    served.contract("second", "10.0.0.2", sites={"onprem": "10.0.0.2", "gcp": "10.1.0.2"}, endpoint_home="onprem")
    served.commit("Two sites")
    assert served.apply().outcome == "applied"
    walk(served, "failover.md")
    away = [served.at(name)["A"][1] for name in ("first", "second")]
    walk(served, "failback.md", NAME="first.prod")
    home = [served.at(name)["A"][1] for name in ("first", "second")]
    reasons = [one.merged[-1].declared.reason for one in served.bodies() if isinstance(one, Intent)]

    assert (away, home) == ([("10.1.0.1",), ("10.1.0.2",)], [("10.0.0.1",), ("10.0.0.2",)])
    assert reasons[1:] == ["no power", "power is back", "power is back"]


# --- keys


@pytest.fixture
def guarded(small_lab: Lab, tmp_path: Path) -> World:
    """A world whose signers have namespaces, as `init` writes them, and a recovery key kept offline."""
    zone = f"keys-{abs(hash(tmp_path.name)) % 10**8}.internal"
    create_zone(small_lab, zone)
    world = World.make(tmp_path / "w", zone, small_lab, init=False)
    recovery = tmp_path / "recovery"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", recovery)
    public = " ".join(recovery.with_suffix(".pub").read_text().split()[:2])
    lines = [f'{PRINCIPAL} namespaces="hyops-gitops" {world.public_key}\n']
    lines.append(f'recovery@tests namespaces="hyops-gitops-trust" {public}\n')
    world.write("authority/allowed_signers", "".join(lines))
    world.commit("Signers")
    world.start_log()
    world.apply()
    return world


def test_key_rotation(guarded: World) -> None:
    walk(guarded, "key-rotation.md", OLD=PRINCIPAL, NEW="applier-2@tests")
    last = guarded.entries()[-1]
    changes = [one for one in guarded.bodies() if isinstance(one, TrustChange)]

    assert last.envelope.principal == "applier-2@tests"
    assert [[key.principal for key in one.retire] for one in changes] == [[], [PRINCIPAL]]


def test_key_theft(guarded: World, tmp_path: Path) -> None:
    good = guarded.entries()[-1].seq
    guarded.contract("second", "10.0.0.2")
    guarded.commit("While the thief had it")
    guarded.apply()
    doubtful = [entry.seq for entry in guarded.entries() if entry.seq > good]
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", tmp_path / "second")
    public = " ".join((tmp_path / "second.pub").read_text().split()[:2])
    # The second key that counts, listed and trusted in good time.
    signers = guarded.read("authority/allowed_signers")
    guarded.write("authority/allowed_signers", f'{signers}second@tests namespaces="hyops-gitops" {public}\n')
    guarded.commit("Second")
    assert guarded.cli("keys", "trust", "second@tests", "--reason", "two people").exit == 0
    doubtful.append(guarded.entries()[-1].seq)
    guarded.environ["HYOPS_SIGNING_KEY_FILE"] = str(tmp_path / "second")
    walk(guarded, "key-theft.md", PRINCIPAL=PRINCIPAL, GOOD=str(good), FRESH="fresh@tests")
    acknowledged = [one.acknowledges for one in guarded.bodies() if isinstance(one, Gap)]

    assert sorted(one for one in acknowledged if one) == doubtful
    assert guarded.entries()[-1].envelope.principal == "fresh@tests"


# --- disasters


@pytest.fixture
def yesterday(simple: Lived) -> World:
    """The forge is back from a back-up; the fixture's clone has what it lost, and CI has a fresh one."""
    world = simple.world
    assert world.remote is not None
    backup = world.remote.parent / "backup.git"
    shutil.copytree(world.remote, backup)
    world.contract("third", "10.0.0.3")
    world.commit("Third")
    assert world.apply().outcome == "applied"
    shutil.rmtree(world.remote)
    backup.rename(world.remote)
    (world.root.parent / "ci").mkdir()
    return world.clone(world.root.parent / "ci" / "clone")


def test_forge_restored_and_somebody_has_a_clone(yesterday: World, simple: Lived) -> None:
    with yesterday.nothing_written():
        stopped = yesterday.cli("apply", "--format", "json").document()
    walk(yesterday, "forge-restored.md", ["A clone has the entries"], CLONE=str(simple.world.root))

    assert stopped["code"] == "log-gap"
    assert "the zone was last changed by entry 6, but this log ends at 5" in str(stopped["message"])
    assert yesterday.types().count("gap") == 0
    assert len(yesterday.entries()) == 7


def test_forge_restored_and_nobody_has_a_clone(yesterday: World) -> None:
    seq = len(yesterday.entries()) + 1
    walk(yesterday, "forge-restored.md", ["No clone has them"], GAP=str(seq))
    gap = yesterday.bodies()[seq - 1]

    assert isinstance(gap, Gap)
    assert gap.reason == "the forge lost a day, INC-4711"


def test_primary_lost(simple: Lived) -> None:
    simple.lose_zone()
    walk(simple.world, "primary-lost.md")

    assert simple.world.records().digest() == simple.before.digest() == simple.secondary().digest()


@pytest.mark.only_backend("gpgsql")
def test_standby_promoted(pair: Pair, replicated: World, tmp_path: Path) -> None:
    """One that was behind: the longest way."""
    world, edited = replicated, tmp_path / "edited"
    pair.cut()
    world.contract("first", "10.0.0.2")
    world.commit()
    world.apply(watch=False)
    recorded = world.records()
    pair.lose_primary()
    pair.promote(world.zone)
    edited.write_text(pair.followed(world, site="gcp"))
    variables = {"ZONE": world.zone, "NEW_URL": pair.second.api_url, "EDITOR": f"cp {edited}"}
    walk(world, "standby-promoted.md", **variables)
    world.lab = pair.promoted

    assert world.records() == recorded
    assert [one.restore is not None for one in world.bodies() if isinstance(one, Intent)] == [False, False, True]


def test_upgrade_and_way_back(served: World) -> None:
    """With the released program itself: tests/stories/test_mixed_versions.py."""
    served.apply()
    served.contract("second", "10.0.0.2")
    served.commit("More")
    before = served.read(served.authority_path)
    walk(served, "upgrade.md", ZONE=served.zone)

    assert served.read(served.authority_path) == before
    assert served.at("second") == {"A": (60, ("10.0.0.2",))}
    assert protocol_marker(served.zone) in served.primary.rrsets_at([protocol_name(served.zone)])


@pytest.mark.only_backend("gsqlite3", "gpgsql", "gmysql")  # LMDB has no rows to write past the API
def test_damaged_zone(simple: Lived, small_lab: Lab) -> None:
    world = simple.world
    rows = Rows(small_lab)
    rows.insert(world.zone, world.name("first"), "A", world.at("first")["A"][1][0])
    rows.soa(world.zone, world.serial() + 5)
    walk(world, "damaged-zone.md")
    repaired = [one for one in world.bodies() if isinstance(one, Intent) and one.repair]
    assert len(repaired) == 1


def test_secondary_diverged(simple: Lived, small_lab: Lab) -> None:
    """A write to the secondary, which PowerDNS takes: local serial as the primary's will be, other content."""
    world = simple.world
    secondary = PowerDnsWriter(small_lab.secondaries[0].api_url, "localhost", world.zone, small_lab.api_key)
    secondary.patch([], [RRset.of(world.name("first"), "A", 60, ["10.66.6.6"])])
    walk(world, "secondary-diverged.md", NAME=small_lab.secondaries[0].name)

    assert simple.secondary().digest() == simple.before.digest()


def test_break_glass(simple: Lived, tmp_path: Path) -> None:
    (tmp_path / "signers").write_text(simple.world.read("authority/allowed_signers"))
    walk(simple.world, "break-glass.md", SIGNERS=str(tmp_path / "signers"), NAME="first.prod", TARGET="10.0.0.99")
    (folder,) = tmp_path.glob("hyops-bundle-*")
    brought_in = simple.world.bodies()[-1]

    assert isinstance(brought_in, Reconcile)
    assert brought_in.imported is not None
    moved = [one.after.rdata for one in brought_in.imported.changes if one.after]
    assert moved == [("10.0.0.99",), simple.world.at("first")["A"][1]]

    assert json.loads((folder / "bundle.json").read_text())["commit"] == simple.world.git("rev-parse", "HEAD")
