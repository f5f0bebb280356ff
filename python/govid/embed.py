"""crop -> template: one or more inferences, checked, brought to unit norm and fused."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from govid import _core
from govid.errors import ModelUnusable
from govid.models import ModelSpec
from govid.profiles import Profile
from govid.types import CROP_SIDE, Embedding, Image, InferenceSession, Template


def tensor_of(crop: Image, spec: ModelSpec) -> NDArray[np.float32]:
    """(112, 112, 3) uint8 RGB -> (1, 3, 112, 112) float32 as the model's manifest states."""
    picture = crop if spec.channels == "RGB" else crop[:, :, ::-1]
    tensor = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], dtype=np.float32)
    if spec.mean:
        tensor -= spec.mean
    if spec.scale != 1:
        tensor /= spec.scale
    return tensor


class Network:
    """One embedder: turns aligned crops into raw embeddings."""

    def __init__(self, spec: ModelSpec, session: InferenceSession) -> None:
        """Bind to a loaded embedder and run it twice, which also warms it.

        Raises:
            ModelUnusable: another input than (n, 3, 112, 112), another output than one embedding of the
                manifest's length, or an output that is zero, not finite or the same for every face.
        """
        self._spec = spec
        self._session = session
        shape = session.input_shape
        if len(shape) != 4 or tuple(shape[1:]) != (3, CROP_SIDE, CROP_SIDE):
            raise ModelUnusable(
                f"{spec.name}: input is {list(shape)}, needs [n, 3, {CROP_SIDE}, {CROP_SIDE}]"
            )
        rng = np.random.default_rng(0)
        noise = [rng.integers(0, 256, (CROP_SIDE, CROP_SIDE, 3), dtype=np.uint8) for _ in range(2)]
        first, second = (self.unit(self.run(picture)) for picture in noise)
        if np.array_equal(first, second):
            raise ModelUnusable(f"{spec.name}: gives the same embedding for different pictures")

    def run(self, crop: Image) -> Embedding:
        """(112, 112, 3) uint8 RGB -> (dimension,) float32 of any norm.

        Raises:
            ModelUnusable: the output is not one embedding of the manifest's length.
        """
        outputs = self._session.run(tensor_of(crop, self._spec))
        if len(outputs) != 1 or outputs[0].shape != (1, self._spec.dimension):
            shapes = [list(output.shape) for output in outputs]
            raise ModelUnusable(f"{self._spec.name}: output is {shapes}, needs [[1, {self._spec.dimension}]]")
        embedding: Embedding = outputs[0][0].astype(np.float32, copy=False)
        return embedding

    def unit(self, embedding: Embedding) -> Embedding:
        """The raw embedding at unit norm, with the constant of the manifest appended before.

        An embedder gives a face it can tell little of a small norm, and its directions are then found
        nearer to each other or farther apart by chance. With a constant c appended, the cosine of two
        embeddings a and b is (a b + c c) / sqrt((a a + c c) (b b + c c)): where the norms are small, the
        directions count for less. Otherwise one threshold lets more strangers in where norms are large
        and turns more of the right people away where they are small.

        Returns:
            (template_dimension,) float32.

        Raises:
            ModelUnusable: it is zero or not finite.
        """
        try:
            direction = _core.l2_normalize(embedding)
            if not self._spec.norm_constant:
                return direction
            # Below the floor the norm counts no further: everything would look like everything.
            norm = max(float(direction @ embedding), self._spec.norm_floor)
            return _core.l2_normalize(
                np.append(direction * np.float32(norm), np.float32(self._spec.norm_constant))
            )
        except _core.CoreError as error:
            raise ModelUnusable(f"{self._spec.name}: output is {error.slug}") from error


class Embedder:
    """Turns aligned crops into templates of any profile whose networks are loaded."""

    def __init__(self, networks: dict[str, Network]) -> None:
        """Bind to loaded networks, by the model id of each part."""
        self._networks = networks

    def embed(self, crop: Image, profile: Profile) -> Template:
        """Embed one crop.

        Args:
            crop: (112, 112, 3) uint8 RGB.

        Raises:
            ModelUnusable: an output is not one finite, non-zero embedding of the manifest's length.
        """
        fused = []
        for part in profile.parts:
            network = self._networks[part.model_id]
            fused.append(np.float32(part.weight**0.5) * network.unit(network.run(crop)))
        return Template(profile.model_id, _core.l2_normalize(np.concatenate(fused)))
