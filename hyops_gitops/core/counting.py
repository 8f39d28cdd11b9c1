"""A number and what it counts, as people write it."""


def counted(number: int, one: str, many: str = "") -> str:
    """`1 entry`, `2 entries`; `many` where it is not `one` and an s."""
    return f"{number} {one if number == 1 else many or one + 's'}"
