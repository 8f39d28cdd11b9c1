"""What a log of many applies weighs, and what a clone of it costs; `python -m bench.age [--endpoints N] [--entries N]`.

Entries are written by the program's own writer to the branch of a bare repository, as an applier's pushes leave it:
an intent and a result for each apply of one change. No server takes part: what each answered is made up.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from bench.compare.measure import Command, CommandFailed, Sample, measure, run
from bench.compare.ours import Ours
from bench.compare.tree import Tree
from bench.make_log import Key
from hyops_gitops.adapters.git.evidence import GitEvidenceStore
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.people import Approval, MergedCommit, Person
from hyops_gitops.core.server_report import RecordedAnswer, ServerReport
from hyops_gitops.core.tree import manifest_sha256
from hyops_gitops.core.zone import RRset
from hyops_gitops.lab.model import Lab, LabServer
from hyops_gitops.log.entries import Intent, Result
from hyops_gitops.log.log import Log
from hyops_gitops.log.parts import AuthorityRef, ContractsRef, Lease, ZoneDigests
from hyops_gitops.log.workspace import ManagedZone
from hyops_gitops.log.writer import EntryWriter
from hyops_gitops.plan.plan import Action, Change
from hyops_gitops.plan.state import after_changes

ZONE = "age.internal"
_CLOSED, _ALSO_CLOSED = ServerAddress("127.0.0.1", 1), ServerAddress("127.0.0.1", 2)
_ANY = frozenset({0, 1, 3, 4})  # whether servers answer is not what is asked here
_MIB = 1024 * 1024
SHALLOW = "shallow, --depth=1"
_APPLY_TOO = ((), (["apply", "--no-wait"],))  # what it refuses


@dataclass
class Site:
    """A remote with contracts and a log, and what would be pushed to it next."""

    ours: Ours
    writer: EntryWriter
    log: Log
    contracts: ContractsRef
    authority: AuthorityRef
    merged: MergedCommit
    serial: int = 1

    @classmethod
    def begin(cls, folder: Path, endpoints: int, program: Sequence[str]) -> "Site":
        """With a tree of so many endpoints, and the first apply of all."""
        primary, secondary = (
            LabServer("primary", "primary", _CLOSED, _CLOSED),
            LabServer("ns1", "secondary", _ALSO_CLOSED, _ALSO_CLOSED),
        )
        lab = Lab(ZONE, "gsqlite3", "none", primary, (secondary,), made_directory=False, directory=folder)
        tree = Tree(endpoints)
        ours = Ours(folder / "ours", ZONE, lab, tree, program)
        zone = _zone(ours)
        files = zone.revision.validation.files
        asked, approved = Person("Ada Example", "1001"), Approval(Person("Bob Example", "1002"), zone.commit)
        merged = MergedCommit(zone.commit, "Move a service", asked, datetime.now(UTC), (approved,), pull_request="4711")
        authority = AuthorityRef(sha256_hex(files[zone.authority.path]), outside_commit=False)
        contracts = ContractsRef(zone.commit, manifest_sha256(files), zone.workspace.rules)
        site = cls(
            ours,
            zone.entry_writer(_signer(ours.key)),
            zone.log(),
            contracts,
            authority,
            merged,
        )
        site.apply([site.change(index, None, tree.target(index)) for index in range(endpoints)])
        return replace(site, log=_zone(ours).log())  # as the next applier reads it

    def change(self, index: int, before: str | None, after: str) -> Change:
        """One endpoint's new address."""
        name, contract = f"{self.ours.tree.label(index)}.{ZONE}", self.ours.tree.path(index)
        old = None if before is None else RRset.of(name, "A", 30, [before])
        new = RRset.of(name, "A", 30, [after])
        action = Action.CREATE if old is None else Action.REPLACE
        return Change(action, name, "A", old, new, contract, cutover=old is not None)

    def apply(self, changes: Sequence[Change]) -> None:
        """An intent and its result, each a commit of its own."""
        log, put = self.log, [change.after for change in changes if change.after is not None]
        zone, state = log.observed.with_rrsets(put), after_changes(log.state, changes)
        before, after = (
            ZoneDigests.of(*content, serial)
            for content, serial in (((log.observed, log.state), self.serial), ((zone, state), self.serial + 1))
        )
        lease, who = Lease(120, "boot", 1), (self.merged,)
        intent = Intent(self.contracts, self.authority, who, before, after, "e" * 64, tuple(changes), (), (), (), lease)
        intended = self.writer.append(log, intent, log.observed, log.state)
        answers = tuple(RecordedAnswer(new.name, "A", "NOERROR", 30, new.rdata) for new in put[:20])
        servers = tuple(
            ServerReport(role, name, str(_CLOSED), "converged", 40, answers)
            for role, name in (("primary", "primary"), ("secondary", "ns1"))
        )
        result = Result(
            intended.head.seq,
            intended.head.sha256,
            "applied",
            converged=True,
            serial_before=self.serial,
            after=after,
            after_source="computed",
            accepted=datetime.now(UTC).replace(microsecond=0),
            servers=servers,
            retire=(),
        )
        self.log, self.serial = self.writer.append(intended, result, zone, state), self.serial + 1

    def grow(self, entries: int) -> None:
        """Up to so many entries, each apply of one change, every second one back to where the contracts are."""
        while len(self.log.entries) < entries:
            number, tree = len(self.log.entries) // 2, self.ours.tree
            index = number // 2 % tree.size
            there, elsewhere = tree.target(index), f"10.99.{index >> 8}.{index & 255}"
            self.apply([self.change(index, *((there, elsewhere) if number % 2 else (elsewhere, there)))])


def _signer(file: Path) -> Key:
    """A signer with the key of a file, without a process for each signature."""
    private = load_ssh_private_key(file.read_bytes(), None)
    assert isinstance(private, Ed25519PrivateKey)
    return Key(private)


def _zone(ours: Ours) -> ManagedZone:
    """The zone with a log that is written to the remote's own repository."""
    workspace = LocalWorkspace(ours.root, ours.environ).replaced(
        open_store=lambda settings: GitEvidenceStore(ours.remote, settings.branch, None)
    )
    return workspace.at("HEAD").zone()


def main(arguments: list[str]) -> int:
    """Grow, weigh, clone."""
    parser = argparse.ArgumentParser(prog="python -m bench.age", description=__doc__)
    parser.add_argument("--endpoints", type=int, default=10_000)
    parser.add_argument(
        "--entries", type=int, nargs="+", default=[2_003, 5_003], help="weigh and clone at these lengths"
    )
    parser.add_argument("--scratch", type=Path, help="folder for the repositories")
    options = parser.parse_args(arguments)
    program = [str(Path(sys.executable).with_name("hyops-gitops"))]
    with tempfile.TemporaryDirectory(prefix="hyops-age-", dir=options.scratch) as scratch:
        site = Site.begin(Path(scratch), options.endpoints, program)
        run("git", "-C", site.ours.remote, "config", "uploadpack.allowFilter", "true")
        for entries in options.entries:
            began = time.process_time()
            site.grow(entries)
            print(f"{len(site.log.entries)} entries, {options.endpoints} endpoints", flush=True)
            print(f"  written with {time.process_time() - began:.0f} s of CPU, git's own apart")
            print(f"  on disk: {_weight(site.ours.remote)}", flush=True)
            collected = measure(Command(["git", "gc", "-q"], site.ours.remote, site.ours.environ), Path(scratch))
            print(f"  after git gc, {_spent(collected)}: {_weight(site.ours.remote)}", flush=True)
            _clones(site, Path(scratch))
    return 0


def _clones(site: Site, scratch: Path) -> None:
    """Clone in each way, and run a first and a second command in each."""
    url = f"file://{site.ours.remote}"
    ways = {
        "a fresh clone": (["clone", "-q", url], ["fetch", "-q", "origin", "evidence"]),
        "with --filter=blob:none": (["clone", "-q", "--filter=blob:none", url], ["fetch", "-q", "origin", "evidence"]),
        SHALLOW: (
            ["clone", "-q", "--depth=1", url],
            ["fetch", "-q", "--depth=1", "origin", "+evidence:refs/remotes/origin/evidence"],
        ),
    }
    for way, (clone, fetch) in ways.items():
        root = scratch / "fresh"
        shutil.rmtree(root, ignore_errors=True)
        taken = [_git(site, scratch, scratch, *clone, str(root)), _git(site, scratch, root, *fetch)]
        print(f"  {way}: {_spent(*taken)}, {_weight(root / '.git')}", flush=True)
        name = site.ours.tree.label(0)
        for words in (["plan"], ["plan"], ["evidence", "verify"], ["history", name], *_APPLY_TOO[way == SHALLOW]):
            command = Command(
                [str(Path(sys.executable).with_name("hyops-gitops")), *words], root, site.ours.environ, _ANY
            )
            try:
                sample = measure(command, scratch)
            except CommandFailed as error:
                print(f"    {' '.join(words)}: {error}")
                continue
            said = "" if not sample.exit else f", exit {sample.exit}: {(scratch / 'err').read_text().strip()[:300]}"
            print(f"    {' '.join(words)}: {_spent(sample)}, {sample.memory_mib:.0f} MiB of memory{said}", flush=True)


def _git(site: Site, scratch: Path, cwd: Path, *words: str) -> Sample:
    return measure(Command(["git", *words], cwd, site.ours.environ), scratch)


def _spent(*samples: Sample) -> str:
    return f"{sum(one.wall_s for one in samples):.2f} s ({sum(one.cpu_s for one in samples):.2f} s of CPU)"


def _weight(folder: Path) -> str:
    """What a repository takes on disk."""
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    loose = sum(1 for file in folder.glob("objects/[0-9a-f][0-9a-f]/*"))
    return f"{size / _MIB:.1f} MiB, {loose} loose objects"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
