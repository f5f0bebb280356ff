from __future__ import annotations

import contextlib
import io
import struct
import zlib
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
from hypothesis import given
from hypothesis import strategies as st

from govid.config import Settings
from govid.containers import with_plain_scans
from govid.decode import Decoder
from govid.errors import (
    PhotoAnimated,
    PhotoNotAnImage,
    PhotoTooLarge,
    PhotoTooManyPixels,
    PhotoTooSmall,
    PhotoTruncated,
    RefusedInput,
)
from tests.support import OBAMA, encoded

DECODER = Decoder(Settings())
RNG = np.random.default_rng(1)
PICTURE = PIL.Image.fromarray(RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8))


def test_a_png_comes_back_pixel_for_pixel() -> None:
    decoded = DECODER.decode(encoded(PICTURE))
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous
    np.testing.assert_array_equal(decoded, np.asarray(PICTURE))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(orientation: int) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    photo = encoded(PICTURE, "PNG", exif=exif)
    upright = PIL.ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(photo)))
    np.testing.assert_array_equal(DECODER.decode(photo), np.asarray(upright.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "RGB"])
def test_rows_that_are_converted_apart_fit_together(mode: str) -> None:
    picture = PIL.Image.fromarray(RNG.integers(0, 256, (300, 200, 4), dtype=np.uint8)).convert(mode)
    transparent: dict[str, Any] = {"transparency": 3} if mode in {"P", "L"} else {}
    decoded = DECODER.decode(encoded(picture, **transparent))
    opened = PIL.Image.open(io.BytesIO(encoded(picture, **transparent))).convert("RGBA")
    on_white = PIL.Image.new("RGB", opened.size, "white")
    on_white.paste(opened, mask=opened)
    np.testing.assert_array_equal(decoded, np.asarray(on_white))


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK"])
def test_other_colour_modes_become_rgb(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    assert DECODER.decode(encoded(PICTURE.convert(mode), kind)).shape == (40, 60, 3)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 1}])
def test_a_jpeg_has_the_pixels_that_pillow_gives(mode: str, options: dict[str, Any]) -> None:
    photo = encoded(PICTURE.convert(mode), "JPEG", **options)
    expected = np.asarray(PIL.Image.open(io.BytesIO(photo)).convert("RGB"))
    np.testing.assert_array_equal(DECODER.decode(photo), expected)


def test_numbers_of_a_scan_that_nobody_needs_may_be_wrong() -> None:
    # As Samsung phones write them now and then; libjpeg warns of them.
    photo = encoded(PICTURE, "JPEG")
    scan = photo.index(b"\xff\xda")
    end = scan + 2 + int.from_bytes(photo[scan + 2 : scan + 4], "big")
    odd = photo[: end - 3] + bytes(3) + photo[end:]
    np.testing.assert_array_equal(DECODER.decode(odd), DECODER.decode(photo))
    with pytest.raises(PhotoTruncated):
        DECODER.decode(odd[: end + (len(odd) - end) // 2] + b"\xff\xd9")


@pytest.mark.parametrize("kind", ["CMYK", "MPO"])
def test_further_kinds_of_jpeg_are_truncated_where_data_is_lost(kind: str) -> None:
    large = PICTURE.resize((240, 160))
    if kind == "MPO":
        photo = encoded(large, "MPO", save_all=True, append_images=[large])
        first = photo.index(b"\xff\xd8", 2)
        cut = photo[: first * 6 // 10] + b"\xff\xd9" + photo[first:]
    else:
        photo = encoded(large.convert("CMYK"), "JPEG")
        cut = photo[: len(photo) * 6 // 10] + b"\xff\xd9"
    assert DECODER.decode(photo).shape == (160, 240, 3)
    with pytest.raises(PhotoTruncated):
        DECODER.decode(cut)


def test_bytes_behind_the_end_of_a_jpeg_do_no_harm() -> None:
    photo = encoded(PICTURE, "JPEG")
    np.testing.assert_array_equal(DECODER.decode(photo + b"left by a phone"), DECODER.decode(photo))


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_jpeg_that_lost_data_but_kept_its_end_is_truncated(kept: float) -> None:
    photo = encoded(PICTURE.resize((240, 160)), "JPEG")
    with pytest.raises(PhotoTruncated):
        DECODER.decode(photo[: int(len(photo) * kept)] + b"\xff\xd9")


def test_sixteen_bit_grey_keeps_its_tones() -> None:
    ramp = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    decoded = DECODER.decode(encoded(PIL.Image.fromarray(ramp)))
    np.testing.assert_allclose(decoded[:, :, 0], ramp / 257, atol=1)


def test_transparent_pixels_are_white() -> None:
    layer = PICTURE.convert("RGBA")
    layer.putalpha(0)
    assert DECODER.decode(encoded(layer)).min() == 255


@pytest.mark.parametrize(
    ("photo", "error"),
    [
        (b"", PhotoNotAnImage),
        (b"not an image at all", PhotoNotAnImage),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", PhotoNotAnImage),
        (encoded(PICTURE, "GIF"), PhotoNotAnImage),
        (encoded(PICTURE, "TIFF"), PhotoNotAnImage),
        (encoded(PICTURE.resize((31, 200))), PhotoTooSmall),
        (OBAMA[: len(OBAMA) // 2], PhotoTruncated),
        (encoded(PICTURE)[:-40], PhotoTruncated),
        (encoded(PICTURE, "WEBP", save_all=True, append_images=[PICTURE.rotate(90)]), PhotoAnimated),
    ],
)
def test_what_is_no_whole_photo_is_refused(photo: bytes, error: type[RefusedInput]) -> None:
    with pytest.raises(error):
        DECODER.decode(photo)


def test_limits_come_from_the_settings() -> None:
    strict = Decoder(Settings(photo_max_bytes=1024, photo_max_pixels=2000))
    with pytest.raises(PhotoTooLarge):
        strict.decode(OBAMA)
    with pytest.raises(PhotoTooManyPixels, match="60 x 40"):
        strict.decode(encoded(PICTURE.convert("1")))


@given(st.integers(0, len(OBAMA) - 1), st.binary(min_size=1, max_size=64))
def test_damage_anywhere_is_refused_or_decoded_but_never_a_crash(place: int, junk: bytes) -> None:
    damaged = OBAMA[:place] + junk + OBAMA[place + len(junk) :]
    with contextlib.suppress(RefusedInput):
        assert DECODER.decode(damaged).dtype == np.uint8


@given(
    st.binary(max_size=2000),
    st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\0\0\0\0WEBPVP8 "]),
)
def test_junk_behind_a_known_signature_is_refused(junk: bytes, signature: bytes) -> None:
    with pytest.raises(RefusedInput):
        DECODER.decode(signature + junk)


@given(
    st.integers(0, 6),
    st.sampled_from([1, 2, 4, 8, 16]),
    st.binary(max_size=40),
    st.sampled_from(["tRNS", "PLTE", "eXIf", "iCCP"]),
)
def test_a_png_of_any_kind_with_right_checksums_is_decoded_or_refused(
    colour: int, depth: int, extra: bytes, kind: str
) -> None:
    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    photo = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 40, 40, depth, colour, 0, 0, 0))
        + chunk(kind.encode(), extra)
        + chunk(b"IDAT", zlib.compress(b"\0" * 40 * 400))
        + chunk(b"IEND", b"")
    )
    with contextlib.suppress(RefusedInput):
        assert DECODER.decode(photo).shape == (40, 40, 3)


def test_a_head_of_a_scan_that_is_cut_off_is_left_as_it_is() -> None:
    """Found by fuzzing: it was mended by bytes that nobody sent."""
    photo = encoded(PICTURE, "JPEG")
    scan = photo.index(b"\xff\xda")
    for end in range(scan, scan + 14):
        assert with_plain_scans(photo[:end]) == photo[:end]
