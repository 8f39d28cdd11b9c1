"""Ports to servers and services: PowerDNS API, DNS, probes.

Adapters meet these structurally.

Whatever leaves one of these as an exception is a `core.errors.HyopsError`.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.exchange import Answer, PatchReceipt, Question, ZoneHeader
from hyops_gitops.core.readiness import Probe, ProbeReport
from hyops_gitops.core.zone import Key, Operation, RRset

# --- PowerDNS

FEW_NAMES = 16  # so many questions of 2 ms each cost less than a whole zone does from some thousand RRsets on


class ZoneReader(Protocol):
    """Reads one zone of one PowerDNS server. Has no method that writes."""

    def header(self) -> ZoneHeader:
        """The zone's header.

        Raises:
            OutsideFailure: unreachable, unauthorised, unknown zone, 5xx.
        """

    def rrsets(self) -> tuple[RRset, ...]:
        """Every RRset of the zone, markers, SOA and DNSSEC included."""

    def rrsets_at(self, names: Collection[str]) -> tuple[RRset, ...]:
        """Every RRset at exactly these owner names, disabled records included.

        Cheap for a few, where the server searches.
        """

    def rrsets_below(self, name: str) -> tuple[RRset, ...] | None:
        """Every RRset at and below a name, disabled records included.

        None where nothing but the whole zone shows them, or there is none.
        """

    def rows_at(self, names: Sequence[str]) -> tuple[RRset, ...]:
        """The served records at these names, in order. Cheap for a few.

        Disabled records may be missing.
        """


class ZoneWriter(ZoneReader, Protocol):
    """A reader that can also write."""

    def patch(self, deletes: Sequence[Key], replaces: Sequence[RRset], first: Sequence[Operation] = ()) -> PatchReceipt:
        """Send one PATCH, in one transaction, once.

        Its order is `first` as given, the deletes, then the replaces.

        Raises:
            ServerRefused: 400, 404 or 422; nothing was stored.
            ReplyLost: the request may have reached the server and no reply came, or it answered 5xx.
            OutsideFailure: it certainly did not reach the server (connection refused), or 401.
        """

    def check_size(self, deletes: Sequence[Key], replaces: Sequence[RRset]) -> None:
        """Check that the server takes these, with markers, in one PATCH.

        Raises:
            Refused: guard `request-size`.
        """

    def notify(self) -> None:
        """Ask the primary to send NOTIFY now. Its 200 proves nothing."""


class ZoneRestorer(ZoneWriter, Protocol):
    """A writer for `restore`: it makes zones and sets their serial."""

    def exists(self) -> bool:
        """Whether the server has the zone."""

    def check_whole(self, rrsets: Sequence[RRset]) -> None:
        """Check that the server takes a zone of these, with markers.

        Raises:
            Refused: guard `request-size`.
        """

    def create(self, rrsets: Sequence[RRset], *, native: bool, transfer_keys: Sequence[str]) -> None:
        """Make the zone, SOA included, with SOA-EDIT-API INCREASE. Sent once.

        PowerDNS stores the serial of that SOA, increased by one.

        Args:
            rrsets: The whole zone.
            native: Without transfers to secondaries.
            transfer_keys: Names of TSIG keys, known to the server, that secondaries transfer it with.

        Raises:
            ServerRefused: nothing was made.
            ReplyLost, OutsideFailure: as `patch` does.
        """

    def forget_answers(self) -> None:
        """Drop the server's cached answers about the zone."""

    def set_soa_edit_api(self, value: str) -> None:
        """Choose how the API moves the serial."""


class ScratchZone(ZoneRestorer, Protocol):
    """A zone that is made for a race, and removed after it."""

    @property
    def name(self) -> str:
        """Its name, of a form that no zone in use has."""

    def remove(self) -> None:
        """Delete it, with everything in it."""


class Refresher(Protocol):
    """Brings one secondary up to date, by its own API."""

    def refresh(self) -> None:
        """Request a transfer, or a flush of caches on a shared database."""

    def forget_answers(self) -> None:
        """Drop the server's cached answers about the zone."""


# --- DNS


class DnsClient(Protocol):
    """Asks servers by address; never the system's resolver."""

    def ask(
        self,
        server: ServerAddress,
        questions: Sequence[Question],
        *,
        recursion_desired: bool,
        timeout_s: float,
    ) -> Mapping[Question, Answer]:
        """Ask all questions at once; silence is an Answer too."""


class ZoneTransfers(Protocol):
    """Takes a whole zone by AXFR, where a server allows that."""

    def transfer(self, server: ServerAddress, zone: str) -> tuple[RRset, ...]:
        """Every RRset of a zone, markers, SOA and DNSSEC types included.

        Raises:
            OutsideFailure: codes `axfr-refused`, `axfr-failed`.
        """

    def knows_type(self, name: str) -> bool:
        """Whether DNS knows this type by its name in the API."""


# --- services


class Prober(Protocol):
    """Connects to the addresses of services."""

    def probe(self, probe: Probe) -> ProbeReport:
        """Probe one address; silence is an answer too."""
