"""Every check of doctor fails of its own accord: a check that cannot is none."""

import json
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from hyops_gitops.core.markers import Anchor
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.observe.checkup import DoctorRequest
from tests.support.checkups import SITES, checkup_of, with_clock
from tests.support.clone import CLOSED, run
from tests.support.services import Authority, answering
from tests.support.world import World

pytestmark = [pytest.mark.authority, pytest.mark.parametrize("lab", ["gsqlite3"], indirect=True)]


@dataclass
class Broken:
    """A world with one thing broken, and how doctor looks at it."""

    world: World
    folder: Path
    patch: pytest.MonkeyPatch
    request: DoctorRequest = SITES
    swap: Callable[[Workspace], Workspace] = lambda ports: ports
    ends: list[Callable[[], object]] = field(default_factory=list)

    def program(self, name: str, script: str) -> None:
        """Put another program in place of one."""
        (self.folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.folder / name).chmod(0o755)
        self.patch.setenv("PATH", str(self.folder), prepend=":")

    def authority(self, old: str, new: str) -> None:
        self.world.edit_authority(old, new)
        self.world.commit("Break it")

    def url(self, url: str) -> None:
        assert self.world.lab is not None
        self.authority(f'"api_url": "{self.world.lab.primary.api_url}"', f'"api_url": "{url}"')
        self.world.environ["HYOPS_PRIMARY_URL"] = url

    def other_backend(self, name: str) -> None:
        info = self.world.wiring().server_info
        self.swap = lambda ports: ports.replaced(server_info=lambda one: replace(info(one), backends=(name,)))

    def other_version(self, version: str) -> None:
        info = self.world.wiring().server_info
        self.swap = lambda ports: ports.replaced(server_info=lambda one: replace(info(one), version=version))


def _tls(broken: Broken) -> None:
    service = answering("", tls=Authority(broken.folder).server("localhost"))
    broken.url(f"https://localhost:{service.__enter__().port}")
    broken.ends.append(lambda: service.__exit__(None, None, None))


def _other_log(broken: Broken) -> None:
    broken.world.primary.patch([], [Anchor(7, "a" * 64).rrset(broken.world.zone)])


def _unlisted(broken: Broken) -> None:
    other = broken.world.key.with_name("other")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other)
    broken.world.environ["HYOPS_SIGNING_KEY_FILE"] = str(other)


def _listed_but_not_trusted(broken: Broken) -> None:
    _unlisted(broken)
    public = " ".join(broken.world.key.with_name("other.pub").read_text().split()[:2])
    signers = broken.world.read("authority/allowed_signers")
    broken.world.write("authority/allowed_signers", f"{signers}other@tests {public}\n")
    broken.world.commit("List another key")


def _shallow(broken: Broken) -> None:
    broken.world.commit("One more")
    broken.world.git("push", "-q", "origin", "main")
    broken.world.git("fetch", "-q", "--depth=1", f"file://{broken.world.remote}", "main")


def _unnotified(broken: Broken) -> None:
    """A change of which no NOTIFY is sent.

    A request for NOTIFY, for any zone, has the primary look within a second at what changed in all of them; one that
    was made before may still be waiting.
    """
    broken.world.environ["HYOPS_SECONDARY_URLS"] = ""
    for number in range(10):
        broken.world.foreign("elsewhere", "TXT", f'"nothing was sent {number}"')
        time.sleep(1.2)
        header = broken.world.primary.header()
        if header.notified_serial != header.serial:
            return
    raise AssertionError("the primary sends NOTIFY by itself")


# A check, and what breaks it.
BREAKS: dict[str, Callable[[Broken], object]] = {
    "python": lambda broken: broken.patch.setattr(sys, "version_info", (3, 10)),
    "git": lambda broken: broken.program("git", f'[ "$1" != --version ] && exec {_which("git")} "$@"; exit 1'),
    "ssh-keygen": lambda broken: broken.program("ssh", "echo 'No user exists for uid 54321' >&2; exit 255"),
    "contracts": lambda broken: broken.world.write("endpoints/prod/second.yaml", "no: contract\n"),
    "history": _shallow,
    "signing-key": _unlisted,
    "remote": lambda broken: broken.world.git("remote", "set-url", "origin", str(broken.folder / "none")),
    "log": lambda broken: broken.world.clone(broken.folder / "other").apply(),
    "key-trusted": _listed_but_not_trusted,
    "push": lambda broken: broken.world.git("remote", "set-url", "--push", "origin", str(broken.folder / "none")),
    "protection-evidence": lambda broken: run(
        "git", "-C", broken.world.remote or "", "config", "receive.denyDeletes", "false"
    ),
    "protection-main": lambda _: None,  # what a hook refuses cannot be seen
    "api-bound": lambda broken: broken.world.environ.update(HYOPS_PRIMARY_URL="https://elsewhere.example:8443"),
    "api-key": lambda broken: broken.world.environ.pop("POWERDNS_API_KEY"),
    "api": lambda broken: broken.world.environ.update(POWERDNS_API_KEY="another"),
    "tls": _tls,
    "version": lambda broken: broken.other_version("4.6.4"),
    "backend": lambda broken: broken.other_backend("bind"),
    "isolation": lambda broken: broken.other_backend("gpgsql"),
    "request-size": lambda broken: broken.authority('"site": "hetzner"', '"site": "hetzner", "max_body_mib": 3'),
    "zone-kind": lambda broken: broken.world.put_zone({"kind": "Native"}),
    "soa-edit-api": lambda broken: broken.world.put_zone({"soa_edit_api": ""}),
    "served-serial": lambda broken: broken.world.put_zone({"soa_edit": "INCEPTION-EPOCH"}),
    "anchor": _other_log,
    "clock": lambda broken: setattr(broken, "swap", with_clock(timedelta(minutes=-5))),
    "plan": lambda broken: broken.world.foreign("first", "A", "10.0.0.99"),
    "primary-dns": lambda broken: (
        broken.authority(f'"dns": "{broken.world.lab.primary.dns}"', f'"dns": "{CLOSED}"') if broken.world.lab else None
    ),
    "secondary": lambda broken: (
        broken.authority(f'"dns": "{broken.world.lab.secondaries[0].dns}"', f'"dns": "{CLOSED}"')
        if broken.world.lab
        else None
    ),
    "secondary-api": lambda broken: broken.world.put_zone({"kind": "Native"}, secondary=0),
    "notify": _unnotified,
    "resolver": lambda broken: broken.authority(
        "policy:", f"resolvers: {json.dumps([{'name': 'clients', 'site': 'onprem', 'dns': CLOSED}])}\npolicy:"
    ),
    "site-remote": lambda broken: setattr(broken, "request", replace(SITES, remote_site="onprem")),
    "site-runner": lambda broken: setattr(broken, "request", replace(SITES, runner_site="onprem")),
}
OFFLINE = ["python", "git", "ssh-keygen", "contracts", "history", "signing-key", "key-trusted", "api-bound", "api-key"]
# Checks whose failure another folder shows.
ELSEWHERE = {"rows": "tests/stories/damage", "signed-zone": "tests/stories/signed_zones"}


def _which(program: str) -> str:
    return run("which", program).decode().strip()


def kind(check: str) -> str:
    """A check without the name of its server."""
    return re.sub(r"^(secondary-api|secondary|resolver)-.*", r"\1", check)


def test_every_check_is_broken_below(world: World) -> None:
    found = {kind(check.id) for check in checkup_of(world).checks} | {"resolver"}
    assert found - ELSEWHERE.keys() == BREAKS.keys()


@pytest.mark.parametrize("check", BREAKS)
def test_a_check_fails_of_its_own_accord(
    check: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_it_fails(check, world, tmp_path, monkeypatch, offline=False)


@pytest.mark.parametrize("check", OFFLINE)
def test_it_fails_offline_too(check: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_it_fails(check, world, tmp_path, monkeypatch, offline=True)


def assert_it_fails(check: str, world: World, tmp_path: Path, patch: pytest.MonkeyPatch, *, offline: bool) -> None:
    (tmp_path / "broken").mkdir()
    broken = Broken(world, tmp_path / "broken", patch)
    BREAKS[check](broken)
    try:
        checkup = checkup_of(world, replace(broken.request, offline=offline), {}, broken.swap)
    finally:
        for end in broken.ends:
            end()
    states = {one.seen: one for one in checkup.checks if kind(one.id) == check and one.state != "ok"}
    assert states, [one for one in checkup.checks if kind(one.id) == check]
    for seen, one in states.items():
        assert not seen.startswith("not asked, because of"), seen
        assert one.remedy, one
    assert not checkup.ok
