"""What a client gives away: nothing in the clear, nothing to others, nothing in a log. And what it needs."""

from __future__ import annotations

import logging
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from govid.client import ApiError, Client, Options, PackedTemplate, Unreachable
from tests.scripted import Answer, problem, scripted
from tests.server.access import Authority

PAGE = Answer(200, b'{"subjects":[],"next_after":null}')
KEY, PHOTO, NAME = "govid_this-is-the-key", b"these-are-the-bytes-of-a-photo", "a-name-of-a-file"


def test_no_key_photo_or_name_of_a_file_is_in_a_log_a_repr_or_an_error(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / NAME).write_bytes(PHOTO)
    caplog.set_level(logging.DEBUG)
    seen = ""
    options = Options(attempts=1)
    with (
        scripted(problem("face-not-detected", 422), Answer(0)) as (address, came),
        Client(address, api_key=KEY, options=options) as client,
    ):
        for _ in range(2):
            with pytest.raises((ApiError, Unreachable)) as failed:
                client.verify("alice", tmp_path / NAME)
            error = failed.value
            seen += f"{error!r} {error} {error.__context__} {vars(error)} {client!r}"
    assert PHOTO in came[0].body
    assert KEY in came[0].headers["Authorization"]
    assert NAME.encode() not in came[0].body
    template = PackedTemplate("model", PHOTO)
    options = Options(certificate_key=Path(KEY), proxy=f"http://user:{KEY}@localhost:1")
    for secret in (KEY, PHOTO.decode(), NAME):
        assert secret not in caplog.text + seen + repr(template) + repr(options)


@pytest.mark.parametrize(
    "address",
    [
        "http://govid.example",
        "http://10.0.0.1:8000",
        "govid.example",
        "https://user:word@govid.example",
        "file:///x",
        "https://x/?a=b",
    ],
)
def test_an_address_that_would_show_faces_or_a_password_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"address|http"):
        Client(address)


def test_two_credentials_are_refused() -> None:
    with pytest.raises(ValueError, match="not both"):
        Client("https://govid.example", api_key="a", token=lambda: "b")


def test_a_text_is_no_photo() -> None:
    with Client("http://localhost:1") as client, pytest.raises(TypeError, match="bytes or a Path"):
        client.verify("alice", "photo.jpg")  # type: ignore[arg-type]


def test_the_proxy_and_netrc_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password word\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    with scripted(PAGE) as (address, came), Client(address) as client:
        client.subjects()
    assert "Authorization" not in came[0].headers


def test_certificates_on_both_sides(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs")
    certificate, key, _ = ours.issue("localhost")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    tls.load_verify_locations(ours.file)
    tls.verify_mode = ssl.CERT_REQUIRED
    mine, my_key, _ = ours.issue("desk")
    with scripted(PAGE, tls=tls) as (address, came):
        once = {"attempts": 1, "certificate": mine, "certificate_key": my_key}
        with Client(address, options=Options(ca=ours.file, **once)) as client:
            assert client.subjects().subjects == ()
        for options in (Options(ca=theirs.file, **once), Options(ca=ours.file, attempts=1)):
            with Client(address, options=options) as client, pytest.raises(Unreachable):
                client.subjects()
        assert len(came) == 1
    with pytest.raises(FileNotFoundError):
        Client("https://localhost", options=Options(ca=tmp_path / "missing.pem"))


def test_the_client_needs_neither_models_nor_their_runtimes() -> None:
    heavy = [
        "onnxruntime",
        "openvino",
        "faiss",
        "cv2",
        "onnx",
        "PIL",
        "simplejpeg",
        "litestar",
        "uvicorn",
        "pymilvus",
    ]
    code = (
        f"import sys\nfor name in {heavy}: sys.modules[name] = None\n"
        "from govid.client import AsyncClient, Client\nClient('https://govid.example')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_httpx_would_log_subject_ids_as_the_document_says(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="httpx")
    with (
        scripted(Answer(200, b'{"request_id":"r","subject_id":"s"}')) as (address, _),
        Client(address) as client,
    ):
        client.delete("some-subject")
    assert "some-subject" in caplog.text
