"""Asking one DNS server for the zone's serial."""

from hyops_gitops.core.contracts.authority import ServerAddress
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.exchange import Question
from hyops_gitops.core.zone import soa_serial
from hyops_gitops.usecases.apply.convergence import answered
from hyops_gitops.usecases.doctor.ports import DoctorPorts

TIMEOUT_S = 2.0


def served_serial_of(ports: DoctorPorts, zone: str, address: ServerAddress) -> int:
    """The serial that a server answers with authority.

    Raises:
        OutsideFailure: codes `silent`, `not-authoritative`, `no-answer`.
    """
    question = Question(zone, "SOA")
    answer = ports.dns.ask(address, [question], recursion_desired=False, timeout_s=TIMEOUT_S)[question]
    if answer.rcode == "SILENT":
        raise silent(address)
    if not answer.conclusive:
        raise failing(address, zone, answer.rcode)
    serial = soa_serial(answered(answer, question))
    if not answer.authoritative or serial is None:
        raise OutsideFailure(
            f"{address} has no authority for {zone} (it answers {answer.rcode})",
            code="not-authoritative",
            hint="make the zone there; is this the right address?",
        )
    return serial


def silent(address: ServerAddress) -> OutsideFailure:
    """The failure of a server that does not answer."""
    hint = "does it run, and may this machine ask it? `dig @HOST -p PORT ZONE SOA`"
    return OutsideFailure(f"{address} does not answer", code="silent", hint=hint)


def failing(address: ServerAddress, zone: str, rcode: str) -> OutsideFailure:
    """The failure of a server that answers that it cannot answer."""
    message = f"{address} answered {rcode} for {zone}: what it serves cannot be seen"
    if rcode == "REFUSED":
        hint = "make the zone there, or let this machine ask; is this the right address?"
        return OutsideFailure(message, code="not-authoritative", hint=hint)
    hint = "its own log says why: does it reach its database, and the servers that it asks?"
    return OutsideFailure(message, code="no-answer", hint=hint)
