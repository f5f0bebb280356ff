"""Groups of the command line, a file each; ``govid.cli`` puts them together."""
