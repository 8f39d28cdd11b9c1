"""Files of a lab for its user: `authority.yaml` and `env`."""

import io
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from hyops_gitops.adapters.files import replace_file
from hyops_gitops.core.authority import DEFAULT_MAX_BODY_MIB, ServerAddress
from hyops_gitops.core.errors import InvalidData, OutsideFailure, UsageError
from hyops_gitops.lab.model import Lab, LabServer

AUTHORITY_FILE = "authority.yaml"
ENV_FILE = "env"
KEY_VARIABLE = "POWERDNS_API_KEY"
_ALWAYS_WIDE = 10_000  # columns: ruamel folds long lines otherwise


def find_authority(repository: Path) -> Path:
    """The repository's one authority file.

    Raises:
        UsageError: code `lab-authority`: there is none, or more than one.
    """
    found = sorted((repository / "authority").glob("*.yaml"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise UsageError(
            f"{repository / 'authority'} must hold exactly one .yaml file, found: {names}",
            code="lab-authority",
            hint="give the file with --authority FILE",
        )
    return found[0]


def read_authority(path: Path) -> CommentedMap:
    """An authority file with its comments, checked as a lab needs.

    Raises:
        OutsideFailure: code `lab-authority`: it cannot be read.
        InvalidData: code `lab-authority`: it is not YAML, or has no `zone` and `primary`.
    """
    try:
        document = _yaml().load(path.read_bytes())
    except OSError as error:
        raise OutsideFailure(f"cannot read {path}: {error.strerror}", code="lab-authority") from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise InvalidData(f"{path} is not YAML", code="lab-authority", hint="see hyops-gitops validate") from error
    if isinstance(document, CommentedMap):
        zone, primary = document.get("zone"), document.get("primary")
        if isinstance(zone, str) and isinstance(primary, CommentedMap):
            return document
    raise InvalidData(f"{path} has no zone or no primary", code="lab-authority", hint="see hyops-gitops validate")


def says_native(authority: CommentedMap) -> bool:
    """Whether the secondaries get the zone by way of the database."""
    policy = authority.get("policy")
    return isinstance(policy, CommentedMap) and policy.get("replication") == "native"


def max_body_mib(authority: CommentedMap | None) -> int:
    """The largest request that the primary takes."""
    limit = authority["primary"].get("max_body_mib") if authority is not None else None
    return limit if isinstance(limit, int) else DEFAULT_MAX_BODY_MIB


def write_authority(lab: Lab, authority: CommentedMap) -> None:
    """Write `authority.yaml`: the given authority, its comments included, with this lab's addresses."""
    _point_to(lab, authority)
    text = io.StringIO()
    _yaml().dump(authority, text)
    replace_file(lab.directory / AUTHORITY_FILE, text.getvalue().encode(), private=True)


def write_env(lab: Lab) -> None:
    """Write `env`, lines to source.

    The key stands beside the URLs of the only servers that it may be sent to.
    """
    variables = {
        KEY_VARIABLE: lab.api_key,
        "HYOPS_PRIMARY_URL": lab.primary.api_url,
        "HYOPS_SECONDARY_URLS": ",".join(server.api_url for server in lab.secondaries),
    }
    lines = "".join(f"{name}={value}\n" for name, value in variables.items())
    replace_file(lab.directory / ENV_FILE, lines.encode(), private=True)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = _ALWAYS_WIDE
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _point_to(lab: Lab, authority: CommentedMap) -> None:
    primary = authority["primary"]
    primary.update(
        api_url=lab.primary.api_url, api_key_env=KEY_VARIABLE, server_id="localhost", dns=_quoted(lab.primary.dns)
    )
    primary.pop("ca_file", None)
    originals = authority.get("secondaries") or []
    authority["secondaries"] = [
        _secondary(server, originals[position] if position < len(originals) else {})
        for position, server in enumerate(lab.secondaries)
    ]
    _point_to_resolver(lab, authority)
    if says_native(authority) and not lab.native:  # in containers
        authority["policy"]["replication"] = "transfer"
    if isinstance(evidence := authority.get("evidence"), CommentedMap):
        evidence.pop("mirrors", None)


def _point_to_resolver(lab: Lab, authority: CommentedMap) -> None:
    """Name the lab's resolver; without one, require none."""
    originals = authority.get("resolvers") or [{}]
    if lab.resolver:
        authority["resolvers"] = [
            {
                "name": originals[0].get("name", lab.resolver.name),
                "site": originals[0].get("site", authority["secondaries"][0]["site"]),
                "dns": _quoted(lab.resolver.dns),
            }
        ]
        return
    authority.pop("resolvers", None)
    policy = authority.get("policy")
    convergence = policy.get("convergence") if isinstance(policy, CommentedMap) else None
    if isinstance(convergence, CommentedMap) and "resolvers" in (convergence.get("require") or []):
        convergence["require"].remove("resolvers")


def _secondary(server: LabServer, original: dict[str, object]) -> dict[str, object]:
    return {
        "name": original.get("name", server.name),
        "site": original.get("site", "lab"),
        "dns": _quoted(server.dns),
        "api_url": server.api_url,
        "api_key_env": KEY_VARIABLE,
    }


def _quoted(address: ServerAddress) -> str:
    # Plain, host:port has meanings in YAML 1.1; ruamel's scalar is a str that remembers its quotes.
    scalar: str = DoubleQuotedScalarString(str(address))
    return scalar
