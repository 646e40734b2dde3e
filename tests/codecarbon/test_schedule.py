import threading

from carbonwatch.codecarbon.schedule import PeriodicScheduler


def test_a_function_is_called_until_it_is_stopped() -> None:
    called, enough = [], threading.Event()

    def note(*arguments: object) -> None:
        called.append(arguments)
        if len(called) == 3:
            enough.set()

    scheduler = PeriodicScheduler(note, 0.001, "a")
    before = scheduler._stopped
    scheduler.start()
    scheduler.start()

    assert enough.wait(60)
    assert (before, scheduler._stopped, called[:3]) == (True, False, [("a",)] * 3)
    scheduler.stop()
    scheduler.stop()
    assert scheduler._stopped
