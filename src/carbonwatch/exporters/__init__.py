"""Where a finished run is written besides the store.

To add one: a file with `export(run, settings) -> None`, which writes the run to where its settings say. It may raise
OSError or CarbonwatchError: the tracker says so once, and the program that was measured goes on. It is also called at
each `flush()`, with a run that is `running`. What can be known before the run is refused by `check(settings)`, if there
is one: it raises SettingsError for a missing package or address.
"""
