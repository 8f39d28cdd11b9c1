"""What many zones cost beside one of the same size; `python -m bench.zones --zones 50 --endpoints 200`.

Two repositories with the same number of endpoints, on one PowerDNS: one has them all in one zone, the other has many
zones. The same commands run in both, in turn. Prints CPU seconds of the process and of all its children, and the ratio;
asserts no time. After the applies every log is verified.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

from bench.compare.measure import Sample, measure, run
from bench.compare.ours import MAX_BODY_MIB, Ours
from bench.compare.tree import Tree
from hyops_gitops.lab.lifecycle import start_lab, stop_lab
from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.zones import create_zone

_PROGRAM = str(Path(sys.executable).with_name("hyops-gitops"))
# Name, arguments, and how many endpoints move before it, in one zone.
_CASES = (
    ("validate", "validate", 0),
    ("plan", "plan", 1),
    ("apply-one", "apply", 0),
    ("apply-none", "apply", 0),
    ("status", "status", 0),
    ("verify", "evidence verify", 0),
    ("audit", "audit --offline", 0),
)


class Many(Ours):
    """A clone whose contracts are of several zones."""

    def __init__(self, folder: Path, zones: list[str], lab: Lab, tree: Tree) -> None:
        self.zones = zones
        super().__init__(folder, zones[0], lab, tree, [_PROGRAM])
        for zone in zones[1:]:
            self._add(zone)
        if zones[1:]:
            self._commit()
            for zone in zones[1:]:
                measure(self._command(f"evidence init --zone {zone}"), folder)
            self._commit()

    def _add(self, zone: str) -> None:
        text = self._authority_text().replace(self.zone, zone, 1).replace('"evidence",', f'"evidence-{zone}",')
        (self.root / f"authority/{zone}.yaml").write_text(text)
        for index in range(self.tree.size):
            path = self.root / self.tree.path(index).replace("endpoints/", f"endpoints/{zone}/", 1)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.tree.contract(index, zone))
        run("git", "-C", self.root, "add", "-A")

    def timed(self, words: str) -> Sample:
        """One command in the clone."""
        return measure(self._command(words), self.folder)

    def pull_logs(self) -> None:
        """What other commands read: the logs as the remote has them."""
        run("git", "-C", self.root, "fetch", "-q", "origin")


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--zones", type=int, default=50)
    parser.add_argument("--endpoints", type=int, default=200, help="in each zone")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="hyops-bench-zones-") as scratch:
        settings = {"webserver-max-bodysize": str(MAX_BODY_MIB), "allow-axfr-ips": "127.0.0.0/8", "disable-axfr": "no"}
        lab = start_lab(Path(scratch) / "lab", zone="lab.internal", settings=settings)
        try:
            print(_table(_measured(Path(scratch), lab, options)))
        finally:
            stop_lab(lab)
    return 0


def _measured(scratch: Path, lab: Lab, options: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """CPU seconds by case: of one zone, and of many."""
    names = [f"z{number:03}.example" for number in range(options.zones)]
    for name in ("one.example", *names):
        create_zone(lab, name)
    one = Many(scratch / "one", ["one.example"], lab, Tree(options.zones * options.endpoints))
    many = Many(scratch / "many", names, lab, Tree(options.endpoints))
    os.sync()
    found: dict[str, tuple[float, float]] = {"apply-first": (one.timed("apply").cpu_s, many.timed("apply").cpu_s)}
    samples: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name, *_ in _CASES}
    for _ in range(options.runs):
        for name, words, moves in _CASES:
            for repository, taken in zip((one, many), samples[name], strict=True):
                if moves:
                    repository.write(repository.tree.move(moves))
                    repository.commit()
                repository.pull_logs()
                taken.append(repository.timed(words).cpu_s)
    return found | {name: (statistics.median(a), statistics.median(b)) for name, (a, b) in samples.items()}


def _table(found: dict[str, tuple[float, float]]) -> str:
    lines = ["| command | one zone | many zones | ratio |", "|---|---|---|---|"]
    lines += [f"| {name} | {one:.2f} s | {many:.2f} s | {many / one:.2f} |" for name, (one, many) in found.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
