"""The tools: what each is told about the same tree, and its commands."""

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from bench.compare import floor
from bench.compare.cases import CONTROL, FLOOR, OCTO, Case
from bench.compare.measure import Command
from bench.compare.tree import Tree
from hyops_gitops.lab.model import Lab

OCTODNS = ("octodns==1.22.0", "octodns-powerdns==1.2.0")
_TTL = 30
_KEY = "BENCH_API_KEY"


class Tool(Protocol):
    """One tool and its zone."""

    name: str
    zone: str

    def write(self, moved: Sequence[int]) -> None:
        """Bring its files to where the tree is; `moved` is what is new."""

    def command(self, case: Case) -> Command | None:
        """Its command for a case, if it has one."""


class _Peer:
    """A tool that knows no log: a folder, a zone, an API."""

    name = ""

    def __init__(self, folder: Path, zone: str, lab: Lab, tree: Tree) -> None:
        self.folder, self.zone, self.lab, self.tree = folder, zone, lab, tree
        folder.mkdir()
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        self.environ: Mapping[str, str] = {**clean, _KEY: lab.api_key}

    def _file(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def _run(self, *words: str) -> Command:
        return Command(words, self.folder, self.environ)


class OctoDns(_Peer):
    """octoDNS with octodns-powerdns."""

    name = OCTO

    def __init__(self, folder: Path, zone: str, lab: Lab, tree: Tree, programs: Path) -> None:
        super().__init__(folder, zone, lab, tree)
        self.programs = programs

    def write(self, moved: Sequence[int]) -> None:
        """One file with all records, as octoDNS has it."""
        del moved
        host = self.lab.primary.api
        powerdns = f"{{class: octodns_powerdns.PowerDnsProvider, host: {host.host}, port: {host.port}, "
        powerdns += f"api_key: env/{_KEY}, notify: true}}"
        self._file(
            "config.yaml",
            "providers:\n  config: {class: octodns.provider.yaml.YamlProvider, directory: ./zones, default_ttl: 30}\n"
            f"  powerdns: {powerdns}\nzones:\n  {self.zone}.: {{sources: [config], targets: [powerdns]}}\n",
        )
        (self.folder / "zones").mkdir(exist_ok=True)
        records = "".join(
            f"{label}: {{ttl: {_TTL}, type: A, value: {self.tree.target(index)}}}\n"
            for index, label in enumerate(self.tree.labels())
        )
        self._file(f"zones/{self.zone}.yaml", f"---\n{records}")

    def command(self, case: Case) -> Command | None:
        """`octodns-validate` or `octodns-sync`."""
        if not case.peers:
            return None
        program = str(self.programs / ("octodns-validate" if case.peers == "validate" else "octodns-sync"))
        return self._run(
            program, "--config-file=config.yaml", *(["--doit", "--force"] if case.peers == "apply" else [])
        )


class DnsControl(_Peer):
    """DNSControl, for which no package index has a binary: one that is on PATH or named."""

    name = CONTROL

    def __init__(self, folder: Path, zone: str, lab: Lab, tree: Tree, program: str) -> None:
        super().__init__(folder, zone, lab, tree)
        self.program = program

    def write(self, moved: Sequence[int]) -> None:
        """One file with all records, as DNSControl has it."""
        del moved
        credentials = {"TYPE": "POWERDNS", "apiUrl": self.lab.primary.api_url, "apiKey": f"${_KEY}"}
        self._file(
            "creds.json",
            json.dumps({"none": {"TYPE": "NONE"}, "powerdns": {**credentials, "serverName": "localhost"}}),
        )
        records = "".join(
            f'A("{label}", "{self.tree.target(index)}", TTL({_TTL})),\n'
            for index, label in enumerate(self.tree.labels())
        )
        self._file(
            "dnsconfig.js",
            'var REG = NewRegistrar("none");\n'
            'var DSP = NewDnsProvider("powerdns", {"default_ns": [], "soa_edit_api": "INCREASE"});\n'
            f'D("{self.zone}", REG, DnsProvider(DSP),\n{records}END);\n',
        )

    def command(self, case: Case) -> Command | None:
        """`check`, `preview` or `push`."""
        word = {"validate": "check", "plan": "preview", "apply": "push"}.get(case.peers)
        return self._run(self.program, word) if word else None


class Floor(_Peer):
    """Python that reads the zone and sends one PATCH, and knows what changed."""

    name = FLOOR

    def write(self, moved: Sequence[int]) -> None:
        """Only what is new."""
        lines = (f"{self.tree.label(index)}.{self.zone} {self.tree.target(index)}\n" for index in moved)
        self._file("wanted", "".join(lines))

    def command(self, case: Case) -> Command | None:
        """The script, where there is something to write."""
        if not (case.applies and case.peers):
            return None
        script = str(Path(floor.__file__).resolve())
        return self._run(sys.executable, "-I", script, self.lab.primary.api_url, self.lab.api_key, self.zone, "wanted")


def find_octodns(folder: Path, *, install: bool) -> Path | None:
    """The folder of octoDNS's programs, installed in a virtual environment of its own if it may be."""
    programs = folder / "bin"
    if not (programs / "octodns-sync").exists() and install:
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([programs / "pip", "install", "--quiet", *OCTODNS], check=True)
    return programs if (programs / "octodns-sync").exists() else None


def find_dnscontrol(named: str | None) -> str | None:
    """DNSControl's program."""
    return shutil.which(named or CONTROL)
