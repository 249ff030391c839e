"""Who may talk to the review server: this machine's user, in a browser that followed the printed address.

The server listens on 127.0.0.1, but every page that is open in the browser can send requests there, and so can other
users of the machine. So: the host must be a loopback name (a name that was rebound to 127.0.0.1 is not); a cookie,
set by the printed address and never sent along from other sites, opens all pages; a change also needs the browser's
word that it comes from here (Origin) and a second token, which stands in our forms alone.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from fastapi import Request

HOSTS = ("127.0.0.1", "localhost", "::1")
FORM = "application/x-www-form-urlencoded"
BODY = 256 * 1024  # bytes of a form at most
FIELDS = 500
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Refused(Exception):
    """A request that is not answered: `status`, and what the page says."""

    def __init__(self, status: int, heading: str, text: str) -> None:
        super().__init__(text)
        self.status, self.heading, self.text = status, heading, text


@dataclass(frozen=True, slots=True)
class Guard:
    """The secrets of one start of the server: `key` is in the printed address and the cookie, `token` in forms."""

    key: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def host(self, request: Request) -> None:
        """Raise unless the request was sent to a name of this machine."""
        try:
            name = urlsplit(f"//{request.headers.get('host', '')}").hostname
        except ValueError:
            name = None
        if name not in HOSTS:
            raise Refused(421, "Not here", "This page is only for the machine that it runs on.")

    def cookie(self, request: Request) -> str:
        """Return the cookie's name: cookies do not tell ports apart."""
        return f"assay-review-{request.url.port or 80}"

    def opened(self, request: Request) -> None:
        """Raise unless the browser followed the printed address."""
        given = request.cookies.get(self.cookie(request), "")
        if not secrets.compare_digest(given.encode(), self.key.encode()):
            raise Refused(
                403,
                "Open the address that the terminal shows",
                "This page opens with the whole address that assay ner review printed when it was last started. "
                "What was decided before is kept. To keep what you typed into a form, go back and copy it.",
            )

    async def form(self, request: Request) -> dict[str, list[str]]:
        """Return the fields of a form of ours, or raise."""
        origin = request.headers.get("origin")
        if origin != f"http://{request.headers.get('host', '')}":
            raise Refused(403, "Not from this page", "The form must be sent by a page of this server.")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
            raise Refused(415, "Not a form", f"The form must be sent as {FORM}.")
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY:
                raise Refused(413, "Too long", f"A form must have at most {BODY // 1024} KB.")
        fields: dict[str, list[str]] = {}
        try:
            for name, value in parse_qsl(
                body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS
            ):
                fields.setdefault(name, []).append(value)
        except ValueError:
            raise Refused(400, "Not readable", "The form could not be read.") from None
        token = fields.pop("token", [""])[0]
        if not secrets.compare_digest(token.encode(), self.token.encode()):
            raise Refused(
                403,
                "This page is of an earlier start of the server",
                "Nothing was changed. Go back, copy what you typed, and load the page again.",
            )
        return fields
