"""Where photos were taken, in words: the nearest city of 15,000 people and more, a great one near it, the country.

GeoNames' cities (https://www.geonames.org, CC BY 4.0), made into a file by `tools/places.py`. What is found is derived
from a photo's coordinates, and found anew where these have changed. Letters: N photos, P places.
"""

import gzip
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eyebright.library.database import Library
from eyebright.library.tables import describe

FILE = Path(__file__).with_name("places.txt.gz")
IN_CITY_KM, IN_COUNTRY_KM = 50.0, 200.0
"""How far away the nearest city may be for its name, and for its country, to be said of a photo."""
GREAT, GREAT_KM = 300, 25.0
"""Thousands of people of a city whose name people say of all that lies so near it."""
EARTH_KM = 6371.0
AT_ONCE = 256
Floats = NDArray[np.float32]


class Place(NamedTuple):
    """In words; empty where it is too far from any."""

    city: str
    near: str
    """A great city, where that is another one."""
    country: str


def at(latitudes: Sequence[float], longitudes: Sequence[float]) -> list[Place]:
    """Of coordinates in degrees (N,).

    >>> at([48.8584, 48.8049, 0.0], [2.2945, 2.1204, -150.0])[1:]
    [Place(city='Versailles', near='Paris', country='France'), Place(city='', near='', country='')]
    """
    cities, where = table()
    great = [number for number, city in enumerate(cities) if city.people >= GREAT]  # the first ones
    asked = on_sphere(np.array(latitudes), np.array(longitudes))
    found = []
    for start in range(0, len(asked), AT_ONCE):
        near = asked[start : start + AT_ONCE] @ where.T
        around = near[:, : len(great)] >= np.cos(GREAT_KM / EARTH_KM)
        for row, best, some in zip(near, near.argmax(1).tolist(), around, strict=True):
            km = EARTH_KM * float(np.arccos(min(row[best], 1.0)))
            city, greatest = cities[best], int(some.argmax()) if some.any() else best
            found.append(
                Place(
                    city.name if km <= IN_CITY_KM else "",
                    cities[greatest].name if greatest != best else "",
                    city.country if km <= IN_COUNTRY_KM else "",
                )
            )
    return found


class City(NamedTuple):
    name: str
    country: str
    people: int
    """Thousands."""


@cache
def table() -> tuple[list[City], Floats]:
    """All cities, the largest first, and where they lie: (P, 3) on a sphere of radius 1."""
    rows = [line.split("\t") for line in gzip.decompress(FILE.read_bytes()).decode().splitlines()]
    places = np.array([(float(north), float(east)) for _, north, east, _, _ in rows])
    cities = [City(name, country, int(people)) for name, _, _, country, people in rows]
    return cities, on_sphere(places[:, 0], places[:, 1])


def on_sphere(latitudes: NDArray[np.float64], longitudes: NDArray[np.float64]) -> Floats:
    """(N, 3) of degrees (N,)."""
    north, east = np.radians(latitudes), np.radians(longitudes)
    return np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)], 1).astype(np.float32)


def refresh(library: Library) -> None:
    """Say in words where photos were taken that are new, or whose coordinates changed or were taken out."""
    photos = library.rows(
        "SELECT photo.id, photo.latitude, photo.longitude FROM photo LEFT JOIN place ON place.photo = photo.id "
        "WHERE photo.latitude IS NOT NULL "
        "AND (photo.latitude IS NOT place.latitude OR photo.longitude IS NOT place.longitude)"
    ).fetchall()
    lost = library.rows(
        "SELECT place.photo FROM place JOIN photo ON photo.id = place.photo WHERE photo.latitude IS NULL"
    ).fetchall()
    if not photos and not lost:
        return
    folders = [folder for (folder,) in library.rows("SELECT path FROM folder")]
    found = at([north for _, north, _ in photos], [east for _, _, east in photos])
    with library.writing() as connection:
        rows = [(*photo, *place) for photo, place in zip(photos, found, strict=True)]
        connection.executemany("INSERT OR REPLACE INTO place VALUES (?, ?, ?, ?, ?, ?)", rows)
        connection.executemany("DELETE FROM place WHERE photo = ?", lost)
        for number, *_ in (*photos, *lost):
            describe(connection, number, folders)
