import os
import sys
from pathlib import Path

import numpy as np
import pytest

from calcimeasure.anatomy import find_anatomy

REPOSITORY = Path(__file__).resolve().parents[2]
BONES = Path(os.environ.get("CALCIMEASURE_BONES", REPOSITORY.parent / "shared" / "bones"))
CUBE_FACES = np.array([
    [0, 2, 1], [1, 2, 3], [4, 5, 6], [5, 7, 6], [0, 1, 4], [1, 5, 4], [2, 6, 3], [3, 6, 7], [0, 4, 2], [2, 4, 6],
    [1, 3, 5], [3, 7, 5],
])  # fmt: skip
CUBE = np.array([[x, y, z] for z in (0.0, 1.0) for y in (0.0, 1.0) for x in (0.0, 1.0)])


@pytest.fixture(autouse=True)
def training_scripts(monkeypatch):
    """The scripts import one another as plain modules."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "training"))


@pytest.fixture(scope="module")
def meshes():
    pytest.importorskip("trimesh", reason="trimesh is not installed (group training)")
    if not BONES.is_dir():
        pytest.skip(f"no meshes of bones in {BONES} (set CALCIMEASURE_BONES)")
    sys.path.insert(0, str(REPOSITORY / "training"))
    from mesh_hands import load_meshes

    yield load_meshes(BONES)
    sys.path.remove(str(REPOSITORY / "training"))


def test_a_ray_through_a_unit_cube_is_1_mm_long():
    from mesh_rays import ray_length

    length, where = ray_length(CUBE + np.array([2.0, 3.0, -7.0]), CUBE_FACES, ((100, 80), 0.1))
    assert where == (slice(30, 40), slice(20, 30))
    assert np.abs(length - 1).max() < 1e-6


@pytest.mark.parametrize("faces", [CUBE_FACES, CUBE_FACES[:, ::-1]])
def test_a_turned_cube_is_as_long_as_its_diagonal_and_keeps_its_volume(faces):
    from mesh_rays import ray_length
    from mesh_skeleton import rotation

    turned = 10 * (CUBE - 0.5) @ rotation(np.array([0.0, 1.0, 0.0]), np.pi / 4).T + [10.0, 10.0, 0.0]
    length, _ = ray_length(turned, faces, ((400, 400), 0.05))
    assert length.max() == pytest.approx(10 * np.sqrt(2), abs=0.06)
    assert length.sum() * 0.05**2 == pytest.approx(1000, rel=1e-3)


def test_every_mesh_keeps_its_volume_along_the_rays(meshes):
    from mesh_rays import ray_length

    for bone in meshes.bones:
        places = bone.vertices * [1, -1, 1] + [100, 160, 0]
        corners = places[bone.faces]
        volume = abs(np.einsum("ij,ij->", np.cross(corners[:, 0], corners[:, 1]), corners[:, 2])) / 6
        length, _ = ray_length(places, bone.faces, ((1600, 1000), 0.2))
        assert length.sum() * 0.2**2 == pytest.approx(volume, rel=2e-3), bone.name


def test_a_hand_is_found_and_one_seed_gives_the_same_film(meshes):
    from mesh_hands import mesh_hand

    (film, labels), (again, same) = (mesh_hand(np.random.default_rng(600_003), meshes) for _ in range(2))
    assert film.pixels.tobytes() == again.pixels.tobytes()
    assert labels.tobytes() == same.tobytes()
    assert labels.shape == film.shape
    assert labels.dtype == np.uint16
    assert labels.max() >= 1
    assert film.spacing.known
    anatomy = find_anatomy(film)
    assert anatomy.limb_count == 1
    assert 0.05 < np.mean(anatomy.bone[anatomy.limbs > 0]) < 0.7


def test_a_hand_without_deposits_has_an_empty_truth_whatever_else_is_dense(meshes):
    from mesh_hands import mesh_hand

    film, labels = mesh_hand(np.random.default_rng(600_002), meshes, deposits=False)
    assert film.pixels.std() > 0
    assert not labels.any()


def test_a_film_travels_to_another_process_with_the_folder_only(meshes):
    from multiprocessing.reduction import ForkingPickler

    assert len(ForkingPickler.dumps(meshes)) < 2000
