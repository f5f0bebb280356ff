"""What the 1:N search of this process works on."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Request, get
from litestar.di import NamedDependency

from govid.gallery import GalleryStats
from server.openapi import problems
from server.service import Service


class GalleryController(Controller):
    """How many references, in which tier, at what cost, and how many mates it finds."""

    path = "/v1/gallery"
    tags = ("system",)

    @get(responses=problems(503))
    async def gallery(
        self, request: Request[Any, Any, Any], service: NamedDependency[Service]
    ) -> GalleryStats:
        """What searches work on: tier, size, memory and measured recall. It holds nothing about a person."""
        return await service.run(request, "gallery", lambda engine: engine.gallery.stats())
