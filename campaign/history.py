"""What happens in a history beside its faults: contracts come, move and go."""

import base64
import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from campaign.place import EVIDENCE
from campaign.trial import Trial
from campaign.witness.branch import read_entries
from hyops_gitops.core.zone import RRset
from tests.support.clone import write_key

_TTLS = (5, 30, 60, 300)


def _plain(trial: Trial) -> list[str]:
    """The services without sites."""
    return sorted(trial.wanted.keys() - {"pg"})


def _move(trial: Trial) -> None:
    service = trial.rng.choice(_plain(trial))
    trial.put(service, trial.wanted[service][0], trial.fresh())


def _move_several(trial: Trial) -> None:
    for service in _plain(trial)[:4]:
        trial.put(service, trial.wanted[service][0], trial.fresh())


def _add(trial: Trial) -> None:
    target = trial.fresh()
    trial.put(f"s{trial.number}", trial.rng.choice(_TTLS), target)


def _other_ttl(trial: Trial) -> None:
    service = trial.rng.choice(_plain(trial))
    ttl, target = trial.wanted[service]
    trial.put(service, trial.rng.choice([other for other in _TTLS if other != ttl]), target)


def _remove(trial: Trial) -> None:
    if len(_plain(trial)) < 3:
        return _add(trial)
    service = trial.rng.choice(_plain(trial))
    del trial.wanted[service]
    return trial.world.delete_contract(service)


def _edit_and_move(trial: Trial) -> None:
    """Another's record changes by hand meanwhile."""
    trial.scene.edit(RRset.of(f"by-hand.{trial.world.zone}", "TXT", 60, [f'"{trial.fresh()}"']))
    _move(trial)


_SITES = ("onprem", "gcp")


def _cutover(trial: Trial) -> None:
    """By the command, from one site to the other; a service with sites comes first."""
    if "pg" not in trial.wanted:
        _add_with_sites(trial)
    else:
        _command(trial, "cutover", "pg.prod", "--to", _other_site(trial))


def _failover(trial: Trial) -> None:
    """Everything that is at a site, to the other."""
    if "pg" not in trial.wanted:
        _add_with_sites(trial)
    else:
        there = _other_site(trial)
        _command(trial, "failover", "--from", next(site for site in _SITES if site != there), "--to", there)


def _add_with_sites(trial: Trial) -> None:
    trial.sites = {site: trial.fresh() for site in _SITES}
    trial.wanted["pg"] = (60, trial.sites["onprem"])
    trial.world.contract("pg", trial.sites["onprem"], sites=trial.sites)


def _other_site(trial: Trial) -> str:
    return next(site for site, target in trial.sites.items() if target != trial.wanted["pg"][1])


def _command(trial: Trial, *words: str) -> None:
    _run(trial, *words)
    trial.wanted["pg"] = (60, trial.sites[words[-1]])


def _adopt(trial: Trial) -> None:
    """A record of ours is changed by hand, and its contract after it; another moves."""
    service = trial.rng.choice(_plain(trial))
    ttl, target = trial.wanted[service][0], trial.fresh()
    trial.scene.edit(RRset.of(trial.world.name(service), "A", ttl, [target]))
    trial.put(service, ttl, target)
    _add(trial)


def _new_key(trial: Trial) -> None:
    """Another key is listed and trusted, and signs from here on."""
    key = trial.scene.directory / f"key{trial.number}"
    write_key(key)
    public = " ".join(Path(f"{key}.pub").read_text().split()[:2])
    path, principal = "authority/allowed_signers", f"applier{trial.number}@tests"
    trial.world.write(path, f"{trial.world.read(path)}{principal} {public}\n")
    trial.world.commit("Another key")
    _run(trial, "keys", "trust", principal, "--reason", "campaign")
    _run(trial, "apply")
    trial.world.environ["HYOPS_SIGNING_KEY_FILE"] = str(key)
    _move(trial)


def _old_key_ends(trial: Trial) -> None:
    """Another key follows on one that is retired, or that was stolen after all that it is known to have signed."""
    old = Path(f"{trial.world.environ['HYOPS_SIGNING_KEY_FILE']}.pub").read_text().split()[1]
    _new_key(trial)
    trial.world.commit("Another key is used")
    path = "authority/allowed_signers"
    lines = trial.world.read(path).splitlines(keepends=True)
    principal = next(line.split()[0] for line in lines if old in line)
    if trial.rng.random() < 0.5:
        end = f'{principal} valid-before="{datetime.now(UTC):%Y%m%d%H%M%SZ}"'
        ended = [line.replace(principal, end, 1) if old in line else line for line in lines]
        trial.world.write(path, "".join(ended))
        trial.world.commit("The old key ends")
        _run(trial, "keys", "retire", principal, "--reason", "campaign")
    else:
        fingerprint = base64.b64encode(hashlib.sha256(base64.b64decode(old)).digest()).decode().rstrip("=")
        good = str(read_entries(trial.scene.remote, EVIDENCE, trial.world.zone)[-1].seq)
        words = ("--last-good-seq", good, "--reason", "campaign")
        _run(trial, "keys", "compromised", f"SHA256:{fingerprint}", *words)


def _run(trial: Trial, *words: str) -> None:
    ran = trial.run(*words)
    if ran.exit != 0:
        raise RuntimeError(f"{' '.join(words)}: {ran.err}")


STEPS: Mapping[str, Callable[[Trial], None]] = {
    "move": _move,
    "move several": _move_several,
    "add": _add,
    "other TTL": _other_ttl,
    "remove": _remove,
    "edit by hand, move": _edit_and_move,
    "cutover": _cutover,
    "failover": _failover,
    "edit by hand, adopt": _adopt,
    "new key, move": _new_key,
    "new key, old one ends": _old_key_ends,
}
