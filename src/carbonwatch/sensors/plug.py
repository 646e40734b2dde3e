"""The whole machine at the wall, by a smart plug.

## What it reads

Shelly of both generations, Tasmota, or a sensor of power in Home Assistant, asked every second over the network by a
thread of its own. Where the plug counts energy itself, that count decides: watts only tell how it was spread. A plug
holds all that the machine uses, so that no other meter is added to it.

## What it needs

`plug = "shelly=http://192.168.1.20"` (or tasmota=, shelly1=, home-assistant=), and with a password `plug_user` and
`plug_password`; a token of Home Assistant is a `plug_password` without a user.

## How good it is

±3 %, an assumption: makers say 1 to 2 % of power, and of a load of a few watts it is worse. What other devices on the
same socket use is in it.

## When it is missing

| it says | do |
|---|---|
| does not answer | open the plug's address in a browser on this machine: it may be in another network |
| refuses who asks | check `plug_user` and `plug_password` |
| answers something else than its kind does | check the kind: `shelly` is Gen 2 and later, `shelly1` Gen 1 |
"""

from __future__ import annotations

from carbonwatch.errors import SensorUnavailable
from carbonwatch.model import Domain
from carbonwatch.plugs import WAIT_S, Login, open_meter
from carbonwatch.sensors._slow import SlowMeter
from carbonwatch.settings import Settings

_ERROR = (-0.03, 0.03)
_EVERY_S = 1.0


def detect(settings: Settings) -> SlowMeter:
    """A meter of the machine behind the plug, which is asked before the run begins."""
    if settings.plug is None:
        raise SensorUnavailable("No plug is set.", 'Say which: plug = "shelly=http://192.168.1.20".')
    ask = open_meter(settings.plug, Login(settings.plug_user, settings.plug_password))
    source = f"smart plug ({settings.plug.partition('=')[0]})"  # where it is, is nobody's business who reads a report
    domain = Domain("plug:wall", "system", "measured", source, None, _ERROR, period_s=_EVERY_S)
    return SlowMeter([domain], lambda: {domain.id: ask()}, _EVERY_S).expect(WAIT_S)
