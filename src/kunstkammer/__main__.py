"""`python -m kunstkammer` is the command."""

from kunstkammer.cli import main

if __name__ == "__main__":
    main()
