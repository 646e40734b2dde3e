"""A point or a town's name -> the country and, where grids differ inside it, the state: from a table, offline.

data/towns.csv has the towns of 15,000 people or more, data/town_names.csv what they are called, in other languages too.
Both are looked up by halves: towns lie in bands of one degree of latitude, and in a band from west to east. A point is
where its nearest town is; other countries and states with a town nearly as near are where it may be, too. The point
itself goes no further than this file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from carbonwatch.errors import SettingsError
from carbonwatch.location import plain
from carbonwatch.tables import Row, rows, rows_between, rows_named

# on the land that people live on, few places are further from a town
_FURTHEST_KM = 500.0
# a border may run between two towns that are about as near
_NEARLY, _NEARLY_KM = 1.5, 1.0
_EARTH_KM = 6371.0
_KM_PER_DEGREE = 111.0
_LIKELY = 4  # times as many people: the larger town of a name is meant
_FOREIGN = 0.05  # of its people count where another language calls it so


def coordinates(text: str) -> tuple[float, float]:
    """Latitude and longitude, in degrees, from "45.7,4.8". Raises SettingsError."""
    try:
        latitude, longitude = map(float, text.replace(",", " ").split())
    except ValueError:
        latitude = longitude = math.nan
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise SettingsError(
            f"at is {text!r}, which is no point on Earth. Write latitude,longitude in degrees, south and west below "
            "0: 45.7,4.8."
        )
    return latitude, longitude


def near(latitude: float, longitude: float) -> list[Row]:
    """The nearest town, and the nearest ones of other countries and states that may hold the point; [] at sea."""
    for reach_km in (_FURTHEST_KM / 10, _FURTHEST_KM / 3, _FURTHEST_KM):
        found = _nearest(latitude, longitude, reach_km)
        limit_km = _NEARLY * found[0][0] + _NEARLY_KM if found else math.inf
        if limit_km <= reach_km:  # else another may be nearly as near, and further than this
            return [town for distance_km, town in found if distance_km <= limit_km]
    return [town for distance_km, town in found if distance_km <= limit_km]


def _nearest(latitude: float, longitude: float, reach_km: float) -> list[tuple[float, Row]]:
    """The nearest town of each country, state and time zone within reach, the nearest first."""
    nearest: dict[str, tuple[float, Row]] = {}
    for town in _around(latitude, longitude, reach_km / _KM_PER_DEGREE):
        distance_km = _distance_km(latitude, longitude, float(town["lat"]), float(town["lon"]))
        region = town["subdivision"] or town["tz"] or town["country"]
        if distance_km <= min(reach_km, nearest.get(region, (math.inf, town))[0]):
            nearest[region] = (distance_km, town)
    return sorted(nearest.values(), key=lambda each: each[0])


def _around(latitude: float, longitude: float, reach: float) -> Iterator[Row]:
    """The towns within so many degrees of a point, and some more."""
    longitude = (longitude + 180) % 360 - 180
    for band in range(math.floor(latitude - reach), math.floor(latitude + reach) + 1):
        widest = math.cos(math.radians(min(90, max(abs(band), abs(band + 1)))))
        # nearer to a pole the same way is more degrees
        span = 180.0 if widest * 180 <= 2 * reach else 1.5 * reach / widest
        # beyond the date line it goes on from the other side
        for shift in (-360, 0, 360):
            west, east = longitude - span + shift, longitude + span + shift
            if west <= 180 and east >= -180:
                yield from rows_between("towns", _place_of, (band, west), (band, east))


def _place_of(line: bytes) -> tuple[int, float]:
    *_, latitude, longitude, _ = line.rsplit(b",", 3)
    return math.floor(float(latitude)), float(longitude)


def called(name: str, within: Iterable[tuple[str | None, str | None]]) -> list[Row]:
    """The towns of a name in all of these countries and states, the largest first; one alone where it stands out.

    A town's own name goes before those that other languages have for it, unless that one is far larger: Pekin is in
    Illinois, and Beijing.
    """
    wanted, key = list(within), plain(name)
    sizes = [
        (int(town["thousands"]) * (1 if plain(town["name"]) == key else _FOREIGN), town)
        for town in _named(key)
        if all(_is_in(town, *area) for area in wanted)
    ]
    sizes.sort(key=lambda each: -each[0])
    stands_out = len(sizes) > 1 and sizes[0][0] >= _LIKELY * sizes[1][0]
    return [town for _, town in (sizes[:1] if stands_out else sizes)]


def _named(key: str) -> list[Row]:
    points = [(float(each["lat"]), float(each["lon"])) for each in rows_named("town_names", key)]
    cells = [(math.floor(latitude), longitude) for latitude, longitude in points]
    return [
        town
        for (latitude, _), cell in zip(points, cells, strict=True)
        for town in rows_between("towns", _place_of, cell, cell)
        if float(town["lat"]) == latitude
    ]


def like(name: str) -> list[str]:
    """Towns whose name, in any language, is near to this one, as text."""
    from difflib import get_close_matches

    names = [each["name"] for each in rows("town_names")]
    near = get_close_matches(plain(name), names, 4, 0.8)
    return list(dict.fromkeys(f"{town['name']}, {town['country']}" for each in near for town in called(each, [])))[:2]


def _is_in(town: Row, country: str | None, state: str | None) -> bool:
    return (state is not None and town["subdivision"] == state) or (country is not None and town["country"] == country)


def _distance_km(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Along the surface, by the haversine formula."""
    a, b = math.radians(latitude), math.radians(other_latitude)
    half = math.sin((a - b) / 2) ** 2
    half += math.cos(a) * math.cos(b) * math.sin(math.radians(longitude - other_longitude) / 2) ** 2
    return 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(half)))
