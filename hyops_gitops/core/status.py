"""What `status` found: each name from three sides."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["as intended", "differs", "silent"]


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """What one server answers for one name."""

    role: str
    name: str
    address: str
    verdict: Verdict
    rdata: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """The shape used in `hyops-status/1`."""
        return {
            "role": self.role,
            "name": self.name,
            "address": self.address,
            "verdict": self.verdict,
            "rdata": list(self.rdata),
        }


@dataclass(frozen=True, slots=True)
class NameStatus:
    """One name, from three sides."""

    name: str
    intended: tuple[str, ...]
    recorded: tuple[str, ...] | None  # None: there is no log to ask
    since_seq: int | None  # the intent that brought the recorded target
    answers: tuple[ServerAnswer, ...]

    @property
    def agrees(self) -> bool:
        """Whether all that could be seen is as intended."""
        recorded = self.recorded is None or self.recorded == self.intended
        return recorded and all(answer.verdict == "as intended" for answer in self.answers)

    def to_json(self) -> dict[str, object]:
        """The shape used in `hyops-status/1`."""
        return {
            "name": self.name,
            "agrees": self.agrees,
            "intended": list(self.intended),
            "recorded": None if self.recorded is None else list(self.recorded),
            "since_seq": self.since_seq,
            "answers": [answer.to_json() for answer in self.answers],
        }


@dataclass(frozen=True, slots=True)
class Status:
    """All names asked about."""

    zone: str
    commit: str
    names: tuple[NameStatus, ...]
    unseen: tuple[str, ...]  # what could not be looked at, and why

    @property
    def agrees(self) -> bool:
        """Whether every name agrees."""
        return all(name.agrees for name in self.names)

    def to_json(self) -> dict[str, object]:
        """`hyops-status/1`."""
        return {
            "format": "hyops-status/1",
            "zone": self.zone,
            "commit": self.commit,
            "agrees": self.agrees,
            "names": [name.to_json() for name in self.names],
            "unseen": list(self.unseen),
        }
