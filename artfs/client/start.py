"""Beginning and ending runs, and the calls that mean the current one: what `artfs.init`, `artfs.finish` and their like are."""

from __future__ import annotations

import os
from typing import Any, cast

from artfs.client.artifact import Artifact
from artfs.client.run import Aliases, Run
from artfs.client.run_config import as_config
from artfs.client.session import SESSION
from artfs.config import Config, load_config
from artfs.errors import NotFound, TypeNotValid, UserError
from artfs.model.records import RunRecord

#: Keywords of existing scripts that say nothing about artifacts. Others are refused, as a misspelled one would go unnoticed.
_WITHOUT_EFFECT = frozenset(
    {
        "allow_val_change",
        "anonymous",
        "config_exclude_keys",
        "config_include_keys",
        "dir",
        "force",
        "magic",
        "monitor_gym",
        "notes",
        "save_code",
        "settings",
        "sync_tensorboard",
        "tags",
        "tensorboard",
    }
)
_MODES = ("online", "offline", "shared")
_FINISH_PREVIOUS = (None, True, "default", "finish_previous")
_RETURN_PREVIOUS = (False, "return_previous")
_CREATE_NEW = "create_new"


def init(
    entity: str | None = None,
    project: str | None = None,
    *,
    name: str | None = None,
    job_type: str | None = None,
    group: str | None = None,
    config: Any = None,
    id: str | None = None,  # noqa: A002  the name of the parameter in the API this one follows
    mode: str | None = None,
    reinit: bool | str | None = None,
    resume: bool | str | None = None,
    **without_effect: Any,
) -> Run:
    """Begin a run: a step of a pipeline that logs and uses artifacts. Use it in a `with` block, or end it with `finish()`.

    `entity` and `project` default to the settings (`ARTFS_ENTITY`, `ARTFS_PROJECT`), `id` to `ARTFS_RUN_ID` or a new one; a run
    with a known id is gone on with (in `group`, if given), unless `resume="never"`. `config` is a dict or a namespace. A run that
    this thread began before is finished first, unless `reinit` is `"return_previous"` or `"create_new"`. `mode` may be `online`,
    `offline` or `shared`, which are the same here. `notes`, `tags`, `dir`, `settings` and the like of existing scripts have no
    effect.

    Raises UserError (a ValueError) for what cannot be, TypeError for a keyword that is not known.

        with artfs.init(project="bikes", job_type="train") as run:
            data = run.use_artifact("bike-dataset:latest").download()
    """
    unknown = sorted(set(without_effect) - _WITHOUT_EFFECT)
    if unknown:
        raise TypeError(f"init() got an unexpected keyword argument {unknown[0]!r}")
    if mode is not None and mode not in _MODES:
        raise UserError(
            f"mode={mode!r} is not possible: everything is logged, to where ARTFS_HOME says; use one of {', '.join(_MODES)}"
        )
    _check_reinit(reinit)
    previous = cast("Run | None", SESSION.own_run())
    if previous is not None and reinit in _RETURN_PREVIOUS:
        return previous
    stored = as_config(config)
    name, job_type, group = _text("name", name), _text("job_type", job_type), _text("group", group)
    settings = load_config({"entity": entity, "project": project, "run_id": id})
    if previous is not None and reinit != _CREATE_NEW:
        previous.finish()
    record = _find_run(settings, resume, group) or SESSION.repository(settings).registry.runs.create(
        settings.entity, settings.project, name=name, job_type=job_type, group=group, config=stored, run_id=settings.run_id
    )
    run = Run(settings, record, {**record.config, **stored})
    SESSION.begin(run, settings)
    return run


def current_run() -> Run | None:
    """The run that is going on: what `artfs.run` is."""
    return cast("Run | None", SESSION.current_run())


def finish(exit_code: int | None = None, quiet: bool | None = None) -> None:
    """Finish the current run, as `run.finish()`; without one, do nothing."""
    run = current_run()
    if run is not None:
        run.finish(exit_code, quiet)


def log_artifact(
    artifact_or_path: Artifact | str | os.PathLike[str],
    name: str | None = None,
    type: str | None = None,  # noqa: A002
    aliases: Aliases = None,
) -> Artifact:
    """Log an artifact to the current run, as `run.log_artifact()`. Raises UserError without one."""
    return _require_run("log_artifact").log_artifact(artifact_or_path, name, type, aliases)


def upsert_artifact(
    artifact_or_path: Artifact | str | os.PathLike[str],
    name: str | None = None,
    type: str | None = None,  # noqa: A002
    aliases: Aliases = None,
    distributed_id: str | None = None,
    *,
    overwrite: bool = False,
) -> Artifact:
    """Contribute an artifact in the current run, as `run.upsert_artifact()`. Raises UserError without one."""
    run = _require_run("upsert_artifact")
    return run.upsert_artifact(artifact_or_path, name, type, aliases, distributed_id, overwrite=overwrite)


def finish_artifact(
    artifact_or_path: Artifact | str | os.PathLike[str],
    name: str | None = None,
    type: str | None = None,  # noqa: A002
    aliases: Aliases = None,
    distributed_id: str | None = None,
    *,
    overwrite: bool = False,
) -> Artifact:
    """Finish what runs have contributed to in the current run, as `run.finish_artifact()`. Raises UserError without one."""
    run = _require_run("finish_artifact")
    return run.finish_artifact(artifact_or_path, name, type, aliases, distributed_id, overwrite=overwrite)


def use_artifact(
    artifact_or_name: Artifact | str,
    type: str | None = None,  # noqa: A002
    aliases: Aliases = None,
    use_as: str | None = None,
) -> Artifact:
    """Use an artifact in the current run, as `run.use_artifact()`. Raises UserError without one."""
    return _require_run("use_artifact").use_artifact(artifact_or_name, type, aliases, use_as)


def login(*_args: Any, **_keywords: Any) -> bool:
    """There is nothing to log in to: what the user of the process may reach is reachable. Returns True, for existing scripts."""
    return True


def _require_run(call: str) -> Run:
    run = current_run()
    if run is None:
        raise UserError(f"{call}() needs a run: begin one with artfs.init()")
    return run


def _text(keyword: str, value: object) -> str | None:
    """A word about the run, None where it says nothing; a number, such as that of a job, becomes text. Raises TypeNotValid."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value is not None and not isinstance(value, str):
        raise TypeNotValid(f"{keyword} must be text, not {type(value).__name__}")
    return value or None


def _check_reinit(reinit: bool | str | None) -> None:
    if reinit not in (*_FINISH_PREVIOUS, *_RETURN_PREVIOUS, _CREATE_NEW):
        raise UserError(f"reinit={reinit!r} is not possible: use 'finish_previous', 'return_previous' or 'create_new'")


def _find_run(settings: Config, resume: bool | str | None, group: str | None) -> RunRecord | None:
    """The run with the id of the settings, if there is one."""
    if settings.run_id is None:
        if resume == "must":
            raise UserError("resume='must' needs the id of the run that is to go on: pass id=")
        return None
    try:
        record = SESSION.repository(settings).registry.runs.get(settings.run_id)
    except NotFound:
        if resume == "must":
            raise
        return None
    if resume == "never":
        raise UserError(f"there is a run {settings.run_id!r} already: choose another id, or leave out resume='never'")
    if (record.entity, record.project) != (settings.entity, settings.project):
        raise UserError(f"the run {record.id!r} belongs to {record.entity}/{record.project}: choose another id, or that project")
    return SESSION.repository(settings).registry.runs.resume(record.id, group=group)
