"""bytes -> picture. Every byte is hostile: the header is judged before a pixel is unpacked."""

from __future__ import annotations

import io

import cv2
import numpy as np
import PIL.Image
import simplejpeg

from govid import large
from govid.config import Settings
from govid.containers import check_structure, with_plain_scans
from govid.errors import (
    DecompressionBomb,
    PhotoAnimated,
    PhotoNotAnImage,
    PhotoTooLarge,
    PhotoTooManyPixels,
    PhotoTooSmall,
    PhotoTruncated,
    RefusedInput,
)
from govid.types import Image

# What cameras, scanners and registries produce. Each further format is a further parser to attack.
FORMATS = ("JPEG", "PNG", "WEBP")
# MPO is what Pillow calls a JPEG with further pictures behind the first.
_JPEG = {"JPEG", "MPO"}
MIN_SIDE = 32

_EXIF_ORIENTATION = 0x0112
# EXIF 2.32, tag Orientation, which row and column of the sensor come first: whether rows and columns change
# places, and what is mirrored then (OpenCV: 1 left and right, 0 top and bottom, -1 both).
_UPRIGHT = {
    2: (False, 1),
    3: (False, -1),
    4: (False, 0),
    5: (True, None),
    6: (True, 1),
    7: (True, -1),
    8: (True, 0),
}
# Bytes a pixel that decoding takes at its peak: a progressive JPEG keeps its coefficients, one of inks is
# read by Pillow like PNG, and WebP draws on two canvases of four bytes.
_PEAK = {"RGB": 6, "L": 6, "PNG": 8, "WEBP": 17}
_MOST_PEAK = 8
# Rows converted at once: the whole picture would lie in memory once for each step.
_ROWS = 64


class Decoder:
    """Reads one photo within the limits of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._max_bytes = settings.photo_max_bytes
        self._max_pixels = settings.photo_max_pixels

    def decode(self, photo: bytes) -> Image:
        """Decode a JPEG, PNG or WebP file and turn it upright by its EXIF orientation.

        Returns:
            (height, width, 3) uint8 RGB, read-only.

        Raises:
            RefusedInput: a subclass that names what is wrong.
        """
        if len(photo) > self._max_bytes:
            raise PhotoTooLarge(f"{len(photo)} bytes, at most {self._max_bytes}")
        if not photo:
            raise PhotoNotAnImage("the file is empty")
        check_structure(photo)
        try:
            pixels, turn = self._decode(photo)
        except PIL.Image.DecompressionBombError:
            raise PhotoTooManyPixels(f"at most {self._max_pixels} pixels") from None
        except PIL.UnidentifiedImageError:
            raise PhotoNotAnImage(f"known formats are {', '.join(FORMATS)}") from None
        except (RefusedInput, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001
            # Pillow's own guard against compressed text and colour profiles that explode.
            if "decompressed data too large" in str(error).lower():
                raise DecompressionBomb from None
            # Pillow reports damaged data by any exception at all, assertions among them.
            raise PhotoTruncated from None
        if turn is not None:
            pixels = _turned(pixels, *turn)
        pixels.flags.writeable = False
        return pixels

    def _decode(self, photo: bytes) -> tuple[Image, tuple[bool, int | None] | None]:
        """The pixels as they are stored, and how to turn them."""
        with PIL.Image.open(io.BytesIO(photo), formats=FORMATS) as opened:
            width, height = opened.size
            if width * height > self._max_pixels:
                raise PhotoTooManyPixels(f"{width} x {height} pixels, at most {self._max_pixels}")
            if min(width, height) < MIN_SIDE:
                raise PhotoTooSmall(f"{width} x {height} pixels, at least {MIN_SIDE} x {MIN_SIDE}")
            if opened.format in {"PNG", "WEBP"} and getattr(opened, "is_animated", False):
                raise PhotoAnimated
            jpeg = opened.format in _JPEG
            peak = _PEAK.get(opened.mode if jpeg else opened.format or "", _MOST_PEAK)
            large.about_to_unpack(width * height * peak)
            pixels = _jpeg_pixels(photo, width, height) if jpeg else None
            if pixels is None or opened.mode not in {"L", "RGB"}:
                # Here damage shows; Pillow reports it only once, and its EXIF reader would swallow it.
                opened.load()
                pixels = None  # not beside those of the whole of Pillow's
                pixels = _rgb(opened)
            return pixels, _turn(opened)


def _jpeg_pixels(photo: bytes, width: int, height: int) -> Image:
    """A JPEG by libjpeg-turbo itself, which reports the damage that Pillow lets pass.

    The same pixels as Pillow's in half the time, where they are grey or colour (inks are left to Pillow);
    Pillow fills what is cut off with grey.

    Raises:
        PhotoTruncated: the header names another size than Pillow read: two readers of one file disagree.
        ValueError: the data ends early or is damaged in a way the decoder notices.
    """
    if simplejpeg.decode_jpeg_header(photo)[:2] != (height, width):
        raise PhotoTruncated
    pixels: Image = simplejpeg.decode_jpeg(with_plain_scans(photo), "RGB", strict=True)
    return pixels


def _turn(picture: PIL.Image.Image) -> tuple[bool, int | None] | None:
    try:
        orientation = picture.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - Pillow's EXIF reader raises anything
        return None  # a damaged EXIF block says nothing; the pixels may still be good
    return _UPRIGHT.get(orientation)


def _turned(pixels: Image, transposed: bool, mirrored: int | None) -> Image:
    if transposed:
        pixels = np.asarray(cv2.transpose(pixels), dtype=np.uint8)
    if mirrored is not None:
        cv2.flip(pixels, mirrored, dst=pixels)
    return pixels


def _rgb(picture: PIL.Image.Image) -> Image:
    """The pixels of a loaded picture of any mode."""
    width, height = picture.size
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    for top in range(0, height, _ROWS):
        rows = picture.crop((0, top, width, min(top + _ROWS, height)))
        pixels[top : top + _ROWS] = np.asarray(_to_rgb(rows))
    return pixels


def _to_rgb(picture: PIL.Image.Image) -> PIL.Image.Image:
    if picture.mode.startswith("I"):
        # 16-bit grey scans: keep the upper eight bits; Pillow's own conversion would clip to white.
        picture = PIL.Image.fromarray((np.asarray(picture) >> 8).clip(0, 255).astype(np.uint8))
    if picture.has_transparency_data:
        # What is transparent has colours nobody sees; on white the face is what a person would see.
        layer = picture.convert("RGBA")
        picture = PIL.Image.new("RGB", layer.size, "white")
        picture.paste(layer, mask=layer)
    return picture if picture.mode == "RGB" else picture.convert("RGB")
