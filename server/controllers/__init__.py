"""One file per resource: parse, call the pipeline, reply."""
