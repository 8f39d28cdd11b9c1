"""Faults of the resolver that clients ask."""

import shutil
from collections.abc import Callable

from campaign.dns_proxy import DNS_WAYS
from campaign.place import RESOLVER
from campaign.trial import Trial
from hyops_gitops.adapters.dns.client import PlainDnsClient
from hyops_gitops.core.exchange import Question
from hyops_gitops.lab import processes
from hyops_gitops.lab.config import LOG_FILE
from hyops_gitops.lab.resolver import MADE, find_recursor, free_resolver, prepare_resolver
from hyops_gitops.lab.zones import wait_until
from tests.support.world import Ran

_REQUIRED = '"require": ["primary", "secondaries"'
_LEAST = "minimum-ttl-override=", '"minimum_ttl_override": '  # in its file, before 5.0 and since then
_ASK_S = 1.0
_START_S = 20.0


def fails(way: str) -> Callable[[Trial], Ran]:
    """It was asked for every name before, and does this to each answer from then on."""

    def run(trial: Trial) -> Ran:
        _ask_for_all(trial)
        trial.scene.place.resolver.way = DNS_WAYS[way]
        return _not_proved(trial)

    return run


def raises_ttls(trial: Trial) -> Ran:
    """A real one, where there is one, which caches for ten minutes at least."""
    if not processes.find_executable("pdns_recursor"):
        return fails("old")(trial)
    place = trial.scene.place
    resolver = free_resolver()
    folder = place.lab.folder(resolver)
    prepare_resolver(place.lab, resolver, RESOLVER)
    for name in MADE:
        if (file := folder / name).exists():
            text = file.read_text()
            for setting in _LEAST:
                text = text.replace(f"{setting}0", f"{setting}600")
            file.write_text(text)
    process = processes.spawn(find_recursor(), ["--config-dir=."], folder, folder / LOG_FILE)
    trial.on_lift(lambda: shutil.rmtree(folder))
    trial.on_lift(lambda: processes.stop([process]))
    soa = Question(trial.world.zone, "SOA")
    ask = PlainDnsClient().ask
    wait_until(
        lambda: bool(ask(resolver.dns, [soa], recursion_desired=True, timeout_s=_ASK_S)[soa].rrsets), _START_S, "it"
    )
    place.resolver.upstream = resolver.dns
    _ask_for_all(trial)
    return _not_proved(trial)


def _ask_for_all(trial: Trial) -> None:
    """As clients do, for what is there and for what is to come."""
    there = {name for name, rrtype in trial.scene.version() if rrtype == "A"}
    names = sorted(there | {trial.world.name(service) for service in trial.wanted})
    address = trial.scene.place.resolver.address
    PlainDnsClient().ask(address, [Question(name, "A") for name in names], recursion_desired=True, timeout_s=_ASK_S)


def _not_proved(trial: Trial) -> Ran:
    """An apply, in half of the runs by a policy that requires the resolver; it may not say that it has the change."""
    required = trial.rng.random() < 0.5
    if required:
        _require(trial)
    moves, before = _moves(trial), len(trial.scene.log())
    ran = trial.apply()
    if moves:
        trial.expect(ran.exit == (5 if required else 0), f"exit {ran.exit}, required: {required}")
        has = [outcome.seq for outcome in trial.scene.log()[before:] if RESOLVER in outcome.converged]
        trial.expect(not has, f"entries {has} say that the resolver had the change")
    return ran


def _moves(trial: Trial) -> bool:
    """Whether more than TTLs is to change: of a resolver's answers they are no part."""
    there = {key[0]: records[1] for key, records in trial.scene.version().items() if key[1] == "A"}
    wanted = {trial.world.name(service): (target,) for service, (_, target) in trial.wanted.items()}
    return any(there.get(name) != wanted.get(name) for name in trial.missing())


def _require(trial: Trial) -> None:
    world = trial.world
    policy = world.read(world.authority_path)

    def restore() -> None:
        world.write(world.authority_path, policy)
        world.commit("The resolver does not count any more")

    trial.on_end(restore)
    world.write(world.authority_path, policy.replace(_REQUIRED, f'{_REQUIRED}, "resolvers"'))
    world.commit("The resolver counts")
