"""What a citizen keeps of an erasure: a signed statement of what is gone, without a name or a face."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from govid.errors import InvalidReceipt
from govid.ledger.signing import ISSUER, Signer, Verifier
from govid.store.erasures import Erased, Mark

KIND = "govid-erasure+jws"
REFERENCE_KIND = "govid-reference-erasure+jws"
"""Another kind: a reader that knows whole subjects alone must not take it for one of theirs."""


class Erasure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The claims of the receipt of an erasure. Digests are hexadecimal."""

    iss: str
    jti: Annotated[str, Meta(description="Request id: under it the audit has the erasure")]
    iat: Annotated[int, Meta(description="Time of the erasure, seconds since the epoch")]
    caller: Annotated[str, Meta(description="Who asked for it")]
    subject: Annotated[str, Meta(description="Pseudonym, as in the receipts of decisions about this subject")]
    references: Annotated[int, Meta(description="References that were deleted, each with its templates")]
    photos: Annotated[int, Meta(description="Photos that were deleted")]
    data_key: Annotated[
        str,
        Meta(
            description="Fingerprint of the subject's key, which names it in old backups; the key was "
            "destroyed, unless a single reference was erased"
        ),
    ]
    key_id: Annotated[str, Meta(description="Key-encryption key that it was wrapped with")]
    audit: Annotated[str, Meta(description="Digest of the audit row")]
    reference: Annotated[
        int | None, Meta(description="The one reference that was erased; without it: the subject")
    ] = None
    enrolled_at: Annotated[
        float | None, Meta(description="When that reference was enrolled, seconds since the epoch")
    ] = None

    @property
    def mark(self) -> Mark:
        """What names the erasure in a copy of the store."""
        return Mark(bytes.fromhex(self.data_key), self.reference, self.enrolled_at)


def issue(signer: Signer, erased: Erased) -> str:
    """The receipt of an erasure, as a compact JWS. The same erasure always has the same one."""
    erasure = Erasure(
        iss=ISSUER,
        jti=erased.request_id,
        iat=int(erased.erased_at),
        caller=erased.caller or "",
        subject=signer.pseudonym(erased.subject_id),
        references=erased.references,
        photos=erased.photos,
        data_key=erased.fingerprint.hex(),
        key_id=erased.key_id,
        audit=erased.audit_digest.hex(),
        reference=erased.reference_id,
        enrolled_at=erased.enrolled_at,
    )
    return signer.sign(KIND if erasure.reference is None else REFERENCE_KIND, erasure)


def read(verifier: Verifier, token: str) -> Erasure:
    """The claims of the receipt of an erasure, of a subject or of a reference.

    Raises:
        InvalidReceipt: it is not one of this installation, or it was altered, or one kind of erasure is told
            in the words of the other.
    """
    of_reference = verifier.kind(token) == REFERENCE_KIND
    try:
        found = msgspec.convert(verifier.verify(REFERENCE_KIND if of_reference else KIND, token), Erasure)
    except msgspec.ValidationError as error:
        raise InvalidReceipt from error
    if any((value is not None) != of_reference for value in (found.reference, found.enrolled_at)):
        raise InvalidReceipt("it is a statement of another kind")
    return found
