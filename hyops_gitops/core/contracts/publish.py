"""What `publish` came to."""

from dataclasses import dataclass
from typing import Literal

from hyops_gitops.core.contracts.edit import Edit

PublishOutcome = Literal["created", "updated", "unchanged", "nothing"]


@dataclass(frozen=True, slots=True)
class Published:
    """One publication, and what it did to the contract."""

    outcome: PublishOutcome
    name: str = ""
    path: str = ""
    edits: tuple[Edit, ...] = ()
    notes: tuple[str, ...] = ()
    written: bool = False

    @property
    def differs(self) -> bool:
        """Whether the contract is not as published, attestations aside: they age by themselves."""
        return any(edit.at != ("endpoint_attested",) for edit in self.edits)

    def to_json(self) -> dict[str, object]:
        """`hyops-publish/1`."""
        return {
            "format": "hyops-publish/1",
            "outcome": self.outcome,
            "name": self.name,
            "path": self.path,
            "edits": [{"key": ".".join(edit.at), "value": edit.value} for edit in self.edits],
            "notes": list(self.notes),
            "written": self.written,
        }
