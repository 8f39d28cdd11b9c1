"""A lab's resolver: PowerDNS Recursor in front of the first secondary.

Everything is forwarded there and no other server is asked, so a lab stays on loopback and each of its zones can be
resolved. What is cached is cached for the TTL it came with, neither longer nor shorter.
"""

import json

from hyops_gitops.adapters.files import replace_file
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.lab.model import Lab, LabResolver
from hyops_gitops.lab.processes import find_executable, free_addresses

_HOST = "127.0.0.20"
_PROGRAM = "pdns_recursor"
_OLD_CONFIG = "recursor.conf"  # the only one that 4.x knows
_CONFIG = "recursor.yml"  # what 5.x takes where both are
_NOBODY_ELSE = ["0.0.0.0/0", "::/0"]  # forwarders are exempt
# Everything a resolver's folder may hold that we or the resolver made, but for its log.
MADE = (_OLD_CONFIG, _CONFIG, "pdns_recursor.controlsocket", "pdns_recursor.pid")


def find_recursor() -> str:
    """The path of `pdns_recursor`.

    Raises:
        OutsideFailure: code `lab-no-recursor`: it is not installed.
    """
    program = find_executable(_PROGRAM)
    if program is None:
        raise OutsideFailure(
            f"{_PROGRAM} is not installed",
            code="lab-no-recursor",
            hint="on Debian and Ubuntu: apt-get install pdns-recursor; or leave out --resolver",
        )
    return program


def free_resolver() -> LabResolver:
    """A resolver at an address that is free now, not started."""
    ((dns, _),) = free_addresses([_HOST])
    return LabResolver("resolver", dns)


def prepare_resolver(lab: Lab, resolver: LabResolver, identity: str) -> None:
    """Make the resolver's folder and configuration, for 4.x and 5.x."""
    folder = lab.folder(resolver)
    folder.mkdir(mode=0o700)
    forwarder = str(lab.secondaries[0].dns)
    old = {
        "local-address": resolver.dns.host,
        "local-port": str(resolver.dns.port),
        "query-local-address": resolver.dns.host,
        "allow-from": "127.0.0.0/8",
        "forward-zones": f".={forwarder}",
        "dont-query": ",".join(_NOBODY_ELSE),
        "qname-minimization": "no",  # the secondary knows nothing of the names above its zones
        "dnssec": "off",
        "minimum-ttl-override": "0",
        "packetcache-servfail-ttl": "0",  # a failure is not kept: it has no TTL
        "server-down-max-fails": "0",  # a secondary that was down is asked again as soon as it is up
        "threads": "1",
        "server-id": identity,
        "security-poll-suffix": "",  # asks the Internet otherwise
        "socket-dir": ".",
        "daemon": "no",
        "write-pid": "no",
        "disable-syslog": "yes",
    }
    new = {
        "incoming": {"listen": [str(resolver.dns)], "allow_from": ["127.0.0.0/8"]},
        "outgoing": {
            "source_address": [resolver.dns.host],
            "dont_query": _NOBODY_ELSE,
            "server_down_max_fails": 0,
        },
        "recursor": {
            "forward_zones": [{"zone": ".", "forwarders": [forwarder]}],
            "qname_minimization": False,
            "minimum_ttl_override": 0,
            "threads": 1,
            "server_id": identity,
            "security_poll_suffix": "",
            "socket_dir": ".",
            "daemon": False,
            "write_pid": False,
        },
        "packetcache": {"servfail_ttl": 0},
        "dnssec": {"validation": "off"},
        "logging": {"disable_syslog": True},
    }
    lines = "".join(f"{name}={value}\n" for name, value in old.items())
    replace_file(folder / _OLD_CONFIG, lines.encode(), private=True)
    replace_file(folder / _CONFIG, (json.dumps(new, indent=2) + "\n").encode(), private=True)
