"""Find an application by its path: `package.module:app`, `package.module`, or `file.py`."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from heijunka.app.application import Heijunka
from heijunka.app.default import default_app
from heijunka.errors import AppNotFound


def load_app(path: str) -> Heijunka:
    """The application at `path`.

    Parameters:
        path: `package.module:attribute`; without an attribute the module's only application, or the
            default one when the module defines its tasks with `heijunka.task`. A file works too:
            `tasks.py:app`. Both are looked for from the current directory.

    Returns:
        The application; its module has been imported.

    Raises:
        AppNotFound: there is no such module, attribute or application.
        Exception: whatever the module itself raises when it is imported.

    Example:
        >>> load_app("shop.tasks:app")  # doctest: +SKIP
    """
    target, _, attribute = path.partition(":")
    module = _module(target, path)
    if attribute:
        return _attribute(module, attribute, path)
    found = {id(value): value for value in vars(module).values() if isinstance(value, Heijunka)}
    if len(found) == 1:
        return next(iter(found.values()))
    if not found and any(task.function.__module__ == module.__name__ for task in default_app.tasks.values()):
        return default_app
    if not found:
        raise AppNotFound(f"{target} has no application and no task", hint=f"write {target}:NAME", path=path)
    names = sorted(name for name, value in vars(module).items() if isinstance(value, Heijunka))
    raise AppNotFound(
        f"{target} has several applications", hint=f"write one of {', '.join(names)} behind a colon", path=path
    )


def _module(target: str, path: str) -> ModuleType:
    if str(Path.cwd()) not in sys.path and "" not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    if target.endswith(".py") or os.sep in target:
        return _file(Path(target), path)
    if not all(part.isidentifier() for part in target.split(".")):
        raise AppNotFound(f"{target!r} is no module", hint="write it as package.module:app", path=path)
    try:
        return importlib.import_module(target)
    except ModuleNotFoundError as error:
        if error.name is None or not (target == error.name or target.startswith(f"{error.name}.")):
            raise
        raise AppNotFound(
            f"there is no module {error.name!r}",
            hint=f"looked from {Path.cwd()}; write it as package.module:app",
            path=path,
        ) from error


def _file(file: Path, path: str) -> ModuleType:
    if not file.is_file():
        raise AppNotFound(f"there is no file {file}", hint=f"looked from {Path.cwd()}", path=path)
    if file.stem in sys.modules and getattr(sys.modules[file.stem], "__file__", None) == str(file.resolve()):
        return sys.modules[file.stem]
    sys.path.insert(0, str(file.resolve().parent))
    spec = importlib.util.spec_from_file_location(file.stem, file.resolve())
    if spec is None or spec.loader is None:
        raise AppNotFound(f"{file} is no Python file", path=path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    return module


def _attribute(module: ModuleType, attribute: str, path: str) -> Heijunka:
    value = module
    for name in attribute.split("."):
        try:
            value = getattr(value, name)
        except AttributeError as error:
            from heijunka.config import did_you_mean

            raise AppNotFound(
                f"{module.__name__} has no {attribute}", hint=did_you_mean(name, vars(module)), path=path
            ) from error
    if not isinstance(value, Heijunka):
        raise AppNotFound(
            f"{path} is a {type(value).__name__}, not an application", hint="it should be a Heijunka(...)", path=path
        )
    return value
