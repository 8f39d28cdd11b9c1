"""Zones of a lab's servers: made by API, checked by DNS."""

import json
import time
from collections.abc import Callable, Mapping

from hyops_gitops.adapters.dns.client import PlainDnsClient
from hyops_gitops.adapters.powerdns.http import PowerDnsHttp
from hyops_gitops.adapters.powerdns.zone_api import PowerDnsCacheFlusher, PowerDnsTransferRequester
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.exchange import Question
from hyops_gitops.core.names import absolute
from hyops_gitops.core.zone import soa_serial
from hyops_gitops.lab.model import Lab, LabServer

_API_TIMEOUT_S = 10.0
_ASK_S = 0.5
_TRANSFER_S = 20.0
_ASK_AGAIN_S = 1.0
_POLL_S = 0.05


def create_zone(lab: Lab, zone: str, *, kind: str | None = None, soa_edit_api: str = "INCREASE") -> None:
    """Make a zone on all servers, and wait until they serve it.

    Args:
        lab: A running lab.
        zone: Canonical name.
        kind: PowerDNS's word for what the primary's zone is; Master, or Native where all read one database.
        soa_edit_api: How the API moves the serial.

    Raises:
        OutsideFailure: code `lab-zone`: a server refused it, or does not serve it in time.
    """
    names = [absolute(f"ns{number}.{zone}") for number, _ in enumerate(lab.servers, start=1)]
    chosen = kind or ("Native" if lab.native else "Master")
    fields = {"name": absolute(zone), "kind": chosen, "soa_edit_api": soa_edit_api, "nameservers": names}
    _post(lab, lab.primary, fields)
    for server in () if lab.native else lab.secondaries:
        masters = [str(lab.primary.transfer or lab.primary.dns)]
        _post(lab, server, {"name": absolute(zone), "kind": "Slave", "masters": masters, "nameservers": []})
    wait_until(lambda: served_serial(lab.primary, zone) is not None, _TRANSFER_S, f"the primary to serve {zone}")
    for server in lab.secondaries:
        _wait_for_transfer(lab, server, zone)


def _wait_for_transfer(lab: Lab, server: LabServer, zone: str) -> None:
    """Ask a secondary to transfer until it serves the zone.

    It does not try again what its busy database refused once.
    """
    kind = PowerDnsCacheFlusher if lab.native else PowerDnsTransferRequester
    secondary = kind(server.api_url, "localhost", zone, lab.api_key)
    asked = time.monotonic() - _ASK_AGAIN_S

    def transferred() -> bool:
        nonlocal asked
        if served_serial(server, zone) is not None:
            return True
        if time.monotonic() - asked >= _ASK_AGAIN_S:
            asked = time.monotonic()
            secondary.refresh()
        return False

    wait_until(transferred, _TRANSFER_S, f"{server.name} to have transferred {zone}")


def served_serial(server: LabServer, zone: str) -> int | None:
    """The SOA serial that a server gives with authority, if any."""
    question = Question(zone, "SOA")
    answers = PlainDnsClient().ask(server.dns, [question], recursion_desired=False, timeout_s=_ASK_S)
    answer = answers[question]
    soa = next((rrset for rrset in answer.rrsets if rrset.key == (zone, "SOA")), None)
    return soa_serial(soa) if answer.authoritative else None


def api_answers(lab: Lab, server: LabServer) -> bool:
    """Whether the API answers with the lab's own key."""
    http = PowerDnsHttp(server.api_url, lab.api_key, None, _ASK_S)
    try:
        return http.exchange("GET", "/api/v1/servers/localhost", {}).status == 200  # noqa: PLR2004 - "OK"; else 401
    except OutsideFailure:
        return False


def wait_until(holds: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Ask again and again until it holds.

    Raises:
        OutsideFailure: code `lab-zone`: it does not in time.
    """
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            raise OutsideFailure(f"waited {timeout_s:g} s for {what}", code="lab-zone")
        time.sleep(_POLL_S)


def _post(lab: Lab, server: LabServer, zone: Mapping[str, object]) -> None:
    http = PowerDnsHttp(server.api_url, lab.api_key, None, _API_TIMEOUT_S)
    reply = http.exchange("POST", "/api/v1/servers/localhost/zones", {}, json.dumps(zone).encode())
    if reply.status != 201:  # noqa: PLR2004 - "Created"
        answer = http.quote(reply.body.decode(errors="replace"))
        raise OutsideFailure(f"{server.name} did not make {zone['name']} ({reply.status}): {answer}", code="lab-zone")
