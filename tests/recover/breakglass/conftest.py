"""One log a session, with people who may break the glass; every test goes on from a copy."""

import pytest

from tests.support.book import Book
from tests.support.segments import Breakglass


@pytest.fixture
def glass(book: Book) -> Breakglass:
    """A segment in which Alice moved a service there, and Bob, seeing it, back."""
    return (
        Breakglass.on(book.copy(len(book.head.entries))).move("10.0.0.2").move("10.0.0.1", "bob@tests", "alice@tests")
    )
