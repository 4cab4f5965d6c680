"""The tables of MLflow's database: told older or newer without importing MLflow, and upgraded on a copy."""

import importlib.util
import re
from functools import lru_cache
from pathlib import Path

from train import embedded
from train.embedded import DATABASE, STORE
from validation.script import Refusal, log


@lru_cache(maxsize=1)
def newest() -> str:
    """Return the revision of the tables that the installed MLflow wants: the one that no other follows."""
    found = importlib.util.find_spec("mlflow")
    known: set[str] = set()
    followed: set[str] = set()
    for place in found.submodule_search_locations or [] if found else []:
        for path in Path(place, "store/db_migrations/versions").glob("*.py"):
            text = path.read_text(encoding="utf-8")
            known.update(re.findall(r"^revision = \"(\w+)\"", text, re.MULTILINE))
            followed.update(re.findall(r"^down_revision = \"(\w+)\"", text, re.MULTILINE))
    [last] = known - followed
    return last


def revision(database: Path) -> str:
    """Return the revision of a database's tables; empty where MLflow has not made them to their end."""
    from train.travel import rows

    with rows.opened(database) as connection:
        if not rows.exists(connection, "sqlite_master", "name = ?", "alembic_version"):
            return ""
        return next((str(row[0]) for row in connection.execute("SELECT version_num FROM alembic_version")), "")


def upgraded(database: Path, what: str) -> bool:
    """Bring the copy of a database to the tables of the MLflow that is installed; return whether it was another's.

    Raises Refusal when it was written by a newer one, or is damaged.
    """
    if revision(database) in ("", newest()):
        return False
    log(f"{what} was written by another MLflow than the one installed; a copy of its database is upgraded")
    import logging

    from alembic.util import CommandError
    from mlflow.store.db.utils import _upgrade_db
    from sqlalchemy import create_engine

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    engine = create_engine(f"sqlite:///{database}")
    try:
        _upgrade_db(engine)
    except CommandError as error:  # it does not know the revision
        raise Refusal(
            f"{what} was written by a newer MLflow than the one installed ({error}): install requirements.txt of the"
            " commit that wrote it, or of a later one"
        ) from None
    except Exception as error:  # the migrations raise whatever they meet
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise Refusal(f"{what} is damaged: its database cannot be upgraded: {first}") from None
    finally:
        engine.dispose()
    return True


def begin(database: Path, artifacts: str) -> None:
    """Make the tables of the MLflow that is installed, and its default experiment with artifacts below a URI."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(f"sqlite:///{database}", artifacts).engine.dispose()


def upgrade_store() -> None:
    """Upgrade the store here when an older MLflow wrote it; the database is the old or the new one, never between."""
    from filelock import FileLock

    if revision(STORE / DATABASE) in ("", newest()):
        return
    from train.travel.content import snapshot

    with FileLock(STORE / "begin.lock"), embedded.arriving() as fresh:
        snapshot(STORE / DATABASE, fresh / DATABASE)
        upgraded(fresh / DATABASE, "the store in .mlflow/")
