"""Probes of one address as a service's clients connect: TCP, TLS, HTTP.

The connection goes to the address given and nowhere else: no name is looked up, no proxy asked, no redirect followed,
and the socket's peer must lie in the networks allowed before anything is sent. Certificates are verified against
the DNS name that clients use, with the machine's authorities.
"""

import ipaddress
import re
import socket
import ssl
import time

from hyops_gitops.adapters.host.deadline import Deadline
from hyops_gitops.adapters.host.tls import client_context, why_not_accepted
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.readiness import Probe, ProbeReport, ProbeVerdict

_SECONDS_A_DAY = 86400
_MAX_STATUS_LINE = 4096
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: [^\n]*)?\r?\n")  # RFC 9112 section 4
_Outcome = tuple[ProbeVerdict, str]


class NetworkProber:
    """Meets `core.ports.Prober`."""

    def probe(self, probe: Probe) -> ProbeReport:
        """Probe one address within the probe's time."""
        started = time.monotonic()
        verdict, detail = _outcome(probe, Deadline(probe.timeout_s))
        elapsed_ms = round((time.monotonic() - started) * 1000)
        return ProbeReport(probe.type, probe.address, probe.port, verdict, detail, elapsed_ms)


class _NotHttpError(Exception):
    """The answer is not HTTP."""


def _outcome(probe: Probe, deadline: Deadline) -> _Outcome:
    if not _is_allowed(probe, probe.address):
        return "unknown", "is outside policy.target_networks and was not asked"
    family = socket.AF_INET6 if ":" in probe.address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as plain:
            return _talk(probe, plain, deadline)
    except TimeoutError:
        return "unknown", f"does not answer within {probe.timeout_s} s"
    except _NotHttpError:
        return "not-ready", "does not answer as HTTP does"
    except OSError as error:
        return _failed(error)
    except OutsideFailure as failure:
        return "unknown", f"was not asked: {failure.message}"


def _talk(probe: Probe, plain: socket.socket, deadline: Deadline) -> _Outcome:
    deadline.limit(plain)
    plain.connect((probe.address, probe.port))
    peer = str(plain.getpeername()[0])
    if not _is_allowed(probe, peer):
        return "unknown", f"led to {peer}, which is outside policy.target_networks"
    if probe.type == "tcp":
        return "ready", "accepts connections"
    if probe.type == "http" and not probe.https:
        return _ask(plain, probe, deadline)
    deadline.limit(plain)
    with client_context(code="probe-tls").wrap_socket(plain, server_hostname=probe.host) as wrapped:
        return _ask(wrapped, probe, deadline) if probe.type == "http" else _days_left(wrapped, probe.min_days)


def _days_left(wrapped: ssl.SSLSocket, wanted: int) -> _Outcome:
    until = ssl.cert_time_to_seconds(str((wrapped.getpeercert() or {})["notAfter"]))
    days = int((until - time.time()) // _SECONDS_A_DAY)
    if days < wanted:
        return "not-ready", f"has a certificate that is valid for {days} more days, expected {wanted}"
    return "ready", f"has a certificate that is valid for {days} more days"


def _ask(connected: socket.socket, probe: Probe, deadline: Deadline) -> _Outcome:
    host = probe.host if probe.port == (443 if probe.https else 80) else f"{probe.host}:{probe.port}"
    lines = [f"GET {probe.path} HTTP/1.1", f"Host: {host}", "User-Agent: hyops-gitops", "Accept: */*"]
    deadline.limit(connected)
    connected.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode("ascii"))
    status = _status(connected, deadline)
    if status != probe.expect_status:
        return "not-ready", f"answers {status}, expected {probe.expect_status}"
    return "ready", f"answers {status}"


def _status(connected: socket.socket, deadline: Deadline) -> int:
    """The status in the answer's first line; no more is read."""
    received = b""
    while b"\n" not in received and len(received) < _MAX_STATUS_LINE:
        deadline.limit(connected)
        more = connected.recv(_MAX_STATUS_LINE)
        if not more:
            break
        received += more
    found = _STATUS_LINE.match(received)
    if found is None:
        raise _NotHttpError
    return int(found[1])


def _is_allowed(probe: Probe, address: str) -> bool:
    given = ipaddress.ip_address(address)
    return not probe.networks or any(given in network for network in probe.networks)


def _failed(error: OSError) -> _Outcome:
    match error:
        case ConnectionRefusedError():
            return "not-ready", "refuses the connection"
        case ssl.SSLCertVerificationError():
            return "not-ready", f"does not prove who it is: {why_not_accepted(error)[0]}"
        case ssl.SSLError():
            return "not-ready", f"does not talk TLS as it should: {error.reason or 'ends early'}"
        case ConnectionError():
            return "not-ready", "ends the connection"
        case _:
            return "unknown", f"cannot be reached: {error.strerror or type(error).__name__}"
