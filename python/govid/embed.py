"""crop -> template: one inference, checked and brought to unit norm."""

from __future__ import annotations

import numpy as np

from govid import _core
from govid.errors import ModelUnusable
from govid.models import ModelSpec
from govid.types import CROP_SIDE, Image, InferenceSession, Template


class Embedder:
    """Turns aligned crops into templates of one model."""

    def __init__(self, spec: ModelSpec, session: InferenceSession) -> None:
        """Bind to a loaded embedder and run it once, which also warms it.

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
        first, second = (self.embed(picture).embedding for picture in noise)
        if np.array_equal(first, second):
            raise ModelUnusable(f"{spec.name}: gives the same embedding for different pictures")

    @property
    def model_id(self) -> str:
        """The id each template of this embedder carries."""
        return self._spec.model_id

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self._spec.dimension

    def embed(self, crop: Image) -> Template:
        """Embed one crop.

        Args:
            crop: (112, 112, 3) uint8 RGB.

        Raises:
            ModelUnusable: the output is not one finite, non-zero embedding of the manifest's length.
        """
        picture = crop if self._spec.channels == "RGB" else crop[:, :, ::-1]
        tensor = picture.transpose(2, 0, 1)[None].astype(np.float32)
        tensor = np.ascontiguousarray((tensor - self._spec.mean) / self._spec.scale, dtype=np.float32)
        outputs = self._session.run(tensor)
        if len(outputs) != 1 or outputs[0].shape != (1, self._spec.dimension):
            shapes = [list(output.shape) for output in outputs]
            raise ModelUnusable(f"{self._spec.name}: output is {shapes}, needs [[1, {self._spec.dimension}]]")
        try:
            return Template(self.model_id, _core.l2_normalize(outputs[0][0].astype(np.float32, copy=False)))
        except _core.CoreError as error:
            raise ModelUnusable(f"{self._spec.name}: output is {error.slug}") from error
