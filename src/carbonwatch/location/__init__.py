"""Where the machine is. No network is asked, unless the setting `locate` says so (search.py).

The first of these that says something: the settings, the variables of a cloud, Windows' region, the time zone. What
said it is kept as the place's evidence. A cloud's region counts although a laptop may have its variable, too, for
the provider's command line: if nothing else says that this is the cloud, the evidence names what contradicts it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache

from carbonwatch.errors import SettingsError
from carbonwatch.model import Place
from carbonwatch.settings import Settings
from carbonwatch.tables import Row, row, rows, rows_like, rows_with

# provider -> variables that name its region, and variables that only its own machines have
_CLOUDS = {
    "aws": (
        ("AWS_REGION", "AWS_DEFAULT_REGION"),
        (
            "AWS_EXECUTION_ENV",
            "AWS_LAMBDA_FUNCTION_NAME",
            "ECS_CONTAINER_METADATA_URI",
            "ECS_CONTAINER_METADATA_URI_V4",
            "AWS_BATCH_JOB_ID",
            "CODEBUILD_BUILD_ID",
        ),
    ),
    "gcp": (
        (
            "GOOGLE_CLOUD_REGION",
            "CLOUDSDK_COMPUTE_REGION",
            "FUNCTION_REGION",
            "CLOUD_ML_REGION",
            "CLOUDSDK_COMPUTE_ZONE",
        ),
        ("K_SERVICE", "CLOUD_RUN_JOB", "FUNCTION_TARGET", "GAE_ENV", "CLOUD_ML_JOB_ID"),
    ),
    "azure": (
        ("AZURE_REGION", "AZURE_LOCATION", "REGION_NAME"),
        ("WEBSITE_SITE_NAME", "WEBSITE_INSTANCE_ID", "FUNCTIONS_WORKER_RUNTIME", "AZUREML_RUN_ID", "AZ_BATCH_NODE_ID"),
    ),
}
_PROVIDERS = {"amazon": "aws", "google": "gcp", "gce": "gcp", "microsoft": "azure", **{name: name for name in _CLOUDS}}
# what regions newer than the tables begin with (Azure's hold a country's name)
_COUNTRIES_OF = {
    "aws": {"us": "US", "ca": "CA", "cn": "CN", "il": "IL", "mx": "MX"},
    "gcp": {"us": "US", "australia": "AU"},
    "azure": {"us": "US", "uk": "GB", "uae": "AE", "korea": "KR"},
}
# tables of regions inside countries -> the column of their codes
_REGIONS = {"subnational": "code", "zones_electricitymaps": "zone", "us_egrid_subregions": "code"}
_OTHERS_TOO = ("REGION_NAME", "FUNCTION_REGION")  # names that other programs may use for what they like
_LOCALTIME = "/etc/localtime"


def check(settings: Settings) -> None:
    """Raises SettingsError where country, region, cloud, place or point name nothing that is known."""
    _from_settings(settings)


def locate(
    settings: Settings,
    environ: Mapping[str, str] | None = None,
    *,
    root: str = "/",
    system_country: Callable[[], str | None] | None = None,
) -> Place:
    """The place, as far as can be told, and what told it."""
    environ = os.environ if environ is None else environ
    return (
        _from_settings(settings)
        or _from_cloud(environ, root)
        or _from_system((system_country or _windows_country)())
        or _from_time_zone(_time_zone(environ, root))
    )


def may_search(settings: Settings, environ: Mapping[str, str] | None = None) -> bool:
    """Whether the settings allow to ask a network, and neither they nor a cloud's variables say the place."""
    if settings.locate == "offline":
        return False
    return not _from_settings(settings) and not _from_cloud(os.environ if environ is None else environ, "/")


def _from_settings(settings: Settings) -> Place | None:
    country = None if settings.country is None else _wanted_country(settings.country)
    if settings.cloud is not None:
        place = _in_cloud(_wanted_cloud(settings.cloud), "setting cloud")
        return place if country in (None, place.country) else replace(place, evidence="setting cloud, before country")
    if settings.region is not None:
        return _wanted_region(settings.region, country)
    if settings.at is not None:
        return at(settings.at)
    if settings.place is not None:
        return named(settings.place)
    return Place(country, evidence="setting country") if country else None


@cache
def at(text: str) -> Place:
    """The place of a point, "45.7,4.8": country and state, or grid. Raises SettingsError."""
    from carbonwatch.location import towns

    near = towns.near(*towns.coordinates(text))
    if not near:
        return Place(evidence="setting at; the tables know no town near that point")
    first, *others = (_in_town(town) for town in near)
    elsewhere = [code for other in others for code in (other.subdivision or str(other.country), *other.candidates)]
    here = first.subdivision or first.country
    candidates = tuple(code for code in dict.fromkeys((*first.candidates, *elsewhere)) if code != here)
    return replace(first, candidates=candidates, evidence="setting at")


@cache
def named(text: str) -> Place:
    """The place of a name: a cloud region, a country, a state, a grid zone, or "Lyon, France". Raises SettingsError."""
    cloud = cloud_region(text)
    if cloud is not None:
        return _in_cloud(cloud, "setting place")
    country, state = _area(text)
    if country is not None:
        return Place(country, state, evidence="setting place")
    town = _wanted_town(text)
    return replace(_in_town(town), evidence=f"setting place: the town {town['name']}")


def _area(text: str) -> tuple[str | None, str | None]:
    """Country, and state or zone, of a code or a name; (None, None) if it is none."""
    country, state = country_code(text), region_code(text)
    if country is not None or state is None:
        return country, None
    return _country_of(state), state


def _wanted_town(text: str) -> Row:
    from carbonwatch.location import towns

    name, *rest = (part.strip() for part in text.split(","))
    areas = [_area_around(part, rest[-1]) for part in rest]
    unknown = [part for part, area in zip(rest, areas, strict=True) if area == (None, None)]
    found = towns.called(name, areas) if name and not unknown else []
    if rest and not found and not unknown:  # Georgia is a state, and a country
        found = towns.called(name, [_area(part) for part in rest])
    if len({_in_town(town) for town in found}) == 1:  # which of them is all the same to the grid
        return found[0]
    if found:
        there = "; or ".join(dict.fromkeys(f"{t['name']}, {t['subdivision'] or t['country']}" for t in found[:3]))
        raise SettingsError(f"place is {text!r}, and there are {len(found)} of that name. Say which: {there}.")
    near = (not rest and _suggest(name, _countries())) or _asked([] if unknown else towns.like(name))
    raise SettingsError(
        f"place is {text!r}, which is no place that is known{f': not {unknown[0]!r}' if unknown else ''}, so its grid "
        f"is not known either. {near or _PLACES}"
    )


_PLACES = (
    'Write a country, a state, a cloud region, or a town of 15,000 people or more and its country: "Lyon, France". '
    "For any other point: at=LATITUDE,LONGITUDE."
)


def _area_around(text: str, last: str) -> tuple[str | None, str | None]:
    """The area that a town is said to be in; "OR" and "Oregon" of the country that is named last, or of the USA."""
    for country in dict.fromkeys((country_code(last), "US")):
        state = region_code(text, country) if country else None
        if state is not None:
            return None, state
    return _area(text)


def _in_town(town: Row) -> Place:
    if town["subdivision"]:
        return Place(town["country"], town["subdivision"])
    zone = _from_time_zone(town["tz"])
    if zone.country == town["country"]:
        return zone
    return Place(town["country"], candidates=parts(town["country"]))


def _wanted_country(text: str) -> str:
    code = country_code(text)
    if code is None:
        raise SettingsError(
            f"country is {text!r}, which is no country that is known, so its grid is not known either. "
            + (_suggest(text, _countries()) or "Give its ISO code of two or three letters (FR, FRA), or its name.")
        )
    return code


def _wanted_region(text: str, country: str | None) -> Place:
    code = region_code(text, country)
    if code is not None:
        return Place(_country_of(code), code, evidence="setting region")
    elsewhere = region_code(text)
    if elsewhere is not None:
        raise SettingsError(
            f"region is {text!r}, which is {_label(elsewhere)}, but country is {country}: they can't both be right. "
            "Leave one of them out."
        )
    near = _suggest(text, {name: c for name, codes in _regions().items() for c in codes if _within(c, country)})
    if near or country is None or parts(country):
        raise SettingsError(
            f"region is {text!r}, which is no state, province or grid zone that is known"
            f"{f' in {country}' if country else ''}, so there is no figure for it. "
            + (near or "Give its ISO 3166-2 code (US-CA), or leave it out for the country's mean.")
        )
    return Place(country, evidence=f"setting country; the tables have no figure for the region {text!r}")


def _wanted_cloud(text: str) -> str:
    cloud = cloud_region(text)
    if cloud is None:
        known = {region["cloud"]: region["cloud"] for region in rows("cloud_regions")}
        raise SettingsError(
            f"cloud is {text!r}, which is no region of {', '.join(_CLOUDS)} that is known, so its grid is not known "
            f"either. {_suggest(text, known) or 'Give PROVIDER/REGION, as in aws/eu-west-3.'} "
            "For any other place, give its country instead: country=FR."
        )
    return cloud


def _suggest(text: str, known: Mapping[str, str]) -> str:
    """A question with the three codes whose names are nearest; "" where none is near."""
    from difflib import get_close_matches

    codes = {plain(name): code for name, code in known.items()}
    near = dict.fromkeys(codes[name] for name in get_close_matches(plain(text), codes, 3, 0.7))
    return _asked(map(_label, near))


def _asked(near: Iterable[str]) -> str:
    names = " or ".join(near)
    return f"Did you mean {names}?" if names else ""


def _label(code: str) -> str:
    """ "FR (France)" """
    for table in ("countries", *_REGIONS, "cloud_regions"):
        found = row(table, code)
        if found is not None:
            return f"{code} ({found['name']})"
    return code


def country_code(text: str) -> str | None:
    """ISO 3166 alpha-2 code of a country: from this code, from the one of three letters, or from its English name."""
    code = text.strip().upper()
    if len(code) == 2 and row("countries", code):
        return code
    return _country_called(text.strip())


@cache
def _country_called(name: str) -> str | None:
    wanted = plain(name)
    for country in rows_like("countries", name):
        if wanted in map(plain, _names(country)):
            return country["code"]
    return None


@cache
def _countries() -> dict[str, str]:
    """Names and alpha-3 codes of the countries, without case and accents -> their alpha-2 codes."""
    return {plain(name): country["code"] for country in rows("countries") for name in _names(country)}


def _names(country: Row) -> list[str]:
    if len(country["code"]) != 2:  # the world and Europe are no countries
        return []
    return [name for name in (country["iso3"], country["name"], *country["also"].split(";")) if name]


def region_code(text: str, country: str | None = None) -> str | None:
    """Code of a state, province or grid zone, from this code or its name; within a country, the code's end will do."""
    code = text.strip().upper()
    for each in (code, f"{country}-{code}"):
        if "-" in each and _within(each, country) and any(row(table, each) for table in _REGIONS):
            return each
    if _within("US", country) and row("us_egrid_subregions", f"US-{code}"):  # everybody knows them as CAMX alone
        return f"US-{code}"
    codes = [each for each in _regions_called(text) if _within(each, country)]
    return codes[0] if len(codes) == 1 else None


@cache
def _regions_called(name: str) -> tuple[str, ...]:
    """Codes of the states, provinces and grid zones of a name; a zone of a state's name is that state's."""
    wanted = plain(name)
    found = (
        region[key]
        for table, key in _REGIONS.items()
        for region in rows_like(table, name)
        if "-" in region[key] and plain(region["name"]) == wanted
    )
    return tuple(dict.fromkeys(found))


def _within(code: str, country: str | None) -> bool:
    return country is None or _country_of(code) == country


def _country_of(code: str) -> str:
    return code.partition("-")[0]


@cache
def _regions() -> dict[str, tuple[str, ...]]:
    """Names of states, provinces and grid zones -> their codes."""
    found: dict[str, tuple[str, ...]] = {}
    for table, key in _REGIONS.items():
        for region in rows(table):
            name, code = plain(region["name"]), region[key]
            if "-" in code and code not in found.get(name, ()):
                found[name] = (*found.get(name, ()), code)
    return found


def plain(text: str) -> str:
    """A name as it is looked up: letters and digits without case and accents: "Côte d'Ivoire" is "cotedivoire"."""
    text = text.casefold()
    if not text.isascii():
        from unicodedata import normalize

        text = normalize("NFKD", text)
    return "".join(filter(str.isalnum, text))


def cloud_region(text: str) -> str | None:
    """A cloud region as the tables name it, "aws/eu-west-3"; the provider may be left out, or have its longer name."""
    provider, slash, region = text.strip().lower().rpartition("/")
    providers = [_PROVIDERS.get(provider, "")] if slash else list(_CLOUDS)
    found = [cloud for each in providers if (cloud := _known_region(each, region))]
    return found[0] if len(found) == 1 else None


def _known_region(provider: str, text: str) -> str | None:
    """Also from a region's name for people ("West Europe") and from a zone inside it ("eu-west-3a", "us-east1-b")."""
    for region in (_joined(text), _bare(text)):
        if row("cloud_regions", f"{provider}/{region}"):
            return f"{provider}/{region}"
    return None


def _joined(text: str) -> str:
    return text.strip().lower().replace(" ", "")


def _bare(text: str) -> str:
    """A region, without the letter of a zone inside it."""
    region = _joined(text)
    without = region.rstrip("abcdef").rstrip("-")
    return without if without[-1:].isdigit() else region


def _in_cloud(cloud: str, evidence: str) -> Place:
    region = row("cloud_regions", cloud)
    assert region is not None
    return Place(region["country"], region["subdivision"] or None, cloud, evidence=evidence)


def in_cloud(provider: str, region: str, evidence: str) -> Place | None:
    """The place of a region as a provider names it, also of one that is newer than the tables; None if it is none."""
    cloud = _known_region(provider, region)
    if cloud is not None:
        return _in_cloud(cloud, evidence)
    found = _in_unknown(provider, evidence, region, sure=True)
    return found if found and found.cloud != provider else None


def _from_cloud(environ: Mapping[str, str], root: str) -> Place | None:
    named = sorted(_named_regions(environ), key=lambda each: not each[2])  # where it is sure that we are there, first
    for provider, variable, sure in named:
        cloud = _known_region(provider, environ[variable])
        if cloud is not None:
            place = _in_cloud(cloud, variable)
            return place if sure else _doubted(place, _from_time_zone(_time_zone(environ, root)))
        unknown = _in_unknown(provider, variable, environ[variable], sure)
        if unknown is not None:
            return unknown
    return None


def _named_regions(environ: Mapping[str, str]) -> Iterator[tuple[str, str, bool]]:
    for provider, (variables, proofs) in _CLOUDS.items():
        for variable in variables:
            if environ.get(variable):
                yield provider, variable, any(environ.get(proof) for proof in proofs)


def _doubted(place: Place, elsewhere: Place) -> Place:
    """The place, and in its band the country that the time zone tells, if that is another one."""
    if elsewhere.country in (None, place.country):
        return place
    evidence = f"{place.evidence}, although the {elsewhere.evidence} is in {elsewhere.country}"
    return replace(place, candidates=(str(elsewhere.country),), evidence=evidence)


def _in_unknown(provider: str, variable: str, value: str, sure: bool) -> Place | None:
    """A region that the tables lack: its country if its name tells, else nowhere. None if it is no region at all."""
    region = _bare(value)
    plain = region.replace("-", "").isalnum() and region.isascii() and len(region) < 40
    # AWS_REGION is also "auto" or "local", for what is no cloud of theirs; only Azure's regions are a plain word
    likely = plain and (provider == "azure" or ("-" in region and region[-1].isdigit()))
    if not sure and (variable in _OTHERS_TOO or not likely):
        return None
    country = _country_named(provider, region) if plain else None
    known = f"only the country of {region}" if country else f"no region {region if plain else 'of that name'}"
    return Place(
        country,
        cloud=f"{provider}/{region}" if plain else provider,
        candidates=parts(country),
        evidence=f"{variable}; the tables know {known}",
    )


@cache
def _country_named(provider: str, region: str) -> str | None:
    if provider != "azure":
        return _COUNTRIES_OF[provider].get(region.partition("-")[0].rstrip("0123456789"))
    # the longest, for there is an Oman in Romania
    names = [name for name in _countries() if len(name) > 3 and name in region]
    if names:
        return _countries()[max(names, key=len)]
    stem = region.rstrip("0123456789")
    for name, code in _COUNTRIES_OF[provider].items():
        if stem.startswith(name) or stem.endswith(name):
            return code
    return None


@cache
def parts(country: str | None) -> tuple[str, ...]:
    """Every state or province that there is a figure for: where only the country is sure, it may be any of them."""
    return tuple(r["code"] for r in rows_with("subnational", f",{country},") if r["country"] == country)


def _from_system(country: str | None) -> Place | None:
    if country is None or len(country) != 2 or row("countries", country) is None:  # the system may say "001", the world
        return None
    return Place(country, candidates=parts(country), evidence="region set in Windows")


def _windows_country() -> str | None:
    # Windows has one time zone for many countries, and so it is asked for the country
    if sys.platform != "win32":
        return None
    import ctypes

    name = ctypes.create_unicode_buffer(16)
    try:
        length = ctypes.windll.kernel32.GetUserDefaultGeoName(name, len(name))
    except AttributeError:  # older than Windows 10 1709
        return None
    return name.value if length else None


def _time_zone(environ: Mapping[str, str], root: str) -> str:
    """The IANA name of the time zone; "" where there is none. Only a link tells it: the zone's file has no name."""
    name = environ.get("TZ", "").removeprefix(":")
    if not name or name == _LOCALTIME:
        name = _link(os.path.join(root, _LOCALTIME[1:])) or _first_line(os.path.join(root, "etc", "timezone"))
    name = name.rpartition("zoneinfo/")[2]
    return name.removeprefix("posix/").removeprefix("right/")


def _link(path: str) -> str:
    # one step alone: the zone's file may itself be a link, and to another country's zone
    try:
        target = os.readlink(path)
    except (OSError, ValueError):
        return ""
    return target if "zoneinfo/" in target else ""


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.readline().strip()
    except (OSError, ValueError):
        return ""


def _from_time_zone(name: str) -> Place:
    zone = row("timezones", name) if name else None
    if zone is None:
        return Place()
    if not zone["country"]:
        return Place(evidence=f"the time zone {name} says nothing of where this machine is")
    return Place(
        zone["country"],
        zone["subdivision"] or _own_zone(zone),
        candidates=tuple(zone["candidates"].split()),
        evidence=f"time zone {name}",
    )


def _own_zone(zone: Row) -> str | None:
    """The grid zone of a time zone, where the country has more than one."""
    return zone["em_zone"] if zone["em_zone"] not in ("", zone["country"]) else None
