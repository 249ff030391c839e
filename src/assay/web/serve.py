"""The review server: on this machine only, until it is interrupted."""

from __future__ import annotations

import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path

from assay.errors import DataError

HOST = "127.0.0.1"


def serve(
    folder: str | Path, *, port: int = 8765, browser: bool = True, ready: Callable[[str], None] = print
) -> None:
    """Serve the review of a project folder on 127.0.0.1 until SIGINT or SIGTERM.

    `ready` is told the address, with the key that opens it, once the server listens. Port 0 is any free one. With
    `browser`, the address is opened in one where there is a screen.

    Raises
    ------
    DataError
        When the folder has no cards, or the port is taken.
    """
    with _listening(port) as listener:
        import uvicorn

        from assay.web.app import make_app
        from assay.web.guard import Guard

        guard = Guard()
        app = make_app(folder, guard=guard)
        address = f"http://{HOST}:{listener.getsockname()[1]}/enter?key={guard.key}"
        ready(address)
        if browser and _has_screen():
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        settings = uvicorn.Config(
            app, http="h11", ws="none", loop="asyncio", lifespan="off", log_level="warning", access_log=False,
            proxy_headers=False, server_header=False, timeout_graceful_shutdown=2,
        )  # fmt: skip
        uvicorn.Server(settings).run(sockets=[listener])


def _listening(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if sys.platform != "win32":  # where it would let two servers share a port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise DataError(
            f"port must be a free one; {port} cannot be had ({error.strerror}). Give another with --port, or 0 for any."
        ) from None
    return listener


def _has_screen() -> bool:
    """Tell whether a browser would open in a window, not in the terminal."""
    return sys.platform in ("win32", "darwin") or any(
        os.environ.get(n) for n in ("DISPLAY", "WAYLAND_DISPLAY")
    )
