from __future__ import annotations

from artfs.vfs.attributes import Attributes
from artfs.vfs.listings import Listings
from artfs.vfs.node import Listed, Node


def rows(count: int) -> list[Listed]:
    return [Listed(str(number), Node(), Attributes(0, 0, 0, 0, 0)) for number in range(count)]


def test_the_listings_used_last_are_kept_while_there_is_room() -> None:
    listings = Listings(most_listed=10)
    listings.put("a", rows(4))
    listings.put("b", rows(4))
    assert listings.get("a") is not None
    listings.put("c", rows(4))
    assert listings.get("b") is None
    assert listings.get("a") is not None


def test_a_listing_larger_than_all_room_is_kept_until_the_next() -> None:
    listings = Listings(most_listed=10)
    large = listings.put("large", rows(50))
    assert listings.get("large") is large
    assert large.by_name["7"].name == "7"
    listings.put("small", rows(1))
    assert listings.get("large") is None
