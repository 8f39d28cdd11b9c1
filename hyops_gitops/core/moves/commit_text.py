"""The commit and the branch that carry a move: names and messages, trailers included."""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hyops_gitops.core.declaration import Declaration
from hyops_gitops.core.guards import Override

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class CommitText:
    """What a commit says: a subject, a body, and trailers, which have to be its last paragraph."""

    subject: str
    body: str = ""
    trailers: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """All of it."""
        parts = [self.subject, self.body, "\n".join(self.trailers)]
        return "\n\n".join(part for part in parts if part) + "\n"

    @property
    def description(self) -> str:
        """All but the subject, for a pull request: a forge that squashes makes its commit of it."""
        return "\n\n".join(part for part in (self.body, "\n".join(self.trailers)) if part)


def trailer_lines(declared: Declaration, overrides: Iterable[Override] = ()) -> tuple[str, ...]:
    """The trailers that say this, as `core.trailers` reads them."""
    found = [
        ("Kind", declared.kind),
        ("Reason", declared.reason),
        ("Reference", declared.reference),
        *(("Site-Lost", site) for site in declared.sites_lost),
        *(("Hold", f"{hold.name}={hold.reason}") for hold in declared.holds),
        *(("Override", str(one)) for one in overrides),
    ]
    return tuple(f"Hyops-{key}: {' '.join(text.split())}" for key, text in found if text)


def branch_name(verb: str, *words: str) -> str:
    """`failover/onprem-to-gcp`: letters, digits, dots and hyphens only."""
    safe = (_UNSAFE.sub("-", word).strip("-.") for word in words)
    return f"{verb}/{'-'.join(word for word in safe if word)}"


def commit_commands(branch: str, paths: Sequence[str], text: CommitText) -> tuple[str, ...]:
    """The commands that commit edited files on a new branch."""
    messages = [part for part in (text.subject, text.body, "\n".join(text.trailers)) if part]
    return (
        shlex.join(["git", "switch", "-c", branch]),
        shlex.join(["git", "add", *paths]),
        shlex.join(["git", "commit", *(word for part in messages for word in ("-m", part))]),
    )


def pull_request_command(branch: str, text: CommitText) -> tuple[str, ...]:
    """The command that opens a pull request with the forge's own program."""
    return ("gh", "pr", "create", "--head", branch, "--title", text.subject, "--body", text.description)
