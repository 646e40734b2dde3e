import os
import sys

from carbonwatch.folders import data_folder


def test_data_are_where_the_environment_says() -> None:
    assert sys.platform != "linux" or data_folder({"XDG_DATA_HOME": "/data"}) == "/data/carbonwatch"


def test_else_they_are_in_the_user_s_home() -> None:
    home = os.path.expanduser("~")

    assert data_folder({}).startswith(home)
    assert os.path.basename(data_folder({})) == "carbonwatch"
