"""Words of a caller that something else could take for its own: a file, a statement, a log line, a number."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests import support
from tests.attacks.wire import raw
from tests.support import BIDEN, OBAMA, b64

NAMES = [
    "../../../etc/passwd",
    "..\\..\\windows",
    "/etc/passwd",
    "file:///etc/passwd",
    "http://127.0.0.1:9/x",
    "general\0.toml",
    "general.toml",
    "general\n",
    "' OR 1=1 --",
    "%s%s%n",
    "{0.__class__}",
    "${jndi:ldap://127.0.0.1/a}",
    "*",
    "",  # schemathesis found that it was taken for none
]


@pytest.mark.parametrize("name", NAMES)
def test_a_use_case_is_only_ever_a_word(api: httpx.Client, name: str) -> None:
    for path, body in (
        ("/v1/verify", {"subject_id": "nobody", "photo": b64(OBAMA)}),
        ("/v1/identify", {"photo": b64(OBAMA)}),
        ("/v1/compare", {"reference_photo": b64(OBAMA), "probe_photo": b64(OBAMA)}),
    ):
        reply = api.post(path, json={**body, "use_case": name})
        assert (reply.status_code, reply.json()["slug"]) == (422, "unknown-use-case")


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_only_ever_a_word(api: httpx.Client, name: str) -> None:
    template = {"model_id": name, "embedding": b64(bytes(516))}
    reply = api.post("/v1/identify", json={"template": template})
    assert (reply.status_code, reply.json()["slug"]) == (422, "template-wrong-model")


@pytest.mark.parametrize("name", [*NAMES, "a.php", "x" * 5000, "a.jpg\r\nX: y"])
def test_the_name_of_a_file_is_not_looked_at(api: httpx.Client, name: str) -> None:
    quoted = name.replace("\r\n", "%0D%0A").replace("\n", "%0A").replace("\0", "%00").replace("\\", "\\\\")
    body = (
        b'--x\r\nContent-Disposition: form-data; name="photo"; filename="'
        + quoted.encode()
        + b'"\r\nContent-Type: text/html\r\n\r\n'
        + OBAMA
        + b"\r\n--x--\r\n"
    )
    reply = api.post("/v1/embed", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    # Or refused with the whole body, where a head of a part may not be so long.
    assert reply.status_code == 200 or reply.json()["slug"] == "malformed-body"
    assert name[:20] not in reply.text or not name


STATEMENTS = [
    "' OR '1'='1",
    "'; DROP TABLE subject; --",
    "alice' UNION SELECT digest FROM api_key --",
    "%",
    "_",
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_statement_is_only_ever_a_value(api: httpx.Client, statement: str) -> None:
    before = api.get("/v1/subjects", params={"limit": 1000}).json()["subjects"]
    for name in ("subject_id", "request_id", "caller", "use_case"):
        assert api.get("/v1/audit", params={name: statement}).json()["rows"] == []
    for name in ("operation", "outcome"):
        assert api.get("/v1/audit", params={name: statement}).json()["slug"] == "invalid-parameter"
    assert api.get("/v1/subjects", params={"after": statement}).status_code == 200
    reply = api.get(f"/v1/subjects/{statement}")
    assert (reply.status_code, reply.json()["slug"]) == (404, "unknown-subject")
    body = {"photo": b64(OBAMA), "subjects": [statement]}
    assert api.post("/v1/identify", json=body).json()["candidates"] == []
    reply = api.post("/v1/identify", json={"photo": b64(OBAMA), "groups": [statement]})
    if statement == "_":  # a name like others, and nobody is in it
        assert reply.json()["candidates"] == []
    else:
        assert (reply.status_code, reply.json()["slug"]) == (422, "invalid-group")
    assert api.get("/v1/subjects", params={"limit": 1000}).json()["subjects"] == before


CONFUSABLES = {
    "Cyrillic a": "\u0430lice",
    "full width": "\uff41\uff4c\uff49\uff43\uff45",
    "another case": "Alice",
    "mathematical": "\U0001d41alice",
    "a dot above i": "al\u0131ce",
    "accent": "alic\u00e9",
    "leading zero": "0alice",
}


@pytest.mark.parametrize("name", CONFUSABLES)
def test_a_name_that_looks_alike_is_another_name(api: httpx.Client, name: str) -> None:
    """Never folded, cased or shortened: who may enrol one has not the other."""
    api.post("/v1/subjects", json={"subject_id": "alice", "photo": b64(BIDEN)})
    reply = api.post("/v1/verify", json={"subject_id": CONFUSABLES[name], "photo": b64(BIDEN)})
    assert (reply.status_code, reply.json()["slug"]) == (404, "unknown-subject")
    deleted = api.delete(f"/v1/subjects/{CONFUSABLES[name]}")
    assert deleted.json()["slug"] == "unknown-subject"
    assert api.get("/v1/subjects/alice").status_code == 200


NUMBERS = ["1e999", "-1e999", "1" * 400, "NaN", "Infinity", "5.5", "-0", "1e-400", "0x5", "05", "true", '"5"']


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_beyond_all_bounds_is_refused(api: httpx.Client, number: str) -> None:
    body = f'{{"photo": "YWJj", "max_candidates": {number}}}'.encode()
    reply = api.post("/v1/identify", content=body, headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()["slug"]) in {(400, "invalid-body"), (400, "malformed-body")}


@pytest.mark.parametrize(
    "number", ["9223372036854775808", "-9223372036854775809", "1" * 400, "-1", "0", "1e3"]
)
def test_an_id_beyond_all_bounds_is_nobodys(api: httpx.Client, number: str) -> None:
    for path in (f"/v1/cases/{number}", f"/v1/dedup/jobs/{number}", f"/v1/dedup/jobs/{number}/export"):
        assert api.get(path).status_code in {400, 404}, path
    for path in ("/v1/cases?after=", "/v1/complaints?after=", "/v1/dedup/jobs?before=", "/v1/audit?before="):
        assert api.get(f"{path}{number}").status_code in {200, 400}, path
    for name in ("since_job", "since_reference"):
        reply = api.post(
            "/v1/dedup/jobs",
            content=f'{{"{name}": {number}}}'.encode(),
            headers={"Content-Type": "application/json"},
        )
        assert reply.status_code in {202, 400, 404, 409}, reply.text


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/a.jpg", "file:///etc/passwd", "data:image/png;base64,aGk="]
)
def test_an_address_in_place_of_a_photo_is_not_opened(api: httpx.Client, url: str) -> None:
    reply = api.post("/v1/embed", json={"photo": url})
    assert (reply.status_code, reply.json()["slug"]) == (400, "invalid-base64")
    for field in ("photo_url", "photo_file", "url", "callback"):
        assert api.post("/v1/embed", json={field: url}).json()["slug"] == "unknown-field"
    reply = api.post("/v1/embed", files={"photo": url.encode()})
    assert reply.json()["slug"] == "photo-not-an-image"


SLOW = {
    "spaces before a colon": b'{"photo"' + b" " * 13_000_000 + b": 1}",
    "names without a colon": b'["photo" ' + b'"photo" ' * 1_500_000 + b"1]",
    "quotes": b'"' * 13_000_000,
    "backslashes": b'{"photo": "' + b"\\\\" * 6_000_000 + b'"}',
    "one name a million times": b"{" + b'"photo":1,' * 1_300_000 + b'"x":1}',
}


@pytest.mark.parametrize("name", SLOW)
def test_no_body_makes_a_pattern_run_away(api: httpx.Client, name: str) -> None:
    """What is quadratic takes hours at this size; the client waits for 30 seconds."""
    reply = api.post("/v1/embed", content=SLOW[name], headers={"Content-Type": "application/json"})
    assert reply.status_code == 400


def test_no_line_of_the_log_is_a_callers(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    evil = "evil\x1b[2J%0aERROR forged"
    with support.server(folder, GOVID_LOG_LEVEL="debug") as (client, _):
        heads = {"X-Request-Id": "evil-id", "User-Agent": evil.replace("\x1b", ""), "X-Forwarded-For": "evil"}
        reply = client.get("/v1/subjects/evil%0aERROR%20forged", headers=heads)
        assert "evil" not in reply.text
        assert reply.headers["x-request-id"] != "evil-id"
        client.post("/v1/verify", json={"subject_id": "evil\nERROR forged", "photo": "evil", "evil\n": 1})
        client.get("/evil", headers=heads)
        client.request("GET", "/v1/audit", params={"subject_id": evil})
        for _ in range(20):  # what cannot be read leaves no line either: a flood must not fill the disk
            assert raw(client, b"evil \0 \r\n\r\n").startswith(b"HTTP/1.1 400")
    log = (folder / "server.log").read_text()
    assert "evil" not in log
    assert "forged" not in log
    assert "Invalid HTTP" not in log
    assert len([line for line in log.splitlines() if " route=" not in line]) < 20
    assert log.count(" status=400 ") < 20
