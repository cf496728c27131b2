"""The choice of the person's own frames."""

import itertools

import numpy as np

from retac_node.ops.retrieve import cheapest_path, choose, squares


def test_the_path_is_the_cheapest_of_all() -> None:
    random = np.random.default_rng(0)
    distance, move = random.random((5, 3)).astype(np.float32), random.random((3, 3)).astype(np.float32)

    def cost(path: tuple[int, ...]) -> float:
        return sum(distance[u, m] for u, m in enumerate(path)) + sum(move[a, b] for a, b in itertools.pairwise(path))

    best = min(itertools.product(range(3), repeat=5), key=cost)
    assert tuple(cheapest_path(distance, move)) == best


def test_frames_of_the_memory_are_found_again_in_order() -> None:
    held = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    order = np.arange(30, dtype=np.int32)
    choice = choose(held[5:20], held, order, np.zeros(30, np.float32), candidates=3)
    np.testing.assert_array_equal(choice.index[:, 0], np.arange(5, 20))
    np.testing.assert_allclose(choice.weight.sum(1), 1, rtol=1e-5)


def test_a_blurred_frame_is_passed_over() -> None:
    held = np.zeros((4, 2), np.float32)
    cost = np.array([0.5, 0.5, 0.0, 0.5], np.float32)
    choice = choose(held, held, np.arange(4, dtype=np.int32), cost, candidates=1)
    assert (choice.index == 2).all()


def test_a_memory_smaller_than_the_candidates_will_do() -> None:
    held = np.zeros((1, 2), np.float32)
    assert choose(
        np.zeros((3, 2), np.float32), held, np.zeros(1, np.int32), np.zeros(1, np.float32), 3
    ).index.shape == (3, 1)


def test_squares_are_squared_distances() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 4, 3))
    np.testing.assert_allclose(squares(a, b), ((a[:, None] - b[None]) ** 2).sum(-1), atol=1e-9)
