"""Groups of commands of ``govid``, a file each."""
