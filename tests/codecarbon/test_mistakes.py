import pytest

from carbonwatch.codecarbon import EmissionsTracker
from carbonwatch.codecarbon.mistakes import NoSuchFolder, UnknownParameter
from carbonwatch.errors import SettingsError


def test_programs_that_try_again_without_a_parameter_may() -> None:
    with pytest.raises(TypeError, match="no parameter 'tracking_pids'") as caught:
        EmissionsTracker(tracking_pids=[1])

    assert caught.type is UnknownParameter
    assert issubclass(UnknownParameter, SettingsError)


def test_a_folder_that_is_not_there_is_an_error_of_the_system_too() -> None:
    with pytest.raises(OSError, match="output_dir is 'nowhere'") as caught:
        EmissionsTracker(output_dir="nowhere")

    assert caught.type is NoSuchFolder
    assert issubclass(NoSuchFolder, SettingsError)
    assert EmissionsTracker(output_dir="nowhere", save_to_file=False).stop() is None
