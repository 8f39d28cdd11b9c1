"""No secret of a whole journey is written anywhere, or reaches a program that does not need it."""

import base64
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.support.clone import run, write_key
from tests.support.world import Ran, World

pytestmark = pytest.mark.authority

WRONG_KEY = "marked-wrong-api-key-5f1c"
FORGE_TOKEN = "marked-forge-token-82ab"
PASSWORD = "marked-password-in-a-url-77d0"
# Writes down environment and arguments of what runs in its place.
WRAPPER = """#!/bin/sh
{{ tr '\\0' '\\n' </proc/$$/environ; tr '\\0' ' ' </proc/$$/cmdline; echo; }} >>'{log}'
exec '{real}' "$@"
"""


@dataclass
class Journey:
    """A world whose children are watched, and everything that it has printed."""

    world: World
    folder: Path
    deploy_key: Path
    printed: dict[str, str] = field(default_factory=dict)

    @property
    def children(self) -> Path:
        """What the programs that it started were given."""
        return self.folder / "children"

    @property
    def scratch(self) -> Path:
        """Where it puts temporary files."""
        return self.folder / "tmp"

    def run(self, *words: str, **environ: str) -> Ran:
        """One command, with a token for a forge that does not answer."""
        surroundings = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "TMPDIR": str(self.scratch),
            "HYOPS_DEPLOY_KEY_FILE": str(self.deploy_key),
            "HYOPS_FORGE_TOKEN": FORGE_TOKEN,
            "HYOPS_FORGE_URL": "http://127.0.0.1:9",
            "HYOPS_FORGE_REPOSITORY": "acme/dns",
            "HYOPS_TRACEBACK": "1",
        }
        ran = replace(self.world, environ={**self.world.environ, **surroundings, **environ}).cli(*words)
        self.printed[f"{len(self.printed) + 1} {' '.join(words)}"] = f"{ran.out}\n{ran.err}"
        return ran

    def secrets(self) -> dict[str, bytes]:
        """What must not be found, by what it is; of a private key, a line of it and the seed in it."""
        found = {"wrong API key": WRONG_KEY, "forge token": FORGE_TOKEN, "password": PASSWORD}
        found |= {"API key": self.world.environ["POWERDNS_API_KEY"]}
        marks = {name: value.encode() for name, value in found.items()}
        for name, key in (("signing key", self.world.key), ("deploy key", self.deploy_key)):
            line = key.read_text().splitlines()[2]
            marks |= {name: line.encode(), f"{name}, decoded": base64.b64decode(line)[:24]}
        return marks

    def written(self) -> Iterator[tuple[str, bytes]]:
        """Everything that was written, by where: outputs, both repositories object by object, other files, children."""
        yield from ((place, text.encode()) for place, text in self.printed.items())
        for place in (self.world.root, Path(str(self.world.remote))):
            yield f"objects of {place}", run("git", "-C", place, "cat-file", "--batch", "--batch-all-objects")
            files = (file for file in place.rglob("*") if file.is_file() and "objects" not in file.parts)
            yield from ((str(file), file.read_bytes()) for file in files)
        yield from ((str(file), file.read_bytes()) for file in self.scratch.rglob("*") if file.is_file())
        yield "children", self.children.read_bytes()


@pytest.fixture
def journey(served: World, tmp_path: Path) -> Journey:
    folder = tmp_path / "journey"
    for name in ("bin", "tmp"):
        (folder / name).mkdir(parents=True)
    made = Journey(served, folder, folder / "deploy-key")
    write_key(made.deploy_key)
    for program in ("git", "ssh", "ssh-keygen", "gh"):
        wrapper = folder / "bin" / program
        wrapper.write_text(WRAPPER.format(log=made.children, real=shutil.which(program) or "/bin/false"))
        wrapper.chmod(0o755)
    return made


def test_no_secret_is_written_printed_or_handed_on(journey: Journey) -> None:
    world, url = journey.world, journey.world.environ["HYOPS_PRIMARY_URL"]
    assert journey.run("validate").exit == 0
    assert journey.run("plan", "--live").exit == 0
    assert journey.run("apply", "--format", "json").exit == 0
    world.contract("second", "10.0.0.2")
    world.commit("Second")
    assert journey.run("apply", "--format", "markdown").exit == 0
    for words in ("status", "drift", "audit", "history first.prod", "evidence verify", "doctor"):
        journey.run(*words.split())
    assert journey.run("bundle", "--out", str(journey.folder / "bundle"), "--wheels", str(journey.folder)).exit == 4
    # What goes wrong says more than what does not.
    world.contract("second", "10.0.0.3")
    world.commit("Third")
    assert journey.run("apply", POWERDNS_API_KEY=WRONG_KEY).exit == 4
    assert journey.run("apply", HYOPS_PRIMARY_URL=url.replace("//", f"//me:{PASSWORD}@")).exit == 3
    assert journey.run("apply", HYOPS_SIGNING_KEY_FILE=world.key.read_text()).exit != 0
    assert journey.run("apply", HYOPS_DEPLOY_KEY_FILE=journey.deploy_key.read_text()).exit != 0
    assert journey.run("apply", POWERDNS_API_KEY=f"{WRONG_KEY}\n{WRONG_KEY}").exit == 4
    assert journey.run("doctor", POWERDNS_API_KEY=WRONG_KEY, HYOPS_FORGE_URL=f"https://me:{PASSWORD}@forge").exit != 0
    world.git("remote", "set-url", "origin", f"https://me:{PASSWORD}@127.0.0.1:9/dns.git")
    assert journey.run("apply").exit == 4
    world.git("remote", "set-url", "origin", str(world.remote))

    found = sorted(
        f"{name} in {place}"
        for place, content in journey.written()
        for name, secret in journey.secrets().items()
        if secret in content and not (name == "password" and place.endswith("/.git/config"))
    )
    assert "\n".join(found) == ""
    assert all(word in journey.children.read_bytes() for word in (b"PATH=", b"ssh-keygen", b"git"))  # it was looked at


def test_a_secret_that_is_written_would_be_found(journey: Journey) -> None:
    """The search itself, on planted ones."""
    world = journey.world
    journey.run("status")
    world.write("endpoints/notes.txt", f"key: {world.environ['POWERDNS_API_KEY']}\n")
    world.commit("A leak")
    (journey.scratch / "left-behind").write_text(world.key.read_text())
    with journey.children.open("a") as file:
        file.write(f"HYOPS_FORGE_TOKEN={FORGE_TOKEN}\n")

    found = {
        (name, place.split(" ")[0])
        for place, content in journey.written()
        for name, secret in journey.secrets().items()
        if secret in content
    }
    assert {("forge token", "children"), ("API key", "objects")} <= found
    assert ("signing key", str(journey.scratch / "left-behind")) in found
