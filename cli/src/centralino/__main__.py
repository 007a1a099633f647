"""`python -m centralino` is the command `centralino`."""

from centralino.app import main

main()
