"""Contracts whose targets are probed, and what the log holds of their moves."""

from hyops_gitops.log.entries import Intent, Result
from tests.support.world import World


def endpoint(world: World, service: str, target: str | list[str], port: int, ttl: int = 60, **more: object) -> None:
    """Write a contract whose targets are probed."""
    targets = [target] if isinstance(target, str) else target
    fields = {"endpoint_port": port, "endpoint_readiness": [{"type": "tcp", "timeout_s": 1}], **more}
    world.contract(service, *targets, ttl=ttl, **fields)  # type: ignore[arg-type]  # further fields by name


def intents(world: World) -> list[Intent]:
    """Every intent, oldest first."""
    return [body for body in world.bodies() if isinstance(body, Intent)]


def results(world: World) -> list[Result]:
    """Every result, oldest first."""
    return [body for body in world.bodies() if isinstance(body, Result)]
