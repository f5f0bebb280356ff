"""Typed settings: each has a unit, a default and a reason. Unknown names are errors.

Order of precedence: keyword, environment (``GOVID_<NAME>``), the TOML file named by ``GOVID_CONFIG``.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from govid.choices import choices
from govid.errors import InvalidSettings

PREFIX = "GOVID_"
# Variables with the prefix that are no settings: the config file, the kernel choice of the core and the
# evaluator's data folder.
RESERVED = frozenset({"CONFIG", "ISA", "LFW_DIR"})
# One environment serves the engine and the server: what only the server reads is no error elsewhere.
SERVER_SETTINGS = frozenset(
    {
        "host",
        "port",
        "behind_proxy",
        "workers",
        "max_waiting",
        "body_seconds",
        "max_body_bytes",
        "max_unpacked_bytes",
        "dedup_resume",
        "drain_seconds",
        "drift_seconds",
        "log_level",
        "log_format",
        "log_requests",
        "tracing",
        "audit_checkpoint_seconds",
        "retention_seconds",
        "console_idle_minutes",
        "console_longest_hours",
        "webhook_url",
        "webhook_secret_file",
        "tls_certificate",
        "tls_key",
        "client_ca",
        "client_parties",
        "trusted_proxies",
        "authentication",
        "jwks",
        "jwt_issuer",
        "jwt_audience",
        "jwt_algorithms",
        "jwt_leeway_seconds",
        "jwks_refresh_seconds",
        "jwks_retry_seconds",
        "requests_per_second",
        "request_burst",
        "requests_at_once",
        "open_metrics",
        "open_schema",
    }
)
# What is, or may hold, a password or key: never shown.
SECRETS = frozenset({"store_url", "encryption_keys", "webhook_url"})
# Several values, with commas in a variable.
LISTS = frozenset({"providers", "trusted_proxies", "jwt_algorithms"})

S = TypeVar("S", bound=msgspec.Struct)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the engine. The server adds its own in ``server/settings.py``."""

    data_dir: Annotated[str, Meta(description="Folder of the record store and the models.")] = "var"

    store_url: Annotated[
        str,
        Meta(
            description="`postgresql://user:password@host:port/database` of the records; unset, they are a "
            "SQLite file in data_dir."
        ),
    ] = ""

    store_url_file: Annotated[
        str, Meta(description="A file that holds the store_url, for a password that no environment shows.")
    ] = ""

    store_connections: Annotated[
        int,
        Meta(
            ge=1,
            le=1000,
            description="Most connections of one process to PostgreSQL, which serves 100 by default. A "
            "request holds one only while it reads or writes.",
        ),
    ] = 8

    profile: Annotated[
        Literal["fast", "high_assurance"],
        Meta(description="Which templates are made: by one embedder, or fused from two for half the misses."),
    ] = "fast"

    embedder: Annotated[
        str,
        Meta(description="Embedder of `fast`: a built-in one, or the path of a TOML manifest of another."),
    ] = "sface"

    runtime: Annotated[
        Literal["auto", "onnxruntime", "openvino"],
        Meta(
            description="What runs the embedders. `auto`: OpenVINO where it is installed and providers is "
            "the CPU alone, else ONNX Runtime. Detector and landmarks gain nothing and stay."
        ),
    ] = "auto"

    precision: Annotated[
        Literal["auto", "float32", "bfloat16", "int8"],
        Meta(
            description="What the embedders multiply in. It is part of a template's model id: a change asks "
            "for new references. `bfloat16` needs a CPU that has it, `int8` a model with ranges. `auto`: "
            "that of the records; where nobody is enrolled, `int8` on a CPU with VNNI, else `float32`. "
            "`govid doctor` says which."
        ),
    ] = "float32"

    providers: Annotated[
        tuple[str, ...],
        Meta(
            min_length=1, description="ONNX Runtime providers in order. A missing one is an error at start."
        ),
    ] = ("CPUExecutionProvider",)

    inference_threads: Annotated[
        int,
        Meta(
            ge=1, le=256, description="Threads inside one inference. One: requests run side by side instead."
        ),
    ] = 1

    photo_max_bytes: Annotated[
        int, Meta(ge=1024, description="Largest photo file in bytes. Phone photos are under 10 MiB.")
    ] = 10 * 1024 * 1024

    photo_max_pixels: Annotated[
        int,
        Meta(
            ge=1024, description="Most pixels of a photo; a decode takes 10 to 20 bytes a pixel at its peak."
        ),
    ] = 25_000_000

    face_min_score: Annotated[
        float, Meta(gt=0, lt=1, description="Least detection confidence. Chosen on LFW View 1: no face lost.")
    ] = 0.6

    comparable_face_ratio: Annotated[
        float,
        Meta(
            gt=0,
            le=1,
            description="A second face of at least this part of the largest one's side is refused.",
        ),
    ] = 0.5

    min_face_size: Annotated[
        float,
        Meta(ge=1, description="Least side of a face in pixels; under it the crop is mostly interpolated."),
    ] = 24.0

    max_references: Annotated[
        int,
        Meta(
            ge=1,
            le=1000,
            description="Most references of one subject; each one costs error rate at a fixed FMR.",
        ),
    ] = 10

    on_duplicate: Annotated[
        Literal["report", "hold", "reject"],
        Meta(
            description="What an enrolment that looks like another subject becomes: enrolled with a report; "
            "held until a person has decided its case; refused where it is a MATCH and held where it is "
            "INCONCLUSIVE."
        ),
    ] = "report"

    on_unlike: Annotated[
        Literal["report", "reject"],
        Meta(
            description="What a further reference becomes that looks like nobody's of its subject (below "
            "INCONCLUSIVE at a false match rate of 1e-3): enrolled with its score in the audit; refused. "
            "Whoever may enrol could otherwise put another face beside somebody's own."
        ),
    ] = "reject"

    keep_photos_days: Annotated[
        float,
        Meta(
            ge=0,
            le=36_525,
            description="Days the photo of a new reference is kept, cut to its face and sealed; 0: none is. "
            "Kept photos serve adjudicators, and a later model without enrolling everybody anew.",
        ),
    ] = 0.0

    keep_cases_days: Annotated[
        float,
        Meta(
            gt=0,
            le=36_525,
            description="Days a decided duplicate case is kept with its verdicts, and the pairs of a "
            "finished dedup job: ten years, as long as an identity document. What holds a subject stays.",
        ),
    ] = 3650.0

    keep_feedback_days: Annotated[
        float,
        Meta(
            gt=0,
            le=36_525,
            description="Days a rating and an answered complaint are kept: three years, in which a claim "
            "lapses in many laws. An open complaint stays.",
        ),
    ] = 1095.0

    keep_notifications_days: Annotated[
        float,
        Meta(gt=0, le=36_525, description="Days a delivered announcement is kept, to look into a doubt."),
    ] = 30.0

    lockout_attempts: Annotated[
        int,
        Meta(
            ge=1,
            description="Failed attempts on one subject after which it is locked. Five is what NIST SP "
            "800-63B allows without a liveness check. Calls from this machine's own code do not count.",
        ),
    ] = 5

    lockout_window_seconds: Annotated[
        float, Meta(gt=0, description="Seconds from the first failure within which the others count.")
    ] = 600.0

    lockout_lock_seconds: Annotated[
        float,
        Meta(
            gt=0,
            description="Seconds of a lock, which does not end before its window does: 480 guesses a day are "
            "left, at an FMR of 1e-4 one in 20.",
        ),
    ] = 900.0

    signing_key_file: Annotated[
        str,
        Meta(
            description="Ed25519 key in PEM that signs receipts and checkpoints; empty: keys/signing.pem in "
            "the data folder, made at the first start. A backup without it cannot prove its receipts."
        ),
    ] = ""

    encryption_keys_file: Annotated[
        str,
        Meta(
            description="File of the keys that encrypt templates; empty: keys/encryption.json in the data "
            "folder, made with the store. Put it on another volume than the store, and back it up apart: "
            "without it no template can be read."
        ),
    ] = ""

    encryption_keys: Annotated[
        str,
        Meta(
            description="These keys themselves instead, for a secret in the environment: 32 random bytes in "
            "base64, the current key first, older ones behind it with commas between."
        ),
    ] = ""

    complaint_days: Annotated[
        float, Meta(gt=0, description="Days within which a bad rating of a decision has to be answered.")
    ] = 15.0

    use_cases_dir: Annotated[
        str,
        Meta(
            description="Folder of your own use cases, a TOML file each; empty: use_cases in the data folder."
        ),
    ] = ""

    gallery: Annotated[
        Literal["auto", "exact", "int8", "ivf", "hnsw"],
        Meta(
            description="How 1:N search works. `auto` compares everybody while that takes some milliseconds "
            "(`exact`, then `int8`), and builds an `ivf` index beyond about two million references."
        ),
    ] = "auto"

    gallery_memory_bytes: Annotated[
        int,
        Meta(
            ge=0,
            description="Memory of the gallery; beyond it, vectors lie on disk. 0: half of the machine's.",
        ),
    ] = 0

    gallery_min_recall: Annotated[
        float,
        Meta(
            gt=0,
            le=1,
            description="Least part of mates that an `ivf` or `hnsw` index must put first to serve, measured "
            "at each build.",
        ),
    ] = 0.995

    gallery_snapshot: Annotated[
        Literal["sealed", "clear", "off"],
        Meta(
            description="Copy of a large gallery on disk, for a quicker start: `sealed` with a key of the "
            "installation and opened into memory; `clear` and mapped; `off`."
        ),
    ] = "sealed"

    gallery_url: Annotated[
        str,
        Meta(
            description="Address of a Milvus cluster, `http://host:19530` or `https://...`, that all servers "
            "of one record store share. Empty: the gallery lives in the server."
        ),
    ] = ""

    gallery_token_file: Annotated[
        str,
        Meta(description="File with the cluster's `user:password` or API key. Empty: it asks for none."),
    ] = ""

    gallery_replicas: Annotated[
        int,
        Meta(
            ge=1,
            le=16,
            description="Copies of the collection on the query nodes, of which it needs as many. Two: "
            "searches go on when a node dies.",
        ),
    ] = 2

    gallery_index: Annotated[
        Literal["FLAT", "HNSW", "IVF_SQ8"],
        Meta(
            description="Index of the collection, for rebuilds. `HNSW` finds nearly all at a cost that grows "
            "with the logarithm; `FLAT` finds all and reads every reference; `IVF_SQ8` takes a quarter of "
            "the memory and loses most."
        ),
    ] = "HNSW"

    gallery_consistency: Annotated[
        Literal["bounded", "strong"],
        Meta(
            description="What a search waits for: `bounded` for nothing, as what changed lately is compared "
            "beside it; `strong` for all writes of all servers, 0.1 to 0.5 s."
        ),
    ] = "bounded"

    dedup_false_pairs: Annotated[
        float,
        Meta(
            gt=0,
            description="Pairs of strangers a dedup job should show on average: a day's work to look at. It "
            "shows more if the calibration supports no rate so low.",
        ),
    ] = 100.0

    migration_shadow_fraction: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Part of the verifications that a migration's new model judges, too, after the "
            "reply. Each costs one more embedding, by a thread that gives way to requests.",
        ),
    ] = 0.1

    migration_least_coverage: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Part of the references that need a template of the new model before it takes over: "
            "the others are compared with nobody from then on.",
        ),
    ] = 1.0

    migration_least_compared: Annotated[
        int,
        Meta(ge=0, description="Decisions both models must have made before the new one takes over."),
    ] = 1000

    migration_most_changed: Annotated[
        float,
        Meta(
            gt=0,
            le=1,
            description="Largest part of the decisions that the new model may change, by the upper end of "
            "its 95 % interval; for a single use case, by the lower end: few decisions prove little.",
        ),
    ] = 0.02

    adjudicators_required: Annotated[
        int, Meta(ge=1, le=2, description="Different people who must agree before a verdict counts.")
    ] = 1

    def __repr__(self) -> str:
        """Without the URL, which may hold a password, and without keys."""
        shown = msgspec.structs.asdict(self)
        shown |= {name: "***" for name in SECRETS & shown.keys() if shown[name]}
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @property
    def use_cases(self) -> Path:
        """Folder of the operator's use cases."""
        return Path(self.use_cases_dir or Path(self.data_dir) / "use_cases")

    @property
    def keys_dir(self) -> Path:
        """Where private keys lie, for their owner only."""
        return Path(self.data_dir) / "keys"

    @property
    def signing_key(self) -> Path:
        """The PEM file of the signing key."""
        return Path(self.signing_key_file or self.keys_dir / "signing.pem")

    @property
    def encryption_key_file(self) -> Path:
        """The file of key-encryption keys."""
        return Path(self.encryption_keys_file or self.keys_dir / "encryption.json")

    @property
    def erasures_file(self) -> Path:
        """Signed receipts of all erasures, beside the keys: what a restored backup must lose again."""
        return self.encryption_key_file.with_name("erasures.jws")

    @property
    def models_dir(self) -> Path:
        """Where verified model files lie."""
        return Path(self.data_dir) / "models"

    @property
    def calibrations_dir(self) -> Path:
        """Where tables of the operator lie; they come before the shipped ones."""
        return Path(self.data_dir) / "calibrations"

    @property
    def evaluation_dir(self) -> Path:
        """Where an evaluation keeps embeddings between runs."""
        return Path(self.data_dir) / "lfw_eval"

    @property
    def gallery_dir(self) -> Path:
        """Where the gallery keeps snapshots, and vectors that do not fit into memory."""
        return Path(self.data_dir) / "gallery"

    @property
    def database(self) -> Path:
        """The SQLite file of the embedded record store."""
        return Path(self.data_dir) / "govid.sqlite3"


def load(
    *types: type[S], environment: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None
) -> tuple[S, ...]:
    """Read one value of each settings type from file, environment and keywords, in rising precedence.

    Raises:
        InvalidSettings: an unknown name, a wrong type or a value out of range; the detail names it.
    """
    environment = os.environ if environment is None else environment
    fields = {name for t in types for name in t.__struct_fields__}
    origin: dict[str, str] = {}
    raw: dict[str, Any] = {}

    def put(name: str, value: Any, source: str) -> None:  # noqa: ANN401 - any TOML value
        if name in SERVER_SETTINGS - fields:
            return
        if name not in fields:
            raise InvalidSettings(f"{source}: unknown setting; known are {', '.join(sorted(fields))}")
        raw[name], origin[name] = value, source

    for name, value, source in given(environment, overrides):
        put(name, value, source)

    def build(settings_type: type[S]) -> S:
        mine = {k: v for k, v in raw.items() if k in settings_type.__struct_fields__}
        try:
            return msgspec.convert(mine, settings_type, strict=False)
        except msgspec.ValidationError as error:
            name = str(error).partition("`$.")[2].partition("`")[0].partition("[")[0]
            allowed = choices(settings_type, name)
            more = f"; allowed are {', '.join(allowed)}" if allowed else ""
            raise InvalidSettings(f"{origin.get(name, 'settings')}: {error}{more}") from None

    return tuple(build(t) for t in types)


def given(
    environment: Mapping[str, str], overrides: Mapping[str, Any] | None = None
) -> Iterator[tuple[str, Any, str]]:
    """Name, value and source of all that file, environment and keywords set, in rising precedence, unchecked.

    Raises:
        InvalidSettings: the file cannot be read.
    """
    if path := environment.get(PREFIX + "CONFIG"):
        for name, value in _read_toml(Path(path)).items():
            yield name, value, f"{path}: {name}"
    for variable, text in environment.items():
        name = variable.removeprefix(PREFIX)
        if variable.startswith(PREFIX) and name not in RESERVED:
            name = name.lower()
            if name in LISTS:
                yield name, text.split(",") if text else [], variable
            else:
                yield name, text, variable
    for name, value in (overrides or {}).items():
        yield name, value, name


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidSettings(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{path}: {error}") from None


def open_to_others(found: os.stat_result) -> bool:
    """Whether anybody but this process's user, and root, may read or write a secret.

    A secret that is mounted belongs to root and is read by a group: that of the process (Kubernetes'
    fsGroup), or root's own with a list of users beside it (systemd's credentials). Neither lets anybody
    else in.
    """
    mounted = found.st_uid == 0 and os.geteuid() != 0 and found.st_gid in {0, os.getegid(), *os.getgroups()}
    return bool(found.st_mode & 0o077 & ~(0o040 if mounted else 0))


def private_folder(path: Path) -> Path:
    """Make a folder for its owner only, where it is not there yet: faces will lie in it.

    Raises:
        InvalidSettings: it cannot be made.
    """
    try:
        for missing in reversed([p for p in (path, *path.parents) if not p.exists()]):
            missing.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise InvalidSettings(f"{path}: {error.strerror}") from None
    return path
