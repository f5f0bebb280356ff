"""The operator console: pages made on the server, without a script, from what the HTTP interface is made of."""
