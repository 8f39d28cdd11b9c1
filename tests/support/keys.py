"""Key pairs, the list of signers, and commands that must succeed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hyops_gitops.core.signers import fingerprint
from tests.support.world import Ran, World


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
