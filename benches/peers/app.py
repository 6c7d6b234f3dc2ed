"""User profiles, to list and to get, as FastAPI's tutorial has one write it with SQLAlchemy: endpoints that block, a session for each request,
answers checked by pydantic."""

import base64
import hashlib
import os
from datetime import datetime
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import JSON, create_engine, select, tuple_
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

# A connection for each of the threads that endpoints run on.
engine = create_engine(f"sqlite:///{os.environ['DATABASE']}", pool_size=40)


class Base(DeclarativeBase):
    type_annotation_map = {dict: JSON, list: JSON}


class ApiKey(Base):
    __tablename__ = "api_keys"
    sha256: Mapped[str] = mapped_column(primary_key=True)


class Profile(Base):
    __tablename__ = "user_profiles"
    type = "user_profile"
    id: Mapped[str] = mapped_column(primary_key=True)
    access_type: Mapped[str]
    created_at: Mapped[str]
    enforcement_actions: Mapped[list]
    enforcement_status: Mapped[str]
    external_user_details: Mapped[dict]
    metadata_: Mapped[dict] = mapped_column("metadata")
    name: Mapped[str | None]
    programs: Mapped[dict]
    updated_at: Mapped[str]


class EnforcementAction(BaseModel):
    id: str
    action: str | None
    expires_at: datetime | None
    opened_at: datetime
    reason: str
    type: str


class ExternalUserDetails(BaseModel):
    account_status: str | None
    country: str | None
    email_hash: str | None
    entity_type: str | None
    name_hash: str | None
    onboarded_at: datetime | None
    reference_id: str | None


class Tier(BaseModel):
    status: str


class Cyber(BaseModel):
    requirements: dict[str, bool] | None
    status: str
    tiers: dict[str, Tier]


class Programs(BaseModel):
    cyber: Cyber | None
    efs: None


class UserProfile(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: str
    access_type: str
    created_at: datetime
    enforcement_actions: list[EnforcementAction]
    enforcement_status: str
    external_user_details: ExternalUserDetails
    metadata: dict[str, str] = Field(validation_alias="metadata_")
    name: str | None
    programs: Programs
    type: str
    updated_at: datetime


class UserProfileSummary(UserProfile):
    @field_validator("programs", mode="before")
    @classmethod
    def only_their_status(cls, programs: dict) -> dict:
        cyber = programs["cyber"]
        return {"cyber": cyber and {"requirements": None, "status": cyber["status"], "tiers": {}}, "efs": None}


class UserProfiles(BaseModel):
    data: list[UserProfileSummary]
    next_page: str | None


def get_session():
    with Session(engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(get_session)]


def authenticate(session: SessionDep, x_api_key: Annotated[str | None, Header()] = None, authorization: Annotated[str | None, Header()] = None):
    key = x_api_key or (authorization or "").removeprefix("Bearer ")
    if session.get(ApiKey, hashlib.sha256(key.encode()).hexdigest()) is None:
        raise HTTPException(401, "the key is not known")


app = FastAPI(dependencies=[Depends(authenticate)])


def read_token(page: str) -> list[str]:
    try:
        created_at, profile_id = base64.urlsafe_b64decode(page).decode().split(",")
    except ValueError as error:
        raise HTTPException(400, "page: is not a next_page of an answer") from error
    return [created_at, profile_id]


@app.get("/v1/user_profiles", response_model=UserProfiles)
def list_user_profiles(session: SessionDep, limit: Annotated[int, Query(ge=1, le=100)] = 20, page: str | None = None):
    query = select(Profile).order_by(Profile.created_at.desc(), Profile.id.desc()).limit(limit + 1)
    if page is not None:
        query = query.where(tuple_(Profile.created_at, Profile.id) < tuple_(*read_token(page)))
    found = session.scalars(query).all()
    profiles, more = found[:limit], len(found) > limit
    token = base64.urlsafe_b64encode(f"{profiles[-1].created_at},{profiles[-1].id}".encode()).decode() if more else None
    return {"data": profiles, "next_page": token}


@app.get("/v1/user_profiles/{profile_id}", response_model=UserProfile)
def get_user_profile(session: SessionDep, profile_id: str):
    profile = session.get(Profile, profile_id)
    if profile is None:
        raise HTTPException(404, "no such profile")
    return profile
