"""Write the golden templates anew, after a wanted change of the pipeline: `python tests/golden/make.py`."""

from pathlib import Path

import numpy as np

from govid import Settings
from govid.faces import FacePipeline

HERE = Path(__file__).parent

if __name__ == "__main__":
    faces = FacePipeline(Settings())
    photos = sorted((HERE.parent.parent / "samples").glob("*.jpg"))
    np.savez(HERE / "templates.npz", **{p.stem: faces.sample(p).template.embedding for p in photos})
