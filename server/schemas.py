"""What callers may send. Unknown fields are refused; ``bytes`` is base64 in JSON and a part in multipart."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from govid.adjudication import Verdict
from govid.pipeline import MAX_CANDIDATES
from govid.subject_id import MAX_GROUPS
from govid.subject_id import MAX_LENGTH as MAX_SUBJECT_ID
from govid.subjects import MAX_PAGE

Photo = Annotated[
    bytes,
    Meta(
        description="A JPEG, PNG or WebP photo: base64 in JSON, a file part in multipart",
        extra_json_schema={"format": "byte"},
    ),
]
SubjectId = Annotated[
    str,
    Meta(
        description="1 to 128 printable characters, no slash or backslash",
        examples=["alice"],
        extra_json_schema={"minLength": 1, "maxLength": MAX_SUBJECT_ID},
    ),
]
UseCaseName = Annotated[str, Meta(description="What the comparison is for; it fixes the error rates")]


KeepPhotoDays = Annotated[
    Annotated[float, Meta(ge=0)] | None,
    Meta(description="Days this photo is kept, at most GOVID_KEEP_PHOTOS_DAYS; 0: not at all; null: so long"),
]

Groups = Annotated[
    tuple[str, ...],
    Meta(max_length=MAX_GROUPS, description="Names of groups; outside JSON one name or a JSON array"),
]


class _Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base: unknown fields are errors."""


class TemplateIn(_Request, frozen=True, kw_only=True):
    """A template as `POST /v1/embed` returned it."""

    model_id: str
    embedding: Annotated[
        bytes,
        Meta(description="base64 of little-endian float32", extra_json_schema={"format": "byte"}),
    ]


class CompareRequest(_Request, frozen=True, kw_only=True):
    """Two photos."""

    reference_photo: Photo
    probe_photo: Photo
    use_case: UseCaseName = "general"


class _PhotoOrTemplate(_Request, frozen=True, kw_only=True):
    photo: Photo | None = None
    template: TemplateIn | None = None


class VerifyRequest(_PhotoOrTemplate, frozen=True, kw_only=True):
    """A claimed identity, and either a photo or a template."""

    subject_id: SubjectId
    use_case: UseCaseName = "general"


class IdentifyRequest(_PhotoOrTemplate, frozen=True, kw_only=True):
    """Either a photo or a template."""

    use_case: UseCaseName = "general"
    max_candidates: Annotated[int, Meta(ge=1, le=MAX_CANDIDATES)] = 5
    subjects: Annotated[
        tuple[SubjectId, ...],
        Meta(
            max_length=MAX_PAGE,
            description="Together with groups whom to search; all without either. "
            "Outside JSON one id or a JSON array",
        ),
    ] = ()
    groups: Groups = ()


class EmbedRequest(_Request, frozen=True, kw_only=True):
    """One photo."""

    photo: Photo


class EnrolRequest(_PhotoOrTemplate, frozen=True, kw_only=True):
    """A new subject, and either a portrait or a template."""

    subject_id: SubjectId
    groups: Groups = ()
    keep_photo_days: KeepPhotoDays = None


class ReferenceRequest(_PhotoOrTemplate, frozen=True, kw_only=True):
    """Either a portrait or a template."""

    keep_photo_days: KeepPhotoDays = None


class GroupsRequest(_Request, frozen=True, kw_only=True):
    """The groups that a subject shall be in; it leaves all others."""

    groups: Groups


# Said here; what is no id is refused by name where it is looked up.
_AN_ID = Meta(extra_json_schema={"minimum": 0})


class DedupRequest(_Request, frozen=True, kw_only=True):
    """What to compare with everything: everything, or what became active since."""

    since_job: Annotated[int | None, _AN_ID, Meta(description="... that finished job was planned")] = None
    since_reference: Annotated[int | None, _AN_ID, Meta(description="... that reference did")] = None


class VerdictRequest(_Request, frozen=True, kw_only=True):
    """What the subjects of a case are to each other."""

    verdict: Verdict
    adjudicator: Annotated[
        str | None,
        Meta(
            description="Who decides, where nobody has to authenticate. Elsewhere it is the caller, and "
            "another name is refused"
        ),
    ] = None
    note: str = ""
    subjects: Annotated[
        tuple[str, str] | None, Meta(description="Two of the case; null: all pairs that are not settled")
    ] = None
