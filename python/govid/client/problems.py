"""One class for each problem of the API.

Written by scripts/client.py from the server's own; do not edit.
"""

from __future__ import annotations

from govid.client.errors import ApiError, CallerProblem, OperatorProblem, RefusedPhoto


class InternalError(ApiError):
    """An error inside govid. Report the request id to the operator."""

    slug = "internal-error"


class PhotoNotAnImage(RefusedPhoto):
    """The photo is not an image govid can read.

    Send the bytes of a JPEG, PNG or WebP file; with curl: photo=@file.
    """

    slug = "photo-not-an-image"


class PhotoTruncated(RefusedPhoto):
    """The photo ends too early or its data is damaged. Send the whole file again."""

    slug = "photo-truncated"


class PhotoTooLarge(RefusedPhoto):
    """The photo file is too large. Send a smaller or more compressed photo."""

    slug = "photo-too-large"


class PhotoTooManyPixels(RefusedPhoto):
    """The photo has too many pixels. Scale the photo down before sending it."""

    slug = "photo-too-many-pixels"


class PhotoTooSmall(RefusedPhoto):
    """The photo has too few pixels to hold a face. Send a photo of at least 32 by 32 pixels."""

    slug = "photo-too-small"


class DecompressionBomb(RefusedPhoto):
    """The photo unpacks to far more data than it may.

    Send an ordinary photo without embedded compressed data.
    """

    slug = "photo-decompression-bomb"


class PhotoAnimated(RefusedPhoto):
    """The photo holds several frames. Send a single still picture."""

    slug = "photo-animated"


class FaceNotDetected(RefusedPhoto):
    """No face was found in the photo.

    Take the photo again: frontal, well lit, the face filling a third of the picture.
    """

    slug = "face-not-detected"


class MultipleFaces(RefusedPhoto):
    """The photo holds a second face of comparable size.

    Take the photo again with one person in view.
    """

    slug = "multiple-faces"


class LowQuality(RefusedPhoto):
    """The face is not good enough to be compared. Take the photo again, nearer and sharper."""

    slug = "low-quality"


class InvalidBody(CallerProblem):
    """The request body does not fit its schema.

    Mend what the detail names; /schema describes the body.
    """

    slug = "invalid-body"


class MalformedBody(InvalidBody):
    """The request body cannot be parsed. Send well-formed JSON or multipart/form-data."""

    slug = "malformed-body"


class UnknownField(InvalidBody):
    """The request body has a field govid does not know.

    Remove the field; nothing is ignored silently.
    """

    slug = "unknown-field"


class InvalidBase64(InvalidBody):
    """A field is not valid base64.

    Encode with the standard alphabet and padding (RFC 4648 section 4), without line breaks.
    """

    slug = "invalid-base64"


class InvalidParameter(CallerProblem):
    """A parameter is not valid. Mend what the detail names; /schema has the allowed values."""

    slug = "invalid-parameter"


class InvalidSubjectId(CallerProblem):
    """The subject id is not allowed.

    Use 1 to 128 printable characters, no slash or backslash, no space at either end, not '.' or '..'.
    """

    slug = "invalid-subject-id"


class UnknownSubject(CallerProblem):
    """No such subject. Enrol the subject first, or check the id."""

    slug = "unknown-subject"


class SubjectExists(CallerProblem):
    """The subject is already enrolled. Add a reference to the subject instead, or delete it first."""

    slug = "subject-exists"


class SubjectHeld(CallerProblem):
    """The subject is not active: a suspected duplicate has yet to be decided.

    Ask an adjudicator to decide the case, or delete the subject.
    """

    slug = "subject-held"


class DuplicateFace(CallerProblem):
    """The portrait looks like another enrolled subject.

    Look at the candidates in the audit record of this request; enrol the person once.
    """

    slug = "duplicate-face"


class UnlikeSubject(CallerProblem):
    """The portrait does not look like the subject.

    Check that it shows this person. If it does, and the references are wrong or too old, delete the
    subject and enrol it anew.
    """

    slug = "unlike-subject"


class InvalidGroup(CallerProblem):
    """The name of a group is not allowed.

    Use 1 to 64 of the characters a-z, A-Z, 0-9, dot, underscore and hyphen.
    """

    slug = "invalid-group"


class InvalidReceipt(CallerProblem):
    """The receipt was not signed by this installation, or it was altered.

    Send the receipt as it came with the decision.
    """

    slug = "invalid-receipt"


class FeedbackExists(CallerProblem):
    """This decision was rated before.

    Only good becomes bad; a further text is added to a complaint, or opens it anew if it was answered.
    """

    slug = "feedback-exists"


class UnknownComplaint(CallerProblem):
    """No complaint of that number waits for this answer.

    See the complaints at /console or GET /v1/complaints: perhaps it was answered meanwhile, or is open
    and needs no correction.
    """

    slug = "unknown-complaint"


class UnknownReference(CallerProblem):
    """No such reference of this subject.

    See the references of the subject: GET /v1/subjects/{subject_id} or `govid subject show`.
    """

    slug = "unknown-reference"


class LastReference(CallerProblem):
    """It is the only reference of the subject. Add a better portrait first, or delete the subject."""

    slug = "last-reference"


class TooManyReferences(CallerProblem):
    """The subject has as many references as allowed.

    Delete the reference that is worth least, then add this one.
    """

    slug = "too-many-references"


class UnknownUseCase(CallerProblem):
    """No such use case. Name one of the use cases listed in the detail."""

    slug = "unknown-use-case"


class UseCaseNotAllowed(CallerProblem):
    """The caller may not ask for this use case.

    Name a use case that you were granted, or ask the operator for this one.
    """

    slug = "use-case-not-allowed"


class SubjectLocked(CallerProblem):
    """Too many attempts failed on this subject id.

    Retry after the number of seconds in Retry-After, or let a person decide.
    """

    slug = "subject-locked"


class InvalidTemplate(CallerProblem):
    """The template cannot be used. Send a template exactly as /v1/embed returned it."""

    slug = "invalid-template"


class TemplateWrongLength(InvalidTemplate):
    """The template has the wrong length for its model.

    Send a template exactly as /v1/embed returned it.
    """

    slug = "template-wrong-length"


class TemplateNotFinite(InvalidTemplate):
    """The template holds a value that is not finite.

    Send a template exactly as /v1/embed returned it.
    """

    slug = "template-not-finite"


class TemplateZeroNorm(InvalidTemplate):
    """The template is all zeros. Send a template exactly as /v1/embed returned it."""

    slug = "template-zero-norm"


class TemplateImplausible(InvalidTemplate):
    """The template is not one that its model could have made.

    Send a template exactly as /v1/embed returned it.
    """

    slug = "template-implausible"


class TemplateWrongModel(InvalidTemplate):
    """The template comes from another model.

    Make the template again with the model that GET /v1/models lists.
    """

    slug = "template-wrong-model"


class ReferenceTooOld(CallerProblem):
    """All references of the subject are older than the use case allows.

    Add a recent portrait to the subject, or check the person in another way.
    """

    slug = "reference-too-old"


class TemplateNotAccepted(CallerProblem):
    """The use case asks for a photo: nobody knows what a ready template was made from.

    Send the photo.
    """

    slug = "template-not-accepted"


class NoComparableReference(CallerProblem):
    """The subject has no reference made by the active model. Add a reference photo to the subject."""

    slug = "no-comparable-reference"


class InvalidIdempotencyKey(CallerProblem):
    """The Idempotency-Key is not allowed. Use 1 to 128 visible ASCII characters, for example a UUID."""

    slug = "invalid-idempotency-key"


class IdempotencyKeyReused(CallerProblem):
    """The Idempotency-Key was used for another request. Use a new key for each new request."""

    slug = "idempotency-key-reused"


class UnknownJob(CallerProblem):
    """No such dedup job. See GET /v1/dedup/jobs, or `govid dedup status`."""

    slug = "unknown-job"


class JobRunning(CallerProblem):
    """A dedup job of this kind is running already. Wait for the job that job_id names, or cancel it."""

    slug = "job-running"


class JobEnded(CallerProblem):
    """The dedup job has ended. Start a new one."""

    slug = "job-ended"


class JobTooLoose(CallerProblem):
    """The calibration lets so many strangers through that nobody could look at the pairs.

    Calibrate with more people, or compare only what is new since an earlier job.
    """

    slug = "job-too-loose"


class UnknownCase(CallerProblem):
    """No such case. See the cases at /console, GET /v1/cases or `govid cases list`."""

    slug = "unknown-case"


class PhotoNotKept(CallerProblem):
    """No photo of this reference is kept.

    Decide without it; GOVID_KEEP_PHOTOS_DAYS says whether photos of later enrolments are kept.
    """

    slug = "photo-not-kept"


class CaseClosed(CallerProblem):
    """The case, or this pair of it, is decided.

    Look at the case: this request changed nothing. New evidence opens a new one, by a new dedup job.
    """

    slug = "case-closed"


class Unauthenticated(CallerProblem):
    """The request does not say who asks.

    Send `Authorization: Bearer` with an API key or an access token, or a client certificate.
    """

    slug = "unauthenticated"


class InvalidCredential(Unauthenticated):
    """The credential is not valid.

    Check that it is whole and neither expired nor revoked, or ask the operator for a new one.
    """

    slug = "invalid-credential"


class SignedOut(Unauthenticated):
    """The session has ended, or nobody has signed in. Sign in again with an API key."""

    slug = "signed-out"


class TooManyTries(CallerProblem):
    """Too many tries to sign in. Wait for a minute, then try again."""

    slug = "too-many-tries"


class FormExpired(CallerProblem):
    """The form does not come from a page of this session.

    Open the page again and send the form from there.
    """

    slug = "form-expired"


class NotAllowed(CallerProblem):
    """The caller has not the scope for this. Ask the operator for the scope named in the detail."""

    slug = "scope-missing"


class UntrustedProxy(CallerProblem):
    """The request claims a client certificate as only a trusted proxy may.

    Send no Client-Cert header; connect by TLS with the certificate, or through the proxy.
    """

    slug = "untrusted-proxy"


class ForeignPage(CallerProblem):
    """The request comes from a web page, or for another host name.

    Call the server as localhost, from a program or from pages of its own console, or let it require
    authentication.
    """

    slug = "foreign-page"


class RateLimited(CallerProblem):
    """The relying party asks too often. Retry after the number of seconds in Retry-After."""

    slug = "rate-limited"


class QuotaExceeded(RateLimited):
    """The relying party has too many requests in hand.

    Retry after the number of seconds in Retry-After.
    """

    slug = "quota-exceeded"


class UnsupportedContentType(CallerProblem):
    """The request body has a content type govid does not read.

    Send one of the types that the detail names.
    """

    slug = "unsupported-content-type"


class BodyTooLarge(CallerProblem):
    """The request body is too large. Send a smaller photo, or a shorter text."""

    slug = "body-too-large"


class BodyTooSlow(CallerProblem):
    """The request body did not arrive in time.

    Send it again over a better connection, or send a smaller photo.
    """

    slug = "body-too-slow"


class HeadTooLarge(CallerProblem):
    """The request head is too large. Send fewer or shorter headers, and a shorter address."""

    slug = "head-too-large"


class MalformedRequest(CallerProblem):
    """What came is no HTTP request that has one meaning.

    Send HTTP/1.1 with one Host and one length of the body.
    """

    slug = "malformed-request"


class UpgradeNotSupported(CallerProblem):
    """The request has a body and asks for another protocol.

    Speak HTTP/1.1 without an Upgrade header, in Java by HttpClient.Version.HTTP_1_1; or use https.
    """

    slug = "upgrade-not-supported"


class NotFound(CallerProblem):
    """No such address. See /schema for all addresses; people begin at /console."""

    slug = "not-found"


class MethodNotAllowed(CallerProblem):
    """The address does not take this method. See /schema for the methods."""

    slug = "method-not-allowed"


class ClientGone(CallerProblem):
    """The client closed the connection before its request was whole. Send the request again."""

    slug = "client-gone"


class InvalidSettings(OperatorProblem):
    """The settings are not valid. Correct the setting named in the detail."""

    slug = "invalid-settings"


class ModelMissing(OperatorProblem):
    """A model file is missing. Run `govid models pull`."""

    slug = "model-missing"


class ModelDigestMismatch(OperatorProblem):
    """A model file does not have the digest its manifest states.

    Delete the file and run `govid models pull`; if it stays, do not trust its source.
    """

    slug = "model-digest-mismatch"


class ModelUnusable(OperatorProblem):
    """A model does not have the shape its manifest states.

    Correct the manifest, or use a model with 112x112 input and one embedding as output.
    """

    slug = "model-unusable"


class ProviderMissing(OperatorProblem):
    """A requested ONNX Runtime provider is not available.

    Install the runtime that has it (`make setup GPU=1`), or change GOVID_PROVIDERS.
    """

    slug = "provider-missing"


class RuntimeMissing(OperatorProblem):
    """The requested runtime is not installed.

    Install it (`pip install openvino`), or leave GOVID_RUNTIME at auto.
    """

    slug = "runtime-missing"


class PrecisionUnavailable(OperatorProblem):
    """The requested precision is not available here.

    Set GOVID_PRECISION=float32, or another precision that `govid doctor` lists; where somebody is
    enrolled, by `govid migrate start` on a machine that has the old one.
    """

    slug = "precision-unavailable"


class NotCalibrated(OperatorProblem):
    """The active model has no calibration, so no score can be turned into a decision.

    Run `govid calibrate --data FOLDER` for this model.
    """

    slug = "not-calibrated"


class ProfileUnavailable(OperatorProblem):
    """The use case needs a profile that this installation does not run.

    Run `govid models pull high_assurance`; then `govid migrate start --profile high_assurance`, or
    where nobody is enrolled set GOVID_PROFILE=high_assurance.
    """

    slug = "profile-unavailable"


class ModelNotServing(OperatorProblem):
    """The settings name another model than the one whose templates count.

    Set GOVID_PROFILE, GOVID_PRECISION (or leave it at auto) and GOVID_EMBEDDER to what `govid doctor`
    names and start anew; to change the model, run `govid migrate start` with those settings.
    """

    slug = "model-not-serving"


class LivenessUnavailable(OperatorProblem):
    """The use case demands a liveness check, which this govid does not have.

    Use another way to tell that the person is there, or a use case whose policy demands none.
    """

    slug = "liveness-unavailable"


class StoreUnavailable(OperatorProblem):
    """The record store cannot be read or written.

    Check the disk and the file permissions of the data folder, or that PostgreSQL runs and can be
    reached; retry afterwards.
    """

    slug = "store-unavailable"


class SealBroken(StoreUnavailable):
    """A template in the record store is damaged or was tampered with: it is not what govid sealed.

    Keep a copy of the database as evidence, find out who wrote to it, and restore a backup.
    """

    slug = "seal-broken"


class StoreDriverMissing(OperatorProblem):
    """The package that talks to the record store of the settings is not installed.

    Install it (`pip install 'psycopg[binary]'`), or unset GOVID_STORE_URL.
    """

    slug = "store-driver-missing"


class EncryptionKeyMissing(OperatorProblem):
    """A key that the templates are encrypted with is not here.

    Put the file of encryption keys back (keys/encryption.json of the data folder, or what
    GOVID_ENCRYPTION_KEYS_FILE names); without that key nobody can read what it protects.
    """

    slug = "encryption-key-missing"


class GalleryUnavailable(OperatorProblem):
    """The gallery cannot be searched.

    Look at /readyz and /v1/gallery for the reason; records are safe, retry afterwards.
    """

    slug = "gallery-unavailable"


class AuditBroken(OperatorProblem):
    """The audit is not what was written: a row was altered, moved or removed.

    Run `govid audit verify`; keep a copy of the database as evidence and restore a backup.
    """

    slug = "audit-broken"


class ClockDoubtful(OperatorProblem):
    """The clock is far from what the records show: nothing is erased by it.

    Set the clock (chrony, ntpd). If it is right, because nothing ran for so long: `govid retention run
    --trust-clock`, once.
    """

    slug = "clock-doubtful"


class SigningKeyForeign(OperatorProblem):
    """The signing key is not the one that these records were signed with.

    Put the key that the detail names back in its place, from its own backup, mode 0600. A new key
    follows by `govid audit keys rotate` alone, with the old one in place.
    """

    slug = "signing-key-foreign"


class SigningKeyGone(OperatorProblem):
    """The file of the signing key cannot be read.

    Restore it from its own backup, mode 0600, before the next start of a server: a new key proves
    nothing of what was signed.
    """

    slug = "signing-key-gone"


class SigningKeyRetired(OperatorProblem):
    """The signing key of this server was replaced by another one.

    Copy keys/signing.pem from the server where `govid audit keys rotate` ran, mode 0600.
    """

    slug = "signing-key-retired"


class StorageFull(OperatorProblem):
    """The disk of the record store is full.

    Free some space; reads go on meanwhile, and writes without a restart once there is some.
    """

    slug = "storage-full"


class DiskLow(StorageFull):
    """Less than 1 GiB is free in the data folder.

    Free some space: without any, nothing can be audited, and nothing is decided.
    """

    slug = "disk-low"


class NotReady(OperatorProblem):
    """The server is still loading its models and gallery. Wait until /readyz answers 200."""

    slug = "not-ready"


class IssuerUnreachable(OperatorProblem):
    """The public keys of the token issuer cannot be had.

    Check the setting jwks and the way to the issuer.
    """

    slug = "issuer-unreachable"


class Overloaded(OperatorProblem):
    """More requests wait than the server can answer in time.

    Retry after the number of seconds in Retry-After.
    """

    slug = "overloaded"


class UseCasesStale(OperatorProblem):
    """A use case file is wrong: all use cases stay as they were.

    The log names file and key; correct it, or take the file away.
    """

    slug = "use-cases-stale"


class ChoreFailing(OperatorProblem):
    """Checkpoints of the audit, announcements or erasures fail. The log has the reason."""

    slug = "chore-failing"


BY_SLUG: dict[str, type[ApiError]] = {
    "audit-broken": AuditBroken,
    "body-too-large": BodyTooLarge,
    "body-too-slow": BodyTooSlow,
    "case-closed": CaseClosed,
    "chore-failing": ChoreFailing,
    "client-gone": ClientGone,
    "clock-doubtful": ClockDoubtful,
    "disk-low": DiskLow,
    "duplicate-face": DuplicateFace,
    "encryption-key-missing": EncryptionKeyMissing,
    "face-not-detected": FaceNotDetected,
    "feedback-exists": FeedbackExists,
    "foreign-page": ForeignPage,
    "form-expired": FormExpired,
    "gallery-unavailable": GalleryUnavailable,
    "head-too-large": HeadTooLarge,
    "idempotency-key-reused": IdempotencyKeyReused,
    "internal-error": InternalError,
    "invalid-base64": InvalidBase64,
    "invalid-body": InvalidBody,
    "invalid-credential": InvalidCredential,
    "invalid-group": InvalidGroup,
    "invalid-idempotency-key": InvalidIdempotencyKey,
    "invalid-parameter": InvalidParameter,
    "invalid-receipt": InvalidReceipt,
    "invalid-settings": InvalidSettings,
    "invalid-subject-id": InvalidSubjectId,
    "invalid-template": InvalidTemplate,
    "issuer-unreachable": IssuerUnreachable,
    "job-ended": JobEnded,
    "job-running": JobRunning,
    "job-too-loose": JobTooLoose,
    "last-reference": LastReference,
    "liveness-unavailable": LivenessUnavailable,
    "low-quality": LowQuality,
    "malformed-body": MalformedBody,
    "malformed-request": MalformedRequest,
    "method-not-allowed": MethodNotAllowed,
    "model-digest-mismatch": ModelDigestMismatch,
    "model-missing": ModelMissing,
    "model-not-serving": ModelNotServing,
    "model-unusable": ModelUnusable,
    "multiple-faces": MultipleFaces,
    "no-comparable-reference": NoComparableReference,
    "not-calibrated": NotCalibrated,
    "not-found": NotFound,
    "not-ready": NotReady,
    "overloaded": Overloaded,
    "photo-animated": PhotoAnimated,
    "photo-decompression-bomb": DecompressionBomb,
    "photo-not-an-image": PhotoNotAnImage,
    "photo-not-kept": PhotoNotKept,
    "photo-too-large": PhotoTooLarge,
    "photo-too-many-pixels": PhotoTooManyPixels,
    "photo-too-small": PhotoTooSmall,
    "photo-truncated": PhotoTruncated,
    "precision-unavailable": PrecisionUnavailable,
    "profile-unavailable": ProfileUnavailable,
    "provider-missing": ProviderMissing,
    "quota-exceeded": QuotaExceeded,
    "rate-limited": RateLimited,
    "reference-too-old": ReferenceTooOld,
    "runtime-missing": RuntimeMissing,
    "scope-missing": NotAllowed,
    "seal-broken": SealBroken,
    "signed-out": SignedOut,
    "signing-key-foreign": SigningKeyForeign,
    "signing-key-gone": SigningKeyGone,
    "signing-key-retired": SigningKeyRetired,
    "storage-full": StorageFull,
    "store-driver-missing": StoreDriverMissing,
    "store-unavailable": StoreUnavailable,
    "subject-exists": SubjectExists,
    "subject-held": SubjectHeld,
    "subject-locked": SubjectLocked,
    "template-implausible": TemplateImplausible,
    "template-not-accepted": TemplateNotAccepted,
    "template-not-finite": TemplateNotFinite,
    "template-wrong-length": TemplateWrongLength,
    "template-wrong-model": TemplateWrongModel,
    "template-zero-norm": TemplateZeroNorm,
    "too-many-references": TooManyReferences,
    "too-many-tries": TooManyTries,
    "unauthenticated": Unauthenticated,
    "unknown-case": UnknownCase,
    "unknown-complaint": UnknownComplaint,
    "unknown-field": UnknownField,
    "unknown-job": UnknownJob,
    "unknown-reference": UnknownReference,
    "unknown-subject": UnknownSubject,
    "unknown-use-case": UnknownUseCase,
    "unlike-subject": UnlikeSubject,
    "unsupported-content-type": UnsupportedContentType,
    "untrusted-proxy": UntrustedProxy,
    "upgrade-not-supported": UpgradeNotSupported,
    "use-case-not-allowed": UseCaseNotAllowed,
    "use-cases-stale": UseCasesStale,
}
