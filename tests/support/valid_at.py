"""A log that takes the contracts at HEAD for valid, without an apply."""

from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.tree import manifest_sha256
from hyops_gitops.log.entries import Unchanged
from hyops_gitops.log.parts import AuthorityRef, ContractsRef
from tests.support.world import World


def record(world: World, rules: str | None, *, outside: bool = False) -> None:
    """Let the log say that the contracts at HEAD ask for nothing new, and by which rules they are valid."""
    zone = world.wiring().at("HEAD").zone()
    writer = zone.entry_writer()
    log, files = zone.newest(writer), zone.revision.files
    contracts = ContractsRef(zone.commit, manifest_sha256(files), rules)
    authority = AuthorityRef(sha256_hex(files[zone.authority.path]), outside_commit=outside)
    writer.append(log, Unchanged(contracts, authority, ()), log.observed, log.state)
