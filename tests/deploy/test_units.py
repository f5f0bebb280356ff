"""The service file, the container and the Kubernetes files say what this govid understands."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from govid.cli import cli
from govid.config import Settings, load
from server.access.routes import ROUTES
from server.access.settings import AccessSettings
from server.settings import ServerSettings
from tests.support import ROOT

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"


def understood(environment: dict[str, str]) -> tuple[Settings, ServerSettings, AccessSettings]:
    """The settings that this environment gives; raises InvalidSettings for a name or value that is none."""
    ours = {name: value for name, value in environment.items() if name.startswith("GOVID_")}
    settings, server, access = load(Settings, ServerSettings, AccessSettings, environment=ours)
    assert isinstance(settings, Settings)
    assert isinstance(server, ServerSettings)
    assert isinstance(access, AccessSettings)
    return settings, server, access


def documents() -> dict[str, dict[str, Any]]:
    """The Kubernetes objects by kind; one file each."""
    found = [yaml.safe_load(path.read_text()) for path in sorted(KUBERNETES.glob("*.yaml"))]
    return {document["kind"]: document for document in found}


def test_the_service_file_is_one_that_systemd_takes(tmp_path: Path) -> None:
    text = (DEPLOY / "systemd" / "govid.service").read_text()
    (environment,) = re.findall(r"^Environment=(.*)$", text, re.MULTILINE)
    variables = dict(word.split("=", 1) for word in shlex.split(environment))
    variables.pop("GOVID_CONFIG")
    settings, server, _ = understood(variables)
    assert server.log_format == "json"
    (folders,) = re.findall(r"^StateDirectory=(.*)$", text, re.MULTILINE)
    written = {str(settings.encryption_key_file.parent), settings.data_dir}
    assert written == {f"/var/lib/{folder}" for folder in folders.split()}, (
        "the keys lie apart from the records"
    )
    # Another command on the folders would open them to others: systemd sets the mode anew at each start.
    for setting in (f"StateDirectory={folders}", "StateDirectoryMode=0700", "UMask=0077", "DynamicUser=yes"):
        assert re.search(rf"^# .*-p '?{setting}'? ", text, re.MULTILINE), setting
        assert re.search(rf"^{setting}$", text, re.MULTILINE), setting
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
    assert int(seconds) > server.drain_seconds + 10
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze")
    # The program need not be there: it is the file that is looked at.
    unit = tmp_path / "govid.service"
    unit.write_text(text.replace("/opt/govid/.venv/bin/govid ", "/bin/true "))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    examine = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", unit]
    done = subprocess.run(examine, capture_output=True, text=True, check=False)
    assert done.returncode == 0, "more exposed than 2.0 of 10:\n" + done.stdout


def test_the_container_runs_as_nobody_and_copies_what_is_there() -> None:
    lines = (DEPLOY / "container" / "Containerfile").read_text().replace("\\\n", " ").splitlines()
    steps = [line.split(None, 1) for line in lines if line and not line.startswith("#")]
    assert [kind for kind, _ in steps].count("FROM") == 2
    last = max(n for n, (kind, _) in enumerate(steps) if kind == "FROM")
    final = steps[last:]
    ((_, user),) = [step for step in final if step[0] == "USER"]
    assert user == "10001:10001"
    ((_, variables),) = [step for step in final if step[0] == "ENV"]
    understood(dict(word.split("=", 1) for word in shlex.split(variables)))
    for kind, what in steps[:last]:
        if kind == "COPY":
            *sources, _ = what.split()
            for source in sources:
                assert (ROOT / source).exists(), source
    (copied,) = [what for kind, what in final if kind == "COPY"]
    assert copied == "--from=build /opt/govid /opt/govid"


def test_container_and_pods_give_commands_that_govid_has() -> None:
    lines = (DEPLOY / "container" / "Containerfile").read_text().replace("\\\n", " ").splitlines()
    (entry,) = [json.loads(line.split(None, 1)[1]) for line in lines if line.startswith("ENTRYPOINT ")]
    (command,) = [json.loads(line.split(None, 1)[1]) for line in lines if line.startswith("CMD ")]
    assert entry == ["govid"]
    told = [
        line.partition(" govid govid")[2].partition("#")[0].split() for line in lines if "podman run" in line
    ]
    assert len(told) == 2, "the comments say how to begin"
    started = [one["args"] for one in (*pod()["initContainers"], *pod()["containers"])]
    assert all("command" not in one for one in (*pod()["initContainers"], *pod()["containers"]))
    for arguments in (command, *told, *started):
        asked = CliRunner().invoke(cli, [*arguments, "--help"])  # read, and not done
        assert asked.exit_code == 0, asked.output
    assert CliRunner().invoke(cli, [*command, "--none", "--help"]).exit_code == 2


def test_only_what_is_copied_comes_into_the_container() -> None:
    """Not var/ with its faces, above all."""
    steps = (DEPLOY / "container" / "Containerfile").read_text().splitlines()
    copied = {
        source.split("/")[0] for step in steps if step.startswith("COPY ") for source in step.split()[1:-1]
    } - {"--from=build", ""}
    ignored, *rest = [
        line for line in (ROOT / ".containerignore").read_text().splitlines() if not line.startswith("#")
    ]
    assert ignored == "*"
    assert {line[1:] for line in rest if line.startswith("!")} == copied


def test_kustomize_names_each_file_and_each_object_belongs_to_govid() -> None:
    found = documents()
    listed = found.pop("Kustomization")["resources"]
    assert sorted(listed) == sorted(
        path.name for path in KUBERNETES.glob("*.yaml") if path.stem != "kustomization"
    )
    for document in found.values():
        assert document["apiVersion"]
        assert document["metadata"]["name"] == "govid"
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert found["Service"]["spec"]["selector"] == labels
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    ports = {port["name"] for port in container()["ports"]}
    assert {port["targetPort"] for port in found["Service"]["spec"]["ports"]} <= ports


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = documents()["Deployment"]["spec"]["template"]["spec"]
    return spec


def container() -> dict[str, Any]:
    (one,) = pod()["containers"]
    return dict(one)


def test_each_container_is_confined() -> None:
    spec = pod()
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["automountServiceAccountToken"] is False
    volumes = {volume["name"] for volume in spec["volumes"]}
    for one in (*spec["initContainers"], *spec["containers"]):
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {mount["name"] for mount in one["volumeMounts"]} <= volumes
        assert one["resources"]["limits"]["memory"]
    for volume in spec["volumes"]:
        if "secret" in volume:
            assert volume["secret"]["defaultMode"] & 0o007 == 0


def test_the_keys_of_the_templates_outlive_the_pods() -> None:
    """A key that a pod made in its emptyDir would go with it, and with the key all templates."""
    (given,) = [one["valueFrom"] for one in container()["env"] if one["name"] == "GOVID_ENCRYPTION_KEYS"]
    secret = given["secretKeyRef"]["name"]
    assert (
        f"secret generic {secret} --from-file={given['secretKeyRef']['key']}"
        in (KUBERNETES / "kustomization.yaml").read_text()
    )


def test_the_deployment_has_settings_that_the_server_takes() -> None:
    one = container()
    environment = {variable["name"]: variable.get("value", "") for variable in one["env"]}
    (given,) = [each["valueFrom"] for each in one["env"] if each["name"] == "GOVID_WORKERS"]
    assert given == {"resourceFieldRef": {"resource": "requests.cpu"}}
    environment["GOVID_WORKERS"] = one["resources"]["requests"]["cpu"]
    settings, server, access = understood(environment)
    (models,) = pod()["initContainers"]
    assert {"name": "GOVID_DATA_DIR", "value": settings.data_dir} in models["env"]
    assert f"cat {settings.erasures_file} " in (KUBERNETES / "deployment.yaml").read_text()
    server.check()
    assert access.authentication == "required"
    assert {port["containerPort"] for port in one["ports"]} == {server.port}
    assert pod()["terminationGracePeriodSeconds"] > server.drain_seconds + 10
    readiness = one["readinessProbe"]
    assert server.drain_seconds > readiness["periodSeconds"] * readiness["failureThreshold"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = one[probe]["httpGet"]
        assert f"GET {asked['path']}" in ROUTES
        assert (asked["scheme"] == "HTTPS") is server.tls
    mounted = [mount["mountPath"] for mount in one["volumeMounts"]]
    for name, value in environment.items():
        if value.startswith("/"):
            assert any(f"{value}/".startswith(f"{path}/") for path in mounted), name


def test_no_pod_makes_keys_of_its_own() -> None:
    """They would end with it, and all that it sealed or signed."""
    sources = {variable["name"]: variable.get("valueFrom") for variable in container()["env"]}
    assert sources["GOVID_ENCRYPTION_KEYS"]["secretKeyRef"]["name"] == "govid-encryption"
    assert "GOVID_SIGNING_KEY_FILE" in sources
    # What says how to start names every secret.
    told = (KUBERNETES / "kustomization.yaml").read_text()
    asked = {volume["secret"]["secretName"] for volume in pod()["volumes"] if "secret" in volume}
    for name in asked | {"govid-encryption"}:
        assert re.search(rf"create secret \w+ {name} ", told), name
