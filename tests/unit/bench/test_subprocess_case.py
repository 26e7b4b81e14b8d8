"""The peak memory of a case does not include its parent's."""

import numpy as np
import pytest

from gapscope.bench.subprocess_case import in_child, peak_gib


@pytest.mark.slow
def test_the_peak_of_a_case_is_not_its_parents() -> None:
    large = np.ones(2**27)
    succeeded, output = in_child(
        "-c", "from gapscope.bench.subprocess_case import peak_gib; print(peak_gib())", timeout=60
    )
    assert succeeded
    assert 0 < float(output) < large.nbytes / 2**30 < peak_gib()
