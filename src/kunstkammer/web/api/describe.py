"""What the OpenAPI description says beyond the routes' own types: problems, uploads, who may ask."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from kunstkammer.web.doors.identity import CSRF_HEADER
from kunstkammer.web.problems import KINDS, MEDIA_TYPE

PREFIX = "/api/v1"
_EVERYWHERE = ("bad-request", "sign-in", "wrong-host", "too-many-requests", "fault", "busy", "storage-down")
_RETRY = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}
_REF = {"$ref": "#/components/schemas/Problem"}

DESCRIPTION = """\
Upload pictures, ask models about them, see why they answer so, correct and delete. You see your own pictures
only: those of your session cookie, or of your token. With a cookie, requests that change something must carry its
X-CSRF-Token (`GET /api/v1/session`). Every error is a problem document (RFC 9457); `GET /api/v1/problems` lists their
kinds."""

Responses = dict[int | str, dict[str, Any]]


def problems(*kinds: str, besides: Responses | None = None) -> Responses:
    """Return what a route may answer: `besides`, these kinds of problems, and those that any route may have."""
    found = dict(besides or {})
    for kind in (*kinds, *_EVERYWHERE):
        status = KINDS[kind].status
        before = found.get(status, {}).get("description")
        description = f"{before}; {KINDS[kind].title}" if before else KINDS[kind].title
        found[status] = {"description": description, "content": {MEDIA_TYPE: {"schema": _REF}}}
        if status in (429, 503):
            found[status]["headers"] = _RETRY
    return dict(sorted(found.items(), key=lambda item: str(item[0])))


def picture_answer(description: str, *types: str) -> dict[str, Any]:
    """Return the description of an answer that is a file."""
    etag = {"ETag": {"description": "Changes with the content.", "schema": {"type": "string"}}}
    schema = {"type": "string", "format": "binary"}
    return {"description": description, "headers": etag, "content": {name: {"schema": schema} for name in types}}


NOT_MODIFIED: Responses = {304: {"description": "You have it already."}}


def files_body(max_files: str = "as many as the server allows") -> dict[str, Any]:
    """Return the description of a request that brings pictures."""
    picture = {"type": "string", "format": "binary", "description": "A picture with its file name."}
    schema = {
        "type": "object",
        "required": ["files"],
        "properties": {
            "files": {"type": "array", "items": picture, "minItems": 1, "description": f"Pictures, {max_files}."}
        },
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def describe(app: FastAPI, cookie: str) -> dict[str, Any]:
    """Return the OpenAPI description (made once)."""
    if app.openapi_schema:
        return app.openapi_schema
    from kunstkammer.web.api.schemas import Problem

    found = get_openapi(
        title="Kunstkammer", version=app.version, description=DESCRIPTION, routes=app.routes, openapi_version="3.1.0"
    )
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    schemas |= schema.pop("$defs", {}) | {"Problem": schema}
    found["components"]["securitySchemes"] = {
        "session": {"type": "apiKey", "in": "cookie", "name": cookie, "description": "Set by the first answer."},
        "csrf": {"type": "apiKey", "in": "header", "name": CSRF_HEADER, "description": "`csrf` of GET session."},
        "token": {"type": "http", "scheme": "bearer", "description": "Made by the admin."},
    }
    for item in found["paths"].values():
        for method, operation in item.items():
            cookie_way: dict[str, list[str]] = {name: [] for name in ("session", "csrf")[: 1 + (method != "get")]}
            nobody: list[dict[str, list[str]]] = [] if operation.pop("x-admin", False) else [{}]
            operation["security"] = [*nobody, {"token": []}, cookie_way]
    _link(found["paths"], f"{PREFIX}/pictures", "post", "201", "id", "$response.body#/pictures/0/id")
    _link(found["paths"], f"{PREFIX}/jobs", "post", "202", "id", "$response.body#/id")
    _link(found["paths"], f"{PREFIX}/models", "get", "200", "model", "$response.body#/models/0/name")
    app.openapi_schema = found
    return found


def _link(paths: dict[str, Any], path: str, method: str, status: str, parameter: str, where: str) -> None:
    """Say where the parameter of every address below `path` comes from."""
    links = paths[path][method]["responses"][status].setdefault("links", {})
    for other, item in paths.items():
        if other.startswith(f"{path}/{{{parameter}}}"):
            for operation in item.values():
                links[operation["operationId"]] = {
                    "operationId": operation["operationId"],
                    "parameters": {parameter: where},
                }
