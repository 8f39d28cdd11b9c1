"""What a 5xx of a PowerDNS API means: its database failed the request, or a proxy before it did not reach it.

Measured: 4.7 answers 500 with "Internal Server Error" alone, whatever the database said; its log has the words. 4.9.18
and 5.1.5 repeat them in the reply, so they are looked for there.
"""

import re

_LOG = "PowerDNS's log has the database's own words"
_WHERE = "look for `HTTP ISE` in the log of that PowerDNS"
# What PostgreSQL, MariaDB and SQLite say, what it means, and what to do.
_CAUSES = (
    (
        re.compile(r"read[- ]?only", re.IGNORECASE),
        "its database is read-only",
        "let PowerDNS write to the database's primary: this is a standby, promoted too late or not at all",
    ),
    (
        re.compile(
            r"deadlock|serializ|changed since last read|lock wait|lock timeout|database is locked|snapshot isolation",
            re.IGNORECASE,
        ),
        "its database ended the transaction in favour of another one",
        "run the command again; where this goes on, find out who else writes to that database",
    ),
    (
        re.compile(
            r"connect|gone away|server closed|shutting down|starting up|terminating|recovery mode|lost connection"
            r"|unable to launch",
            re.IGNORECASE,
        ),
        "its database is away, or is being failed over",
        "look at the database server; run the command again when it is back: an open intent is settled then",
    ),
    (
        re.compile(r"no such (table|column)|does not exist|doesn't exist|unknown column|permission denied|denied for"),
        "its database has another schema than this PowerDNS expects, or denies it the access",
        "compare the schema with the one of PowerDNS's packages, and the rights of PowerDNS's role",
    ),
)


def server_failure(server: str, status: int, said: str) -> tuple[str, str]:
    """The message and the hint for a reply of class 5xx.

    Args:
        server: Who answered, for the message.
        status: Of the reply.
        said: The reply's text, safe to print.
    """
    if status != 500:  # noqa: PLR2004 - "Internal Server Error", the only one that PowerDNS itself sends
        return (
            f"{server} failed ({status}): {said}",
            "PowerDNS itself answers 500 only: a proxy before it says this, and its log says why",
        )
    for pattern, cause, remedy in _CAUSES:
        if pattern.search(said):
            return f"{server} failed (500): {cause}: {said}", f"{remedy}; {_WHERE}"
    return (
        f"{server} failed (500), as a rule because its database did; {_LOG} ({said})",
        f"{_WHERE}; usual causes: the database is away, a read-only standby, or ended the transaction (deadlock)",
    )
