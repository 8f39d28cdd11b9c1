"""A world to apply in: a clone with contracts, its bare remote, a signing key, and a zone of a running lab.

Everything outside the program is real: Git, OpenSSH, PowerDNS. `World.apply` takes a function that may swap single
ports, so that a test can inject the one fault it is about.
"""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hyops_gitops.adapters.powerdns.http import PowerDnsHttp
from hyops_gitops.adapters.powerdns.zone_api import PowerDnsReader, PowerDnsTransferRequester, PowerDnsWriter
from hyops_gitops.adapters.yaml.edit import add_scalar
from hyops_gitops.apply.apply import apply
from hyops_gitops.apply.receipt import Receipt
from hyops_gitops.apply.request import ApplyRequest
from hyops_gitops.cli.wiring import TOOL, LocalWorkspace, overrides_of
from hyops_gitops.core.events import OnEvent
from hyops_gitops.core.outside import Process
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.lab.model import Lab, LabServer
from hyops_gitops.lab.zones import served_serial, wait_until
from hyops_gitops.log.entries import Body
from hyops_gitops.log.envelope import Entry, decode, entry_path
from hyops_gitops.log.genesis import start_log
from hyops_gitops.log.workspace import Workspace
from tests.support.commands import run_command

PRINCIPAL = "applier@tests"
CLOSED = "127.0.0.1:1"  # nobody listens on a port this low
POLICY: Mapping[str, object] = {
    "ttl": {"min": 1, "max": 3600, "default": 60},
    "target_networks": ["10.0.0.0/8", "fd00::/8"],
    "convergence": {"timeout_s": 10, "require": ["primary", "secondaries"]},
}
GIT_CONFIG = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}

Swap = Callable[[Workspace], Workspace]


def run(*command: str | Path, stdin: bytes = b"", cwd: Path | None = None) -> bytes:
    """The standard output of a program that has to succeed."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        [str(word) for word in command],
        check=False,
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env={**environ, **GIT_CONFIG},
    )
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.stderr.decode(errors='replace')}")
    return done.stdout


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


@dataclass
class World:
    """One clone, its remote and its zone."""

    root: Path
    zone: str
    environ: dict[str, str]
    lab: Lab | None
    remote: Path | None
    key: Path
    policy: dict[str, object] = field(default_factory=dict)

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
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key)
        run("git", "init", "-q", "-b", "main", root)
        environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") and name != "CI"}
        environ |= {**GIT_CONFIG, "HYOPS_SIGNING_KEY_FILE": str(key)}
        if lab is not None:
            environ["POWERDNS_API_KEY"] = lab.api_key
            environ["HYOPS_PRIMARY_URL"] = lab.primary.api_url
            environ["HYOPS_SECONDARY_URLS"] = ",".join(server.api_url for server in lab.secondaries)
        world = cls(root, zone, environ, lab, remote, key, {**POLICY, **policy})
        world.git("config", "user.name", "Tester")
        world.git("config", "user.email", "tester@example.invalid")
        if remote is not None:
            run("git", "init", "-q", "--bare", "-b", "main", remote)
            for name in ("denyNonFastForwards", "denyDeletes"):
                run("git", "-C", remote, "config", f"receive.{name}", "true")
            world.git("remote", "add", "origin", str(remote))
        world.write("authority/allowed_signers", f"{PRINCIPAL} {world.public_key}\n")
        world.write(world.authority_path, world.authority_text())
        world.contract("first", "10.0.0.1")
        world.commit("Begin")
        if init:
            world.start_log()
        return world

    # --- the clone

    @property
    def authority_path(self) -> str:
        """The zone's authority file."""
        return f"authority/{self.zone}.yaml"

    @property
    def public_key(self) -> str:
        """`<type> <base64>`."""
        return " ".join(self.key.with_suffix(".pub").read_text().split()[:2])

    def authority_text(self) -> str:
        """The authority file as it is at first. Flow style is JSON, which is YAML."""
        evidence = {"branch": "evidence", **({} if self.remote is None else {"remote": "origin"})}
        fields: dict[str, object] = {
            "zone": self.zone,
            "environments": ["dev", "prod"],
            "failure_domain": "onprem",
            "primary": {
                "api_url": f"http://{CLOSED}",
                "api_key_env": "POWERDNS_API_KEY",
                "dns": CLOSED,
                "site": "hetzner",
            },
            "secondaries": [],
            "policy": self.policy,
            "evidence": evidence,
        }
        if self.lab is not None:
            primary = self.lab.primary
            fields["primary"] = {
                "api_url": primary.api_url,
                "api_key_env": "POWERDNS_API_KEY",
                "dns": str(primary.dns),
                "site": "hetzner",
            }
            fields["secondaries"] = [
                {
                    "name": server.name,
                    "site": "onprem",
                    "dns": str(server.dns),
                    "api_url": server.api_url,
                    "api_key_env": "POWERDNS_API_KEY",
                }
                for server in self.lab.secondaries
            ]
            if self.lab.resolver is not None:
                fields["resolvers"] = [{"name": "clients", "site": "onprem", "dns": str(self.lab.resolver.dns)}]
        return "".join(f"{name}: {json.dumps(value)}\n" for name, value in fields.items())

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        """Git in the clone."""
        return run("git", "-C", self.root, *arguments, stdin=stdin).decode().removesuffix("\n")

    def write(self, path: str, text: str) -> None:
        """One file of the work tree."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def read(self, path: str) -> str:
        """One file of the work tree."""
        return (self.root / path).read_text()

    def edit_authority(self, old: str, new: str) -> None:
        """Replace text of the authority file in the work tree."""
        text = self.read(self.authority_path)
        assert old in text
        self.write(self.authority_path, text.replace(old, new))

    def name(self, service: str, env: str = "prod") -> str:
        """The DNS name of a service."""
        return f"{service}.{env}.{self.zone}"

    def contract(
        self,
        service: str,
        *targets: str,
        ttl: int = 60,
        env: str = "prod",
        sites: Mapping[str, str] | None = None,
        required: bool = True,
        **more: object,
    ) -> None:
        """Write a contract: addresses make it a `host`, a name `dns`; `more` are further fields."""
        kind = "host" if all(target[0].isdigit() or ":" in target for target in targets) else "dns"
        fields: dict[str, object] = {
            "endpoint_dns_name": self.name(service, env),
            "endpoint_target": targets[0] if len(targets) == 1 else list(targets),
            "endpoint_target_type": kind,
            "endpoint_port": 5432,
            "endpoint_cutover_required": required,
            "endpoint_ttl": ttl,
            "endpoint_readiness": [{"type": "none", "reason": "nobody listens at this address"}],
            **more,
        }
        if sites is not None:
            fields["endpoint_sites"] = sites
        self.write(
            f"endpoints/{env}/{service}.yaml", "".join(f"{key}: {json.dumps(value)}\n" for key, value in fields.items())
        )

    def delete_contract(self, service: str, env: str = "prod") -> None:
        """Remove a contract."""
        (self.root / f"endpoints/{env}/{service}.yaml").unlink()

    def commit(self, message: str = "Change") -> str:
        """Commit the whole work tree and push it where there is a remote."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        if self.remote is not None:
            self.git("push", "-q", "--force", "origin", "HEAD:main")
        return self.git("rev-parse", "HEAD")

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
        other.git("config", "user.name", "Other")
        other.git("config", "user.email", "other@example.invalid")
        return other

    # --- the program

    def wiring(self, authority: Path | None = None, on_event: OnEvent = lambda _: None) -> LocalWorkspace:
        """This clone and environment, as one command sees it."""
        return LocalWorkspace(self.root, self.environ, on_event, authority)

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

    # --- the zone

    @property
    def primary(self) -> PowerDnsWriter:
        """The primary's API, for edits by hand."""
        assert self.lab is not None
        return PowerDnsWriter(self.lab.primary.api_url, "localhost", self.zone, self.lab.api_key)

    def secondary(self, number: int = 0) -> PowerDnsReader:
        """A secondary's API."""
        assert self.lab is not None
        return PowerDnsReader(self.lab.secondaries[number].api_url, "localhost", self.zone, self.lab.api_key)

    def put_zone(self, fields: Mapping[str, object], *, secondary: int | None = None) -> None:
        """Change the zone's settings on the primary, or on a secondary."""
        assert self.lab is not None
        server = self.lab.primary if secondary is None else self.lab.secondaries[secondary]
        http = PowerDnsHttp(server.api_url, self.lab.api_key, None, 10.0)
        path = f"/api/v1/servers/localhost/zones/{self.zone}."
        reply = http.exchange("PUT", path, {}, json.dumps(fields).encode())
        assert reply.status == 204, reply.body

    @contextlib.contextmanager
    def without_transfers(self) -> Iterator[None]:
        """The secondaries know of no primary meanwhile: not even a NOTIFY that is late brings them anything."""
        assert self.lab is not None
        transfer = str(self.lab.primary.transfer or self.lab.primary.dns)
        numbers = range(len(self.lab.secondaries))
        for secondary in self.lab.secondaries:  # a transfer that waits for its turn would still be made
            self.bring_up(secondary)
        for number in numbers:
            self.put_zone({"masters": [CLOSED]}, secondary=number)
        try:
            yield
        finally:
            for number in numbers:
                self.put_zone({"masters": [transfer]}, secondary=number)

    def bring_up(self, secondary: LabServer) -> None:
        """Let a secondary have what the primary has."""
        assert self.lab is not None
        primary = self.lab.primary
        requester = PowerDnsTransferRequester(secondary.api_url, "localhost", self.zone, self.lab.api_key)
        asked = 0.0

        def arrived() -> bool:
            nonlocal asked
            if time.monotonic() - asked > 1:  # one request may be lost while the secondary's database is busy
                asked = time.monotonic()
                requester.refresh()
            return served_serial(secondary, self.zone) == served_serial(primary, self.zone)

        wait_until(arrived, 20, "the transfer")

    def serial(self) -> int:
        """The zone's serial on the primary."""
        return self.primary.header().serial

    def records(self) -> Zone:
        """The zone on the primary, as digests see it."""
        return Zone.of(self.zone, self.primary.rrsets())

    def at(self, service: str) -> dict[str, tuple[int, tuple[str, ...]]]:
        """Type to TTL and rdata at a service's name."""
        return {rrset.type: (rrset.ttl, rrset.rdata) for rrset in self.primary.rrsets_at([self.name(service)])}

    def foreign(self, service: str, rrtype: str, *rdata: str, ttl: int = 60) -> RRset:
        """Write an RRset by hand."""
        rrset = RRset.of(self.name(service), rrtype, ttl, rdata)
        self.primary.patch([], [rrset])
        return rrset

    # --- the log

    def evidence_head(self) -> str:
        """The evidence branch's commit, where it counts."""
        return run("git", "-C", self.remote or self.root, "rev-parse", "refs/heads/evidence").decode().strip()

    def evidence(self, path: str) -> bytes:
        """One file of the evidence branch."""
        return run("git", "-C", self.remote or self.root, "show", f"refs/heads/evidence:{path}")

    def entries(self) -> list[Entry]:
        """Every entry, in order."""
        where = self.remote or self.root
        paths = run("git", "-C", where, "ls-tree", "-r", "--name-only", "refs/heads/evidence").decode().split()
        return [decode(self.evidence(path)) for path in paths if path.startswith("log/") and path.endswith(".json")]

    def bodies(self) -> list[Body]:
        """What the entries say."""
        return [entry.body for entry in self.entries()]

    def types(self) -> list[str]:
        """The entries' types."""
        return [entry.type for entry in self.entries()]

    def entry_bytes(self, seq: int) -> bytes:
        """One entry."""
        return self.evidence(entry_path(self.zone, seq))

    def rewrite_evidence(self, files: Mapping[str, bytes], message: str = "tampered") -> str:
        """Commit other contents on top of the evidence branch, behind the program's back; the new head."""
        where = self.remote or self.root
        index = self.root.parent / "tamper-index"
        index.unlink(missing_ok=True)
        environ = {"GIT_INDEX_FILE": str(index), "GIT_DIR": str(where if self.remote else where / ".git")}
        identity = ["-c", "user.name=Mallory", "-c", "user.email=m@example.invalid"]

        def plumb(*words: str, stdin: bytes = b"") -> str:
            done = subprocess.run(
                ["git", *identity, *words],
                input=stdin,
                capture_output=True,
                check=True,
                env={**os.environ, **GIT_CONFIG, **environ},
            )
            return done.stdout.decode().strip()

        head = plumb("rev-parse", "refs/heads/evidence")
        plumb("read-tree", head)
        for path, content in files.items():
            blob = plumb("hash-object", "-w", "--stdin", stdin=content)
            plumb("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
        commit = plumb("commit-tree", plumb("write-tree"), "-p", head, "-m", message)
        plumb("update-ref", "refs/heads/evidence", commit)
        return commit

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
