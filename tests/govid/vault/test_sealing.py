"""A sealed value opens with its key, its words and its every bit, or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from govid.errors import SealBroken
from govid.vault.sealing import OVERHEAD, binding, seal, unseal

KEY, OTHER = AESGCM(bytes(32)), AESGCM(bytes(31) + b"\1")
WORDS = st.lists(st.text(max_size=8) | st.floats(allow_nan=False, allow_infinity=False), max_size=4)


@given(st.binary(max_size=600), WORDS)
def test_what_was_sealed_comes_back(data: bytes, words: list[str | float]) -> None:
    sealed = seal(KEY, data, binding(*words))
    assert unseal(KEY, sealed, binding(*words)) == data
    assert len(sealed) == len(data) + OVERHEAD
    assert seal(KEY, data, binding(*words)) != sealed


@given(st.binary(max_size=64), WORDS, st.data())
def test_one_flipped_bit_or_a_missing_end_is_refused(
    data: bytes, words: list[str | float], draw: st.DataObject
) -> None:
    sealed = bytearray(seal(KEY, data, binding(*words)))
    bit = draw.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealBroken):
        unseal(KEY, bytes(sealed), binding(*words))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealBroken):
        unseal(KEY, bytes(sealed[: draw.draw(st.integers(0, len(sealed) - 1))]), binding(*words))


@given(st.binary(max_size=64), WORDS, WORDS)
def test_another_key_or_other_words_open_nothing(
    data: bytes, words: list[str | float], others: list[str | float]
) -> None:
    sealed = seal(KEY, data, binding(*words))
    with pytest.raises(SealBroken):
        unseal(OTHER, sealed, binding(*words))
    if others != words:
        with pytest.raises(SealBroken):
            unseal(KEY, sealed, binding(*others))


@given(WORDS, WORDS)
def test_other_words_never_bind_to_the_same(words: list[str | float], others: list[str | float]) -> None:
    # Minus zero is another number than zero.
    assert (binding(*words) == binding(*others)) == (repr(words) == repr(others))


def test_a_template_in_clear_is_not_taken_for_a_sealed_one() -> None:
    rows = np.random.default_rng(0).normal(size=(64, 129)).astype("<f4")
    for row in rows:
        with pytest.raises(SealBroken):
            unseal(KEY, b"\1" + row.tobytes()[1:], binding())
