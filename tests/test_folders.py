import os
import sys

from carbonwatch.folders import data_folder, settings_folder


def test_data_are_where_the_environment_says() -> None:
    assert sys.platform != "linux" or data_folder({"XDG_DATA_HOME": "/data"}) == "/data/carbonwatch"


def test_else_they_are_in_the_user_s_home() -> None:
    home = os.path.expanduser("~")

    assert data_folder({}).startswith(home)
    assert os.path.basename(data_folder({})) == "carbonwatch"


def test_settings_are_where_the_environment_says_and_else_in_the_user_s_home() -> None:
    assert settings_folder({"XDG_CONFIG_HOME": "/config"}) == "/config/carbonwatch"
    assert settings_folder({}) == os.path.join(os.path.expanduser("~"), ".config", "carbonwatch")
