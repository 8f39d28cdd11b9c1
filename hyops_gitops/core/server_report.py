"""Server report."""

from dataclasses import dataclass
from typing import Literal

from hyops_gitops.core.json_fields import Fields, Json, present

ServerVerdict = Literal["converged", "stale", "silent"]


VERDICTS: tuple[ServerVerdict, ...] = ("converged", "stale", "silent")


Server = tuple[str, str]  # role, name


def server_label(role: str, name: str) -> str:
    """`secondary onprem`; the primary, mostly, is called what it is."""
    return role if role == name else f"{role} {name}"


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What one server answered in the end, and when it first answered with everything expected."""

    role: str  # primary, secondary, resolver
    name: str
    address: str
    verdict: ServerVerdict
    after_ms: int | None  # since the update was accepted; None while not converged
    answers: tuple[tuple[str, str, str, int | None, tuple[str, ...]], ...] = ()  # name, type, rcode, TTL, rdata
    overdue: bool = False  # a resolver that is stale for longer than any TTL allows
    lost: bool = False  # it stands at a site declared lost, so nobody waited for it
    rcode: str = ""  # what it answered instead of an answer: SERVFAIL, REFUSED; the verdict is silent then

    @property
    def key(self) -> Server:
        """Which server it is."""
        return (self.role, self.name)

    @property
    def called(self) -> str:
        """Its role and name; the primary, mostly, is called what it is."""
        return server_label(self.role, self.name)

    @property
    def said(self) -> str:
        """The verdict for people."""
        return f"cannot conclude: answered {self.rcode}" if self.rcode else self.verdict

    @property
    def state(self) -> str:
        """The server and its verdict, as part of a sentence."""
        return f"{self.called} answered {self.rcode}" if self.rcode else f"{self.called} is {self.verdict}"

    def to_json(self) -> Json:
        """The shape used in receipts and in evidence."""
        return {
            "role": self.role,
            "name": self.name,
            "address": self.address,
            "verdict": self.verdict,
            "after_ms": self.after_ms,
            "answers": [
                {"name": name, "type": rrtype, "rcode": rcode, "ttl": ttl, "rdata": list(rdata)}
                for name, rrtype, rcode, ttl, rdata in self.answers
            ],
            **present(overdue=self.overdue, lost=self.lost, rcode=self.rcode),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> "ServerReport":
        """Back from that shape."""
        return cls(
            fields.text("role"),
            fields.text("name"),
            fields.text("address"),
            fields.choice("verdict", VERDICTS),
            fields.optional_integer("after_ms"),
            tuple(
                (
                    answer.text("name"),
                    answer.text("type"),
                    answer.text("rcode"),
                    answer.optional_integer("ttl"),
                    answer.texts("rdata"),
                )
                for answer in fields.objects("answers")
            ),
            overdue=fields.flag("overdue"),
            lost=fields.flag("lost"),
            rcode=fields.optional_text("rcode") or "",
        )
