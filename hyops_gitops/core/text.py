"""Text for people: counts, lists, suggestions, masked secrets."""

import difflib
import re
from collections.abc import Iterable, Sequence


def counted(number: int, noun: str, many: str = "") -> str:
    """`1 entry`, `2 entries`; `many` is an irregular plural."""
    return f"{number} {noun if number == 1 else many or noun + 's'}"


def first_few(texts: Sequence[str], shown: int = 5, separator: str = ", ") -> str:
    """The first of many: `a, b, c and 2 more`."""
    more = len(texts) - shown
    listed = separator.join(texts[:shown])
    return f"{listed} and {more} more" if more > 0 else listed


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The known word that a word probably stands for."""
    candidates = sorted(known)
    close = difflib.get_close_matches(word, candidates, n=1)
    if close:
        return close[0]
    return next((known for known in candidates if word and (known.startswith(word) or word.startswith(known))), None)


def suggestion(word: str, known: Iterable[str], what: str) -> str:
    """A hint with the probable word and all known words."""
    candidates = sorted(known)
    guess = did_you_mean(word, candidates)
    listed = f"{what}: {', '.join(candidates)}"
    return f"did you mean {guess}? {listed}" if guess else listed


MAX_TEXT = 200  # characters
# What is looked at, in characters: the patterns below take quadratic time for an endless word.
_LOOKED_AT = 10 * MAX_TEXT

_EMAIL = re.compile(r"[\w.%+'-]+@[\w-]+(?:\.[\w-]+)+")
# Formats by which secret scanners know a token: GitHub, GitLab, AWS, Slack, Google, Stripe, npm, Vault, age, PEM with
# all that follows, JWT, an HTTP header's, credentials in a URL, key=value.
_SECRETS = re.compile(
    r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{20,}|A[KS]IA[0-9A-Z]{16}"
    r"|xox[abeprs]-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{35}|[rs]k_live_[A-Za-z0-9]{16,}|npm_[A-Za-z0-9]{30,}"
    r"|hv[sb]\.[A-Za-z0-9_-]{20,}|AGE-SECRET-KEY-1[0-9A-Z]{20,}|-----BEGIN [A-Z ]*PRIVATE KEY-----.*"
    r"|(?i:(?<=bearer )|(?<=basic ))[A-Za-z0-9._~+/-]{16,}=*"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
    r"|(?i:(?<=password=)|(?<=passwd=)|(?<=secret=)|(?<=token=)|(?<=api_key=)|(?<=api-key=)|(?<=apikey=))[^\s&;,]+"
)
_MASK = "[masked]"


def masked(text: str) -> str:
    """One line of at most 200 characters without secrets.

    E-mail addresses, known formats of secrets and control characters are left out.
    """
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if len(line) > _LOOKED_AT:
        # To the last whole word: half of a secret would not be recognised.
        line = f"{line[:_LOOKED_AT].rpartition(' ')[0]} …".lstrip()
    safe = _EMAIL.sub(_MASK, _SECRETS.sub(_MASK, line))
    return safe if len(safe) <= MAX_TEXT else safe[: MAX_TEXT - 1] + "…"
