"""A web server on this machine that holds one file and can be told to misbehave."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

Fault = Callable[[BaseHTTPRequestHandler], None]


class Site:
    """Serves `content` under every path, ranges too; `faults` answer the first requests instead."""

    def __init__(self, content: bytes, etag: str = '"one"') -> None:
        self.content = content
        self.etag = etag
        self.modified = ""
        self.faults: deque[Fault] = deque()
        self.requests: list[tuple[str, dict[str, str]]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.requests.append((self.path, dict(self.headers)))
                (site.faults.popleft() if site.faults else site.serve)(self)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/weights.pth"

    def __enter__(self) -> Site:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def ranges(self) -> list[str]:
        """What part each request asked for; "" for the whole."""
        return [headers.get("Range", "") for _, headers in self.requests]

    def serve(self, handler: BaseHTTPRequestHandler, most: int | None = None) -> None:
        """The right answer (RFC 9110), of which at most `most` bytes are sent."""
        start = 0
        asked = handler.headers.get("Range", "")
        if asked and handler.headers.get("If-Range") in (self.etag, self.modified):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start and start >= len(self.content):
            handler.send_error(416)
            return
        handler.send_response(206 if start else 200)
        if start:
            last = len(self.content) - 1
            handler.send_header("Content-Range", f"bytes {start}-{last}/{last + 1}")
        self.marks(handler)
        handler.send_header("Content-Length", str(len(self.content) - start))
        handler.end_headers()
        body = self.content[start:]
        handler.wfile.write(body if most is None else body[:most])

    def marks(self, handler: BaseHTTPRequestHandler) -> None:
        for name, value in (("ETag", self.etag), ("Last-Modified", self.modified)):
            if value:
                handler.send_header(name, value)

    def breaks(self, after: int) -> Fault:
        """The connection breaks off after so many bytes."""
        return lambda handler: self.serve(handler, after)

    def says(self, status: int) -> Fault:
        return lambda handler: handler.send_error(status)

    def sends_on(self, to: str, status: int = 302) -> Fault:
        """A redirect."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            handler.send_header("Location", to)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        return answer

    def sends(self, body: bytes, *, length: bool = True, **headers: str) -> Fault:
        """These bytes, whatever was asked for; without `length` only hanging up ends them."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(206 if "Content_Range" in headers else 200)
            if length:
                handler.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.end_headers()
            handler.wfile.write(body)

        return answer
