"""Whether a gateway's own tables fit the kit's statements."""

from dataclasses import fields
from typing import Final

from servicekit.database import Transaction

from gatewaykit.domain.records import Conversation, Message

_COLUMNS: Final = """
SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()
"""


async def missing_columns(tx: Transaction) -> list[str]:
    """What the tables of the transaction's schema lack, as `table.column`. Each gateway makes its tables itself, in
    migrations of its own; the records' fields are the columns that the statements name."""
    present = {f"{row['table_name']}.{row['column_name']}" for row in await tx.all(_COLUMNS)}
    kinds = (("conversation", Conversation), ("message", Message))
    wanted = [f"{table}.{field.name}" for table, kind in kinds for field in fields(kind)]
    return [column for column in wanted if column not in present]
