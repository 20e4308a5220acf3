"""A trained classifier as a file for other runtimes, each checked against the network that it came from."""
