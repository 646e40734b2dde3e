"""What a kilowatt-hour emits: one file per source of carbon intensity.

To add one: a file with `series(place, start_ns, end_ns, settings) -> Series`, which raises GridUnavailable, with a
remedy, where the source knows nothing of the place or does not answer, and nothing else. It gives the slots that touch
that time (Unix ns), each with how sure it is: "measured", "estimated", or "forecast" for what was foretold and has not
been replaced since. The figure comes with its band, basis, boundary, source and licence; what it is multiplied with,
it does not know. `zone(place)` says which of its grids a place is in, or None. Credentials are secret settings, which
go into headers and nowhere else. `bundled` is the one that needs no network.
"""
