"""Groups of commands, one a file; ``cli.py`` adds them."""
