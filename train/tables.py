"""The tables of MLflow's database: those of the MLflow that is installed, made anew or upgraded."""

from pathlib import Path

from validation.script import Refusal


def begin(database: Path, artifacts: str) -> None:
    """Make the tables of the MLflow that is installed, and its default experiment with artifacts below a URI."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(f"sqlite:///{database}", artifacts).engine.dispose()


def upgrade(database: Path) -> None:
    """Bring a copy of a database to the tables of the MLflow that is installed.

    Raises Refusal when it was written by a newer one.
    """
    from mlflow.store.db.utils import _upgrade_db
    from sqlalchemy import create_engine

    engine = create_engine(f"sqlite:///{database}")
    try:
        _upgrade_db(engine)
    except Exception as error:  # alembic raises whatever it meets
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise Refusal(f"the registry's database cannot be upgraded ({first}); is the lock older than it?") from None
    finally:
        engine.dispose()
