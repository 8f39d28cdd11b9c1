"""What a server answered about a change, as the log records it."""

from typing import Annotated, Literal, NamedTuple

from hyops_gitops.core.codec import JsonObject
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.fields import ALWAYS, Natural, Without

ServerVerdict = Literal["converged", "stale", "silent"]
Server = tuple[str, str]  # role, name


def server_label(role: str, name: str) -> str:
    """`secondary onprem`; the primary, mostly, is called what it is."""
    return role if role == name else f"{role} {name}"


class RecordedAnswer(NamedTuple):
    """What a server answered to one question."""

    name: str  # the name asked for
    type: str  # the type asked for
    rcode: str  # the response code, or SILENT
    ttl: Natural | None  # in seconds; null without records
    rdata: tuple[str, ...]  # the records, as a master file writes them


@dataclass(frozen=True, slots=True)
class ServerReport(JsonObject):
    """A server's last answer, and the time of its first full one."""

    role: str  # primary, secondary or resolver
    name: str  # its name in the authority file
    address: str  # where it was asked
    verdict: ServerVerdict  # converged: all as expected; stale: something else; silent: no conclusive answer
    after_ms: Natural | None  # since the update was accepted; null while not converged
    answers: Annotated[tuple[RecordedAnswer, ...], ALWAYS] = ()  # its answers in the end
    overdue: bool = False  # a resolver that is stale for longer than any TTL allows
    lost: bool = False  # it stands at a site declared lost, so it was not waited for
    rcode: str = ""  # what it answered instead of an answer: SERVFAIL, REFUSED; the verdict is silent then

    @property
    def key(self) -> Server:
        """Role and name of the server."""
        return (self.role, self.name)

    @property
    def called(self) -> str:
        """Its role and name; the primary, mostly, is called what it is."""
        return server_label(self.role, self.name)

    @property
    def verdict_text(self) -> str:
        """The verdict for people."""
        return f"cannot conclude: answered {self.rcode}" if self.rcode else self.verdict

    @property
    def state(self) -> str:
        """The server and its verdict, as part of a sentence."""
        return f"{self.called} answered {self.rcode}" if self.rcode else f"{self.called} is {self.verdict}"


ServerOutcome = Annotated[ServerReport, Without("answers")]  # as receipts have it
