"""govid over HTTP. Nothing outside this package and ``govid.client``, its counterpart, knows HTTP."""
