"""A tree in memory, and what validation makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.adapters.yaml.schema import check_document
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.tree import SourceTree
from hyops_gitops.validate.validation import Validation, validate_tree

AUTHORITY = "authority/hyops.internal.yaml"


MINIMAL = b"""\
zone: hyops.internal
environments: [prod]
failure_domain: onprem
primary: {api_url: "https://[fd00::53]:8443", api_key_env: KEY, site: hetzner}
secondaries: [{name: s1, site: onprem, dns: "[fd00::53]:53"}]
"""


@dataclass(frozen=True)
class Memory(SourceTree):
    """A tree in memory."""

    content: Mapping[str, bytes | str]

    def files(self) -> list[SourceFile]:
        return [
            SourceFile(path, text.encode() if isinstance(text, str) else text)
            for path, text in sorted(self.content.items())
        ]


def contract_text(name: str, target: str, kind: str = "host", extra: str = "") -> str:
    return (
        f"endpoint_dns_name: {name}\nendpoint_target: {target}\nendpoint_target_type: {kind}\n"
        f"endpoint_port: 5432\nendpoint_cutover_required: true\n{extra}"
    )


def validated(contracts: Mapping[str, str], authority: bytes = MINIMAL, **given: SourceFile) -> Validation:
    tree = Memory({AUTHORITY: authority, **contracts})
    return validate_tree(tree, read_document, check_document, authority_override=given.get("override"))
