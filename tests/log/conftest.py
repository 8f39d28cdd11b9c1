"""Worlds without a zone, but with a log, a remote and as many keys as a test wants."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hyops_gitops.core.signers import fingerprint
from tests.support.world import Ran, World, run

ZONE = "custody.internal"
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Key:
    """A key pair, and the line of allowed_signers that is about it."""

    path: Path
    principal: str

    @property
    def public(self) -> str:
        return " ".join(self.path.with_suffix(".pub").read_text().split()[:2])

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.public)

    def line(self, options: str = "") -> str:
        return f"{self.principal} {options + ' ' if options else ''}{self.public}\n"


MakeKey = Callable[..., Key]


@pytest.fixture
def make_key(tmp_path: Path) -> MakeKey:
    """`make_key(principal)`: a new ed25519 key."""

    def make(principal: str) -> Key:
        path = tmp_path / f"key{next(_numbers)}"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path)
        return Key(path, principal)

    return make


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A clone with a log of one entry; nobody serves its zone."""
    return World.make(tmp_path, ZONE)


def list_keys(world: World, *lines: str) -> str:
    """Add lines to allowed_signers by a commit; its id."""
    world.write("authority/allowed_signers", world.read("authority/allowed_signers") + "".join(lines))
    return world.commit("Signers")


def ok(ran: Ran) -> Ran:
    """It has to have succeeded."""
    assert ran.exit == 0, ran.err
    return ran


def verifies(world: World) -> Ran:
    """`evidence verify` in the clone, which has to say yes."""
    return ok(world.cli("evidence", "verify"))
