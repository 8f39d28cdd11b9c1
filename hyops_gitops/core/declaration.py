"""What somebody declared about a change: in the trailers of its commit, and from there in the evidence."""

from dataclasses import dataclass, replace

from hyops_gitops.core.json_fields import Fields, present
from hyops_gitops.core.masking import masked

KINDS = ("drill", "incident", "maintenance")


@dataclass(frozen=True, slots=True)
class DeclaredHold:
    """An endpoint that a failover of its whole site leaves where it is, and why."""

    name: str
    reason: str

    def to_json(self) -> dict[str, object]:
        """The entry's form."""
        return {"name": self.name, "reason": self.reason}

    @classmethod
    def from_json(cls, fields: Fields) -> "DeclaredHold":
        """Back from the entry's form."""
        return cls(fields.text("name"), fields.text("reason"))


@dataclass(frozen=True, slots=True)
class Declaration:
    """Why a change was made, and what is known to be out of order while it is."""

    kind: str | None = None  # one of KINDS
    reason: str | None = None
    reference: str | None = None  # a ticket, a decision, an incident
    sites_lost: tuple[str, ...] = ()  # whose servers cannot answer
    holds: tuple[DeclaredHold, ...] = ()

    def masked(self) -> "Declaration":
        """Fit for the log: each text cut, and without secrets and addresses."""
        return replace(
            self,
            reason=masked(self.reason) if self.reason else None,
            reference=masked(self.reference) if self.reference else None,
            holds=tuple(DeclaredHold(one.name, masked(one.reason)) for one in self.holds),
        )

    def to_json(self) -> dict[str, object]:
        """The fields it adds to a merged commit's form; those that say nothing are left out."""
        return present(
            kind=self.kind,
            reason=self.reason,
            reference=self.reference,
            site_lost=list(self.sites_lost),
            holds=[hold.to_json() for hold in self.holds],
        )

    @classmethod
    def from_json(cls, fields: Fields) -> "Declaration":
        """Back from those fields."""
        return cls(
            fields.optional_text("kind"),
            fields.optional_text("reason"),
            fields.optional_text("reference"),
            fields.optional_texts("site_lost"),
            fields.optional_each("holds", DeclaredHold.from_json),
        )


NOTHING_DECLARED = Declaration()
