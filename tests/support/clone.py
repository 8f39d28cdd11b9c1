"""A clone with contracts, and its bare remote: real Git, driven by tests."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from hyops_gitops.lab.model import Lab

PRINCIPAL = "applier@tests"


CLOSED = "127.0.0.1:1"  # nobody listens on a port this low


POLICY: Mapping[str, object] = {
    "ttl": {"min": 1, "max": 3600, "default": 60},
    "target_networks": ["10.0.0.0/8", "fd00::/8"],
    "convergence": {"timeout_s": 10, "require": ["primary", "secondaries"]},
}


GIT_CONFIG = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


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


def write_key(path: Path) -> None:
    """Write a new key and its public half as ssh-keygen would, which takes far longer to start."""
    key = Ed25519PrivateKey.generate()
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    Path(f"{path}.pub").write_bytes(public + b"\n")


def configure(repository: Path, settings: Mapping[str, Mapping[str, str]]) -> None:
    """Add to a repository's configuration, by section: a call of git for each setting would be the dearest part."""
    lines = [
        f"[{section}]\n" + "".join(f"\t{name} = {json.dumps(value)}\n" for name, value in values.items())
        for section, values in settings.items()
    ]
    with (repository / "config").open("a") as file:
        file.write("".join(lines))


@dataclass
class Clone:
    """One clone, its remote, and the zone that its contracts are about."""

    root: Path
    zone: str
    environ: dict[str, str]
    lab: Lab | None
    remote: Path | None
    key: Path
    policy: dict[str, object] = field(default_factory=dict)
    folder: str = ""  # `<zone>/`, of a further zone in a repository with several
    branch: str = "evidence"

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
        evidence = {"branch": self.branch, **({} if self.remote is None else {"remote": "origin"})}
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
            self.contract_path(service, env), "".join(f"{key}: {json.dumps(value)}\n" for key, value in fields.items())
        )

    def delete_contract(self, service: str, env: str = "prod") -> None:
        """Remove a contract."""
        (self.root / self.contract_path(service, env)).unlink()

    def contract_path(self, service: str, env: str = "prod") -> str:
        """The place of a contract."""
        return f"endpoints/{self.folder}{env}/{service}.yaml"

    def commit(self, message: str = "Change", *, push: bool = True) -> str:
        """Commit the whole work tree and push it where there is a remote."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        commit = self._head()
        if push and self.remote is not None:
            self._publish(commit, self.remote)
        return commit

    def _head(self) -> str:
        """The commit that was made just now: its reference is a file, where the clone is an ordinary one."""
        own = self.root / ".git"
        branch = (own / "HEAD").read_text().strip().removeprefix("ref: ") if own.is_dir() else ""
        return (own / branch).read_text().strip() if branch.startswith("refs/") else self.git("rev-parse", "HEAD")

    def _publish(self, commit: str, remote: Path) -> None:
        """Make it main of the remote: by hand where that is the same, since a push takes eight processes."""
        own = self.root / ".git"
        hooks = [hook for hook in (remote / "hooks").glob("*") if hook.suffix != ".sample"]
        if hooks or not own.is_dir() or any((own / "objects/pack").glob("*.pack")):
            self.git("push", "-q", "--force", "origin", "HEAD:main")
            return
        for folder in (own / "objects").glob("[0-9a-f][0-9a-f]"):
            theirs = remote / "objects" / folder.name
            theirs.mkdir(exist_ok=True)
            known = {path.name for path in theirs.iterdir()}
            for path in folder.iterdir():
                if path.name not in known:
                    shutil.copy(path, theirs)
        for ref in (remote / "refs/heads/main", own / "refs/remotes/origin/main"):
            ref.parent.mkdir(parents=True, exist_ok=True)
            new = ref.with_suffix(".new")
            new.write_text(f"{commit}\n")
            new.replace(ref)
