"""The operator console: pages made on the server, without a script, by the functions of the interface."""
