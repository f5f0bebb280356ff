"""Print the OpenAPI document of the routes as they are. Sorted, so that a diff shows only changes."""

import json
import sys

from server.app import create_app

if __name__ == "__main__":
    json.dump(
        create_app().openapi_schema.to_schema(), sys.stdout, indent=2, sort_keys=True, ensure_ascii=False
    )
    print()
