"""A library: photos on this machine, what is in them, and what a person said of them."""

from eyebright.library.database import Library

__all__ = ["Library"]
