"""Small trees at random, one after another: names, aliases, references, renames, deletions and mistakes."""

from collections import Counter
from collections.abc import Callable, Mapping
from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.conftest import SAID
from tests.support.contracts import AUTHORITY
from tests.support.site import LONG

ENVIRONMENTS = ("prod", "dev", "shared")
SERVICES = ("a", "b", "c", "d")
ZONE = "hyops.internal"
NAMES = tuple(f"{service}.{environment}.{ZONE}" for environment in ENVIRONMENTS for service in SERVICES)
AUTHORITY_TEXT = b"""\
zone: hyops.internal
environments: [prod, dev]
failure_domain: onprem
primary: {api_url: "https://[fd00::53]:8443", api_key_env: KEY, site: hetzner}
secondaries: [{name: s1, site: onprem, dns: "[fd00::53]:53"}]
"""
Tree = Mapping[str, bytes]


def path_of(name: str) -> str:
    """Where the contract of a name stands."""
    service, environment, *_ = name.split(".")
    return f"endpoints/{environment}/{service}.yaml"


def name_of(path: str) -> str:
    """The name that a path says."""
    _, environment, file = path.split("/")
    return f"{file.removesuffix('.yaml')}.{environment}.{ZONE}"


def address(random: Random) -> str:
    """One of few, so that it is often the same."""
    return f"10.0.0.{random.randint(1, 9)}"


def contract(random: Random, name: str, **fields: str) -> bytes:
    """A contract as it should be, but for the fields given."""
    lines = {
        "endpoint_dns_name": name,
        "endpoint_target": address(random),
        "endpoint_target_type": "host",
        "endpoint_port": "5432",
        "endpoint_cutover_required": random.choice(("true", "false")),
        **fields,
    }
    return "".join(f"{key}: {value}\n" for key, value in lines.items()).encode()


def spelled(random: Random, name: str) -> str:
    """A name as somebody may write it."""
    hidden = f'"\\x{ord(name[0]):02x}{name[1:]}"'
    return random.choice((name, name, name, f"'{name}'", f'"{name}"', hidden, f"{name.upper()}", f"{name}."))


class History:
    """One tree after another."""

    def __init__(self, random: Random, *, mistakes: bool = True) -> None:
        self.random = random
        self.mistakes = mistakes
        self.files: dict[str, bytes] = {AUTHORITY: AUTHORITY_TEXT}
        self.made: Counter[str] = Counter()
        for name in random.sample(NAMES, random.randint(2, 7)):
            self.files[path_of(name)] = contract(random, name)

    @property
    def tree(self) -> Tree:
        """The files now."""
        return dict(self.files)

    def go_on(self, steps: int) -> Tree:
        """The tree after some steps."""
        sound: list[Callable[[], None]] = [
            self.move,
            self.move,
            self.create,
            self.delete,
            self.point,
            self.point,
            self.rename,
            self.keep,
            self.drop_aliases,
            self.remark,
        ]
        wrong: list[Callable[[], None]] = [
            self.dangle,
            self.copy,
            self.take_alias,
            self.break_form,
            self.misname,
            self.loop,
            self.spell_otherwise,
        ]
        for _ in range(steps):
            step = self.random.choice(wrong if self.mistakes and self.random.random() < 0.3 else sound)
            step()
            self.made[step.__name__] += 1
        return self.tree

    def paths(self) -> list[str]:
        return sorted(path for path in self.files if path.startswith("endpoints/"))

    def any_path(self) -> str:
        paths = self.paths()
        if not paths:
            self.create()
            paths = self.paths()
        return self.random.choice(paths)

    # --- as it should be

    def move(self) -> None:
        path = self.any_path()
        self.files[path] = contract(self.random, name_of(path), **self.aliases_of(path))

    def create(self) -> None:
        name = self.random.choice(NAMES)
        self.files.setdefault(path_of(name), contract(self.random, name))

    def delete(self) -> None:
        del self.files[self.any_path()]

    def point(self) -> None:
        """Point one at another's name, or at a name outside."""
        path, other = self.any_path(), self.any_path()
        target = name_of(other) if other != path else "db.example.com"
        self.write_dns(path, self.random.choice((target, spelled(self.random, target)) if self.mistakes else (target,)))

    def rename(self) -> None:
        """Give one another name and keep the old one as an alias."""
        path, name = self.any_path(), self.random.choice(NAMES)
        if path_of(name) not in self.files:
            del self.files[path]
            kept = f'[{{name: {name_of(path)}, until: "2030-01-31"}}]'
            self.files[path_of(name)] = contract(self.random, name, endpoint_aliases=kept)

    def keep(self) -> None:
        """Keep a name that is free as an alias."""
        free = [name for name in NAMES if path_of(name) not in self.files and not self.is_kept(name)]
        if free:
            self.write_alias(self.any_path(), self.random.choice(free))

    def drop_aliases(self) -> None:
        for path in self.paths():
            if b"endpoint_aliases" in self.files[path]:
                self.files[path] = contract(self.random, name_of(path))
                return

    def remark(self) -> None:
        path = self.any_path()
        self.files[path] += b"# a remark about " + self.random.choice(NAMES).encode() + b"\n"

    # --- as it should not be

    def dangle(self) -> None:
        self.write_dns(self.any_path(), spelled(self.random, self.random.choice((*NAMES, f"x.prod.{ZONE}"))))

    def copy(self) -> None:
        name = self.random.choice(NAMES)
        self.files[path_of(name)] = self.files[self.any_path()]

    def take_alias(self) -> None:
        self.write_alias(self.any_path(), spelled(self.random, self.random.choice(NAMES)))

    def break_form(self) -> None:
        path = self.any_path()
        broken = (b"endpoint_dns_name: [\n", b"\xff\n", b"{}\n", self.files[path].replace(b"5432", b"0"))
        self.files[path] = self.random.choice(broken)

    def misname(self) -> None:
        names = (*NAMES, "x y", f"A.prod.{ZONE}", f"a.prd.{ZONE}", "a.prod.example.com")
        self.files[self.any_path()] = contract(self.random, self.random.choice(names))

    def loop(self) -> None:
        here, there = self.any_path(), self.any_path()
        self.write_dns(here, name_of(there))
        self.write_dns(there, name_of(here))

    def spell_otherwise(self) -> None:
        path = self.any_path()
        self.files[path] = contract(self.random, spelled(self.random, name_of(path)))

    # --- parts

    def write_dns(self, path: str, target: str) -> None:
        fields = {"endpoint_target": target, "endpoint_target_type": "dns", **self.aliases_of(path)}
        self.files[path] = contract(self.random, name_of(path), **fields)

    def write_alias(self, path: str, alias: str) -> None:
        kept = f'[{{name: {alias}, until: "2030-01-31"}}]'
        self.files[path] = contract(self.random, name_of(path), endpoint_aliases=kept)

    def aliases_of(self, path: str) -> dict[str, str]:
        lines = self.files[path].decode("utf-8", "replace").splitlines()
        kept = [line.partition(": ")[2] for line in lines if line.startswith("endpoint_aliases: ")]
        return {"endpoint_aliases": kept[0]} if kept else {}

    def is_kept(self, name: str) -> bool:
        return any(b"endpoint_aliases" in data and name.encode() in data for data in self.files.values())


def over_seeds(
    check: Callable[[int], None],
    made: Counter[str],
    record_property: Callable[[str, object], None],
    *,
    examples: int,
    known: int = 0,
) -> None:
    """Check histories of so many seeds and of a known one, and say what they were made of."""

    @settings(max_examples=examples, database=None, derandomize=not LONG)
    @given(st.integers(0, 2**40))
    @example(known)
    def compare(seed: int) -> None:
        check(seed)

    compare()
    record_property(SAID, ", ".join(f"{number} {kind}" for kind, number in sorted(made.items())))
