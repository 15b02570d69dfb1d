"""The moving picture of the demo: its bound is one."""

import numpy as np
import pytest

from emkit.demo.animation import Scene, frames_of
from emkit.demo.problem import run_demo
from emkit.demo.ways import document_way, faithful_way


@pytest.fixture(scope="module", params=["document", "faithful"])
def way(request):
    return document_way(0, 5) if request.param == "document" else faithful_way(12)


def test_the_bound_touches_the_log_likelihood_and_is_never_above(way):
    for t in range(way.last):
        assert way.bound(t, float(t)) == pytest.approx(way.log_likelihood(float(t)), rel=1e-12)
        for s in np.linspace(0, way.last, 7):
            assert way.bound(t, s) <= way.log_likelihood(s) + 1e-7


def test_the_m_step_goes_to_the_top_of_the_bound(way):
    for t in range(way.last):
        top = way.bound(t, t + 1.0)
        assert all(way.bound(t, t + 1.0 + step) <= top + 1e-7 for step in (-0.2, -0.05, 0.05) if t + 1 + step <= way.last)


def test_the_ways_end_where_they_should(way):
    if way.x.shape[1] == 1:
        np.testing.assert_allclose(way.steps[-1].components.means.ravel(), run_demo(0, 5).means[-1], rtol=1e-9)
    else:
        assert way.log_likelihood(float(way.last)) == pytest.approx(-1130.264, abs=0.01)


def test_a_scene_shows_what_holds_at_each_moment():
    scene = Scene(document_way(0, 3), faithful_way(4))
    assert scene.last == 4 and frames_of(4)[-1] == (4, 4.0)
    scene.show((2, 2.5))
    values, bound = scene.parts[0], scene.parts[1]
    assert values.means[0].get_xdata()[0] == pytest.approx(values.way.at(2.5).components.means[0, 0])
    assert bound.climber.get_data()[0] == [2.5]
    assert bound.climber.get_data()[1][0] == pytest.approx(bound.way.bound(2, 2.5) - bound.way.log_likelihood(2.0))
    colours = scene.parts[2].points.get_facecolors()
    expected = scene.colours(scene.parts[2].way.responsibilities(2)[:, 1])
    np.testing.assert_allclose(colours, expected)
    scene.show((4, 4.0))  # the first way is at its end
    assert values.means[1].get_xdata()[0] == values.way.steps[-1].components.means[1, 0]
