"""`init`: create a repository for a zone."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict, TypeVar, Unpack

import click

from hyops_gitops.adapters.files import at_home, load_templates, read_source
from hyops_gitops.adapters.git.new_repository import NewRepository
from hyops_gitops.adapters.ssh.signing import SshKeygenSigner, generate_key
from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.adapters.yaml.schema import check_document, shipped_schemas
from hyops_gitops.cli.options import common_options
from hyops_gitops.cli.output import echo, echo_json, is_terminal, show_event
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.context import DEFAULT_TTL
from hyops_gitops.core.errors import Exit, InvalidData, UsageError
from hyops_gitops.core.names import canonical_name
from hyops_gitops.core.ports import Signer
from hyops_gitops.core.zone import RRset
from hyops_gitops.init.init import InitEnvironment, InitRequest, init_repository
from hyops_gitops.init.repository import (
    ENVIRONMENTS,
    PLACEHOLDER_REF,
    PLACEHOLDER_REPO,
    PRIVATE_NETWORKS,
    Answers,
    Server,
    Tool,
)
from hyops_gitops.init.summary import init_text
from hyops_gitops.init.zone_contracts import ContractDefaults
from hyops_gitops.log.admin import LogStart, start_log

_AnswersCommand = TypeVar("_AnswersCommand", bound=Callable[..., object])


class AnswerOptions(TypedDict):
    """The answers that options give."""

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


_ANSWER_OPTIONS = (
    click.option("--zone", metavar="NAME", help="The zone, such as hyops.internal."),
    click.option(
        "--environment",
        "environments",
        metavar="LABEL",
        multiple=True,
        help="An environment of the zone. Repeatable.  [default: dev, staging, prod]",
    ),
    click.option(
        "--failure-domain",
        metavar="SITE",
        default="onprem",
        show_default=True,
        help="The site whose loss DNS must survive.",
    ),
    click.option("--primary-url", metavar="URL", help="Base URL of the writable primary's PowerDNS API."),
    click.option(
        "--primary-key-env",
        metavar="NAME",
        default="POWERDNS_API_KEY",
        show_default=True,
        help="Variable with its API key.",
    ),
    click.option("--primary-dns", metavar="HOST:PORT", help="DNS address of the primary."),
    click.option("--primary-site", metavar="SITE", help="Site of the primary; not the failure domain."),
    click.option(
        "--primary-ca",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        help="PEM file with the CA of its API; copied to ca.pem.",
    ),
    click.option(
        "--secondary",
        "secondaries",
        metavar="NAME[@SITE]=HOST:PORT",
        multiple=True,
        help="A secondary server. Repeatable.",
    ),
    click.option(
        "--resolver",
        "resolvers",
        metavar="NAME[@SITE]=HOST:PORT",
        multiple=True,
        help="A resolver that clients use. Repeatable.",
    ),
    click.option(
        "--target-network",
        "target_networks",
        metavar="CIDR",
        multiple=True,
        help="A network in which targets may be. Repeatable.  [default: the private networks]",
    ),
    click.option(
        "--ttl-max",
        type=click.IntRange(1),
        default=DEFAULT_TTL.maximum,
        show_default=True,
        help="policy.ttl.max, in seconds.",
    ),
)


def answer_options(command: _AnswersCommand) -> _AnswersCommand:
    """Add the options that answer init's questions."""
    for option in reversed(_ANSWER_OPTIONS):
        command = option(command)
    return command


def answers_of(given: AnswerOptions, *, remote: str | None, ca_file: str | None, may_ask: bool) -> Answers:
    """The given answers, completed by questions if stdin is a terminal.

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
            f"missing options: {missing}",
            code="answers-missing",
            hint="give them, or --authority FILE, or answer the questions on a terminal",
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


_Command = TypeVar("_Command", bound=Callable[..., object])
_CA_FILE = "ca.pem"


class InitOptions(AnswerOptions):
    """All other options."""

    remote_url: str | None
    generate: Path | None
    signing_key: Path | None
    principal: str | None
    from_zone: str | None
    default_port: int | None
    default_owner: str | None
    tool_repo: str
    tool_ref: str
    runner: str
    admins: str | None
    organisation: str | None
    commit: bool
    evidence: bool
    github: str | None
    github_repo: str | None


class _Common(TypedDict):
    repo: Path | None
    authority_file: Path | None
    output_format: str


class _All(InitOptions, _Common):
    pass


_FILE = click.Path(path_type=Path, dir_okay=False)
_OPTIONS = (
    click.option(
        "--remote-url", metavar="URL", help="URL of the git remote `origin`. Without it the log stays in this clone."
    ),
    click.option(
        "--generate-key", "generate", type=_FILE, help="Create the applier's signing key in this file, outside of DIR."
    ),
    click.option("--signing-key", type=_FILE, help="The applier's signing key, or its .pub file."),
    click.option("--principal", metavar="NAME", help="Principal of that key.  [default: applier@ZONE]"),
    click.option("--from-zone", metavar="api|axfr|FILE", help="Create contracts from the records of this zone."),
    click.option(
        "--default-port", type=click.IntRange(1, 65535), help="endpoint_port for contracts made by --from-zone."
    ),
    click.option("--default-owner", metavar="TEAM", help="endpoint_owner for contracts made by --from-zone."),
    click.option(
        "--tool-repo",
        metavar="URL",
        default=PLACEHOLDER_REPO,
        help="Repository from which hooks and workflows install this tool.",
    ),
    click.option("--tool-ref", metavar="HASH", default=PLACEHOLDER_REF, help="Full id of the commit to install."),
    click.option(
        "--runner", metavar="LABEL", default="hyops-applier", show_default=True, help="Runner label for the applier."
    ),
    click.option(
        "--admins", metavar="@HANDLES", help="Users or teams that approve changes of authority and workflows."
    ),
    click.option(
        "--owner-org", "organisation", metavar="ORG", help="Forge organisation whose teams are the endpoint_owners."
    ),
    click.option("--commit", is_flag=True, help="Make the first commit."),
    click.option("--evidence", is_flag=True, help="Make the first commit, start the log and pin it."),
    click.option(
        "--github", type=click.Choice(["print", "set"]), help="Print the rulesets, or set them with the GitHub CLI."
    ),
    click.option("--github-repo", metavar="OWNER/NAME", help="Repository in which to set them."),
)


def _init_options(command: _Command) -> _Command:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command("init")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@answer_options
@_init_options
@common_options("json")
def init(directory: Path, **options: Unpack[_All]) -> int:
    """Create a repository for your own zone in DIR, or complete one.

    Asks for missing answers on a terminal. Never overwrites a file. `--authority FILE` uses an existing authority file.
    Writes nothing to the primary; `--from-zone` reads from it.
    """
    directory = directory.resolve()
    if options["from_zone"] is not None and options["default_port"] is None:
        raise UsageError(
            "--from-zone needs --default-port: a zone has no port numbers",
            code="port-missing",
            hint="give --default-port; each contract gets it with a TODO, and no readiness probe until that is removed",
        )
    ports = _ports(directory, options)
    result = init_repository(_request(directory, options), ports)
    if options["output_format"] == "json":
        echo_json({"directory": str(directory), **result.to_json()})
    else:
        generated = options["generate"]
        echo(init_text(result, str(directory), None if generated is None else str(at_home(generated).resolve())))
    return Exit.OK


def _request(directory: Path, options: _All) -> InitRequest:
    given = options["authority_file"]
    source = None if given is None else read_source(given.resolve(), str(given))
    if source is not None and source.content is None:
        raise UsageError(f"{given} {source.problem}", code="bad-authority")
    written = given is not None or any((directory / "authority").glob("*.yaml"))
    ca_file = options["primary_ca"]
    port = options["default_port"]
    return InitRequest(
        answers=None
        if written
        else answers_of(
            options,
            remote="origin" if options["remote_url"] else None,
            ca_file=_CA_FILE if ca_file else None,
            may_ask=options["output_format"] == "text",
        ),
        authority_file=source.content if source is not None else None,
        tool=Tool(options["tool_repo"], options["tool_ref"]),
        runner=options["runner"],
        principal=options["principal"],
        remote_url=options["remote_url"],
        admins=options["admins"],
        organisation=options["organisation"],
        from_zone=ContractDefaults(port, options["default_owner"])
        if options["from_zone"] is not None and port
        else None,
        commit=options["commit"],
        evidence=options["evidence"],
        github=options["github"] is not None,
        extra={_CA_FILE: _read(ca_file)} if ca_file else None,
    )


def _ports(directory: Path, options: _All) -> InitEnvironment:
    key = options["generate"] or options["signing_key"]
    return InitEnvironment(
        folder=NewRepository(directory),
        templates=load_templates(),
        schemas=shipped_schemas(),
        read=read_document,
        check=check_document,
        read_zone=lambda authority: _read_zone(directory, options, authority),
        signer=_signer(directory, options),
        start_log=lambda: _start_log(directory, key),
        set_rulesets=_rulesets(options),
        on_event=show_event,
    )


def _signer(directory: Path, options: _All) -> Callable[[], Signer] | None:
    generate, existing = options["generate"], options["signing_key"]
    if generate is not None and existing is not None:
        raise UsageError("--generate-key excludes --signing-key", code="usage")
    if generate is not None:
        generate = at_home(generate).resolve()
        if generate.is_relative_to(directory):
            raise UsageError(
                f"{generate} is inside the new repository: the private key would be committed",
                code="key-inside",
                hint="give --generate-key a file outside of it",
            )

        def make() -> Signer:
            generate_key(generate, options["principal"] or "applier")
            return SshKeygenSigner(generate)

        return make
    return None if existing is None else lambda: SshKeygenSigner(at_home(existing))


def _start_log(directory: Path, key: Path | None) -> LogStart:
    environ = {**os.environ, "HYOPS_SIGNING_KEY_FILE": str(key)}
    return start_log(LocalWorkspace(directory, environ))


def _read_zone(directory: Path, options: _All, authority: Authority) -> tuple[RRset, ...]:
    source = options["from_zone"]
    if source == "api":
        ca_file = options["primary_ca"]  # not copied into the repository yet
        return LocalWorkspace(directory).open_reader(authority, ca_file=ca_file).rrsets()
    from hyops_gitops.adapters.dns.zone_source import read_master_file, transfer  # noqa: PLC0415 - dnspython costs 130 ms

    if source != "axfr":
        return read_master_file(Path(source or ""), authority.zone)
    if authority.primary.dns is None:
        raise UsageError("--from-zone axfr needs the primary's DNS address", code="usage", hint="give --primary-dns")
    return transfer(authority.primary.dns, authority.zone)


def _rulesets(options: _All) -> "Callable[..., tuple[str, ...]] | None":
    if options["github"] != "set":
        return None
    if options["github_repo"] is None:
        raise UsageError("--github set needs --github-repo OWNER/NAME", code="usage")
    from hyops_gitops.adapters.forge.access import GithubRulesets  # noqa: PLC0415 - rarely used

    return GithubRulesets(options["github_repo"])


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidData(f"cannot read {file}: {error.strerror}", code="cannot-read") from error
