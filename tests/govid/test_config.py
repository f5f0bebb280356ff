from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from govid import config
from govid.config import Settings
from govid.errors import InvalidSettings
from server.access.settings import AccessSettings
from server.settings import ServerSettings


def load(environment: dict[str, str] | None = None, **overrides: object) -> Settings:
    return config.load(Settings, environment=environment or {}, overrides=overrides)[0]


def test_defaults_need_nothing() -> None:
    assert load() == Settings()


def test_keyword_beats_environment_beats_file(tmp_path: Path) -> None:
    file = tmp_path / "govid.toml"
    file.write_text('data_dir = "file"\nmax_references = 3\nface_min_score = 0.5\n')
    environment = {"GOVID_CONFIG": str(file), "GOVID_DATA_DIR": "environment", "GOVID_MAX_REFERENCES": "4"}
    settings = load(environment, data_dir="keyword")
    assert (settings.data_dir, settings.max_references, settings.face_min_score) == ("keyword", 4, 0.5)


def test_several_providers_are_separated_by_commas() -> None:
    settings = load({"GOVID_PROVIDERS": "CUDAExecutionProvider,CPUExecutionProvider"})
    assert settings.providers == ("CUDAExecutionProvider", "CPUExecutionProvider")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GOVID_MAX_REFERENCES", "0"),
        ("GOVID_MAX_REFERENCES", "many"),
        ("GOVID_FACE_MIN_SCORE", "1.5"),
        ("GOVID_FACE_MIN_SCORE", "nan"),
        ("GOVID_THRESHOLD", "0.3"),
        ("GOVID_PROVIDERS_", "x"),
    ],
)
def test_a_wrong_setting_is_named(variable: str, value: str) -> None:
    with pytest.raises(InvalidSettings, match=variable):
        load({variable: value})


def test_a_word_that_is_none_of_a_few_is_told_them() -> None:
    with pytest.raises(InvalidSettings, match=r"'int4'.*; allowed are auto, bfloat16, float32, int8$"):
        load({"GOVID_PRECISION": "int4"})


@pytest.mark.parametrize("text", ["data_dir = 3", "unknown = 1", "data_dir = ", "\xff"])
def test_a_wrong_file_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "govid.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidSettings, match=r"govid\.toml"):
        load({"GOVID_CONFIG": str(file)})


def test_a_missing_file_is_an_error() -> None:
    with pytest.raises(InvalidSettings, match="nowhere"):
        load({"GOVID_CONFIG": "nowhere.toml"})


def test_engine_and_server_read_one_environment() -> None:
    engine, server = config.load(
        Settings, ServerSettings, environment={"GOVID_PORT": "9", "GOVID_DATA_DIR": "d"}
    )
    assert isinstance(server, ServerSettings)
    assert (server.port, engine) == (9, Settings(data_dir="d"))


@pytest.mark.parametrize("kind", [Settings, ServerSettings, AccessSettings])
def test_every_setting_says_what_it_is(kind: type[msgspec.Struct]) -> None:
    schema = msgspec.json.schema(kind)["$defs"][kind.__name__]["properties"]
    assert [name for name, value in schema.items() if not value.get("description")] == []


def test_the_engine_knows_which_settings_are_the_servers() -> None:
    assert {*ServerSettings.__struct_fields__, *AccessSettings.__struct_fields__} == config.SERVER_SETTINGS
    assert load({"GOVID_PORT": "9", "GOVID_LOG_LEVEL": "debug"}) == Settings()
