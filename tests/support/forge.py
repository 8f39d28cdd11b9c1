"""A forge's REST API over real HTTP on loopback: answers laid out as GitHub and Gitea do, and faults of our own.

The documents hold the fields that the adapter reads, by the names and in the nesting of the two APIs, and some more.
"""

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
REPOSITORY = "/repos/acme/dns"
TOKEN = "ghs_notASecretButLooksLikeOne0123456789"
ADA, GRACE, LINUS, BOT = ("ada", 11), ("grace", 12), ("linus", 13), ("renovate[bot]", 99)
User = tuple[str, int]


@dataclass(frozen=True)
class Answer:
    """One reply."""

    status: int = 200
    document: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class ForgeServer:
    """Answers by path; a list of answers is used up one a request, the last one stays."""

    url: str
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)  # path, query, headers
    is_gitea: bool = False

    @property
    def base(self) -> str:
        """The API's base URL."""
        return f"{self.url}/api/v1" if self.is_gitea else self.url

    @property
    def asked(self) -> list[str]:
        """The paths, in order."""
        return [path for path, _, _ in self.requests]

    def put(self, path: str, *answers: object) -> None:
        """What to answer at a path below the repository."""
        made = [one if isinstance(one, Answer) else Answer(document=one) for one in answers]
        self.answers[f"{urlsplit(self.base).path}{REPOSITORY}{path}"] = made

    def put_pages(self, path: str, items: Sequence[object], size: int) -> None:
        """A list in pages of this size, linked or counted as the kind of forge does."""
        self.put(path, Answer(document=list(items), headers={"page-size": str(size)}))

    def answer(self, path: str, query: Mapping[str, str]) -> Answer:
        """The reply to one request."""
        left = self.answers.get(path, [Answer(404, {"message": "Not Found"})])
        answer = left.pop(0) if len(left) > 1 else left[0]
        return self._page(answer, query) if "page-size" in answer.headers else answer

    def _page(self, answer: Answer, query: Mapping[str, str]) -> Answer:
        items, size, page = answer.document, int(answer.headers["page-size"]), int(query.get("page", "1"))
        assert isinstance(items, list)
        shown = items[(page - 1) * size : page * size]
        if self.is_gitea:
            return Answer(document=shown, headers={"X-Total-Count": str(len(items))})
        more = page * size < len(items)
        return Answer(document=shown, headers={"Link": f'<{self.url}/elsewhere>; rel="next"'} if more else {})

    # --- what is there

    def repository(self, *, required_approvals: int | None = None) -> None:
        """The repository itself, and a ruleset for its branch."""
        self.put("", {"id": 1, "full_name": "acme/dns", "default_branch": "main"})
        if required_approvals is not None:
            parameters = {"required_approving_review_count": required_approvals, "dismiss_stale_reviews_on_push": True}
            self.put("/rules/branches/main", [{"type": "deletion"}, {"type": "pull_request", "parameters": parameters}])

    def pull(
        self, number: int, commit: str, head: str, *reviews: Json, title: str = "Move it", **fields: object
    ) -> None:
        """A merged pull request: by Ada, merged by Linus, its head pushed by Ada."""
        simple: Json = {
            "id": 9000 + number,
            "number": number,
            "state": "closed",
            "title": title,
            "user": user(ADA),
            "merged_at": "2026-11-20T10:00:00Z",
            "merge_commit_sha": commit,
            "head": {"ref": "topic", "sha": head},
            "base": {"ref": "main", "sha": "0" * 40},
            **fields,
        }
        whole = {**simple, "merged": True, "merged_by": user(LINUS)}
        self.put(f"/pulls/{number}", whole)
        self.put(f"/pulls/{number}/reviews", list(reviews))
        self.put(
            f"/commits/{commit}/pull" if self.is_gitea else f"/commits/{commit}/pulls",
            whole if self.is_gitea else [simple],
        )
        self.commit(head, ADA)

    def commit(self, commit: str, author: User | None, committer: User | None = None) -> None:
        """A commit, with the users the forge takes its author and committer for."""
        path = f"/git/commits/{commit}" if self.is_gitea else f"/commits/{commit}"
        self.put(path, {"sha": commit, "author": user(author), "committer": user(committer or author)})

    def no_pull(self, commit: str) -> None:
        """A commit that no pull request brought."""
        if not self.is_gitea:
            self.put(f"/commits/{commit}/pulls", [])


def user(who: User | None) -> Json | None:
    """A user, or null as for a deleted one."""
    return None if who is None else {"login": who[0], "id": who[1], "type": "User"}


def review(number: int, who: User | None, state: str, commit: str | None = None, **fields: object) -> Json:
    """One review; later numbers were written later."""
    return {
        "id": number,
        "user": user(who),
        "state": state,
        "body": "",
        "commit_id": commit,
        "submitted_at": f"2026-11-20T09:{number:02d}:00Z",
        **fields,
    }


@contextlib.contextmanager
def running(*, is_gitea: bool = False) -> Iterator[ForgeServer]:
    """Such a server, until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            server.requests.append((parts.path, query, dict(self.headers)))
            answer = server.answer(parts.path, query)
            body = answer.document if isinstance(answer.document, bytes) else json.dumps(answer.document).encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = ForgeServer(f"http://127.0.0.1:{http.server_address[1]}", is_gitea=is_gitea)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
