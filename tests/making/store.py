"""A server that speaks S3, in a thread of this process; it can be made to fail now and then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.request import Request, urlopen

import pytest

BUCKET = "archive"


@dataclass
class Store:
    """The server at work."""

    address: str = ""
    fails: Callable[[int], bool] = lambda number: False
    """Of the number of a request, whether it is answered by 503."""
    denied: str = "no such thing"
    """Requests with this in their path are answered by 403."""
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Method, path and range of every request."""
    sent: int = 0
    """Bytes of answers to GET, as they declare."""

    def application(self, inner: Any) -> Any:
        """The WSGI application around moto's."""

        def answer(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
            method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
            self.asked.append((method, path, environ.get("HTTP_RANGE")))
            if self.fails(len(self.asked)):
                start("503 Slow Down", [("Content-Length", "0")])
                return [b""]
            if self.denied in path:
                start("403 Forbidden", [("Content-Length", "0")])
                return [b""]

            def counted(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
                if method == "GET":
                    self.sent += int(dict(headers).get("Content-Length", 0))
                return start(status, headers, *more)

            found: Iterable[bytes] = inner(environ, counted)
            return found

        return answer


@contextmanager
def serving(patch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store with an empty bucket, which environment variables lead to meanwhile."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    store = Store()
    app = store.application(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    store.address = f"http://127.0.0.1:{server.server_port}"
    patch.setenv("AWS_ENDPOINT_URL", store.address)
    patch.setenv("AWS_ACCESS_KEY_ID", "test")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    # What moto stores stays in the process otherwise.
    urlopen(Request(f"{store.address}/moto-api/reset", method="POST")).close()
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir(BUCKET)
    store.asked.clear()
    yield store
    s3fs.S3FileSystem.clear_instance_cache()
    server.shutdown()
    thread.join()
    server.server_close()
