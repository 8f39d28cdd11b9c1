"""The options of `init` that an authority file is made of, and the questions where they are not given."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict, TypeVar

import click

from hyops_gitops.cli.output import is_terminal
from hyops_gitops.core.contracts.context import DEFAULT_TTL
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.names import canonical_name
from hyops_gitops.core.onboarding.new_repository import ENVIRONMENTS, PRIVATE_NETWORKS, Answers, Server

_Command = TypeVar("_Command", bound=Callable[..., object])


class AnswerOptions(TypedDict):
    """As click hands them over."""

    zone: str | None
    environments: tuple[str, ...]
    failure_domain: str
    primary_url: str | None
    primary_key_env: str
    primary_dns: str | None
    primary_site: str | None
    primary_ca: Path | None
    secondaries: tuple[str, ...]
    resolvers: tuple[str, ...]
    target_networks: tuple[str, ...]
    ttl_max: int


_OPTIONS = (
    click.option("--zone", metavar="NAME", help="The zone, such as hyops.internal."),
    click.option(
        "--environment",
        "environments",
        metavar="LABEL",
        multiple=True,
        help="Repeatable.  [default: dev, staging, prod]",
    ),
    click.option(
        "--failure-domain", metavar="SITE", default="onprem", show_default=True, help="What DNS must survive."
    ),
    click.option("--primary-url", metavar="URL", help="The PowerDNS API of the writable primary, without path."),
    click.option(
        "--primary-key-env", metavar="NAME", default="POWERDNS_API_KEY", show_default=True, help="Holds its API key."
    ),
    click.option("--primary-dns", metavar="HOST:PORT", help="Where the primary answers DNS."),
    click.option("--primary-site", metavar="SITE", help="Where it stands; never the failure domain."),
    click.option(
        "--primary-ca",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        help="PEM file of the CA of its API; copied to ca.pem.",
    ),
    click.option(
        "--secondary",
        "secondaries",
        metavar="NAME[@SITE]=HOST:PORT",
        multiple=True,
        help="A read-only copy. Repeatable.",
    ),
    click.option(
        "--resolver", "resolvers", metavar="NAME[@SITE]=HOST:PORT", multiple=True, help="One of clients. Repeatable."
    ),
    click.option(
        "--target-network",
        "target_networks",
        metavar="CIDR",
        multiple=True,
        help="Where targets may be. Repeatable.  [default: the private networks]",
    ),
    click.option(
        "--ttl-max",
        type=click.IntRange(1),
        default=DEFAULT_TTL.maximum,
        show_default=True,
        help="Seconds; policy.ttl.max.",
    ),
)


def answer_options(command: _Command) -> _Command:
    """The options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def answers_of(given: AnswerOptions, *, remote: str | None, ca_file: str | None, may_ask: bool) -> Answers:
    """What was given, completed by asking where somebody is there to ask.

    Raises:
        UsageError: code `answers-missing`.
    """
    asking = may_ask and is_terminal(sys.stdin)
    zone, url, site = given["zone"], given["primary_url"], given["primary_site"]
    environments = given["environments"] or ENVIRONMENTS
    dns, secondaries = given["primary_dns"], given["secondaries"]
    if asking:
        zone = zone or _ask("zone")
        if not given["environments"]:
            environments = _listed(_ask("environments", ",".join(ENVIRONMENTS)))
        url = url or _ask("URL of the primary's API, such as https://dns.example.net:8443")
        site = site or _ask("site of the primary")
        dns = dns or _ask("DNS address of the primary, host:port (empty: not asked)", "") or None
        secondaries = secondaries or _listed(_ask("secondaries, NAME[@SITE]=HOST:PORT by commas (empty: none)", ""))
    if zone is None or url is None or site is None:
        needed = {"--zone": zone, "--primary-url": url, "--primary-site": site}
        missing = ", ".join(option for option, value in needed.items() if value is None)
        raise UsageError(
            f"missing: {missing}", code="answers-missing", hint="or give --authority FILE; on a terminal it asks"
        )
    return Answers(
        zone=canonical_name(zone),
        primary_url=url.rstrip("/"),
        primary_site=site,
        environments=environments,
        failure_domain=given["failure_domain"],
        key_env=given["primary_key_env"],
        primary_dns=dns,
        ca_file=ca_file,
        secondaries=tuple(map(Server.parse, secondaries)),
        resolvers=tuple(map(Server.parse, given["resolvers"])),
        target_networks=given["target_networks"] or PRIVATE_NETWORKS,
        ttl_max=given["ttl_max"],
        remote=remote,
    )


def _ask(question: str, default: str | None = None) -> str:
    answer: str = click.prompt(question, default=default, show_default=bool(default), err=True, type=str)
    return answer.strip()


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
