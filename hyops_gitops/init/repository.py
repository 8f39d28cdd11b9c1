"""Files of a new repository, and the forge's rulesets."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from hyops_gitops.core.authority import Authority, TtlBounds
from hyops_gitops.core.context import DEFAULT_TTL
from hyops_gitops.core.contract import Contract
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.names import SHARED
from hyops_gitops.validate.building import DEFAULT_BRANCH
from hyops_gitops.validate.owners import BEGIN, END, owner_line

MARK = "@@"
AUTHORITY_TEMPLATE = "authority/zone.yaml"
SIGNERS_TEMPLATE = "authority/allowed_signers"
ZONE_README = "endpoints/README.md"
PLACEHOLDER_REPO = "https://github.com/CHANGE-ME/hyops-gitops"
PLACEHOLDER_REF = "0" * 40
ENVIRONMENTS = ("dev", "staging", "prod")
PRIVATE_NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8")
# A name of labels that each hold a letter, or an IPv4 address.
_PLAIN = re.compile(r"[a-z][a-z0-9-]*(\.(?=[0-9-]*[a-z])[a-z0-9-]+)*|[0-9]{1,3}(\.[0-9]{1,3}){3}")
_NOT_PLAIN = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_SERVER = re.compile(r"(?P<name>[^@=]+)(?:@(?P<site>[^@=]+))?=(?P<dns>[^=]+)")
_PRINCIPAL = re.compile(r"[A-Za-z0-9._+@-]+")
_TOOL = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]+)?/(?P<slug>[A-Za-z0-9._-]+/[A-Za-z0-9._-]+?)(?:\.git)?/?")
_HASH = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_FIELD = re.compile(rf"{MARK}([a-z_]+){MARK}")


@dataclass(frozen=True, slots=True)
class Server:
    """A secondary or a resolver."""

    name: str
    site: str
    dns: str  # host:port

    @classmethod
    def parse(cls, text: str) -> "Server":
        """Read `NAME[@SITE]=HOST:PORT`; the site has the name of the server by default.

        Raises:
            UsageError: code `bad-server`.
        """
        match = _SERVER.fullmatch(text)
        if match is None:
            raise UsageError(
                f"expected NAME[@SITE]=HOST:PORT, got {text!r}",
                code="bad-server",
                hint="give a server such as onprem=10.12.0.53:53",
            )
        return cls(match["name"], match["site"] or match["name"], match["dns"])


@dataclass(frozen=True, slots=True)
class Answers:
    """The contents of an authority file, as given; the validator checks them."""

    zone: str
    environments: Sequence[str]
    primary_url: str
    primary_site: str
    failure_domain: str = "onprem"
    key_env: str = "POWERDNS_API_KEY"
    primary_dns: str | None = None
    ca_file: str | None = None
    secondaries: Sequence[Server] = ()
    resolvers: Sequence[Server] = ()
    target_networks: Sequence[str] = PRIVATE_NETWORKS
    ttl_max: int = DEFAULT_TTL.maximum
    remote: str | None = None  # the name of a git remote
    branch: str = DEFAULT_BRANCH  # of the log


@dataclass(frozen=True, slots=True)
class Tool:
    """The source of the program: a commit of a repository."""

    repo: str = PLACEHOLDER_REPO
    ref: str = PLACEHOLDER_REF

    @property
    def is_placeholder(self) -> bool:
        """Whether repository or commit are still to be filled in."""
        return self.repo == PLACEHOLDER_REPO or self.ref == PLACEHOLDER_REF

    @property
    def slug(self) -> str:
        """`owner/name`, as `uses:` has it."""
        match = _TOOL.fullmatch(self.repo)
        return match["slug"] if match else ""

    def check(self) -> None:
        """Check that it names a repository and a full commit id.

        Raises:
            UsageError: code `bad-tool`.
        """
        if not self.slug:
            raise UsageError(
                f"expected https://HOST/OWNER/NAME, got {self.repo!r}",
                code="bad-tool",
                hint="give such a URL as --tool-repo",
            )
        if not _HASH.fullmatch(self.ref):
            raise UsageError(
                f"expected the full id of a commit, got {self.ref!r}",
                code="bad-tool",
                hint="find the id with `git rev-parse TAG^{commit}`; tags and branches move",
            )


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with each `@@name@@` replaced by its value."""
    return _FIELD.sub(lambda match: values[match[1]], template)


def scalar(text: str) -> str:
    """The text as a YAML scalar, quoted where necessary."""
    return text if _PLAIN.fullmatch(text) and text not in _NOT_PLAIN else json.dumps(text)


def authority_text(template: str, answers: Answers) -> str:
    """The authority file of these answers."""
    ttl = TtlBounds(DEFAULT_TTL.minimum, answers.ttl_max, min(DEFAULT_TTL.default, answers.ttl_max))
    values = {
        "zone": scalar(answers.zone),
        "environments": _flow(answers.environments),
        "failure_domain": scalar(answers.failure_domain),
        "primary": _primary(answers),
        "secondaries": _servers(answers.secondaries),
        "resolvers": _servers(answers.resolvers),
        "ttl_min": str(min(ttl.minimum, ttl.maximum)),
        "ttl_max": str(ttl.maximum),
        "ttl_default": str(ttl.default),
        "target_networks": _flow(answers.target_networks),
        "evidence": _evidence(answers.branch, answers.remote),
    }
    return fill(template, values)


def signers_text(template: str, principal: str | None, key: str | None) -> str:
    """The file of allowed signers: one line, or none yet.

    Raises:
        UsageError: code `bad-principal`.
    """
    if principal is None or key is None:
        return fill(template, {"signer": ""}).rstrip("\n") + "\n"
    return fill(template, {"signer": f'{principal} namespaces="hyops-gitops" {key}'})


def check_principal(principal: str) -> None:
    """Check that a name can be a principal in allowed_signers.

    Raises:
        UsageError: code `bad-principal`.
    """
    if not _PRINCIPAL.fullmatch(principal):
        raise UsageError(
            f"expected a principal, got {principal!r}",
            code="bad-principal",
            hint="use letters, digits and . _ + @ -, such as applier@example.net",
        )


def zone_readme(template: str, authority: Authority, folder: str = "") -> str:
    """The README.md beside the contracts of a zone."""
    values = {
        "zone": authority.zone,
        "environment": authority.environments[0],
        "environment_list": ", ".join((*authority.environments, SHARED)),
        "top": "../" * (2 + folder.count("/")),  # from a contract
    }
    return fill(template, values)


def other_files(
    templates: Mapping[str, str], authority: Authority, tool: Tool, runner: str, steps: str
) -> dict[str, str]:
    """The files except authority and signers, by path."""
    values = {
        "zone": authority.zone,
        "evidence_branch": authority.evidence.branch,
        "tool_repo": tool.repo,
        "tool_slug": tool.slug,
        "tool_ref": tool.ref,
        "runner": json.dumps(runner),
        "steps": steps,
    }
    made = {
        path: fill(template, values)
        for path, template in templates.items()
        if path not in (AUTHORITY_TEMPLATE, SIGNERS_TEMPLATE, ZONE_README)
    }
    return {**made, ZONE_README: zone_readme(templates[ZONE_README], authority)}


def _flow(texts: Sequence[str]) -> str:
    return f"[{', '.join(scalar(text) for text in texts)}]"


def _primary(answers: Answers) -> str:
    fields = [
        ("api_url", json.dumps(answers.primary_url)),
        ("api_key_env", json.dumps(answers.key_env)),
        ("site", scalar(answers.primary_site)),
    ]
    if answers.primary_dns is not None:
        fields.append(("dns", json.dumps(answers.primary_dns)))
    if answers.ca_file is not None:
        fields.append(("ca_file", json.dumps(answers.ca_file)))
    return "\n".join(f"  {name}: {value}" for name, value in fields)


def _servers(servers: Sequence[Server]) -> str:
    lines = (
        f"  - {{name: {scalar(server.name)}, site: {scalar(server.site)}, dns: {json.dumps(server.dns)}}}"
        for server in servers
    )
    return "\n".join(("", *lines)) if servers else " []"


def _evidence(branch: str, remote: str | None) -> str:
    if remote is not None:
        return f"evidence: {{branch: {scalar(branch)}, remote: {json.dumps(remote)}}}"
    return (
        "# Without `remote: NAME`, a git remote of every applier's clone, the log stays in this clone alone.\n"
        f"evidence: {{branch: {scalar(branch)}}}"
    )


CHECK = "validate / contracts"  # the job of the caller, then the job that it calls
_DEPLOY_KEY = {"actor_id": None, "actor_type": "DeployKey", "bypass_mode": "always"}

Ruleset = dict[str, object]


def rulesets(evidence_branch: str, main: str = "main", check: str = CHECK) -> tuple[Ruleset, ...]:
    """The three rulesets in the form of GitHub's REST API."""
    reviewed = {
        "required_approving_review_count": 1,
        "dismiss_stale_reviews_on_push": True,
        "require_code_owner_review": True,
        "require_last_push_approval": True,
        "required_review_thread_resolution": True,
    }
    checked = {"strict_required_status_checks_policy": True, "required_status_checks": [{"context": check}]}
    return (
        _ruleset(
            f"hyops: {main} is reviewed",
            main,
            [
                {"type": "deletion"},
                {"type": "non_fast_forward"},
                {"type": "pull_request", "parameters": reviewed},
                {"type": "required_status_checks", "parameters": checked},
            ],
        ),
        _ruleset(
            f"hyops: {evidence_branch} is written by the applier's deploy key",
            evidence_branch,
            [{"type": "creation"}, {"type": "update"}],
            [_DEPLOY_KEY],
        ),
        _ruleset(
            f"hyops: {evidence_branch} is never rewritten",
            evidence_branch,
            [{"type": "deletion"}, {"type": "non_fast_forward"}, {"type": "required_linear_history"}],
        ),
    )


def _ruleset(name: str, branch: str, rules: Sequence[object], bypass: Sequence[object] = ()) -> Ruleset:
    return {
        "name": name,
        "target": "branch",
        "enforcement": "active",
        "conditions": {"ref_name": {"include": [f"refs/heads/{branch}"], "exclude": []}},
        "bypass_actors": list(bypass),
        "rules": list(rules),
    }


PATH = ".github/CODEOWNERS"
PLACEHOLDER = "@CHANGE-ME"
# Files that decide on servers, programs and signers: never left to the owner of an endpoint.
PROTECTED = ("/authority/", "/.github/", "/schemas/", "/.pre-commit-config.yaml")
_HANDLE = re.compile(r"@[A-Za-z0-9-]+(?:/[A-Za-z0-9._-]+)?|[^@\s]+@[^@\s]+")
_SLUG = re.compile(r"[A-Za-z0-9._-]+")


def codeowners(
    contracts: Iterable[Contract], admins: str | None, organisation: str | None, table: Mapping[str, Sequence[str]]
) -> str:
    """The CODEOWNERS file.

    Args:
        contracts: Those with an `endpoint_owner` get a line of their own, in the block that `owners --write` renews.
        admins: Handles that approve everything else, and alone the protected files.
        organisation: Its teams are the owners: `data-platform` is `@organisation/data-platform`.
        table: policy.owners, which comes first.
    """
    approvers = admins or PLACEHOLDER
    lines = [
        "# Who has to approve what. The last line that fits a file counts.",
        "# Made by `hyops-gitops init`; lines of endpoints come from their endpoint_owner, and with policy.owners from",
        "# `hyops-gitops owners --write`, which replaces what stands between the marks.",
        f"* {approvers}",
        "",
    ]
    owned = [_line(contract, organisation, table) for contract in contracts if contract.owner is not None]
    lines += [BEGIN, *owned, END, ""] if owned else []
    lines += [f"{path} {approvers}" for path in PROTECTED]
    return "".join(f"{line}\n" for line in lines)


def _line(contract: Contract, organisation: str | None, table: Mapping[str, Sequence[str]]) -> str:
    owner = contract.owner or ""
    if owner in table:
        return owner_line("github", contract.path, table[owner])
    if _HANDLE.fullmatch(owner):
        return f"/{contract.path} {owner}"
    slug = owner.strip().replace(" ", "-")
    if organisation is not None and _SLUG.fullmatch(slug):
        return f"/{contract.path} @{organisation}/{slug}"
    return (
        f"# /{contract.path}: which team is {owner!r}? init --owner-org ORGANISATION, or an @handle as endpoint_owner"
    )
