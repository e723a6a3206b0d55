"""What goes over the line as JSON: the records, less what is nobody's business."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from kunstkammer.web.records import JobStatus, ModelCard, Neighbour, Picture, ResultPage

MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "BMP": "image/bmp",
    "AVIF": "image/avif",
}
SHARE = Annotated[float, Field(ge=0, le=1)]


class Schema(BaseModel):
    """Base of all answers: made from the records by their attributes."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")


class Body(BaseModel):
    """Base of what a request brings: nothing is turned into another type, and no member is unknown."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ScoreOut(Schema):
    """One label of an answer."""

    label: str
    probability: SHARE = Field(description="Calibrated where the answer says so.")
    zero_r: SHARE | None = Field(description="The label's share in what the model learnt from.")
    chosen: bool = Field(description="Whether the model says it.")


class AnswerOut(Schema):
    """What a model says of a picture."""

    model: str
    version: str = Field(description="Another one whenever other weights are served under that name.")
    labels: list[str] = Field(description="What the model says.")
    scores: list[ScoreOut] = Field(description="Every label, the likeliest first.")
    calibrated: bool
    doubt: SHARE = Field(description="0: sure; 1: every label is as likely.")
    novelty: SHARE | None = Field(description="The share of training pictures that lie closer to the others.")


class CorrectionOut(Schema):
    """What a person says that a picture shows."""

    model: str
    labels: list[str]
    at: datetime


class CorrectionIn(Body):
    """The labels that are right: exactly one, or any of them for a model with many labels."""

    labels: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(max_length=1000)


class PictureOut(Schema):
    """One of your pictures."""

    id: str = Field(pattern="^[0-9a-f]{32}$")
    name: str
    media_type: str = Field(description="By content, whatever the name says.")
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    bytes: int = Field(ge=1)
    sha256: str
    at: datetime
    expires: datetime | None = Field(description="When it goes by itself.")
    answers: dict[str, AnswerOut] = Field(description="By model.")
    corrections: dict[str, CorrectionOut] = Field(description="By model.")

    @classmethod
    def of(cls, picture: Picture) -> PictureOut:
        """Make it from the record, whose visitor stays inside."""
        return cls(
            id=picture.id,
            name=picture.name,
            **facts_of(picture.facts),
            at=picture.at,
            expires=picture.expires,
            answers={model: AnswerOut.model_validate(answer) for model, answer in picture.answers.items()},
            corrections={model: CorrectionOut.model_validate(said) for model, said in picture.corrections.items()},
        )


class JobIn(Body):
    """A job to be done: a kind of the server's, and its parameters."""

    kind: str = Field(min_length=1, max_length=100, description='"explain": all your pictures by several methods.')
    parameters: dict[str, Any] = Field(
        default_factory=dict, description="Of `explain`: `model` (a name) and `methods` (a list), each may be left out."
    )


class JobOut(Schema):
    """Work that takes longer than a request."""

    id: str = Field(pattern="^[0-9a-f]{32}$")
    kind: str
    parameters: dict[str, Any] = Field(description="With all that was left out filled in.")
    status: JobStatus
    cancelling: bool = Field(description="It was cancelled, and ends after the step that runs.")
    done: int = Field(ge=0, description="Steps.")
    of: int = Field(ge=0, description="Steps in all.")
    message: str = Field(description="How it ended; empty where there is nothing to say.")
    results: int = Field(ge=0, description="Files in its result.")
    bytes: int = Field(ge=0, description="Of them; they count as your pictures do.")
    created: datetime
    started: datetime | None
    finished: datetime | None
    expires: datetime | None = Field(description="When it goes by itself, once it is finished.")


class JobsOut(Schema):
    """Your jobs, the newest first."""

    jobs: list[JobOut]


class Problem(BaseModel):
    """A problem (RFC 9457)."""

    type: str = Field(json_schema_extra={"format": "uri-reference"}, description="An address that explains the kind.")
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    errors: list[FieldError] | None = Field(None, description="Each member or parameter that is not valid.")
    problems: list[UploadProblem] | None = Field(None, description="Each picture that was not taken.")
    health: HealthOut | None = Field(None, description="Of a server that is not ready.")


class FieldError(Schema):
    """What is wrong with a part of a request."""

    location: list[str | int] = Field(description='Such as ["query", "limit"].')
    message: str


class UploadProblem(BaseModel):
    """A picture that was not taken, and why: a problem with the file's place and name."""

    index: int = Field(ge=0, description="Its place among the files of the request, from 0.")
    name: str
    type: str = Field(json_schema_extra={"format": "uri-reference"})
    title: str
    status: int = Field(ge=400, le=599)
    detail: str


class UploadsOut(Schema):
    """What became of the pictures that were sent."""

    pictures: list[PictureOut]
    problems: list[UploadProblem]


class PredictionOut(Schema):
    """What a model says of a picture that is not kept."""

    index: int = Field(ge=0)
    name: str
    media_type: str
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    bytes: int = Field(ge=1)
    sha256: str
    answer: AnswerOut


class PredictionsOut(Schema):
    """The answers to what was sent to be looked at and forgotten."""

    predictions: list[PredictionOut]
    problems: list[UploadProblem]


class PicturesOut(Schema):
    """A page of pictures, newest first."""

    pictures: list[PictureOut]
    total: int = Field(ge=0)
    next: str | None = Field(description="What to give as `after` for the next page.")

    @classmethod
    def of(cls, leaf: ResultPage[Picture]) -> PicturesOut:
        """Make it from the record."""
        return cls(pictures=[PictureOut.of(picture) for picture in leaf.items], total=leaf.total, next=leaf.next)


class NeighbourOut(Schema):
    """A training picture near to yours."""

    file: str
    labels: list[str]
    likeness: float = Field(description="Cosine of the features, -1 to 1.")
    thumbnail: str = Field(description="A data URL.")

    @classmethod
    def of(cls, near: Neighbour) -> NeighbourOut:
        """Make it from the record."""
        import base64

        url = f"data:{image_type(near.thumbnail)};base64,{base64.b64encode(near.thumbnail).decode()}"
        return cls(file=near.file, labels=list(near.labels), likeness=near.likeness, thumbnail=url)


class NeighboursOut(Schema):
    """The nearest training pictures, nearest first."""

    neighbours: list[NeighbourOut]


class ReviewItem(Schema):
    """A picture that a person should look at, and why."""

    picture: PictureOut
    reason: str


class ReviewOut(Schema):
    """What to look at next, the most urgent first."""

    pictures: list[ReviewItem]


class DeletedOut(Schema):
    """How many pictures are gone."""

    deleted: int = Field(ge=0)


class ModelOut(Schema):
    """A model that is, or should be, served."""

    name: str
    version: str
    labels: list[str]
    multi_label: bool
    zero_r: dict[str, SHARE]
    explainers: list[str]
    calibrated: bool
    has_neighbours: bool
    has_detector: bool
    has_report: bool
    broken: str | None = Field(description="Why it cannot answer.")
    facts: dict[str, Any]
    card: str = Field(description="The model card, Markdown.")

    @classmethod
    def of(cls, card: ModelCard) -> ModelOut:
        """Make it from the record."""
        return cls.model_validate(card)


class ModelsOut(Schema):
    """The models of this server."""

    models: list[ModelOut]


class ModelIn(Body):
    """A run to serve."""

    run: str = Field(min_length=1, max_length=4096, description="A run folder on the server.")
    name: str | None = Field(
        None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", description="What to serve it by; else the folder's name."
    )


class HealthOut(Schema):
    """How the server does."""

    live: bool
    ready: bool = Field(description="Whether pictures can be kept and at least one model answers.")
    version: str
    models: dict[str, bool] = Field(description="Whether each can answer.")
    waiting: int = Field(ge=0, description="Pictures that wait for a model.")


class LiveOut(Schema):
    """That the server runs."""

    live: bool


class SessionOut(Schema):
    """Your session."""

    admin: bool
    csrf: str = Field(description="What requests that change something must carry as X-CSRF-Token.")


class PasswordIn(Body):
    """The admin's password."""

    password: str = Field(min_length=1, max_length=1000, json_schema_extra={"format": "password"})


class TokenIn(Body):
    """A token to make."""

    name: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$", description="Who it is for.")
    admin: bool = False


class TokenOut(Schema):
    """A token; its secret was shown once."""

    id: str
    name: str
    admin: bool
    at: datetime


class NewTokenOut(Schema):
    """A token that was just made."""

    id: str
    name: str
    admin: bool
    secret: str = Field(description="Send it as `Authorization: Bearer ...`; it is not kept, and not shown again.")


class TokensOut(Schema):
    """All tokens."""

    tokens: list[TokenOut]


class KindOut(Schema):
    """A kind of problem."""

    type: str
    status: int
    title: str
    mend: str


class KindsOut(Schema):
    """All kinds of problems."""

    problems: list[KindOut]


def facts_of(facts: Any) -> dict[str, Any]:
    """Return what reading a picture told, as members of an answer."""
    return {
        "media_type": MEDIA_TYPES[facts.format],
        "width": facts.width,
        "height": facts.height,
        "bytes": facts.bytes,
        "sha256": facts.sha256,
    }


def image_type(data: bytes) -> str:
    """Return the media type of one of our own small pictures, by its first bytes."""
    from kunstkammer.pictures.sniff import format_of

    return MEDIA_TYPES.get(format_of(data[:512]) or "", "application/octet-stream")
