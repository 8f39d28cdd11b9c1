"""One NetBox for the session, real or out of a recording, and a repository that it is asked about."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import SAID
from tests.support.commands import run_command
from tests.support.netbox_answers import Front, Recording, Reply, fronting, passing, recorded
from tests.support.netbox_fill import Filler
from tests.support.netbox_scene import AUTHORITY, UNKNOWN_TAG, Scene, make_scene
from tests.support.repository import ENVIRON, ROOT

RECORDING = Path(__file__).parent / "answers.xz"


@dataclass
class NetBox:
    """What answers, through a server of ours that keeps what was asked."""

    front: Front
    reply: Reply  # for another server before it
    tokens: Mapping[str, str]
    what: str

    @contextmanager
    def behind(self, reply: Reply) -> Iterator[Front]:
        """A server that changes its answers."""
        with fronting(reply, self.tokens) as front:
            yield front


@dataclass
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    def findings(self) -> list[dict[str, Any]]:
        """Those of `netbox check --format json`."""
        found: list[dict[str, Any]] = json.loads(self.out)["findings"]
        return found


@dataclass
class Caller:
    """Runs the command line in a repository, with the address and the token of a NetBox."""

    folder: Path
    netbox: NetBox

    def __call__(
        self, *arguments: str, url: str = "", who: str = "reader", token: str = "", ca: Path | None = None
    ) -> Ran:
        environ = {name: value for name, value in ENVIRON.items() if not name.startswith("HYOPS_")}
        environ["HYOPS_NETBOX_URL"] = url or self.netbox.front.url
        environ["HYOPS_NETBOX_TOKEN"] = token or self.netbox.tokens[who]
        if ca is not None:
            environ["HYOPS_NETBOX_CA_FILE"] = str(ca)
        code, out, err = run_command(["netbox", *arguments], self.folder, environ)
        return Ran(code, out.decode(), err.decode())


@pytest.fixture(scope="session")
def scene() -> Scene:
    return make_scene()


@pytest.fixture(scope="session")
def netbox(request: pytest.FixtureRequest, scene: Scene) -> Iterator[NetBox]:
    """The one that `--netbox DIR` names, filled; without it the recorded one."""
    folder = request.config.getoption("--netbox")
    if folder is not None and hasattr(request.config, "workerinput"):
        pytest.fail("--netbox DIR serves one process: leave -n out")
    with ExitStack() as stack:
        if folder is None:
            recording = Recording.read(RECORDING)
            reply, what = recorded(recording), "NetBox 4.7.3, as recorded; a real one: script/test --netbox DIR"
        else:
            url, admin = stack.enter_context(_started(Path(folder)))
            filler = Filler(url, admin)
            recording = Recording(filler.tokens())
            filler.fill(scene)
            reply, what = recording.keeping(passing(url)), f"NetBox {filler.version()}, a real one in {folder}"
        yield NetBox(stack.enter_context(fronting(reply, recording.tokens)), reply, recording.tokens, what)
        if folder is not None and "HYOPS_RECORD" in os.environ:
            recording.write(RECORDING)


@contextmanager
def _started(folder: Path) -> Iterator[tuple[str, str]]:
    """A NetBox without content: its address and a superuser's token."""
    script = ROOT / "script" / "netbox-root"
    done = subprocess.run([script, "start", folder], stdout=subprocess.PIPE, text=True, check=True)
    variables = dict(line.split("=", 1) for line in done.stdout.splitlines())
    try:
        yield variables["NETBOX_URL"], variables["NETBOX_TOKEN"]
    finally:
        subprocess.run([script, "stop", folder], stdout=subprocess.DEVNULL, check=True)


@pytest.fixture(autouse=True)
def say_which(netbox: NetBox, record_property: Any) -> None:
    """Which of both ran, in the report of the first test."""
    if netbox.what:
        record_property(SAID, netbox.what)
        netbox.what = ""


@pytest.fixture(scope="session")
def whole_repository(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _written(tmp_path_factory.mktemp("whole"), scene.files)


@pytest.fixture
def call(whole_repository: Path, netbox: NetBox) -> Caller:
    """In the repository of the whole scene, which no test changes."""
    return Caller(whole_repository, netbox)


@pytest.fixture(scope="session")
def found(whole_repository: Path, netbox: NetBox) -> Ran:
    """What a check of the whole scene finds."""
    return Caller(whole_repository, netbox)("check", "--format", "json")


@pytest.fixture
def call_small(scene: Scene, tmp_path: Path, netbox: NetBox) -> Caller:
    """In a repository with a few contracts of it, one of them wrong."""
    names = ("app00000", "app00001", "final-dot", "reserved")
    kept = {path: text for path, text in scene.files.items() if Path(path).stem in names}
    kept[AUTHORITY] = scene.files[AUTHORITY].replace(UNKNOWN_TAG, "")
    return Caller(_written(tmp_path / "small", kept), netbox)


def _written(folder: Path, files: Mapping[str, str]) -> Path:
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    subprocess.run(["git", "init", "-q", folder], env=ENVIRON, check=True)
    return folder
