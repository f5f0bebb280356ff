"""Everything that can go wrong, as types with a stable slug, a fault and a remedy.

A refusal (``Refusal``) is a result about a photo, not a crash: it differs from NON_MATCH and from a
fault of ours. Each class below is one row of the HTTP table in ``server/errors.py``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal


class Fault(StrEnum):
    """Who has to act."""

    CALLER = "caller"
    OPERATOR = "operator"
    GOVID = "govid"


class GovidError(Exception):
    """Base of all errors. ``detail`` never holds a photo, a template or a path of the caller."""

    slug: ClassVar[str] = "internal-error"
    fault: ClassVar[Fault] = Fault.GOVID
    title: ClassVar[str] = "An error inside govid"
    remedy: ClassVar[str] = "Report the request id to the operator."
    commands_only: ClassVar[bool] = False
    """Whether only a command on the machine raises it: a caller from elsewhere never meets it."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title


class CallerError(GovidError):
    """The request cannot be answered as it is; the caller can mend it."""

    fault = Fault.CALLER


class OperatorError(GovidError):
    """The installation is not able to answer; its operator can mend it."""

    fault = Fault.OPERATOR


# --- Refusals: the photo was read, and no comparison is made from it -------------------------------


class Refusal(CallerError):
    """A photo that govid will not compare. ``reason`` is the word of ISO/IEC 2382-37 style reports."""

    reason: ClassVar[str]
    photo: Literal["", "reference", "probe"] = ""
    """Which one, where two were sent."""


class RefusedInput(Refusal):
    """A photo that is not read at all; the subclasses say why."""

    reason = "REFUSED_INPUT"


class PhotoNotAnImage(RefusedInput):
    slug = "photo-not-an-image"
    title = "The photo is not an image govid can read"
    remedy = "Send the bytes of a JPEG, PNG or WebP file; with curl: photo=@file."


class PhotoTruncated(RefusedInput):
    slug = "photo-truncated"
    title = "The photo ends too early or its data is damaged"
    remedy = "Send the whole file again."


class PhotoTooLarge(RefusedInput):
    slug = "photo-too-large"
    title = "The photo file is too large"
    remedy = "Send a smaller or more compressed photo."


class PhotoTooManyPixels(RefusedInput):
    slug = "photo-too-many-pixels"
    title = "The photo has too many pixels"
    remedy = "Scale the photo down before sending it."


class PhotoTooSmall(RefusedInput):
    slug = "photo-too-small"
    title = "The photo has too few pixels to hold a face"
    remedy = "Send a photo of at least 32 by 32 pixels."


class PhotoUnreadable(RefusedInput):
    slug = "photo-unreadable"
    commands_only = True
    title = "The photo file cannot be opened"
    remedy = "Check its path and permissions."


class DecompressionBomb(RefusedInput):
    slug = "photo-decompression-bomb"
    title = "The photo unpacks to far more data than it may"
    remedy = "Send an ordinary photo without embedded compressed data."


class PhotoAnimated(RefusedInput):
    slug = "photo-animated"
    title = "The photo holds several frames"
    remedy = "Send a single still picture."


class FaceNotDetected(Refusal):
    reason = "FACE_NOT_DETECTED"
    slug = "face-not-detected"
    title = "No face was found in the photo"
    remedy = "Take the photo again: frontal, well lit, the face filling a third of the picture."


class MultipleFaces(Refusal):
    reason = "MULTIPLE_FACES"
    slug = "multiple-faces"
    title = "The photo holds a second face of comparable size"
    remedy = "Take the photo again with one person in view."


class LowQuality(Refusal):
    reason = "LOW_QUALITY"
    slug = "low-quality"
    title = "The face is not good enough to be compared"
    remedy = "Take the photo again, nearer and sharper."


# --- The request ------------------------------------------------------------------------------------


class InvalidBody(CallerError):
    slug = "invalid-body"
    title = "The request body does not fit its schema"
    remedy = "Mend what the detail names; /schema describes the body."


class MalformedBody(InvalidBody):
    slug = "malformed-body"
    title = "The request body cannot be parsed"
    remedy = "Send well-formed JSON or multipart/form-data."


class UnknownField(InvalidBody):
    slug = "unknown-field"
    title = "The request body has a field govid does not know"
    remedy = "Remove the field; nothing is ignored silently."


class InvalidBase64(InvalidBody):
    slug = "invalid-base64"
    title = "A field is not valid base64"
    remedy = "Encode with the standard alphabet and padding (RFC 4648 section 4), without line breaks."


class InvalidParameter(CallerError):
    slug = "invalid-parameter"
    title = "A parameter is not valid"
    remedy = "Mend what the detail names; /schema has the allowed values."


class InvalidSubjectId(CallerError):
    slug = "invalid-subject-id"
    title = "The subject id is not allowed"
    remedy = (
        "Use 1 to 128 printable characters, no slash or backslash, no space at either end, not '.' or '..'."
    )


class UnknownSubject(CallerError):
    slug = "unknown-subject"
    title = "No such subject"
    remedy = "Enrol the subject first, or check the id."


class SubjectExists(CallerError):
    slug = "subject-exists"
    title = "The subject is already enrolled"
    remedy = "Add a reference to the subject instead, or delete it first."


class SubjectHeld(CallerError):
    slug = "subject-held"
    title = "The subject is not active: a suspected duplicate has yet to be decided"
    remedy = "Ask an adjudicator to decide the case, or delete the subject."


class DuplicateFace(CallerError):
    slug = "duplicate-face"
    title = "The portrait looks like another enrolled subject"
    remedy = "Look at the candidates in the audit record of this request; enrol the person once."

    def __init__(self, candidates: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.candidates = candidates


class UnlikeSubject(CallerError):
    slug = "unlike-subject"
    title = "The portrait does not look like the subject"
    remedy = (
        "Check that it shows this person. If it does, and the references are wrong or too old, delete the "
        "subject and enrol it anew."
    )


class InvalidGroup(CallerError):
    slug = "invalid-group"
    title = "The name of a group is not allowed"
    remedy = "Use 1 to 64 of the characters a-z, A-Z, 0-9, dot, underscore and hyphen."


class InvalidReceipt(CallerError):
    slug = "invalid-receipt"
    title = "The receipt was not signed by this installation, or it was altered"
    remedy = "Send the receipt as it came with the decision."


class FeedbackExists(CallerError):
    slug = "feedback-exists"
    title = "This decision was rated before"
    remedy = (
        "Only good becomes bad; a further text is added to a complaint, or opens it anew if it was answered."
    )


class UnknownComplaint(CallerError):
    slug = "unknown-complaint"
    title = "No complaint of that number waits for this answer"
    remedy = (
        "See the complaints at /console or GET /v1/complaints: perhaps it was answered meanwhile, or is open "
        "and needs no correction."
    )


class UnknownReference(CallerError):
    slug = "unknown-reference"
    title = "No such reference of this subject"
    remedy = "See the references of the subject: GET /v1/subjects/{subject_id} or `govid subject show`."


class LastReference(CallerError):
    slug = "last-reference"
    title = "It is the only reference of the subject"
    remedy = "Add a better portrait first, or delete the subject."


class TooManyReferences(CallerError):
    slug = "too-many-references"
    title = "The subject has as many references as allowed"
    remedy = "Delete the reference that is worth least, then add this one."


class UnknownUseCase(CallerError):
    slug = "unknown-use-case"
    title = "No such use case"
    remedy = "Name one of the use cases listed in the detail."


class UseCaseNotAllowed(CallerError):
    slug = "use-case-not-allowed"
    title = "The caller may not ask for this use case"
    remedy = "Name a use case that you were granted, or ask the operator for this one."


class SubjectLocked(CallerError):
    """``retry_after_seconds``: when the lock ends."""

    slug = "subject-locked"
    title = "Too many attempts failed on this subject id"
    remedy = "Retry after the number of seconds in Retry-After, or let a person decide."

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__()
        self.retry_after_seconds = retry_after_seconds


class InvalidTemplate(CallerError):
    slug = "invalid-template"
    title = "The template cannot be used"
    remedy = "Send a template exactly as /v1/embed returned it."


class TemplateWrongLength(InvalidTemplate):
    slug = "template-wrong-length"
    title = "The template has the wrong length for its model"


class TemplateNotFinite(InvalidTemplate):
    slug = "template-not-finite"
    title = "The template holds a value that is not finite"


class TemplateZeroNorm(InvalidTemplate):
    slug = "template-zero-norm"
    title = "The template is all zeros"


class TemplateImplausible(InvalidTemplate):
    slug = "template-implausible"
    title = "The template is not one that its model could have made"


class TemplateWrongModel(InvalidTemplate):
    slug = "template-wrong-model"
    title = "The template comes from another model"
    remedy = "Make the template again with the model that GET /v1/models lists."


class ReferenceTooOld(CallerError):
    slug = "reference-too-old"
    title = "All references of the subject are older than the use case allows"
    remedy = "Add a recent portrait to the subject, or check the person in another way."


class TemplateNotAccepted(CallerError):
    slug = "template-not-accepted"
    title = "The use case asks for a photo: nobody knows what a ready template was made from"
    remedy = "Send the photo."


class NoComparableReference(CallerError):
    slug = "no-comparable-reference"
    title = "The subject has no reference made by the active model"
    remedy = "Add a reference photo to the subject."


class InvalidIdempotencyKey(CallerError):
    slug = "invalid-idempotency-key"
    title = "The Idempotency-Key is not allowed"
    remedy = "Use 1 to 128 visible ASCII characters, for example a UUID."


class IdempotencyKeyReused(CallerError):
    slug = "idempotency-key-reused"
    title = "The Idempotency-Key was used for another request"
    remedy = "Use a new key for each new request."


class KeyNameTaken(CallerError):
    slug = "key-name-taken"
    commands_only = True
    title = "The relying party has a key already"
    remedy = "Give it a new one by `govid keys rotate`, or end the old one by `govid keys revoke`."


class UnknownKey(CallerError):
    slug = "unknown-key"
    commands_only = True
    title = "No such valid key"
    remedy = "See `govid keys list` for names and ids."


class UnknownJob(CallerError):
    slug = "unknown-job"
    title = "No such dedup job"
    remedy = "See GET /v1/dedup/jobs, or `govid dedup status`."


class JobRunning(CallerError):
    slug = "job-running"
    title = "A dedup job of this kind is running already"
    remedy = "Wait for the job that job_id names, or cancel it."

    def __init__(self, job_id: int) -> None:
        super().__init__(f"job {job_id} is running")
        self.job_id = job_id


class JobEnded(CallerError):
    slug = "job-ended"
    title = "The dedup job has ended"
    remedy = "Start a new one."


class JobTooLoose(CallerError):
    slug = "job-too-loose"
    title = "The calibration lets so many strangers through that nobody could look at the pairs"
    remedy = "Calibrate with more people, or compare only what is new since an earlier job."


class UnknownCase(CallerError):
    slug = "unknown-case"
    title = "No such case"
    remedy = "See the cases at /console, GET /v1/cases or `govid cases list`."


class PhotoNotKept(CallerError):
    slug = "photo-not-kept"
    title = "No photo of this reference is kept"
    remedy = "Decide without it; GOVID_KEEP_PHOTOS_DAYS says whether photos of later enrolments are kept."


class CaseClosed(CallerError):
    slug = "case-closed"
    title = "The case, or this pair of it, is decided"
    remedy = (
        "Look at the case: this request changed nothing. New evidence opens a new one, by a new dedup job."
    )


# --- The installation -------------------------------------------------------------------------------


class InvalidSettings(OperatorError):
    slug = "invalid-settings"
    title = "The settings are not valid"
    remedy = "Correct the setting named in the detail."


class ModelMissing(OperatorError):
    slug = "model-missing"
    title = "A model file is missing"
    remedy = "Run `govid models pull`."


class ModelDigestMismatch(OperatorError):
    slug = "model-digest-mismatch"
    title = "A model file does not have the digest its manifest states"
    remedy = "Delete the file and run `govid models pull`; if it stays, do not trust its source."


class ModelUnusable(OperatorError):
    slug = "model-unusable"
    title = "A model does not have the shape its manifest states"
    remedy = "Correct the manifest, or use a model with 112x112 input and one embedding as output."


class ModelSourceUnreachable(OperatorError):
    slug = "model-source-unreachable"
    commands_only = True
    title = "A model could not be fetched"
    remedy = "Check the network or proxy, or put the files in a folder: `govid models pull --from FOLDER`."


class ProviderMissing(OperatorError):
    slug = "provider-missing"
    title = "A requested ONNX Runtime provider is not available"
    remedy = "Install the runtime that has it (`make setup GPU=1`), or change GOVID_PROVIDERS."


class RuntimeMissing(OperatorError):
    slug = "runtime-missing"
    title = "The requested runtime is not installed"
    remedy = "Install it (`pip install openvino`), or leave GOVID_RUNTIME at auto."


class PrecisionUnavailable(OperatorError):
    slug = "precision-unavailable"
    title = "The requested precision is not available here"
    remedy = (
        "Set GOVID_PRECISION=float32, or another precision that `govid doctor` lists; where somebody is "
        "enrolled, by `govid migrate start` on a machine that has the old one."
    )


class NotCalibrated(OperatorError):
    slug = "not-calibrated"
    title = "The active model has no calibration, so no score can be turned into a decision"
    remedy = "Run `govid calibrate --data FOLDER` for this model."


class ProfileUnavailable(OperatorError):
    slug = "profile-unavailable"
    title = "The use case needs a profile that this installation does not run"
    remedy = (
        "Run `govid models pull high_assurance`; then `govid migrate start --profile high_assurance`, or "
        "where nobody is enrolled set GOVID_PROFILE=high_assurance."
    )


class ModelNotServing(OperatorError):
    slug = "model-not-serving"
    title = "The settings name another model than the one whose templates count"
    remedy = (
        "Set GOVID_PROFILE, GOVID_PRECISION (or leave it at auto) and GOVID_EMBEDDER to what `govid doctor` "
        "names and start anew; "
        "to change the model, run `govid migrate start` with those settings."
    )


class NoMigration(OperatorError):
    slug = "no-migration"
    commands_only = True
    title = "No migration to another model is under way"
    remedy = "Start one with `govid migrate start`."


class MigrationRefused(OperatorError):
    slug = "migration-refused"
    commands_only = True
    title = "The migration cannot take this step now"
    remedy = "Mend what the detail names; `govid migrate status` and `govid migrate report` say where it is."


class LivenessUnavailable(OperatorError):
    slug = "liveness-unavailable"
    title = "The use case demands a liveness check, which this govid does not have"
    remedy = "Use another way to tell that the person is there, or a use case whose policy demands none."


class StoreUnavailable(OperatorError):
    slug = "store-unavailable"
    title = "The record store cannot be read or written"
    remedy = (
        "Check the disk and the file permissions of the data folder, or that PostgreSQL runs and can be "
        "reached; retry afterwards."
    )


class StoreDriverMissing(OperatorError):
    slug = "store-driver-missing"
    title = "The package that talks to the record store of the settings is not installed"
    remedy = "Install it (`pip install 'psycopg[binary]'`), or unset GOVID_STORE_URL."


class EncryptionKeyMissing(OperatorError):
    slug = "encryption-key-missing"
    title = "A key that the templates are encrypted with is not here"
    remedy = (
        "Put the file of encryption keys back (keys/encryption.json of the data folder, or what "
        "GOVID_ENCRYPTION_KEYS_FILE names); without that key nobody can read what it protects."
    )


class SealBroken(StoreUnavailable):
    slug = "seal-broken"
    title = "A template in the record store is damaged or was tampered with: it is not what govid sealed"
    remedy = "Keep a copy of the database as evidence, find out who wrote to it, and restore a backup."


class GalleryUnavailable(OperatorError):
    slug = "gallery-unavailable"
    title = "The gallery cannot be searched"
    remedy = "Look at /readyz and /v1/gallery for the reason; records are safe, retry afterwards."


class AuditBroken(OperatorError):
    slug = "audit-broken"
    title = "The audit is not what was written: a row was altered, moved or removed"
    remedy = "Run `govid audit verify`; keep a copy of the database as evidence and restore a backup."


class ErasureNotWritten(OperatorError):
    slug = "erasure-not-written"
    commands_only = True
    title = "It is erased, and the file of erasures beside the keys does not say so"
    remedy = (
        "Mend what the detail names: a running server, or its next start, then makes up for it. Until then a"
        " restored backup brings back who was erased. Keep the receipt that the detail ends with."
    )


class BackupFailed(OperatorError):
    slug = "backup-failed"
    commands_only = True
    title = "The backup could not be made or restored"
    remedy = "Mend what the detail names and start again: nothing half-done is kept."


class BackupToolMissing(OperatorError):
    slug = "backup-tool-missing"
    commands_only = True
    title = "The programs that copy PostgreSQL are not installed"
    remedy = "Install pg_dump and pg_restore of the server's version or a newer one (postgresql-client)."


class BackupBroken(OperatorError):
    slug = "backup-broken"
    commands_only = True
    title = "The backup is not what was written, or nobody here can tell"
    remedy = "Use another backup; keep this one as evidence if somebody may have altered it."


class TargetNotEmpty(OperatorError):
    slug = "target-not-empty"
    commands_only = True
    title = "Something is there already"
    remedy = "Name a new folder or an empty database: nothing is ever overwritten."


class ErasuresUnknown(OperatorError):
    slug = "erasures-unknown"
    commands_only = True
    title = "Nobody says who was erased after the backup was made"
    remedy = (
        "Give keys/erasures.jws of the lost installation (--erasures FILE), or its audit, exported after the "
        "backup (--newer-audit FILE); if it is certain that nobody was erased since, --none-erased."
    )


class ClockDoubtful(OperatorError):
    slug = "clock-doubtful"
    title = "The clock is far from what the records show: nothing is erased by it"
    remedy = (
        "Set the clock (chrony, ntpd). If it is right, because nothing ran for so long: `govid retention run "
        "--trust-clock`, once."
    )


class SigningKeyForeign(OperatorError):
    slug = "signing-key-foreign"
    title = "The signing key is not the one that these records were signed with"
    remedy = (
        "Put the key that the detail names back in its place, from its own backup, mode 0600. A new key "
        "follows by `govid audit keys rotate` alone, with the old one in place."
    )


class SigningKeyGone(OperatorError):
    slug = "signing-key-gone"
    title = "The file of the signing key cannot be read"
    remedy = (
        "Restore it from its own backup, mode 0600, before the next start of a server: a new key proves "
        "nothing of what was signed."
    )


class SigningKeyRetired(OperatorError):
    slug = "signing-key-retired"
    title = "The signing key of this server was replaced by another one"
    remedy = "Copy keys/signing.pem from the server where `govid audit keys rotate` ran, mode 0600."


class StorageFull(OperatorError):
    slug = "storage-full"
    title = "The disk of the record store is full"
    remedy = "Free some space; reads go on meanwhile, and writes without a restart once there is some."
    retry_after_seconds: ClassVar[int] = 30
    """Somebody has to act first."""


class NotReady(OperatorError):
    slug = "not-ready"
    title = "The server is still loading its models and gallery"
    remedy = "Wait until /readyz answers 200."
