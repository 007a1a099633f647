"""Serves the sounds of our own: a beep, silence and music. They are nobody's secret, so they need no link."""

from typing import Annotated, Final

from fastapi import APIRouter, Path
from servicekit.problems import ProblemError
from starlette.responses import Response

from voice_gateway.prompts import OWN_SOUNDS

DAY_SECONDS: Final = 86_400


def own_sounds_router() -> APIRouter:
    """`GET` and `HEAD /sounds/{name}.wav`; to be mounted below the service's prefix."""
    router = APIRouter(tags=["sounds"])

    async def serve(name: Annotated[str, Path(max_length=64)]) -> Response:
        if name not in OWN_SOUNDS:
            raise ProblemError(404, "sound_unknown", "There is no such sound.")
        return Response(
            OWN_SOUNDS[name](),
            media_type="audio/wav",
            headers={"cache-control": f"public, max-age={DAY_SECONDS}", "cross-origin-resource-policy": "cross-origin"},
        )

    router.get("/sounds/{name}.wav", summary="A sound of the gateway's own", response_class=Response)(serve)
    router.head("/sounds/{name}.wav", include_in_schema=False)(serve)
    return router
