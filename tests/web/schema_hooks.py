"""What schemathesis cannot know by itself: that the files of the description are pictures."""

from __future__ import annotations

import schemathesis
from hypothesis import strategies as st

from tests.pictures.picture_files import one_of_each

schemathesis.openapi.format("binary", st.sampled_from(sorted(one_of_each().values())))
