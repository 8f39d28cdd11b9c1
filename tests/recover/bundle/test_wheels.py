"""Where the wheels of a bundle come from, and what is said of one that cannot be had."""

import base64
import hashlib
import io
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from hyops_gitops import __version__
from hyops_gitops.adapters.wheels import NotPackable, Wheels, check_current, needed_distributions, pack, why_not
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.events import Event


def install(site: Path, name: str, *requires: str) -> Path:
    """A distribution as pip leaves it behind, with one module."""
    wheel = site / f"{name}-1.0.whl"
    write_wheel(wheel, name, "1.0", "py3-none-any", *requires)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    wheel.unlink()
    (site / f"{name}-1.0.dist-info" / "INSTALLER").write_text("pip\n")
    return site / f"{name}-1.0.dist-info"


def write_wheel(path: Path, name: str, version: str, tag: str, *requires: str) -> None:
    info, module = f"{name}-{version}.dist-info", b"VALUE = 1\n"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    files = {
        f"{name}.py": module,
        f"{info}/METADATA": "\n".join([*lines, *(f"Requires-Dist: {one}" for one in requires), ""]).encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    record = "".join(f"{one},sha256={digest(content)},{len(content)}\n" for one, content in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    with zipfile.ZipFile(path, "w") as archive:
        for one, content in files.items():
            archive.writestr(one, content)


def digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def test_what_is_installed_becomes_a_wheel_again(tmp_path: Path) -> None:
    dist = metadata.Distribution.at(install(tmp_path, "thing"))
    name, content = pack(dist)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names, module = archive.namelist(), archive.read("thing.py")

    assert (name, module) == ("thing-1.0-py3-none-any.whl", b"VALUE = 1\n")
    assert names == [
        "thing-1.0.dist-info/METADATA",
        "thing-1.0.dist-info/WHEEL",
        "thing.py",
        "thing-1.0.dist-info/RECORD",
    ]
    assert pack(dist)[1] == content


def test_what_was_changed_since_is_not_packed(tmp_path: Path) -> None:
    info = install(tmp_path, "thing")
    (tmp_path / "thing.py").write_text("VALUE = 2\n")
    with pytest.raises(NotPackable, match=r"thing\.py of thing was changed since it was installed"):
        pack(metadata.Distribution.at(info))


def test_what_no_wheel_installed_is_not_packed(tmp_path: Path) -> None:
    info = install(tmp_path, "thing")
    (info / "RECORD").unlink()
    with pytest.raises(NotPackable, match="was not installed from a wheel"):
        pack(metadata.Distribution.at(info))


def test_what_is_needed_follows_extras_and_leaves_out_what_markers_exclude(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "top_of", "middle[fast]>=1", 'absent; sys_platform == "plan9"', 'tests; extra == "dev"')
    install(tmp_path, "middle", 'quick; extra == "fast"', 'other; extra == "slow"')
    install(tmp_path, "quick")
    monkeypatch.syspath_prepend(tmp_path)

    assert [one.metadata["Name"] for one in needed_distributions("top-of")] == ["middle", "quick"]


def test_what_is_needed_and_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "top_of", "missing-thing>=1")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(NotPackable, match="missing-thing is not installed"):
        needed_distributions("top-of")


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A folder with our wheel for another machine, and one that it needs."""
    write_wheel(
        tmp_path / f"hyops_gitops-{__version__}-py3-none-any.whl",
        "hyops_gitops",
        __version__,
        "py3-none-any",
        "fast-part",
    )
    tag = "cp312-cp312-manylinux2014_aarch64"
    write_wheel(tmp_path / f"fast_part-3.1-{tag}.whl", "fast_part", "3.1", tag)
    return tmp_path


def test_wheels_of_a_folder_for_another_machine(prepared: Path) -> None:
    events: list[Event] = []
    source = Wheels(prepared, "manylinux2014_aarch64", ("3.12",), events.append)
    tag = "cp312-cp312-manylinux2014_aarch64"

    assert sorted(source.wheels()) == [f"fast_part-3.1-{tag}.whl", f"hyops_gitops-{__version__}-py3-none-any.whl"]
    assert "no wheel of pip" in str(events[-1])


def test_a_wheel_that_is_not_in_the_folder_is_named(prepared: Path) -> None:
    source = Wheels(prepared, "manylinux2014_x86_64", ("3.12",), lambda _: None)
    with pytest.raises(OutsideFailure, match="fast-part") as caught:
        source.wheels()

    assert caught.value.code == "no-wheel"
    assert "manylinux2014_x86_64, Python 3.12" in caught.value.message
    assert "--wheels DIR" in caught.value.hint


PIP_SAYS = """\
ERROR: Cannot install hyops-gitops==0.1.0 because these package versions have conflicting dependencies.

The conflict is caused by:
    hyops-gitops 0.1.0 depends on cryptography>=42
    The user requested (constraint) cryptography==50.0.2
ERROR: ResolutionImpossible: for help visit a page
"""


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (PIP_SAYS, "no wheel of cryptography==50.0.2"),
        ("ERROR: No matching distribution found for click\n", "No matching distribution found for click"),
        ("/usr/bin/python: No module named pip\n", "/usr/bin/python: No module named pip"),
    ],
)
def test_the_words_of_pip_come_to_the_wheel_that_is_missing(said: str, expected: str) -> None:
    assert why_not(said) == expected


def test_a_source_that_asks_for_more_than_was_installed_with_it_is_not_packed_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site").mkdir()
    install(tmp_path / "site", "thing")
    install(tmp_path / "site", "hyops_gitops", "thing")
    monkeypatch.syspath_prepend(tmp_path / "site")
    own = tmp_path / f"hyops_gitops-{__version__}-py3-none-any.whl"
    write_wheel(own, "hyops_gitops", __version__, "py3-none-any", "thing", "another")
    with pytest.raises(NotPackable, match="asks for other packages than when it was installed here"):
        check_current(tmp_path)
    write_wheel(own, "hyops_gitops", __version__, "py3-none-any", "thing")
    check_current(tmp_path)
