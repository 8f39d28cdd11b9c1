"""A world to apply in: a clone with contracts, its bare remote, a signing key, and a zone of a running lab.

Everything outside the program is real: Git, OpenSSH, PowerDNS. `World.apply` takes a function that may swap single
ports, so that a test can inject the one fault it is about.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hyops_gitops.adapters.ssh.signing import KEY_VARIABLE
from hyops_gitops.adapters.yaml.edit import add_scalar
from hyops_gitops.apply.apply import apply
from hyops_gitops.apply.opening import ApplyRequest
from hyops_gitops.apply.receipt import Receipt
from hyops_gitops.cli.wiring import TOOL, LocalWorkspace, overrides_of
from hyops_gitops.core.events import OnEvent
from hyops_gitops.core.outside import Process
from hyops_gitops.core.ports import Signer
from hyops_gitops.lab.model import Lab
from hyops_gitops.log.admin import start_log
from hyops_gitops.log.workspace import Workspace
from tests.support.clone import GIT_CONFIG, POLICY, PRINCIPAL, configure, run, write_key
from tests.support.commands import run_command
from tests.support.served_zone import ServedZone
from tests.support.signing import quick_signer
from tests.support.tampering import Tampering

Swap = Callable[[Workspace], Workspace]


@dataclass(frozen=True, slots=True)
class Ran:
    """One finished command line."""

    exit: int
    out: str
    err: str

    def document(self) -> dict[str, object]:
        """The one JSON document on stdout."""
        document = json.loads(self.out)
        assert isinstance(document, dict)
        return document


class QuickWorkspace(LocalWorkspace):
    """The program's own adapters, but for a signer that starts no process: an apply signs nine times."""

    def open_signer(self) -> Signer:
        return quick_signer(Path(self.environ.get(KEY_VARIABLE, ""))) or super().open_signer()


class World(ServedZone, Tampering):
    """One clone, its remote and its zone."""

    @classmethod
    def make(
        cls,
        directory: Path,
        zone: str,
        lab: Lab | None = None,
        *,
        local: bool = False,
        init: bool = True,
        **policy: object,
    ) -> "World":
        """A clone with one contract (`first.prod`), committed, its log started and pinned.

        Args:
            directory: An empty directory.
            zone: Served by the lab, where there is one.
            lab: Whose servers the authority file names; without, every address in it is closed.
            local: Without a remote.
            init: Whether to start the log.
            policy: Replaces parts of `POLICY`.
        """
        root, remote, key = directory / "clone", None if local else directory / "remote.git", directory / "key"
        directory.mkdir(exist_ok=True)
        write_key(key)
        run("git", "init", "-q", "--template=", "-b", "main", root)
        environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") and name != "CI"}
        environ |= {**GIT_CONFIG, "HYOPS_SIGNING_KEY_FILE": str(key)}
        if lab is not None:
            environ["POWERDNS_API_KEY"] = lab.api_key
            environ["HYOPS_PRIMARY_URL"] = lab.primary.api_url
            environ["HYOPS_SECONDARY_URLS"] = ",".join(server.api_url for server in lab.secondaries)
        world = cls(root, zone, environ, lab, remote, key, {**POLICY, **policy})
        settings = {"user": {"name": "Tester", "email": "tester@example.invalid"}, "maintenance": {"auto": "false"}}
        folders = [root / ".git"]
        if remote is not None:
            run("git", "init", "-q", "--template=", "--bare", "-b", "main", remote)
            folders.append(remote)
            configure(remote, {"receive": {"denyNonFastForwards": "true", "denyDeletes": "true", "autogc": "false"}})
            settings['remote "origin"'] = {"url": str(remote), "fetch": "+refs/heads/*:refs/remotes/origin/*"}
        configure(root / ".git", settings)
        for folder in folders:  # git's template has fourteen samples in them
            (folder / "hooks").mkdir()
            (folder / "info").mkdir(exist_ok=True)
        world.write("authority/allowed_signers", f"{PRINCIPAL} {world.public_key}\n")
        world.write(world.authority_path, world.authority_text())
        world.contract("first", "10.0.0.1")
        world.commit("Begin", push=not init)
        if init:
            world.start_log()
        return world

    def copied(self, directory: Path) -> "World":
        """The same, key included, below another directory that is empty: a tenth of the work of `make`."""
        old = self.root.parent
        shutil.copytree(old, directory, symlinks=True, dirs_exist_ok=True)
        config = directory / self.root.relative_to(old) / ".git/config"
        config.write_text(config.read_text().replace(str(old), str(directory)))
        root, key = directory / self.root.relative_to(old), directory / self.key.relative_to(old)
        remote = self.remote and directory / self.remote.relative_to(old)
        environ = {**self.environ, "HYOPS_SIGNING_KEY_FILE": str(key)}
        return World(root, self.zone, environ, self.lab, remote, key, dict(self.policy))

    def start_log(self) -> str:
        """Genesis, its digest pinned and committed; the digest."""
        started = start_log(self.wiring())
        pinned = add_scalar(self.read(self.authority_path), "evidence", "genesis", f"sha256:{started.sha256}")
        self.write(self.authority_path, pinned)
        self.commit("Pin the log")
        return started.sha256

    def clone(self, directory: Path) -> "World":
        """Another clone of the same remote, for another applier."""
        assert self.remote is not None
        run("git", "clone", "-q", self.remote, directory)
        other = World(directory, self.zone, self.environ, self.lab, self.remote, self.key, self.policy)
        configure(directory / ".git", {"user": {"name": "Other", "email": "other@example.invalid"}})
        return other

    # --- the program

    def wiring(self, authority: Path | None = None, on_event: OnEvent = lambda _: None) -> LocalWorkspace:
        """This clone and environment, as one command sees it."""
        return QuickWorkspace(self.root, self.environ, on_event, authority)

    def apply(
        self,
        *overrides: str,
        revision: str | None = None,
        authority: Path | None = None,
        swap: Swap = lambda ports: ports,
        wait: bool = True,
        recover: int | None = None,
        sites_lost: tuple[str, ...] = (),
        watch: bool = True,
        on_event: OnEvent = lambda _: None,
    ) -> Receipt:
        """Apply HEAD with a clean work tree, or the revision given."""
        request = ApplyRequest(
            revision=revision or "HEAD",
            work_tree_matters=revision is None,
            overrides=overrides_of(overrides),
            wait=wait,
            recover=recover,
            sites_lost=sites_lost,
            watch=watch,
        )
        process = Process(TOOL, boot_id="boot", pid=os.getpid())
        return apply(request, swap(self.wiring(authority, on_event).replaced(process=process)))

    def cli(self, *arguments: str | Path, cwd: Path | None = None, **environ: str) -> Ran:
        """One command line in a process of its own, in the clone unless said otherwise."""
        code, out, err = run_command(list(map(str, arguments)), cwd or self.root, {**self.environ, **environ})
        return Ran(code, out.decode(), err.decode())

    @contextlib.contextmanager
    def nothing_written(self) -> Iterator[None]:
        """Neither the zone nor the log may be another afterwards."""
        before = self.evidence_head()
        with self.zone_untouched():
            yield
        assert self.evidence_head() == before

    @contextlib.contextmanager
    def only_a_refusal(self) -> Iterator[None]:
        """The zone may not be another afterwards, and the log says only that something was refused."""
        before = self.types()
        with self.zone_untouched():
            yield
        assert self.types() == [*before, "refusal"]

    @contextlib.contextmanager
    def zone_untouched(self) -> Iterator[None]:
        """The zone may not be another afterwards, its serial and markers included."""
        before = (self.serial(), self.primary.rrsets())
        yield
        assert (self.serial(), self.primary.rrsets()) == before


MakeWorld = Callable[..., World]
