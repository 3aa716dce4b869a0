"""MLflow's model registry: models registered under a name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnn_sweeps.errors import ConfigError
from cnn_sweeps.tracking import params
from cnn_sweeps.tracking.errors import as_store_error
from cnn_sweeps.tracking.records import RunRecord
from cnn_sweeps.tracking.store import Store

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

NAME_HINT = "letters, digits, spaces and . _ - only, at most 100 of them, such as fashion"
NAME = re.compile(r"\w[\w. -]{0,98}[\w.-]|\w")
ALIAS_HINT = (
    "letters, digits, _ and - only, at most 100 of them, and neither latest nor v1, v2, ..., "
    "which MLflow reserves"
)
ALIAS = re.compile(r"(?!(?:latest|v\d+)$)[\w-]{1,100}", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version of a registered model.

    Attributes:
        name: of the registered model.
        number: of the version, from 1.
        new: whether it was made just now.
    """

    name: str
    number: int
    new: bool


def check_names(name: str, alias: str | None) -> None:
    """Refuse names that MLflow does not take, or that an address could not carry.

    Raises:
        ConfigError: which, and what is possible.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(f"{name!r} cannot be the name of a model.\n  Type {NAME_HINT}.")
    if alias is not None and not ALIAS.fullmatch(alias):
        raise ConfigError(f"{alias!r} cannot be an alias.\n  Type {ALIAS_HINT}; or champion.")


def register(
    store: Store, run: RunRecord, model_id: str, name: str, about: str, tags: Mapping[str, object]
) -> Version:
    """Make a stored model a version of a registered one; the same model is registered once.

    Args:
        store: where both are.
        run: that stored the model.
        model_id: MLflow's id of it.
        name: of the registered model, made where there is none.
        about: description of a version that has none, Markdown.
        tags: of the version.

    Raises:
        StoreError: the store refuses.
    """
    with as_store_error(store.address):
        # Its folder, and not models:/<id>, which MLflow would look up in the store of the process.
        source = store.client.get_logged_model(model_id).artifact_location
        known = _known(store, name, source)
        made = known or _made(store, name, source, run_id=run.run_id, model_id=model_id)
        number = str(made.version)
        if not made.description:  # a person may have changed it
            store.client.update_model_version(name, number, description=about)
        for tag, value in params.tags(tags).items():
            store.client.set_model_version_tag(name, number, tag, value)
    return Version(name=name, number=int(number), new=known is None)


def point(store: Store, version: Version, alias: str) -> None:
    """Have an alias of the registered model stand for this version, and for no other."""
    with as_store_error(store.address):
        store.client.set_registered_model_alias(version.name, alias, str(version.number))


def _known(store: Store, name: str, source: str) -> "ModelVersion | None":
    """The version that is this model already: the one with the same folder."""
    versions = store.client.search_model_versions(f"name = '{name}'")
    return next((found for found in versions if found.source == source), None)


def _made(store: Store, name: str, source: str, *, run_id: str, model_id: str) -> "ModelVersion":
    from mlflow.exceptions import MlflowException

    try:
        store.client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return store.client.create_model_version(
        name, source, run_id=run_id, model_id=model_id, await_creation_for=60
    )
