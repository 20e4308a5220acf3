"""Width, depth, input size and bits: what each combination is worth for what it costs, and which none beats."""

from eyebright.compression.frontier.points import Asked, Network, Point
from eyebright.compression.frontier.search import Found, frontier

__all__ = ["Asked", "Found", "Network", "Point", "frontier"]
