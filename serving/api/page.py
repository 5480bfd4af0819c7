"""The page at the root of the REST port: the files of serving/web, which any web server can give out as well."""

from __future__ import annotations

from pathlib import Path

from werkzeug.wrappers import Request, Response

from workspace.storage import read_bytes

_FILES = Path(__file__).parent.parent / "web"
_CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    # What index.html says of itself, and that no other page may frame it, which only a header can say.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def page_response(request: Request, path: str) -> Response | None:
    """The file of the page that is at ``path``, "/" or "/main.js"; None where there is none, or it is not asked for by
    GET or HEAD. No part of the path becomes a file's name."""
    name = path.partition("?")[0].removeprefix("/") or "index.html"
    file = next((file for file in _FILES.iterdir() if file.name == name and file.suffix in _CONTENT_TYPES), None)
    if file is None or request.method not in ("GET", "HEAD"):
        return None
    response = Response(read_bytes(file), content_type=_CONTENT_TYPES[file.suffix], headers=_HEADERS)
    response.add_etag()
    return response.make_conditional(request)
