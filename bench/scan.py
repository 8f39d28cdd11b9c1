"""`scan` over a made tree of 100,000 files, beside `git grep -F -f`; `python -m bench.scan [--files N]`.

The tree has addresses at places that are known, in files that count and in files that do not: what git ignores, what
`.hyops-scan-ignore` names, binary ones, lines that are allowed. Every planted address has to be found, and no other.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.compare.measure import Command, measure, run
from bench.compare.tree import Tree

ZONE = "hyops.internal"
_ROOT = Path(__file__).parents[1]
_WORDS = [
    "def",
    "return",
    "self.value",
    "12",
    "0x1f",
    "http://example.net",
    "std::string",
    "1.2.3",
    "# note",
    "a: b",
    "{}",
]
_DECOYS = [
    "192.0.2.7",
    "110.0.0.1.9",
    "v10.0.0.1",
    "00:1a:2b:3c:4d:5e",
    "12:30:45",
    "2001:db8::9",
    "db.prod.example.net",
]
_MOST = 900  # planted where they count: a command shows the first thousand

Place = tuple[str, int, int, str]  # path, line, column, as it stands there


@dataclass
class MadeTree:
    """A repository of an application, and where addresses stand in it."""

    top: Path
    known: Sequence[str]  # addresses and names that are looked for
    files: int
    random: random.Random
    planted: list[Place] = field(default_factory=list)
    octets: int = 0

    def make(self) -> "MadeTree":
        """Write the files."""
        self.top.mkdir(parents=True)
        (self.top / ".gitignore").write_text("/build/\n*.log\n")
        (self.top / ".hyops-scan-ignore").write_text("vendor/  # of others\n")
        lines = [self._line() for _ in range(5000)]
        every = max(1, self.files // _MOST)
        kinds = ("src/{}.py", "src/{}.py", "conf/{}.yaml", "build/{}.py", "a/vendor/{}.js", "src/{}.bin", "src/{}.log")
        for number in range(self.files):
            kind = kinds[self.random.randrange(len(kinds))] if number % 20 == 0 else kinds[number % 3]
            path = kind.format(f"{number % 31}/{number // 31 % 31}/{number}")
            start = self.random.randrange(len(lines) - 200)
            content = lines[start : start + self.random.randrange(5, 200)]
            if number % every == 0:
                self._plant(path, content, counts=kind in kinds[:3])
            self._write(path, content)
        return self

    def _line(self) -> str:
        words = (self.random.choice(_DECOYS if self.random.random() < 0.01 else _WORDS) for _ in range(8))
        return f"{' ' * self.random.randrange(8)}{' '.join(words)}"

    def _plant(self, path: str, content: list[str], *, counts: bool) -> None:
        word = self.random.choice(self.known)
        if ":" in word or word.endswith(ZONE):
            word = self.random.choice([word, word.upper()])
        before = self.random.choice(["host = ", "é ", '"\\n', "http://u@", "x=", "- "])
        allowed = self.random.random() < 0.1
        line = self.random.randrange(len(content))
        content[line] = f"{before}{word} {'# hyops-allow: the seed' if allowed else ''}"
        if counts and not allowed:
            self.planted.append((path, line + 1, len(before) + 1, word))

    def _write(self, path: str, content: list[str]) -> None:
        file = self.top / path
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
        except FileNotFoundError:
            file.parent.mkdir(parents=True)
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT)
        data = "\n".join(content).encode()
        self.octets += os.write(descriptor, (b"\0" if path.endswith(".bin") else b"") + data)
        os.close(descriptor)


def make_contracts(root: Path, count: int) -> list[str]:
    """A repository of contracts without a log; the addresses and the renamed names that it knows."""
    tree, known = Tree(count), list[str]()
    shutil.copytree(_ROOT / "authority", root / "authority")
    for index in range(count):
        text = tree.contract(index, ZONE)
        known += sorted({tree.target(index), *(tree.sites(index).values() if tree.has_sites(index) else ())})
        if index % 10 == 0:
            old, target = f"old{index}.{tree.label(index).split('.')[1]}.{ZONE}", f"fd00:1::{index + 1:x}"
            text = text.replace(f'"{tree.target(index)}"', f'["{tree.target(index)}", "{target}"]', 1)
            text += f'\nendpoint_aliases: [{{name: "{old}", until: "2030-01-01"}}]\n'
            known += [old, target]
        file = root / tree.path(index)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    commit(root)
    return known


def commit(root: Path) -> None:
    """Make a repository of a folder, everything in it committed."""
    git = ("git", "-C", root, "-c", "user.name=Bench", "-c", "user.email=bench@example.invalid", "-c", "gc.auto=0")
    run(*git, "init", "-q")
    run(*git, "add", "-A")
    run(*git, "commit", "-q", "-m", "Begin")


def found_in(document: dict[str, list[dict[str, object]]]) -> list[Place]:
    """The places that a `hyops-scan/1` document names."""
    return [
        (str(hit["path"]), int(str(hit["line"])), int(str(hit["column"])), str(hit["found"]))
        for hit in document["findings"]
    ]


def main(arguments: list[str]) -> int:
    """Make both repositories, check what is found, and measure in turn."""
    parser = argparse.ArgumentParser(prog="python -m bench.scan", description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--addresses", type=int, default=1000, help="contracts; a third of them has two sites")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-grep", action="store_true")
    parser.add_argument("--scratch", type=Path, help="folder for the repositories")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="hyops-scan-", dir=options.scratch) as made:
        scratch = Path(made)
        known = make_contracts(scratch / "dns", options.addresses)
        tree = MadeTree(scratch / "application", known, options.files, random.Random(1)).make()  # noqa: S311 - the same tree each time
        run("git", "init", "-q", tree.top)  # nothing is added: 100,000 objects would take longer than all runs
        (scratch / "known").write_text("".join(f"{word}\n" for word in known))
        return _contest(tree, scratch, options.rounds, grep=not options.without_grep)


def _contest(tree: MadeTree, scratch: Path, rounds: int, *, grep: bool) -> int:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    ours = [str(Path(sys.executable).with_name("hyops-gitops")), "scan", "--contracts", str(scratch / "dns")]
    commands = {
        "scan": Command([*ours, "--format", "json", "."], tree.top, environ, frozenset({1})),
        "scan, nothing to search": Command([*ours, ".gitignore"], tree.top, environ),
    }
    if grep:
        words = ["git", "grep", "--untracked", "-n", "-I", "-F", "-f", str(scratch / "known")]
        commands["git grep -F -f"] = Command(words, tree.top, environ)
    samples = {name: [measure(command, scratch)] for name, command in commands.items() if name == "scan"}
    places = found_in(json.loads((scratch / "out").read_text()))
    missed, others = sorted(set(tree.planted) - set(places)), sorted(set(places) - set(tree.planted))
    print(f"{tree.files} files, {tree.octets / 2**20:.0f} MiB, {len(tree.known)} addresses and names")
    print(f"{len(tree.planted)} planted: {len(missed)} not found, {len(others)} others found", *missed[:5], *others[:5])
    samples = {name: [measure(command, scratch) for _ in range(rounds)] for name, command in commands.items()}
    middle: Callable[[str, str], float] = lambda name, value: statistics.median(  # noqa: E731
        getattr(sample, value) for sample in samples[name]
    )
    for name in commands:
        memory = f"{middle(name, 'memory_mib'):.0f} MiB"
        print(f"| {name} | {middle(name, 'cpu_s'):.2f} s CPU | {middle(name, 'wall_s'):.2f} s | {memory} |")
    if grep:
        print(f"scan / git grep: {middle('scan', 'cpu_s') / middle('git grep -F -f', 'cpu_s'):.2f}")
    return 1 if missed or others else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
