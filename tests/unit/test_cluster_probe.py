"""Why a cluster at an address cannot be used."""

import pytest
import ray
from ray._private.utils import check_version_info

from codeplan.on_ray.probe import explained


@pytest.mark.parametrize(
    ("versions", "there"),
    [
        ({"ray_version": ray.__version__, "python_version": "3.9.1"}, f"Ray {ray.__version__} on Python 3.9.1"),
        ({"ray_version": "2.9.0", "python_version": "3.12.0"}, "Ray 2.9.0 on Python 3.12.0"),
    ],
)
def test_other_versions_are_named(versions: dict[str, str], there: str) -> None:
    """In Ray's own words for it, which have several lines."""
    with pytest.raises(RuntimeError) as error:
        check_version_info(versions, "10.0.0.1")
    said = explained(error.value)
    assert f"the cluster runs {there}, and this process Ray {ray.__version__} on Python 3." in said
    assert "both must be the same" in said
    assert "token" not in said


def test_other_errors_keep_their_words_and_get_a_hint() -> None:
    assert explained(RuntimeError("no\nroute")).startswith("no route (a cluster that requires a token needs")
    assert explained(RuntimeError()).startswith("RuntimeError (")
