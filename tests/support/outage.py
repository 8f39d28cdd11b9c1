"""A world whose forge can be taken away, and people who may break the glass."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from hyops_gitops.adapters.files import read_folder
from hyops_gitops.apply.opening import ApplyRequest
from hyops_gitops.cli.wiring import TOOL, LocalWorkspace, overrides_of
from hyops_gitops.core.declaration import Declaration
from hyops_gitops.core.events import Event, Warned
from hyops_gitops.core.markers import Anchor, anchor_name
from hyops_gitops.core.outside import Process
from hyops_gitops.lab.model import Lab
from hyops_gitops.log.envelope import Entry, decode
from hyops_gitops.move.write_moves import CommitOptions
from hyops_gitops.recover.breakglass import BreakGlassCommand, BreakGlassResult, breakglass
from hyops_gitops.recover.open_segment import BreakglassRequest
from hyops_gitops.recover.reconcile import ReconcileRequest, ReconcileResult, reconcile
from tests.support.book import make_keys, public
from tests.support.clone import PRINCIPAL, run
from tests.support.security_key import KINDS, SoftwareToken
from tests.support.world import Swap, World

SITES = {"onprem": "10.0.0.1", "gcp": "10.0.1.1"}
PEOPLE = ("alice@tests", "bob@tests")
TOKEN_OWNER = "carol@tests"  # whose key is a security key
NO_ORDER = CommitOptions()


@dataclass
class Outage:
    """One repository, its zone, and Alice and Bob."""

    world: World
    keys: Mapping[str, Path]
    token: SoftwareToken  # Carol's
    said: list[Event] = field(default_factory=list)

    @classmethod
    def make(cls, directory: Path, zone: str, lab: Lab, **policy: object) -> "Outage":
        """Two endpoints at their first site, applied."""
        world = World.make(directory, zone, lab, init=False, **policy)  # type: ignore[arg-type]  # policy by name
        keys = make_keys(directory, *PEOPLE)
        lines = [f'{PRINCIPAL} namespaces="hyops-gitops,hyops-gitops-bundle" {world.public_key}\n']
        lines += [f'{name} namespaces="hyops-gitops-breakglass,hyops-gitops" {public(keys[name])}\n' for name in PEOPLE]
        token = SoftwareToken(KINDS[0])
        lines.append(f'{TOKEN_OWNER} namespaces="hyops-gitops-breakglass" {token.public_key()}\n')
        world.write("authority/allowed_signers", "".join(lines))
        world.contract("first", SITES["onprem"], sites=SITES, endpoint_home="onprem")
        world.contract("second", "10.0.0.2", sites={"onprem": "10.0.0.2", "gcp": "10.0.1.2"})
        world.commit("Two endpoints")
        world.start_log()
        assert world.apply().outcome == "applied"
        return cls(world, keys, token)

    # --- the forge

    def forge_down(self) -> None:
        assert self.world.remote is not None
        self.world.remote.rename(self.world.remote.with_suffix(".gone"))

    def forge_up(self) -> None:
        assert self.world.remote is not None
        self.world.remote.with_suffix(".gone").rename(self.world.remote)

    def second_log(self, directory: Path) -> Path:
        """Another repository with the same contracts and signers, and a log of its own; its clone."""
        clone, remote = directory / "clone", directory / "remote.git"
        shutil.copytree(self.world.root, clone, symlinks=True)
        other = replace(self.world, root=clone, remote=remote)
        run("git", "init", "-q", "--bare", "-b", "main", remote)
        other.git("remote", "set-url", "origin", str(remote))
        for name in ("refs/remotes/origin/evidence", "refs/heads/evidence"):
            other.git("update-ref", "-d", name)
        other.write(other.authority_path, other.authority_text())
        other.commit("Begin again")
        other.start_log()
        return clone

    # --- people

    def wiring(self, who: str, root: Path | None = None) -> LocalWorkspace:
        """Adapters for one person, in the clone or another folder."""
        key = str(self.keys.get(who, self.world.key))
        environ = {**self.world.environ, "HYOPS_SIGNING_KEY_FILE": key}
        process = Process(TOOL, boot_id="boot", pid=os.getpid())
        return LocalWorkspace(root or self.world.root, environ, self.said.append).replaced(process=process)

    def break_glass(
        self,
        wanted: BreakGlassCommand,
        *overrides: str,
        by: str = "alice@tests",
        witness: str | None = None,
        root: Path | None = None,
        swap: Swap = lambda ports: ports,
        recover: int | None = None,
    ) -> BreakGlassResult:
        """One command of one person."""
        key = str(self.keys[witness]) if witness else ""
        request = BreakglassRequest(
            replace(run_of(overrides, recover), wait=False), Declaration("incident", "the forge is down"), key
        )
        workspace = self.wiring(by, root)
        own = workspace if by != TOKEN_OWNER else workspace.replaced(open_signer=lambda: self.token)
        return breakglass(wanted, request, swap(own), lambda *_: None)

    def bring_in(
        self,
        folder: Path | str,
        *overrides: str,
        by: str = PRINCIPAL,
        reviewed: str | None = None,
        order: CommitOptions = NO_ORDER,
        revert: bool = False,
        root: Path | None = None,
        recover: int | None = None,
        swap: Swap = lambda ports: ports,
    ) -> ReconcileResult:
        """Reconcile a folder, or what the log has by this id."""
        wiring = self.wiring(by, root)
        request = ReconcileRequest(
            segment=folder if isinstance(folder, str) else folder.name,
            files=None if isinstance(folder, str) else read_folder(folder),
            apply=run_of(overrides, recover),
            options=order,
            reviewed=reviewed,
            revert=revert,
        )
        return reconcile(request, swap(wiring))

    # --- what came of it

    def anchor(self) -> Anchor | None:
        """The zone's anchor on the primary."""
        found = [one for one in self.world.primary.rrsets_at([anchor_name(self.world.zone)]) if one.type == "TXT"]
        return Anchor.parse(found[0]) if found else None

    def warned(self) -> str:
        """Every warning so far."""
        return "\n".join(one.text for one in self.said if isinstance(one, Warned))

    def markers(self) -> dict[str, str]:
        """Every claim and tombstone: its label and its type."""
        apex = f".{anchor_name(self.world.zone)}"
        return {one.name.removesuffix(apex): one.type for one in self.world.primary.rrsets() if one.name.endswith(apex)}

    def segment(self, root: Path | None = None) -> Path:
        """The folder of the only segment."""
        (found,) = (one for one in ((root or self.world.root) / "segments").iterdir() if one.is_dir())
        return found

    def entries(self, root: Path | None = None) -> list[Entry]:
        """The entries of the only segment."""
        return [decode(path.read_bytes()) for path in sorted(self.segment(root).glob("*.json"))]


def target(outage: Outage, service: str) -> tuple[str, ...]:
    """Where a service's A record points."""
    return outage.world.at(service)["A"][1]


def run_of(overrides: tuple[str, ...], recover: int | None) -> ApplyRequest:
    """What this process is, to a command."""
    return ApplyRequest("HEAD", False, overrides_of(overrides), recover=recover)
