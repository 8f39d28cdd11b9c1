"""A repository with several zones in memory."""

from collections.abc import Collection, Mapping
from functools import partial

from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.adapters.yaml.schema import check_document
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.findings import Finding
from hyops_gitops.core.tree import SourceTree
from hyops_gitops.validate.by_zone import Inquiry, ZonesValidation, validate_zones
from hyops_gitops.validate.validation import MemoryTree, Start, validate_tree

FIRST, SECOND, CHILD = "hyops.internal", "corp.example", "eu.hyops.internal"
ZONES = (FIRST, SECOND, CHILD)


def authority_path(zone: str) -> str:
    return f"authority/{zone}.yaml"


def authority(zone: str, branch: str = "", genesis: str = "") -> bytes:
    pinned = f", genesis: {genesis}" if genesis else ""
    return f"""\
zone: {zone}
environments: [prod]
failure_domain: onprem
primary: {{api_url: "https://[fd00::53]:8443", api_key_env: KEY, site: hetzner}}
secondaries: [{{name: s1, site: onprem, dns: "[fd00::53]:53"}}]
evidence: {{branch: {branch or f"evidence-{zone}"}{pinned}}}
""".encode()


def path_of(name: str) -> str:
    """The path of a contract of this name: the first zone has no folder."""
    zone = next(zone for zone in (CHILD, SECOND, FIRST) if name.endswith(f".{zone}"))
    service, environment = name.removesuffix(f".{zone}").split(".")
    return f"endpoints/{'' if zone == FIRST else f'{zone}/'}{environment}/{service}.yaml"


def contract(name: str, target: str = "10.0.0.1", *, alias: str = "") -> bytes:
    kind = "host" if target[0].isdigit() else "dns"
    kept = f'endpoint_aliases: [{{name: {alias}, until: "2099-01-01"}}]\n' if alias else ""
    return (
        f"endpoint_dns_name: {name}\nendpoint_target: {target}\nendpoint_target_type: {kind}\nendpoint_port: 5432\n"
        f"endpoint_cutover_required: false\n{kept}"
    ).encode()


def repository(targets: Mapping[str, str], genesis: str = "") -> dict[str, bytes]:
    """Three zones, with contracts by name and target."""
    made = {authority_path(zone): authority(zone, genesis=genesis) for zone in ZONES}
    made |= {f"endpoints/{zone}/README.md": b"" for zone in (SECOND, CHILD)}
    return made | {path_of(name): contract(name, target) for name, target in targets.items()}


class ReadFiles(SourceTree):
    """A tree that keeps which files were read."""

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self._tree = MemoryTree(contents)
        self.known: set[str] = set()

    def files(self) -> list[SourceFile]:
        return self._tree.files()

    def read(self, paths: Collection[str]) -> Mapping[str, SourceFile]:
        self.known |= {path for path in paths if path in self._tree.contents}
        return self._tree.read(paths)


def everything(files: Mapping[str, bytes], override: SourceFile | None = None) -> ZonesValidation:
    """Everything validated."""
    return ask(MemoryTree(files), None, override)


def since(before: Mapping[str, bytes], tree: SourceTree, *, full: bool = False) -> ZonesValidation:
    """What `--changed-since` shows."""
    base = MemoryTree(before)
    return ask(tree, Inquiry(None, Start(base, "main"), base, full))


def ask(tree: SourceTree, asked: Inquiry | None, override: SourceFile | None = None) -> ZonesValidation:
    validate = partial(validate_tree, read=read_document, check=check_document)
    return validate_zones(tree, asked, validate, read_document, override)


def shown(validation: ZonesValidation) -> list[str]:
    """Rule and path of each finding."""
    return [short(finding) for finding in validation.findings]


def short(finding: Finding) -> str:
    return f"{finding.rule} {finding.path}"
