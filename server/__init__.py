"""govid over HTTP. Nothing outside this package knows HTTP."""
