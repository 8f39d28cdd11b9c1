"""Record a log of a lived zone, with every type of entry. Usage: python -m tests.golden.recording DIRECTORY.

Made once, by the program of that time, against a real server; `test_recorded.py` holds every later version to it.
"""

import json
import sys
import tempfile
from pathlib import Path

from hyops_gitops.core.zone import RRset
from hyops_gitops.lab.lifecycle import start_lab, stop_lab
from hyops_gitops.lab.zones import create_zone
from hyops_gitops.log.entries import BODY_TYPES
from hyops_gitops.recover.breakglass import Cutover, Failback
from tests.support.clone import PRINCIPAL, run
from tests.support.lived import Lived
from tests.support.outage import Outage
from tests.support.world import World

ZONE = "recorded.internal"
_HOOK = """#!{python}
import json, os, signal, subprocess, sys, urllib.request
new = sys.stdin.read().split()[1]
paths = subprocess.check_output(["git", "show", "--format=", "--name-only", new], text=True).split()
newest = max(path for path in paths if path.startswith("log/") and path.endswith(".json"))
predicate = json.loads(subprocess.check_output(["git", "show", f"{{new}}:{{newest}}"]))["predicate"]
if predicate["type"] == "intent":
    {act}
"""
_KILL = 'os.kill(predicate["lease"]["pid"], signal.SIGKILL)'
_EDIT = """rrsets = [{{"name": "{name}.", "type": "A", "ttl": 60, "changetype": "REPLACE",
               "records": [{{"content": "10.66.6.6"}}]}}]
    request = urllib.request.Request("{url}", json.dumps({{"rrsets": rrsets}}).encode(), {{"X-API-Key": "{key}"}})
    request.method = "PATCH"
    urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(request).close()"""


def main(destination: Path) -> None:
    """Record it."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        lab = start_lab(scratch / "lab", zone="unused.internal", secondaries=1, backend="gsqlite3", settings={})
        try:
            create_zone(lab, ZONE)
            outage = Outage.make(scratch / "outage", ZONE, lab)
            world = live(outage, scratch)
        finally:
            stop_lab(lab)
        keep(world, destination)


def live(outage: Outage, scratch: Path) -> World:
    """Everything that can happen to a zone."""
    world = outage.world
    world.foreign("legacy", "TXT", '"v=spf1 -all"')
    done(world, 0, "apply")  # drift of a foreign record
    move(world, 0, "10.0.0.3")
    world.foreign("first", "A", "10.9.9.9")  # an edit by hand
    done(world, 0, "apply")
    done(world, 0, "apply", "--override", f"drift:{world.name('first')}=put back")
    world.write("endpoints/README.md", "Nothing about the zone.\n")
    world.commit("Words")
    done(world, 0, "apply")  # unchanged
    world.foreign("third", "A", "10.8.8.8")
    world.contract("third", "10.0.0.33")
    world.commit("Third")
    done(world, 3, "apply")  # refused: foreign
    done(world, 0, "apply", "--override", f"foreign:{world.name('third')}=agreed with its owner")
    world.edit_authority('failure_domain: "onprem"', 'failure_domain: "onprem-1"')
    world.commit("Rename the failure domain")
    move(world, 0, "10.0.0.4")  # an authority entry
    dead_and_beaten(world)
    keys(world)
    outage.forge_down()
    outage.break_glass(Cutover("first.prod", "gcp"))
    outage.break_glass(Failback("first.prod"), by="bob@tests", witness="alice@tests")
    outage.forge_up()
    done(world, 0, "reconcile", str(outage.segment()))
    done(world, 0, "reconcile", outage.segment().name, "--reviewed", PRINCIPAL)
    done(world, 0, "apply")
    Lived(world, (), world.records()).lose_zone()
    done(world, 0, "restore", "--yes")
    move(world, 0, "10.0.0.6")
    fresh = rewound(world, scratch)
    for number in range(7, 12):
        move(fresh, 0, f"10.0.0.{number}")
    fresh.delete_contract("third")
    fresh.commit("Third retires")
    done(fresh, 0, "apply")
    return fresh


def dead_and_beaten(world: World) -> None:
    """An applier that died before its PATCH, one that an edit by hand overtook, and one that the server refused."""
    assert world.lab is not None
    assert world.remote is not None
    hook = world.remote / "hooks/post-receive"
    hook.write_text(_HOOK.format(python=sys.executable, act=_KILL))
    hook.chmod(0o755)
    move(world, -9, "10.0.0.5")
    hook.unlink()
    done(world, 0, "apply")
    url = f"{world.lab.primary.api_url}/api/v1/servers/localhost/zones/{ZONE}."
    edit = _EDIT.format(name=world.name("second"), url=url, key=world.lab.api_key)
    hook.write_text(_HOOK.format(python=sys.executable, act=edit))
    hook.chmod(0o755)
    world.contract("second", "10.0.0.22")
    world.commit("Second")
    done(world, 3, "apply")
    hook.unlink()
    done(world, 0, "apply", "--override", f"drift:{world.name('second')}=that was us")
    number = len(world.entries()) + 1
    world.primary.patch([], [RRset.of(f"_{number}._hyops-gitops.{ZONE}", "CNAME", 60, [f"{ZONE}."])])
    world.contract("second", "10.0.0.23")
    world.commit("Second again")
    done(world, 4, "apply")
    done(world, 0, "apply")


def keys(world: World) -> None:
    """A second applier that is trusted, retires, and one that is stolen."""
    lines = world.read("authority/allowed_signers")
    made = {}
    for name in ("second@tests", "third@tests"):
        key = world.root.parent / name
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key)
        made[name] = " ".join(key.with_suffix(f"{key.suffix}.pub").read_text().split()[:2])
        lines += f'{name} namespaces="hyops-gitops" {made[name]}\n'
    world.write("authority/allowed_signers", lines)
    world.commit("Two more appliers")
    for name in made:
        done(world, 0, "keys", "trust", name, "--reason", "joined")
    own = 'second@tests namespaces="hyops-gitops"'
    world.write("authority/allowed_signers", lines.replace(own, f'{own},valid-before="20990101Z"'))
    world.commit("The second retires")
    done(world, 0, "keys", "retire", "second@tests", "--reason", "left")
    number = len(world.entries())
    listed = json.loads(done(world, 0, "keys", "list", "--format", "json"))["keys"]
    fingerprint = next(row["fingerprint"] for row in listed if row["principal"] == "third@tests")
    done(world, 0, "keys", "compromised", fingerprint, "--last-good-seq", str(number), "--reason", "laptop stolen")


def rewound(world: World, scratch: Path) -> World:
    """The forge lost the last two entries; a fresh clone goes on with a gap, and it is acknowledged."""
    assert world.remote is not None
    run("git", "-C", world.remote, "update-ref", "refs/heads/evidence", "refs/heads/evidence~2")
    fresh = world.clone(scratch / "fresh")
    done(fresh, 3, "apply")
    done(fresh, 0, "apply", "--override", "log-gap=the forge lost its disk")
    gap = next(entry.seq for entry in fresh.entries() if entry.type == "gap")
    done(fresh, 0, "evidence", "acknowledge", str(gap), "--reason", "the disk was found empty")
    return fresh


def move(world: World, expected: int, target: str) -> None:
    """One cutover by commit and apply."""
    sites = {"onprem": target, "gcp": "10.0.1.1"}
    world.contract("first", target, sites=sites, endpoint_home="onprem")
    world.commit(f"Move first to {target}")
    done(world, expected, "apply")


def done(world: World, expected: int, *arguments: str) -> str:
    """One command and its exit code; what it printed."""
    ran = world.cli(*arguments)
    print(len(world.entries()), arguments, ran.exit)  # noqa: T201 - progress of a script
    assert ran.exit == expected, (arguments, ran)
    return ran.out


def keep(world: World, destination: Path) -> None:
    """Both branches as a git bundle, and the key that may continue the log: it opens nothing else."""
    assert {entry.type for entry in world.entries()} == set(BODY_TYPES)
    assert len(world.entries()) >= 40, len(world.entries())
    destination.mkdir(parents=True, exist_ok=True)
    assert world.remote is not None
    bundle = destination.resolve() / "recorded.bundle"
    run("git", "-C", world.remote, "bundle", "create", "-q", bundle, "main", "evidence")
    (destination / "key").write_bytes(world.key.read_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
