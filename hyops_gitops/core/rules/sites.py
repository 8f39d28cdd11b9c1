"""Sites, home and readiness probes of a contract."""

from collections.abc import Iterator

from hyops_gitops.core.contracts.context import suggestion
from hyops_gitops.core.contracts.contract import TargetType
from hyops_gitops.core.contracts.drafts import ContractDraft, TargetDraft
from hyops_gitops.core.fields import Fields
from hyops_gitops.core.findings import Finding
from hyops_gitops.core.rules.catalog import finding_at


def check_sites(draft: ContractDraft) -> Iterator[Finding]:
    """One site is the active one. Only said of targets that have no finding themselves."""
    written = Fields(draft.document).mapping("endpoint_sites")
    if draft.target is None or not written or len(draft.sites) != len(written):
        return
    active = _comparable(draft.target)
    if active is not None and all(_comparable(site) not in (active, None) for site in draft.sites.values()):
        listed = "; ".join(f"{name}: {_shown(site)}" for name, site in sorted(draft.sites.items()))
        message = f"{_shown(draft.target)} is none of endpoint_sites"
        yield finding_at("site-active", draft.document, draft.target.at, message, f"sites are {listed}")


def check_home(draft: ContractDraft) -> Iterator[Finding]:
    """endpoint_home names a site."""
    if draft.home is None or not draft.document.is_sound("endpoint_sites"):
        return
    sites = Fields(draft.document).mapping("endpoint_sites")
    if draft.home not in sites:
        hint = suggestion(draft.home, sites, "sites") if sites else "add endpoint_sites, or delete endpoint_home"
        message = f"endpoint_home {draft.home!r} is none of endpoint_sites"
        yield finding_at("site-home", draft.document, ("endpoint_home",), message, hint)


def check_readiness(draft: ContractDraft) -> Iterator[Finding]:
    """Probes that can never say ready, and a reason not to probe beside probes."""
    for at, probe in draft.readiness:
        if probe.type == "none" and len(draft.readiness) > 1:
            message = "a probe of type none stands beside others"
            yield finding_at("readiness-none", draft.document, at, message, "delete it, or the others")
        elif probe.type != "none" and draft.protocol == "udp" and "port" not in probe.options:
            message = f"a {probe.type} probe cannot ask the udp port of this endpoint"
            hint = "give the probe its own port, or use {type: none, reason: ...}"
            yield finding_at("readiness-udp", draft.document, at, message, hint)


def _shown(target: TargetDraft) -> str:
    return f"{target.type} {', '.join(target.canonical_values())} port {target.port}"


def _comparable(target: TargetDraft) -> tuple[TargetType, tuple[str, ...], int] | None:
    """What makes two targets the same one, or None when a part of it has a finding."""
    if target.type is None or target.port is None:
        return None
    return (target.type, target.canonical_values(), target.port)
