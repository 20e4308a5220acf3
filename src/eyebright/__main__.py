"""`python -m eyebright` is `eyebright`."""

from eyebright.cli import main

if __name__ == "__main__":
    main()
