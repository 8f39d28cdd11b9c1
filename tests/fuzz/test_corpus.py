"""No input of a corpus makes its parser raise anything but its own error, or go on for ever."""

from pathlib import Path

import pytest

from tests.fuzz.planting import planting
from tests.fuzz.shapes import shapes
from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
MOST_INPUTS, MOST_BYTES = 100, 96 * 1024
each_target = pytest.mark.parametrize("name", TARGETS)


def inputs(name: str) -> list[Path]:
    return sorted((CORPUS / name).iterdir())


@each_target
def test_every_input_is_read(name: str) -> None:
    for file in inputs(name):
        TARGETS[name].read(file.read_bytes())


@each_target
def test_a_corpus_is_small(name: str) -> None:
    sizes = [file.stat().st_size for file in inputs(name)]

    assert 0 < len(sizes) <= MOST_INPUTS
    assert sum(sizes) <= MOST_BYTES


@each_target
def test_a_fault_planted_into_the_parser_is_found(name: str) -> None:
    with planting(TARGETS[name].planted), pytest.raises(Exception):  # noqa: B017, PT011 - whatever the fault raises
        test_every_input_is_read(name)

    test_every_input_is_read(name)  # the fault is gone


@each_target
def test_large_inputs_are_read(name: str) -> None:
    for data in shapes(4 * 1024).values():
        TARGETS[name].read(data)
        TARGETS[name].read(b"\0" * 5 + data)  # the last of several parts


def test_every_corpus_has_its_target() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} == set(TARGETS)
