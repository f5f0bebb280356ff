"""Receipts checked where they are, without asking the server."""

from __future__ import annotations

import base64
from typing import Never

import msgspec

from govid import errors
from govid.client.problems import InvalidReceipt
from govid.ledger import receipts, signing
from govid.ledger.receipts import Receipt
from govid.results import Identification, Verification
from govid.wire import Jwks, Problem


class _RequestId(msgspec.Struct):
    jti: str


def checked(receipt: str | Verification | Identification, keys: Jwks) -> Receipt:
    """The claims of a receipt; of a result, they must be that result's.

    Raises:
        InvalidReceipt: they are not, or none of the keys signed this.
    """
    token = receipt if isinstance(receipt, str) else receipt.receipt
    try:
        claims = receipts.read(signing.read_verifier({"keys": keys.keys}), token)
    except errors.InvalidReceipt as error:
        _refuse(error.detail)
    if not isinstance(receipt, str):
        said = (receipt.request_id, receipt.decision.value, receipt.use_case, receipt.policy)
        if (claims.jti, claims.decision, claims.use_case, claims.policy) != said:
            _refuse("it is the receipt of another decision")
    return claims


def request_id(token: str) -> str:
    """The request id in a receipt, unchecked: the server that it is sent to checks it.

    Raises:
        InvalidReceipt: there is none in it.
    """
    try:
        payload = token.split(".")[1]
        text = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        return msgspec.json.decode(text, type=_RequestId).jti
    except (ValueError, IndexError, msgspec.MsgspecError):
        _refuse("it is no JWS")


def _refuse(detail: str) -> Never:
    raise InvalidReceipt(
        Problem(
            type=f"urn:govid:problem:{InvalidReceipt.slug}",
            title=errors.InvalidReceipt.title,
            status=0,
            slug=InvalidReceipt.slug,
            request_id="",
            detail=detail,
            remedy=errors.InvalidReceipt.remedy,
        )
    ) from None
