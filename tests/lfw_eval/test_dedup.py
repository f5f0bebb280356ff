from __future__ import annotations

from pathlib import Path

import numpy as np

from govid.faces import FacePipeline
from lfw_eval.dedup import measure, text
from lfw_eval.embeddings import Embeddings
from tests.govid.dedup import support


def test_a_job_is_judged_by_the_labels(faces: FacePipeline) -> None:
    """Three people: one whole, one of whose photos one has no template, one under two names."""
    faces_of = support.people(3)
    people = {
        "whole": [Path("whole/whole_1.jpg"), Path("whole/whole_2.jpg"), Path("whole/whole_3.jpg")],
        "half": [Path("half/half_1.jpg"), Path("half/half_2.jpg")],
        "name": [Path("name/name_1.jpg")],
        "pseudonym": [Path("pseudonym/pseudonym_1.jpg")],
    }
    face = {"whole": 0, "half": 1, "name": 2, "pseudonym": 2}
    made: dict[Path, np.ndarray] = {
        photo: support.like(faces_of[face[person]], number)
        for number, (person, photos) in enumerate(people.items())
        for photo in photos
    }
    failed = people["half"][1]
    del made[failed]
    embeddings = Embeddings(by_photo=made, failures={failed: "face-not-detected"})
    figures = measure(faces, faces.settings, people, embeddings)
    assert (figures.photos, figures.people, figures.failures_to_acquire) == (7, 4, 1)
    assert (figures.pairs, figures.mated_pairs_found, figures.mated_pairs) == (4, 3, 4)
    assert (figures.false_pairs, figures.wrong_clusters, figures.people_in_wrong_clusters) == (1, 1, 2)
    assert (figures.people_with_several_photos, figures.people_in_one_cluster) == (2, 1)
    assert (figures.people_missed, figures.clusters, figures.cases) == (1, 2, 2)
    assert figures.highest_false_pairs[0][:2] == ("name_1", "pseudonym_1")
    assert "3 of 4 found" in text(figures)
