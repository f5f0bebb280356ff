"""Shared by the tests: where things lie, and a real server process on loopback."""

from __future__ import annotations

import base64
import json
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import httpx
import PIL.Image

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"
MODELS = ROOT / "var" / "models"
LFW = Path(os.environ.get("GOVID_LFW_DIR") or ROOT.parent / "shared" / "lfw")
GOVID = Path(sys.executable).parent / "govid"

PATIENCE_SECONDS = 120
"""Far more than anything takes: what comes at all comes by then, however busy the machine is."""

OBAMA = (SAMPLES / "obama-2012.jpg").read_bytes()
OBAMA_LATER = (SAMPLES / "obama-2009.jpg").read_bytes()
BIDEN = (SAMPLES / "biden-2010.jpg").read_bytes()


def b64(data: bytes) -> str:
    """Base64 as a JSON field."""
    return base64.b64encode(data).decode()


def encoded(picture: PIL.Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """A picture as a file."""
    out = BytesIO()
    picture.save(out, kind, **options)  # type: ignore[arg-type]
    return out.getvalue()


def opened(photo: bytes) -> PIL.Image.Image:
    """A file as a picture."""
    return PIL.Image.open(BytesIO(photo)).convert("RGB")


def data_dir(folder: Path) -> Path:
    """A data folder with the models, as `make run` would leave it."""
    shutil.copytree(MODELS, folder / "models", copy_function=os.link)
    return folder


def use_case(folder: Path, name: str, more: str = "") -> None:
    """A use case of the operator's, with the rates of `general`."""
    (folder / "use_cases").mkdir(exist_ok=True)
    rates = "fmr = 1e-4\ninconclusive_fmr = 1e-3\nfpir = 1e-2\n"
    (folder / "use_cases" / f"{name}.toml").write_text(f'version = "1"\nrationale = "a test"\n{rates}{more}')


@contextmanager
def server(
    folder: Path, *options: str, tls: ssl.SSLContext | None = None, **environment: str
) -> Iterator[tuple[httpx.Client, subprocess.Popen[str]]]:
    """A real server process on a free port, ready to answer; stopped at the end if it still runs."""
    process = subprocess.Popen(
        [GOVID, "--data-dir", str(folder), "serve", "--json", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=(log := (folder / "server.log").open("a+")),
        text=True,
        env={**os.environ, **environment},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (folder / "server.log").read_text()
        address = json.loads(line)["address"]
        with httpx.Client(
            base_url=address,
            timeout=PATIENCE_SECONDS,
            # Shorter than the server keeps an idle connection: a request could meet its end.
            limits=httpx.Limits(keepalive_expiry=3),
            trust_env=False,
            verify=tls or True,
        ) as client:
            wait_ready(client, process)
            yield client, process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=PATIENCE_SECONDS)
        if process.stdout:
            process.stdout.close()
        log.close()


def wait_ready(client: httpx.Client, process: subprocess.Popen[str]) -> None:
    """Return once /readyz says so."""

    def ready() -> bool:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        return client.get("/readyz").status_code == 200

    wait_until(ready)


def wait_until(holds: Callable[[], object], pause: float = 0.02) -> None:
    """Return once it holds; looks every ``pause`` seconds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS} s"
        time.sleep(pause)
