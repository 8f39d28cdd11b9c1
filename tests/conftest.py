"""Fixtures that several parts of the suite share."""

import compileall
import contextlib
import gc
import itertools
import os
import random
import shutil
import signal
import socket
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from hyops_gitops.lab.config import LOG_FILE
from hyops_gitops.lab.lifecycle import start_lab, stop_lab
from hyops_gitops.lab.model import BACKENDS, Backend, Lab
from hyops_gitops.lab.services import parse_services
from hyops_gitops.lab.zones import create_zone
from tests.support.book import Book, build, commit_trees
from tests.support.clone import GIT_CONFIG
from tests.support.databases import require
from tests.support.lived import Lived
from tests.support.world import MakeWorld, World

SAID = "said"  # the name of a recorded property that the closing report shows
# Nothing arrives at a secondary but by NOTIFY or on request, and one after the other. One that hangs is given up after
# 5 s, not PowerDNS's 10: so long the proof waits in these tests, and the next request waits for its thread.
TRANSFERS = {"xfr-cycle-interval": "3600", "retrieval-threads": "1", "axfr-fetch-timeout": "5"}
_numbers = itertools.count(1)
_LOGGED = 40  # lines of a server's log
_LABS = frozenset({"lab", "small_lab", "service_lab"})
_MARKERS = frozenset({"every_backend", "one_backend", "only_backend"})
_LONGEST = (  # 10 s and more a test, and of no `lab`, which would be started twice
    "tests/docs/test_scripts.py",
    "tests/hooks/",
    "tests/recover/bundle/test_island.py",
    "tests/release/",
    "tests/stories/cutover/test_page.py",
    "tests/stories/docker/",
    "tests/stories/test_runbooks.py",
)
EXAMPLES = 500 if "HYOPS_LONG" in os.environ else 100
settings.register_profile("suite", deadline=None, max_examples=EXAMPLES)  # the machine may be busy
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    """What to run on, and in which order."""
    parser.addoption("--backend", choices=BACKENDS, help="PowerDNS's storage in every test that starts one")
    parser.addoption("--netbox", metavar="DIR", help="ask the NetBox in DIR, not its recorded answers")
    parser.addoption("--random", type=int, metavar="SEED", help="run in an order drawn by this number")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Which storages a test of `lab` runs on: the marker nearest to it says so, --backend replaces all but one."""
    if "lab" not in metafunc.fixturenames or "lab" in _parametrized(metafunc.definition):
        return
    marker = next((mark for mark in metafunc.definition.iter_markers() if mark.name in _MARKERS), None)
    chosen = metafunc.config.getoption("--backend")
    if marker and marker.name == "only_backend":
        backends = list(marker.args)
    elif chosen:
        backends = [chosen]
    else:
        backends = list(BACKENDS) if marker and marker.name == "every_backend" else ["gsqlite3"]
    metafunc.parametrize("lab", backends, indirect=True, scope="session")


def _parametrized(definition: pytest.Item) -> set[str]:
    names: set[str] = set()
    for mark in definition.iter_markers("parametrize"):
        words = mark.args[0] if mark.args else mark.kwargs["argnames"]
        names.update(words.split(",") if isinstance(words, str) else words)
    return {name.strip() for name in names}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what starts a PowerDNS; with --backend, leave out what only another storage can show; with --random, mix."""
    if (seed := config.getoption("--random")) is not None:
        random.Random(seed).shuffle(items)  # noqa: S311 - an order, not a secret
    for item in items:
        if _LABS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("authority")
    chosen = config.getoption("--backend")
    other = [item for item in items if chosen and _is_of_another(item, chosen)]
    if other:
        config.hook.pytest_deselected(items=other)
        items[:] = [item for item in items if item not in set(other)]


@pytest.hookimpl(specname="pytest_collection_modifyitems", trylast=True)
def pytest_begin_with_the_longest(items: list[pytest.Item]) -> None:
    """Once little is left, a worker with a long test would keep the others waiting."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONGEST))


def _is_of_another(item: pytest.Item, chosen: str) -> bool:
    only = item.get_closest_marker("only_backend")
    if only is not None:
        return chosen not in only.args
    spec = getattr(item, "callspec", None)
    return spec is not None and spec.params.get("lab", chosen) != chosen


def pytest_xdist_auto_num_workers() -> int | None:
    """Three for each processor, unless the environment has a number: tests wait for servers as long as they compute."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else 3 * (os.cpu_count() or 1)


def pytest_configure(config: pytest.Config) -> None:
    """Compile the program once: where PYTHONDONTWRITEBYTECODE is set, each of the hundreds of commands would again."""
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(Path(__file__).parent.parent / "hyops_gitops", quiet=2)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage among what is collected: it stays, and is a million objects."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests recorded to be read; the processes that run them cannot print."""
    for report in (*terminalreporter.stats.get("passed", []), *terminalreporter.stats.get("failed", [])):
        for name, value in report.user_properties:
            if name == SAID:
                terminalreporter.write_line(f"{report.nodeid}: {value}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the servers of a test that failed logged last: transfers, and what kept them."""
    report = yield
    if report.when == "call" and report.failed and isinstance(item, pytest.Function):
        # Containers log to their engine.
        for lab in (value for value in item.funcargs.values() if isinstance(value, Lab) and value.compose is None):
            for server in lab.servers:
                lines = (lab.folder(server) / LOG_FILE).read_text(errors="replace").splitlines()
                report.sections.append((f"log of {server.name}", "\n".join(lines[-_LOGGED:])))
    return report


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Let programs that tests start end at SIGINT, which a shell's background job ignores and hands on."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def isolated_git() -> Iterator[None]:
    """No configuration but the clone's own, and no inherited repository."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("GIT_")]:
            patch.delenv(name)
        for name, value in GIT_CONFIG.items():
            patch.setenv(name, value)
        yield


def _lab(directory: Path, backend: Backend, secondaries: int) -> Iterator[Lab]:
    """A lab while somebody looks at it; nothing arrives at a secondary but by NOTIFY or on request."""
    require(backend)
    settings = {**TRANSFERS, "zone-metadata-cache-ttl": "0", "loglevel": "5"}  # what a test sets counts at once
    running = start_lab(directory, zone="lab.internal", secondaries=secondaries, backend=backend, settings=settings)
    try:
        yield running
    finally:
        stop_lab(running)


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> Backend:
    """The storage of what needs no more than one."""
    chosen: Backend = request.config.getoption("--backend") or "gsqlite3"
    return chosen


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A running lab, one for each backend (`pytest_generate_tests`); a test uses a zone of its own (`zone_name`)."""
    yield from _lab(tmp_path_factory.mktemp("lab"), request.param, 2)


@pytest.fixture(scope="session")
def small_lab(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One backend and one secondary, for what is not about them."""
    yield from _lab(tmp_path_factory.mktemp("small-lab"), backend, 1)


@pytest.fixture
def served(small_lab: Lab, tmp_path: Path) -> World:
    """A world whose zone is served; nothing is applied yet."""
    zone = f"small{next(_numbers)}.internal"
    create_zone(small_lab, zone)
    return World.make(tmp_path, zone, small_lab)


@pytest.fixture(scope="session")
def service_lab(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab with what stands around an authority: a caching resolver, and one service at two sites, on one port.

    The services are `onprem` at 127.0.0.31 and `gcp` at 127.0.0.32. A test that stops one (`stop_service`) starts it
    again. Zones of its own are what a test should use (`create_zone`); the resolver resolves them too.
    """
    require(backend)
    if shutil.which("pdns_recursor") is None and "CI" not in os.environ:
        pytest.skip("pdns_recursor is not installed: apt-get install pdns-recursor")
    sites = {"onprem": "127.0.0.31", "gcp": "127.0.0.32"}
    port = _port_free_on(list(sites.values()))
    running = start_lab(
        tmp_path_factory.mktemp("service-lab"),
        zone="lab.internal",
        backend=backend,
        settings=TRANSFERS,
        resolver=True,
        services=parse_services([f"{site}={host}:{port}" for site, host in sites.items()]),
    )
    try:
        yield running
    finally:
        stop_lab(running)


def _port_free_on(hosts: list[str]) -> int:
    """A port that nobody listens on at any of these addresses."""
    while True:
        with contextlib.ExitStack() as held:
            first = held.enter_context(socket.create_server((hosts[0], 0)))
            port = int(first.getsockname()[1])
            with contextlib.suppress(OSError):
                for host in hosts[1:]:
                    held.enter_context(socket.create_server((host, port)))
                return port


@pytest.fixture
def zone_name(lab: Lab) -> str:
    """A fresh zone on primary and secondaries, with SOA and NS only."""
    name = f"z{next(_numbers)}.internal"
    create_zone(lab, name)
    return name


@pytest.fixture
def simple(served: World) -> Lived:
    """On one backend, with one secondary."""
    return Lived.begin(served)


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A world with nothing special about it, nothing applied yet."""
    return make_world()


@pytest.fixture
def make_world(lab: Lab, zone_name: str, tmp_path: Path) -> MakeWorld:
    """`make_world(**policy)`: a world on a fresh zone."""

    def make(**options: object) -> World:
        return World.make(tmp_path, zone_name, lab, **options)  # type: ignore[arg-type]  # policy by name

    return make


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    """The log as it should be. Not to be written to, nor its clone, which a `copy` shares: continue a `forked` one."""
    made = build(tmp_path_factory.mktemp("log"))
    commit_trees(made.world.root, made.store.trees)
    head = made.world.git("rev-parse", "HEAD")
    yield made
    assert (made.world.git("rev-parse", "HEAD"), made.world.git("status", "--porcelain")) == (head, "")
