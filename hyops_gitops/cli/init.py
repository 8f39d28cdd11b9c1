"""`init`: create a repository for a zone."""

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import click

from hyops_gitops.adapters.files import at_home, load_templates, read_source
from hyops_gitops.adapters.git.new_repository import NewRepository
from hyops_gitops.adapters.ssh.signing import SshKeygenSigner, generate_key
from hyops_gitops.adapters.yaml.schema import shipped_schemas
from hyops_gitops.cli.options import common_options, option, taking
from hyops_gitops.cli.output import EventDisplay, echo, echo_json, is_terminal
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.context import DEFAULT_TTL
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import Exit, InvalidData, UsageError
from hyops_gitops.core.names import canonical_name
from hyops_gitops.core.ports import Signer
from hyops_gitops.core.zone import RRset
from hyops_gitops.init.add_zone import add_zone
from hyops_gitops.init.init import InitRequest, init_repository
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

_CA_FILE = "ca.pem"
_FILE = click.Path(path_type=Path, dir_okay=False)
_EXISTING = click.Path(path_type=Path, dir_okay=False, exists=True)


@dataclass(frozen=True)
class InitOptions:
    """The answers that options give, and what to do with them."""

    zone: str | None = option("--zone", metavar="NAME", help="The zone, such as hyops.internal.")
    further: str | None = option(
        "--add-zone", metavar="NAME", help="Add this zone to the repository in DIR, with a folder and a log of its own."
    )
    environments: tuple[str, ...] = option(
        "--environment",
        metavar="LABEL",
        multiple=True,
        help="An environment of the zone. Repeatable.  [default: dev, staging, prod]",
    )
    failure_domain: str = option(
        "--failure-domain",
        metavar="SITE",
        default="onprem",
        show_default=True,
        help="The site whose loss DNS must survive.",
    )
    primary_url: str | None = option(
        "--primary-url", metavar="URL", help="Base URL of the writable primary's PowerDNS API."
    )
    primary_key_env: str = option(
        "--primary-key-env",
        metavar="NAME",
        default="POWERDNS_API_KEY",
        show_default=True,
        help="Variable with its API key.",
    )
    primary_dns: str | None = option("--primary-dns", metavar="HOST:PORT", help="DNS address of the primary.")
    primary_site: str | None = option(
        "--primary-site", metavar="SITE", help="Site of the primary; not the failure domain."
    )
    primary_ca: Path | None = option(
        "--primary-ca", type=_EXISTING, help="PEM file with the CA of its API; copied to ca.pem."
    )
    secondaries: tuple[str, ...] = option(
        "--secondary", metavar="NAME[@SITE]=HOST:PORT", multiple=True, help="A secondary server. Repeatable."
    )
    resolvers: tuple[str, ...] = option(
        "--resolver",
        metavar="NAME[@SITE]=HOST:PORT",
        multiple=True,
        help="A resolver that clients use. Repeatable.",
    )
    target_networks: tuple[str, ...] = option(
        "--target-network",
        metavar="CIDR",
        multiple=True,
        help="A network in which targets may be. Repeatable.  [default: the private networks]",
    )
    ttl_max: int = option(
        "--ttl-max",
        type=click.IntRange(1),
        default=DEFAULT_TTL.maximum,
        show_default=True,
        help="policy.ttl.max, in seconds.",
    )
    remote_url: str | None = option(
        "--remote-url",
        metavar="URL",
        help="URL of the git remote `origin`. Without it the log stays in this clone.",
    )
    generate: Path | None = option(
        "--generate-key", type=_FILE, help="Create the applier's signing key in this file, outside of DIR."
    )
    signing_key: Path | None = option("--signing-key", type=_FILE, help="The applier's signing key, or its .pub file.")
    principal: str | None = option(
        "--principal", metavar="NAME", help="Principal of that key.  [default: applier@ZONE]"
    )
    from_zone: str | None = option(
        "--from-zone", metavar="api|axfr|FILE", help="Create contracts from the records of this zone."
    )
    default_port: int | None = option(
        "--default-port", type=click.IntRange(1, 65535), help="endpoint_port for contracts made by --from-zone."
    )
    default_owner: str | None = option(
        "--default-owner", metavar="TEAM", help="endpoint_owner for contracts made by --from-zone."
    )
    tool_repo: str = option(
        "--tool-repo",
        metavar="URL",
        default=PLACEHOLDER_REPO,
        help="Repository from which hooks and workflows install this tool.",
    )
    tool_ref: str = option(
        "--tool-ref", metavar="HASH", default=PLACEHOLDER_REF, help="Full id of the commit to install."
    )
    runner: str = option(
        "--runner",
        metavar="LABEL",
        default="hyops-applier",
        show_default=True,
        help="Runner label for the applier.",
    )
    admins: str | None = option(
        "--admins", metavar="@HANDLES", help="Users or teams that approve changes of authority and workflows."
    )
    organisation: str | None = option(
        "--owner-org", metavar="ORG", help="Forge organisation whose teams are the endpoint_owners."
    )
    commit: bool = option("--commit", is_flag=True, help="Make the first commit.")
    evidence: bool = option("--evidence", is_flag=True, help="Make the first commit, start the log and pin it.")
    github: str | None = option(
        "--github",
        type=click.Choice(["print", "set"]),
        help="Print the rulesets, or set them with the GitHub CLI.",
    )
    github_repo: str | None = option("--github-repo", metavar="OWNER/NAME", help="Repository in which to set them.")


def answers_of(given: InitOptions, *, remote: str | None, ca_file: str | None, may_ask: bool) -> Answers:
    """The given answers, completed by questions if stdin is a terminal.

    Raises:
        UsageError: code `answers-missing`.
    """
    asking = may_ask and is_terminal(sys.stdin)
    zone, url, site = given.zone, given.primary_url, given.primary_site
    environments = given.environments or ENVIRONMENTS
    dns, secondaries = given.primary_dns, given.secondaries
    if asking:
        zone = zone or _ask("zone")
        if not given.environments:
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
        failure_domain=given.failure_domain,
        key_env=given.primary_key_env,
        primary_dns=dns,
        ca_file=ca_file,
        secondaries=tuple(map(Server.parse, secondaries)),
        resolvers=tuple(map(Server.parse, given.resolvers)),
        target_networks=given.target_networks or PRIVATE_NETWORKS,
        ttl_max=given.ttl_max,
        remote=remote,
    )


def _ask(question: str, default: str | None = None) -> str:
    answer: str = click.prompt(question, default=default, show_default=bool(default), err=True, type=str)
    return answer.strip()


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


@click.command("init")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@taking("options", InitOptions)
@common_options("json")
def init(
    directory: Path, options: InitOptions, authority_file: Path | None, output_format: str, **_common: object
) -> int:
    """Create a repository for your own zone in DIR, or complete one.

    Asks for missing answers on a terminal. Never overwrites a file. `--authority FILE` uses an existing authority file.
    Writes nothing to the primary; `--from-zone` reads from it. With `--add-zone` it writes authority/NAME.yaml,
    endpoints/NAME/ for the contracts, and what `--from-zone` finds, and leaves the other zones as they are.
    """
    directory = directory.resolve()
    if options.further is not None:
        _check_further(options)
    if options.from_zone is not None and options.default_port is None:
        raise UsageError(
            "--from-zone needs --default-port: a zone has no port numbers",
            code="port-missing",
            hint="give --default-port; each contract gets it with a TODO, and no readiness probe until that is removed",
        )
    if options.github == "set" and options.github_repo is None:
        raise UsageError("--github set needs --github-repo OWNER/NAME", code="usage")
    request = _request(directory, options, authority_file, may_ask=output_format == "text")
    folder, workspace = NewRepository(directory), _workspace(directory, options)
    if options.further is not None:
        result = add_zone(canonical_name(options.further), request, folder, workspace)
    else:
        result = init_repository(request, folder, workspace)
    if options.github == "set":
        from hyops_gitops.adapters.forge.access import GithubRulesets  # noqa: PLC0415 - rarely used

        result = replace(result, ruleset_reports=GithubRulesets(options.github_repo or "")(result.rulesets))
    if output_format == "json":
        echo_json({"directory": str(directory), **result.to_json()})
    else:
        generated = options.generate
        echo(init_text(result, str(directory), None if generated is None else str(at_home(generated).resolve())))
    return Exit.OK


def _check_further(options: InitOptions) -> None:
    """Refuse the options that are about a new repository."""
    new = {
        "--zone": options.zone,
        "--generate-key": options.generate,
        "--principal": options.principal,
        "--remote-url": options.remote_url,
        "--tool-repo": options.tool_repo != PLACEHOLDER_REPO,
        "--tool-ref": options.tool_ref != PLACEHOLDER_REF,
        "--admins": options.admins,
        "--owner-org": options.organisation,
    }
    given = [name for name, value in new.items() if value]
    if given:
        hint = "leave them out: the zones of a repository have signers, remote, workflows and CODEOWNERS in common"
        raise UsageError(f"--add-zone excludes {', '.join(given)}", code="usage", hint=hint)


def _request(directory: Path, options: InitOptions, given: Path | None, *, may_ask: bool) -> InitRequest:
    source = None if given is None else read_source(given.resolve(), str(given))
    if source is not None and source.content is None:
        raise UsageError(f"{given} {source.problem}", code="bad-authority")
    further = options.further
    written = given is not None or (further is None and any((directory / "authority").glob("*.yaml")))
    ca_file, ca_name = options.primary_ca, _CA_FILE if further is None else f"ca-{canonical_name(further)}.pem"
    port = options.default_port
    return InitRequest(
        answers=None
        if written
        else answers_of(
            replace(options, zone=further or options.zone),
            remote="origin" if options.remote_url else None,
            ca_file=ca_name if ca_file else None,
            may_ask=may_ask,
        ),
        authority_file=source.content if source is not None else None,
        tool=Tool(options.tool_repo, options.tool_ref),
        runner=options.runner,
        principal=options.principal,
        remote_url=options.remote_url,
        admins=options.admins,
        organisation=options.organisation,
        from_zone=ContractDefaults(port, options.default_owner) if options.from_zone is not None and port else None,
        read_zone=lambda authority: _read_zone(directory, options, authority),
        commit=options.commit,
        evidence=options.evidence,
        github=options.github is not None,
        has_key=options.generate is not None or options.signing_key is not None,
        templates=load_templates(),
        files={
            **(shipped_schemas() if further is None else {}),
            **({ca_name: _read(ca_file)} if ca_file else {}),
        },
    )


def _workspace(directory: Path, options: InitOptions) -> LocalWorkspace:
    """The repository to be, with the signer of these options."""
    workspace = LocalWorkspace(directory, on_event=EventDisplay())
    generate, existing = options.generate, options.signing_key
    if generate is not None and existing is not None:
        raise UsageError("--generate-key excludes --signing-key", code="usage")
    if existing is not None:
        return workspace.replaced(open_signer=lambda: SshKeygenSigner(at_home(existing)))
    if generate is None:
        return workspace
    key_file = at_home(generate).resolve()
    if key_file.is_relative_to(directory):
        raise UsageError(
            f"{key_file} is inside the new repository: the private key would be committed",
            code="key-inside",
            hint="give --generate-key a file outside of it",
        )

    @cache
    def generated() -> Signer:
        generate_key(key_file, options.principal or "applier")
        return SshKeygenSigner(key_file)

    return workspace.replaced(open_signer=generated)


def _read_zone(directory: Path, options: InitOptions, authority: Authority) -> tuple[RRset, ...]:
    source = options.from_zone
    if source == "api":
        ca_file = options.primary_ca  # not copied into the repository yet
        return LocalWorkspace(directory).open_reader(authority, ca_file=ca_file).rrsets()
    from hyops_gitops.adapters.dns.zone_source import read_master_file, transfer  # noqa: PLC0415 - dnspython costs 130 ms

    if source != "axfr":
        return read_master_file(Path(source or ""), authority.zone)
    if authority.primary.dns is None:
        raise UsageError("--from-zone axfr needs the primary's DNS address", code="usage", hint="give --primary-dns")
    return transfer(authority.primary.dns, authority.zone)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidData(f"cannot read {file}: {error.strerror}", code="cannot-read") from error
