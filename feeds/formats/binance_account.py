"""A user's own Binance futures export: fills, orders, ledger and closed positions."""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feeds.errors import FeedError
from feeds.formats import binance_account_layout as _layout
from feeds.formats import cells
from feeds.formats.files import Source, broken, find, opened
from feeds.scales import to_decimal
from feeds.schema import DECIMAL_PRECISION, MAX_SCALE, columns
from feeds.symbols import to_unified

if TYPE_CHECKING:
    import pyarrow as pa

VENUES = ("binance_usdm", "binance_coinm")


@dataclass(frozen=True, slots=True)
class AccountExport:
    """What one account did, as its owner exported it.

    Columns are those of the kinds `account_fills, account_orders, account_ledger` (feeds/schema.py), and three more:
    `seq` numbers the rows of the file from 0, because the exports have whole seconds and the order inside a second
    carries information; `native` is the venue's symbol (`symbol` is the unified one); orders also have
    `client_order_id` and `quote`. Times are int64 ns UTC; prices, sizes and amounts decimal128 with 18 places, so
    `to_pylist()` gives exact Decimals. A column that the export does not have is null throughout.

    Attributes
    ----------
    fills : pyarrow.Table
        `side` +1 buy, -1 sell; `position_side` +1 long, -1 short, 0 one-way; `quantity` in base coin (COIN-M:
        contracts), `quote` in quote currency (COIN-M: coin); `fee` is cash received, so one paid is negative.
    orders : pyarrow.Table
        `ts` is the creation; `client_order_id` of a forced order begins with autoclose; `quote` is the amount traded.
    ledger : pyarrow.Table
        `type` is the venue's word, `kind` ours: fee, realized_pnl, funding, insurance, settlement, transfer,
        conversion, rebate, bonus, other; `amount` > 0 is received; `symbol` is null for transfers.
    positions : pyarrow.Table
        seq, symbol, native, margin_mode, position_side, entry_price, average_close_price, max_quantity,
        closed_quantity, realized_pnl, ts_open, ts_close (null while open), status: closed and open positions.
    venue : str
    skipped : tuple of str
        Files of a folder that were left out, each with the reason.
    findings : tuple of str
        What a reader should know: duplicates dropped, ledger words without a kind.
    """

    fills: "pa.Table"
    orders: "pa.Table"
    ledger: "pa.Table"
    positions: "pa.Table"
    venue: str
    skipped: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()

    def canonical(self, kind: str) -> "pa.Table":
        """Return one of account_fills, account_orders, account_ledger with exactly the columns stored in a catalog."""
        table = getattr(self, kind.removeprefix("account_"))
        return table.select(columns(kind).names).cast(columns(kind))


def read_account_export(paths: str | Path | Iterable[str | Path], *, venue: str) -> AccountExport:
    """Read the CSV files that Binance gives a user of its futures.

    The files are told apart by their headers, USD-M from COIN-M by the symbols in them; user ids are not kept.

    Parameters
    ----------
    paths : str, Path or iterable of them
        A folder, or the files. In a folder, files that are not exports of `venue` are left out and listed in `skipped`;
        a file named directly must be one.
    venue : {"binance_usdm", "binance_coinm"}

    Returns
    -------
    AccountExport

    Raises
    ------
    FeedError
        If a file is not readable or not an export of `venue`, a value does not parse, the side contradicts the buyer
        flag, two rows share an id but differ, ledger files overlap in time, or there are no fills and no ledger.
    """
    if venue not in VENUES:
        raise FeedError(f"venue must be one of {', '.join(VENUES)} for a Binance account export, got {venue!r}")
    given = [Path(paths)] if isinstance(paths, str | Path) else [Path(item) for item in paths]
    parts: dict[str, list[pa.Table]] = {role: [] for role in _layout.LAYOUTS}
    skipped: list[str] = []
    for source in find(given, strict=False):
        role, raw, reason = recognised(source, venue)
        if reason and source.path in given:
            raise FeedError(reason)
        if reason:
            skipped.append(reason)
        elif raw.num_rows:
            parts[role].append(typed(source, role, raw, venue))
    if not parts["fills"] and not parts["ledger"]:
        left = "; ".join(skipped) or "nothing"
        raise FeedError(f"no fills and no ledger of {venue} in {', '.join(map(str, given))}; left out: {left}")
    findings: list[str] = []
    tables = {role: _joined(role, found, findings) for role, found in parts.items()}
    unknown = sorted(set(tables["ledger"]["type"].to_pylist()) - set(_layout.LEDGER_KINDS))
    if unknown:
        findings.append(f"ledger types without a kind of their own, read as 'other': {', '.join(unknown)}")
    return AccountExport(**tables, venue=venue, skipped=tuple(skipped), findings=tuple(findings))


def _plain(name: str) -> str:
    """Header name without case, spaces, punctuation and the zone of a time column."""
    return re.sub(r"\(utc[^)]*\)|[^a-z0-9]", "", name.strip().lower())


def role_of(header: Iterable[str]) -> str | None:
    """Return which of the four exports a header belongs to, None when it is none of them."""
    names = {_plain(name) for name in header}
    for role, layout in _layout.LAYOUTS.items():
        if all(names & set(layout[column][1]) for column in _layout.REQUIRED[role]):
            return role
    return None


def recognised(source: Source, venue: str) -> tuple[str, "pa.Table", str]:
    """Return the role of a file and its cells as text, or the reason why it is not an export of the venue."""
    import pyarrow as pa
    import pyarrow.csv as pacsv

    nothing = pa.table({})
    if source.container != "csv":
        return "", nothing, f"{source.where}: not a CSV file"
    with opened(source) as stream:
        data = stream.read()
    first = data.split(b"\n", 1)[0].decode("utf-8-sig", "replace")
    header = [name.strip() for name in next(csv.reader([first.strip()]), [])]
    role = role_of(header)
    if role is None:
        return "", nothing, f"{source.where}: not an account export of {venue} (header {','.join(header)})"
    read = pacsv.ReadOptions(column_names=header, skip_rows=1)
    text = pacsv.ConvertOptions(
        column_types=dict.fromkeys(header, pa.string()), null_values=[""], strings_can_be_null=True
    )
    try:
        raw = pacsv.read_csv(pa.BufferReader(data), read_options=read, convert_options=text)
    except pa.ArrowInvalid as error:
        raise broken(source, error) from error
    # A ledger of transfers only has no symbol and fits both venues.
    natives = raw[next(name for name in header if _plain(name) == "symbol")].unique().drop_null().to_pylist()
    foreign = next((native for native in natives if not _is_contract(venue, native)), None)
    reason = f"{source.where}: not an account export of {venue} (symbol {foreign})" if foreign else ""
    return role, raw, reason


def _is_contract(venue: str, native: str) -> bool:
    """Whether a symbol is a contract of the venue."""
    try:
        return ":" in to_unified(venue, native)
    except FeedError:
        return False


def typed(source: Source, role: str, raw: "pa.Table", venue: str) -> "pa.Table":
    """Columns of the role in their target types, nulls where the export lacks one."""
    import pyarrow as pa

    spelled = {_plain(name): name for name in raw.column_names}
    found: dict[str, Any] = {"seq": pa.array(range(raw.num_rows), pa.int64())}
    for target, (shape, spellings) in _layout.LAYOUTS[role].items():
        name = next((spelled[item] for item in spellings if item in spelled), "")
        texts = raw[name].combine_chunks() if name else pa.nulls(raw.num_rows, pa.string())
        try:
            found |= _shaped(target, shape, texts, name)
        except (pa.ArrowInvalid, FeedError) as error:
            raise FeedError(f"{source.where}: column {name!r}: {error}") from error
    natives = found["native"].unique().drop_null().to_pylist()
    unified = {native: to_unified(venue, native) for native in natives}
    found["symbol"] = pa.array([unified.get(native) for native in found["native"].to_pylist()], pa.string())
    for target in _layout.REQUIRED[role]:
        if found[target].null_count and (role, target) not in _layout.OPTIONAL_CELLS:
            raise FeedError(f"{source.where}: {found[target].null_count} empty cells for {target!r}; none are allowed")
    if role == "ledger":
        kinds = [_layout.LEDGER_KINDS.get(word, "other") for word in found["type"].to_pylist()]
        found["kind"] = pa.array(kinds, pa.string())
    if role == "fills":
        _check_sides(source, found)
    if role != "positions":
        found["ts_avail"] = found["ts"]
    return pa.table(found)


def _shaped(target: str, shape: str, texts: "pa.Array", header: str) -> dict[str, "pa.Array"]:
    """Turn the texts of one column into its target type; a fee column gives two columns."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if shape == "time":
        return {target: cells.times(texts, header=header)}
    if shape == "decimal":
        return {target: _decimals(texts, header)}
    if shape == "side":
        return {target: cells.sides(texts, header=header)}
    if shape == "position":
        return {target: cells.coded(pc.fill_null(texts, ""), _layout.POSITION_SIDES, pa.int8(), header)}
    if shape == "flag":
        return {target: cells.flags(texts, header=header).cast(pa.int8())}
    if shape == "fee":
        parts = pc.extract_regex(texts, r"^\s*(?P<value>[-+0-9.Ee]+)\s+(?P<asset>[A-Z0-9]+)\s*$")
        if parts.null_count:
            text = texts.filter(parts.is_null())[0].as_py()
            raise FeedError(f"{text!r} is not a fee: expected a value and an asset, as '-0.00002788 BTC'")
        value, asset = parts.flatten()
        return {"fee": _decimals(value, header), "fee_asset": asset}
    change = {"word": pc.utf8_upper, "lower": pc.utf8_lower, "text": pc.utf8_trim_whitespace}[shape]
    return {target: change(texts)}


def _decimals(texts: "pa.Array", header: str) -> "pa.Array":
    """Exact decimals; through Python, because Arrow's own cast of text wraps around on some exponents."""
    import pyarrow as pa

    found = [None if text is None else to_decimal(text.strip(), name=header) for text in texts.to_pylist()]
    return pa.array(found, pa.decimal128(DECIMAL_PRECISION, MAX_SCALE))


def _check_sides(source: Source, found: dict[str, Any]) -> None:
    """A buy has the buyer flag; a shuffled header would break that."""
    pairs = zip(found["side"].to_pylist(), found.pop("is_buyer").to_pylist(), strict=True)
    for row, (side, buyer) in enumerate(pairs, start=1):
        if side == 0 or (buyer is not None and (side > 0) != bool(buyer)):
            raise FeedError(f"{source.where}: data row {row} has side {side:+d} but its buyer flag is {buyer}")


def _joined(role: str, tables: "list[pa.Table]", findings: list[str]) -> "pa.Table":
    """One table of several files: files in time order, the order inside each kept."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not tables:
        return _empty(role)
    if len(tables) == 1 and role in ("ledger", "positions"):
        return tables[0]
    stamp = "ts_open" if role == "positions" else "ts"
    tables = sorted(tables, key=lambda table: tuple(pc.min_max(table[stamp]).as_py().values()))
    if role == "ledger":
        _refuse_overlap(tables)
    table = pa.concat_tables(tables)
    if role in ("fills", "orders"):
        table = _without_duplicates(role, table, findings)
    return table.set_column(0, "seq", pa.array(range(table.num_rows), pa.int64()))


def _refuse_overlap(tables: "list[pa.Table]") -> None:
    """Ledger rows have no id of their own, so files that overlap cannot be joined without guessing."""
    import pyarrow.compute as pc

    for early, late in pairwise(tables):
        if pc.max(early["ts"]).as_py() > pc.min(late["ts"]).as_py():
            raise FeedError("two ledger files overlap in time and their rows have no id; export one file, or cut one")


def _without_duplicates(role: str, table: "pa.Table", findings: list[str]) -> "pa.Table":
    """Drop rows that repeat an id with the same content; refuse rows that repeat it with another."""
    import pyarrow as pa

    if len(table["id"].unique()) == table.num_rows:
        return table
    seen: dict[str, dict[str, Any]] = {}
    keep: list[int] = []
    for row, values in enumerate(table.drop_columns("seq").to_pylist()):
        known = seen.setdefault(f"{values['native']} {values['id']}", values)
        if known is values:
            keep.append(row)
        elif known != values:
            raise FeedError(f"two different {role} have the id {values['id']} of {values['native']}: {known}; {values}")
    if len(keep) < table.num_rows:
        findings.append(f"{table.num_rows - len(keep)} repeated {role} dropped (same id, same content)")
    return table.take(pa.array(keep, pa.int64()))


def _empty(role: str) -> "pa.Table":
    """Return the table of a role without rows."""
    import pyarrow as pa

    nothing = pa.nulls(0, pa.string())
    found: dict[str, Any] = {"seq": pa.nulls(0, pa.int64()), "symbol": nothing}
    for target, (shape, _) in _layout.LAYOUTS[role].items():
        found |= _shaped(target, shape, nothing, target)
    found |= {"kind": nothing} if role == "ledger" else {}
    found.pop("is_buyer", None)
    return pa.table(found | ({} if role == "positions" else {"ts_avail": found["ts"]}))
