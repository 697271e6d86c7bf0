"""`semlink explore`: a trained link in the browser."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click

from simulator.commands.options import WeightsRequest, command, flag, option, out_option, whole
from simulator.errors import UserError

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class ExploreRequest(WeightsRequest):
    """The options of `semlink explore`."""

    out: Path | None = out_option("results/runs/RECIPE/explore")
    serve: bool = flag(help="Serve the folder on this machine only, until Ctrl-C.")
    port: int = option(
        default=8000, type=whole(0, 65535), help="Port of --serve; 0 takes a free one."
    )

    @property
    def folder(self) -> Path:
        """Where to write."""
        return self.out or Path("results/runs") / self.recipe_name / "explore"


@command(ExploreRequest)
def explore(request: ExploreRequest) -> None:
    """Write a page that runs the trained link of a recipe in the browser.

    Draw a digit or drop an image, move SNR and k, choose a channel: the page shows symbols, gains,
    features and class probabilities of rkd_sc and of the label code for the same channel draw. For
    test images it also shows what separate decodes. The folder is static; any web server can serve
    it.
    """
    import torch

    from simulator import resolve
    from simulator.storage.folders import check_writable

    experiment, folder = request.experiment(), request.folder
    check_writable(folder.parent)
    trained, test = request.loaded(experiment, torch.device("cpu"))
    write = partial(resolve.explore, trained, test, folder)
    if request.serve:
        _serve(write, folder, request.port)
        return
    write()
    click.echo(f"page:    {folder / 'index.html'}")
    click.echo(f"open it: python -m http.server --bind {LOOPBACK} --directory {folder}")


class _Handler(SimpleHTTPRequestHandler):
    """Serves the files of a folder without logging every request."""

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


def server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A web server for a folder on the loopback address. Raises: UserError if the port is taken."""
    try:
        return ThreadingHTTPServer((LOOPBACK, port), partial(_Handler, directory=str(folder)))
    except OSError as error:
        raise UserError(
            f"--port must be free, got {port}: {error.strerror}; --port 0 takes a free one"
        ) from None


def _serve(write: Callable[[], None], folder: Path, port: int) -> None:
    """Write the folder and serve it until Ctrl-C; nothing is written if the port is taken."""
    with server(folder, port) as own:
        write()
        click.echo(f"page:    {folder / 'index.html'}")
        click.echo(f"open it: http://{LOOPBACK}:{own.server_port}/ (Ctrl-C ends)")
        own.serve_forever()
