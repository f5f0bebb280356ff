"""The words that an audit record may have as ``operation`` and ``outcome``: one line here for each.

What the API says of them, what its filters take and the tables of docs/audit.md follow from this file. A
record of another govid may have other words, so that reading refuses none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from govid.errors import CallerError, Refusal
from govid.types import Decision

OPERATIONS: Final[Mapping[str, str]] = {
    "verify": "a photo or template against one subject",
    "compare": "two photos against each other",
    "identify": "a search among all subjects, or some",
    "embed": "the template of a photo",
    "enrol": "a new subject",
    "add_reference": "one more reference of a subject",
    "delete": "a subject with all its references",
    "delete_reference": "one reference of a subject",
    "set_groups": "the groups of a subject, all at once",
    "import": "one item of `govid import`",
    "export": "`govid export` of templates",
    "export_subject": "all that is held on a subject, for that person",
    "replay_erasure": "a deletion that a restored backup had lost",
    "restore": "a backup taken into use",
    "dedup": "a dedup job",
    "adjudicate": "a verdict on suspected duplicates",
    "view_photo": "a look at the kept photo of a case",
    "rate": "the rating of a decision",
    "close_complaint": "the answer to a complaint",
    "retention": "what was erased because its time was over",
    "trust_clock": "an operator's word that the clock is right",
    "migrate": "a step of a migration to another model",
    "rotate_signing_key": "a new signing key",
    "change_api_key": "an API key made, changed or ended",
    "unlock": "the end of a lock after failed attempts",
    "sign_in": "a session of the console",
    "sign_out": "the end of one",
}

_OUTCOMES: Final[Mapping[str, str]] = {
    "EMBEDDED": "the template was given; of `migrate`: all references have one of the new model",
    "ENROLLED": "stored, and searchable",
    "HELD": "stored, and not active before its case is decided",
    "ALREADY_ENROLLED": "of `import`: it was there",
    "FAILED": "of `import`: its file could not be read",
    "DELETED": "gone with all references, or this one: `reference_id` says which",
    "GROUPED": "in these groups and no others; `note` says which, before and after",
    "EXPORTED": "given out",
    "RESTORED": "the records are those of the backup",
    "STARTED": "a job or migration began",
    "RESUMED": "a job goes on",
    "CANCELLED": "a job was stopped",
    "DONE": "a job ended",
    "SAME": "verdict: one person",
    "DIFFERENT": "verdict: two people",
    "TWINS": "verdict: two people who look alike",
    "FRAUD": "verdict: one person, on purpose",
    "RELEASED": "of `adjudicate`: with a subject that was deleted the case ended, and whom it held is active",
    "SHOWN": "the photo was shown",
    "RATED_GOOD": "no complaint",
    "RATED_BAD": "a complaint was opened",
    "CLOSED": "the complaint was answered",
    "CORRECTED": "a further answer stands beside the one before",
    "ERASED": "erased; `erased` says how many of what",
    "TRUSTED": "things are erased by this clock again",
    "CUT_OVER": "the new model counts",
    "ROLLED_BACK": "the old model counts again",
    "FINISHED": "the migration ended",
    "ROTATED": "a new key takes the place of the old one",
    "CREATED": "there is a key of that name",
    "REVOKED": "it serves nobody any more",
    "UNLOCKED": "the failed attempts are forgotten",
    "SIGNED_IN": "the session began",
    "SIGNED_OUT": "the session ended",
}


def _kinds(base: type[CallerError]) -> Iterator[type[CallerError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)


def _refused() -> dict[str, str]:
    """A refused photo is its reason, any other refusal its slug."""
    ours = [kind for kind in _kinds(CallerError) if kind.__module__ == CallerError.__module__]
    reasons = sorted({kind.reason for kind in ours if issubclass(kind, Refusal) and kind is not Refusal})
    slugs = {kind.slug: kind.title for kind in ours if not issubclass(kind, Refusal)}
    return {**dict.fromkeys(reasons, "a refused photo"), **slugs}


OUTCOMES: Final[Mapping[str, str]] = {
    **{decision.value: "a decision" for decision in Decision},
    **_OUTCOMES,
    **_refused(),
}
