import os

from hypothesis import given
from hypothesis import strategies as st

from carbonwatch import store
from carbonwatch.settings import Settings


def test_runs_are_kept_in_the_user_s_data_directory() -> None:
    assert store.path(Settings(), {"XDG_DATA_HOME": "/data"}) == "/data/carbonwatch/runs.db"
    assert store.path(Settings(), {}) == os.path.expanduser("~/.local/share/carbonwatch/runs.db")


def test_the_setting_moves_the_file() -> None:
    assert store.path(Settings(store="/tmp/x.db"), {"XDG_DATA_HOME": "/data"}) == "/tmp/x.db"
    assert store.path(Settings(store="~/x.db")) == os.path.expanduser("~/x.db")


@given(st.sampled_from(["none", "None", "NONE"]))
def test_none_keeps_nothing(word: str) -> None:
    assert store.path(Settings(store=word)) is None
