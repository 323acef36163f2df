"""Outputs of many inputs: each its own.

    places -> [told_apart] -> places that differ -> [rivals] -> inputs that still get in the way

logo.gif and logo.png would both become logo.png: they keep their whole names
instead, logo.gif.png and logo.png.png.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

__all__ = ["rivals", "told_apart"]


def told_apart(
    places: Sequence[str],
    whole: Callable[[int], str],
    key: Callable[[str], Hashable] = str,
) -> list[str]:
    """Return the places, with `whole(i)` for those that several inputs would share.

    Parameters
    ----------
    places : one for each input; "" for one that goes nowhere
    whole : the place of an input that keeps its whole name
        That may hit upon yet another output's place, which then keeps its whole name too.
    key : what is the same for all spellings of a place

    >>> names = ["logo.gif", "logo.png", "face.png"]
    >>> told_apart(["logo.png", "logo.png", "face.png"], lambda i: names[i] + ".png")
    ['logo.gif.png', 'logo.png.png', 'face.png']
    """
    places = list(places)
    keys = [key(place) if place else "" for place in places]
    short = {i for i, place in enumerate(places) if place}
    while True:
        counts = Counter(keys)
        shared = [i for i in short if counts[keys[i]] > 1]
        if not shared:
            return places
        for i in shared:
            places[i] = whole(i)
            keys[i] = key(places[i])
        short.difference_update(shared)


def rivals(places: Iterable[Iterable[Hashable]]) -> Iterator[int | None]:
    """Yield, for each input's places, the first input that has taken one of them, or None.

    >>> list(rivals([["a.png"], ["b.png"], ["c.png", "a.png"], ["c.png"]]))
    [None, None, 0, None]
    """
    taken: dict[Hashable, int] = {}
    for i, mine in enumerate(places):
        held = list(mine)
        rival = next((taken[place] for place in held if place in taken), None)
        if rival is None:
            taken |= dict.fromkeys(held, i)
        yield rival
