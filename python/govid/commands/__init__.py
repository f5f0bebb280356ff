"""Groups of ``govid`` sub-commands, one file each."""
