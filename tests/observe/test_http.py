"""What whoever watches may ask, in any form that a stranger may choose."""

from __future__ import annotations

import pytest

from mailguard.observe.http import HEAD_MOST, Page, answer

PAGES = {"/here": lambda: Page("text ü\n"), "/away": lambda: Page("no\n", 503)}


def said(request: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = answer(request, PAGES).partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    assert status.startswith("HTTP/1.1 ")
    return int(status.split(" ")[1]), dict(line.split(": ", 1) for line in lines), body


@pytest.mark.parametrize("target", ["/here", "/here?x=1"])
def test_a_page_and_its_head(target: str) -> None:
    request = f"GET {target} HTTP/1.1\r\nHost: guard:9464\r\n\r\n".encode()
    status, headers, body = said(request)
    assert (status, body) == (200, "text ü\n".encode())
    assert headers["Content-Length"] == "8"
    assert headers["Connection"] == "close"
    assert headers["Cache-Control"] == "no-store"
    assert said(request.replace(b"GET", b"HEAD")) == (status, headers, b"")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /away HTTP/1.0\r\n\r\n", 503),
        (b"GET /nowhere HTTP/1.1\r\n\r\n", 404),
        (b"GET /here/../etc/passwd HTTP/1.1\r\n\r\n", 404),
        (b"POST /here HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405),
        (b"GET http://elsewhere/here HTTP/1.1\r\n\r\n", 400),
        (b"GET /here HTTP/2.0\r\n\r\n", 400),
        (b"GET  /here HTTP/1.1\r\n\r\n", 400),
        (b"GET /h\xff HTTP/1.1\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"", 400),
        (b"GET /here HTTP/1.1\r\n", 400),
        (b"GET /here HTTP/1.1\r\nX: " + b"x" * HEAD_MOST, 431),
    ],
)
def test_everything_else_is_refused_in_a_word(request_: bytes, status: int) -> None:
    code, headers, body = said(request_)
    assert code == status
    assert body
    assert int(headers["Content-Length"]) == len(body)
    assert ("Allow" in headers) is (status == 405)
