"""Our own tool in the comparison: a repository, its remote, its log and its commands."""

import json
import os
import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from bench.compare.cases import OURS, Case
from bench.compare.measure import Command, addresses, measure, run
from bench.compare.tree import ENVIRONMENTS, Tree
from hyops_gitops.lab.model import Lab

PRINCIPAL = "applier@bench"
MAX_BODY_MIB = 64
_BIG = 1_000_000  # caps are not what is measured
_PROOF = ("evidence verify", "audit --offline")


class Ours:
    """A clone of a bare remote with the tree's contracts."""

    name = OURS

    def __init__(self, folder: Path, zone: str, lab: Lab, tree: Tree, program: Sequence[str]) -> None:
        self.folder, self.zone, self.lab, self.tree, self._program = folder, zone, lab, tree, program
        self.remote, self.root, self.key = folder / "remote.git", folder / "clone", folder / "key"
        folder.mkdir()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") and name != "CI"}
        self.environ = {
            **inherited,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            "HYOPS_SIGNING_KEY_FILE": str(self.key),
            "POWERDNS_API_KEY": lab.api_key,
            "HYOPS_PRIMARY_URL": lab.primary.api_url,
            "HYOPS_SECONDARY_URLS": ",".join(server.api_url for server in lab.secondaries),
        }
        self._moved: Sequence[int] = ()
        self._clones = 0
        self._begin()

    def _begin(self) -> None:
        """The remote, with everything in one pack as a forge has it; a clone of it; the log."""
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", self.key)
        run("git", "init", "-q", "--bare", "-b", "main", self.remote)
        public = " ".join(self.key.with_suffix(".pub").read_text().split()[:2])
        files = {"authority/allowed_signers": f"{PRINCIPAL} {public}\n", self._authority: self._authority_text()}
        files |= {self.tree.path(index): self.tree.contract(index, self.zone) for index in range(self.tree.size)}
        parts = ["commit refs/heads/main\ncommitter Bench <bench@example.invalid> 1767225600 +0000\ndata 5\nbegin\n"]
        parts += [f"M 100644 inline {path}\ndata {len(text.encode())}\n{text}\n" for path, text in files.items()]
        run("git", "-C", self.remote, "fast-import", "--quiet", stdin="".join(parts).encode())
        run("git", "clone", "-q", "--no-local", self.remote, self.root)
        self._configure(self.root)
        measure(self._command("evidence init"), self.folder)
        self._commit()

    @property
    def _authority(self) -> str:
        return f"authority/{self.zone}.yaml"

    def _authority_text(self) -> str:
        lab = self.lab
        api = {"api_key_env": "POWERDNS_API_KEY"}
        primary = {
            "api_url": lab.primary.api_url,
            **api,
            "dns": str(lab.primary.dns),
            "site": "hetzner",
            # Versions of ours that do not know it can be measured below this size.
            **({"max_body_mib": MAX_BODY_MIB} if self.tree.size > 10_000 else {}),
        }
        secondaries = [
            {"name": server.name, "site": "onprem", "dns": str(server.dns), "api_url": server.api_url, **api}
            for server in lab.secondaries
        ]
        policy = {
            "ttl": {"min": 1, "max": 3600, "default": 60},
            "target_networks": ["10.0.0.0/8"],
            "max_replaces": _BIG,
            "max_cutovers": _BIG,
            "max_change_percent": 100,
            "separation_of_duties": "off",
            "lease_s": 900,
            "convergence": {"timeout_s": 300, "require": ["primary", "secondaries"]},  # the machine may be busy
        }
        fields: dict[str, object] = {
            "zone": self.zone,
            "environments": list(ENVIRONMENTS),
            "failure_domain": "onprem",
            "primary": primary,
            "secondaries": secondaries,
            "policy": policy,
            "evidence": {"branch": "evidence", "remote": "origin"},
        }
        return "".join(f"{name}: {json.dumps(value)}\n" for name, value in fields.items())

    def _configure(self, root: Path) -> None:
        for name, value in (("user.name", "Bench"), ("user.email", "bench@example.invalid")):
            run("git", "-C", root, "config", name, value)

    # --- the tree

    def write(self, moved: Sequence[int]) -> None:
        """Write and stage the contracts of what is new; `commit` commits them."""
        self._moved = moved
        for index in moved:
            (self.root / self.tree.path(index)).write_text(self.tree.contract(index, self.zone))
        paths = "\0".join(self.tree.path(index) for index in moved).encode()
        run("git", "-C", self.root, "add", "--pathspec-from-file=-", "--pathspec-file-nul", stdin=paths)

    def commit(self) -> None:
        """Commit what is staged."""
        self._commit()

    def _commit(self) -> None:
        run("git", "-C", self.root, "commit", "-q", "-a", "-m", "Change")
        run("git", "-C", self.root, "push", "-q", "origin", "HEAD:main")

    def fresh_clone(self) -> Path:
        """Another clone, as CI makes one, with the log."""
        self._clones += 1
        root = self.folder / f"clone{self._clones}"
        shutil.rmtree(self.folder / f"clone{self._clones - 1}", ignore_errors=True)
        run("git", "clone", "-q", "--no-local", self.remote, root)
        run("git", "-C", root, "fetch", "-q", "origin", "evidence")
        self._configure(root)
        return root

    # --- commands

    def command(self, case: Case) -> Command:
        """The program with the case's arguments."""
        index = self._moved[0] if self._moved else 0
        words = case.ours.format(file=self.tree.path(index), name=self.tree.label(index), before="HEAD~1")
        root = self.fresh_clone() if case.need.startswith("clone") else self.root
        return self._command(words, root, case.exits)

    def _command(self, words: str, root: Path | None = None, exits: frozenset[int] = frozenset({0})) -> Command:
        return Command([*self._program, *shlex.split(words)], root or self.root, self.environ, exits)

    def prove(self, moved: Sequence[int]) -> None:
        """What an apply promised: the whole log verifies and agrees with the contracts, and every server answers."""
        run("git", "-C", self.root, "fetch", "-q", "origin", "evidence")
        for words in _PROOF:
            measure(self._command(words), self.folder)
        expected = {f"{self.tree.label(index)}.{self.zone}": self.tree.target(index) for index in moved}
        for server in self.lab.servers:
            found = addresses(server.dns, list(expected))
            wrong = [name for name, address in expected.items() if found[name] != address]
            assert not wrong, f"{server.name} has {len(wrong)} other answers, such as {wrong[0]}: {found[wrong[0]]}"

    def entries(self) -> int:
        """How many entries the log has."""
        listed = run("git", "-C", self.root, "ls-tree", "-r", "--name-only", "refs/remotes/origin/evidence").decode()
        return len(re.findall(r"^log/.*\.json$", listed, re.MULTILINE))
