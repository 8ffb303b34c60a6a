"""`levdyn margin`: the margin of an account at given marks, by the functions that runs call."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from backtest.commands import output

if TYPE_CHECKING:
    from venues import Account, AccountRisk, Tier, VenueRules


def margin(
    venue: Annotated[str, typer.Argument(metavar="VENUE", help="As binance_usdm; `levdyn venues` lists them.")],
    positions: Annotated[
        list[str],
        typer.Option("--position", metavar='"SYMBOL QTY@ENTRY [20x]"', help="Signed quantity; repeat for more."),
    ],
    marks: Annotated[
        list[str], typer.Option("--mark", metavar="[SYMBOL=]PRICE", help="Mark price of every symbol; repeat for more.")
    ],
    balances: Annotated[
        list[str] | None, typer.Option("--balance", metavar="ASSET=AMOUNT", help="Wallet; repeat for more.")
    ] = None,
    index: Annotated[
        list[str] | None, typer.Option("--index", metavar="ASSET=USD", help="US dollars per unit, with several assets.")
    ] = None,
    as_of: Annotated[str | None, typer.Option(help="Date of the rules; the latest by default.")] = None,
    margin_mode: Annotated[str, typer.Option(help="cross or isolated, of positions that do not say.")] = "cross",
    position_mode: Annotated[str, typer.Option(help="one_way or hedge.")] = "one_way",
    collateral: Annotated[str, typer.Option(help="single or multi.")] = "single",
    missing_tiers: Annotated[str, typer.Option(help="nearest: a cautious table for symbols without one.")] = "error",
    tiers: Annotated[
        list[str] | None,
        typer.Option(
            "--tier", metavar="FLOOR,RATE,MAX_LEVERAGE", help="Own tier table, one row each, for all symbols."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Say how near liquidation an account is, and how it would end.

    A position is written "SYMBOL QUANTITY@ENTRY", with what else there is behind it: 20x (margin leverage), isolated
    or cross, wallet=500 (isolated), long or short (hedge mode). A short has a negative quantity.

    \b
    Examples:
      levdyn margin binance_usdm --balance USDT=10000 --mark 58000 \\
          --position "BTC/USDT:USDT 1@60000 20x"
      levdyn margin binance_usdm --mark 2600 \\
          --position "ETH/USDT:USDT -5@2500 10x isolated wallet=1300"
      levdyn margin binance_coinm --balance BTC=1 --mark 60000 \\
          --position "BTC/USD:BTC -600@60000"
    """
    import venues

    rules = venues.get(venue, as_of=as_of)
    held = [_position(text) for text in positions]
    symbols = list(dict.fromkeys(position["symbol"] for position in held))
    rules = _with_tiers(rules, symbols, missing_tiers, [_tier(text) for text in tiers or ()])
    account = venues.Account(
        rules,
        margin_mode=margin_mode,
        position_mode=position_mode,
        collateral=collateral,
        balances=_numbers(balances, "--balance"),
        positions=[venues.Position(**position) for position in held],
    )
    prices = _marks(marks, symbols)
    dollars = _numbers(index, "--index")
    risk = account.risk(marks=prices, index=dollars)
    steps = {
        symbol: rules.liquidation_steps(account=account, symbol=symbol, marks=prices, index=dollars)
        for symbol in symbols
    }
    if as_json:
        output.print_json(_as_json(risk, steps))
    else:
        _print(account, risk, prices, steps)


def _numbers(given: list[str] | None, option: str) -> dict[str, Any]:
    """Read several ``NAME=NUMBER``; the numbers are judged by what they are passed to."""
    return {} if given is None else dict(output.pair(text, option) for text in given)


def _position(text: str) -> dict[str, Any]:
    """Read a position as it is written on the command line."""
    from venues import VenueError

    symbol, *words = text.split()
    made: dict[str, Any] = {"symbol": symbol}
    for word in words:
        if "=" in word:
            name, value = output.pair(word, f"--position {text!r}")
            known = {"wallet": "isolated_wallet", "leverage": "leverage", "buys": "open_buys", "sells": "open_sells"}
            if name not in known:
                raise VenueError(f"--position {text!r}: {name!r} is unknown; allowed are {', '.join(known)}")
            made[known[name]] = value
        elif "@" in word:
            made["quantity"], _, made["entry_price"] = word.partition("@")
        elif word in ("long", "short"):
            made["side"] = word
        elif word in ("cross", "isolated"):
            made["margin_mode"] = word
        elif word.endswith("x"):
            made["leverage"] = word[:-1]
        else:
            raise VenueError(
                f"--position {text!r}: {word!r} is not understood; write 'SYMBOL QUANTITY@ENTRY 20x', and if wanted "
                "isolated wallet=500, long or short"
            )
    if "quantity" not in made:
        raise VenueError(f"--position {text!r}: quantity and entry are missing; write 'SYMBOL 1.5@60000'")
    return made


def _marks(given: list[str], symbols: list[str]) -> dict[str, Any]:
    """Read marks; a bare price is that of the only symbol."""
    from venues import VenueError
    from venues.checks import did_you_mean

    made: dict[str, Any] = {}
    for text in given:
        if "=" not in text and len(symbols) > 1:
            raise VenueError(f"--mark {text}: there are {len(symbols)} symbols, write {symbols[0]}={text}")
        name, value = (symbols[0], text) if "=" not in text else output.pair(text, "--mark")
        if name not in symbols:
            raise VenueError(f"--mark {text}: no position in {name}{did_you_mean(name, symbols)}")
        made[name] = value
    return made


def _tier(text: str) -> "Tier":
    from venues import Tier, VenueError

    parts = text.split(",")
    if len(parts) not in (3, 4):
        raise VenueError(f"--tier {text}: write FLOOR,RATE,MAX_LEVERAGE[,AMOUNT], as 0,0.004,125")
    names = ("floor", "maintenance_rate", "max_leverage", "amount")
    return Tier(**dict(zip(names, parts, strict=False)))  # type: ignore[arg-type]


def _with_tiers(rules: "VenueRules", symbols: list[str], missing: str, own: "list[Tier]") -> "VenueRules":
    """Return rules that have tiers for every symbol, as far as the user said where from."""
    from dataclasses import replace

    from venues import VenueError
    from venues.checks import choice

    choice(missing, "--missing-tiers", ("error", "nearest"))
    for symbol in symbols:
        if not own and missing == "error" and not rules.tier_tables(symbol):
            raise VenueError(
                f"{rules.name} has no tiers of {symbol}; --missing-tiers nearest takes the strictest comparable table "
                "of the venue, --tier FLOOR,RATE,MAX_LEVERAGE your own"
            )
        known = rules.instrument(symbol)
        instrument = known if known is not None else rules.default_instrument(symbol)
        if own:
            rules = rules.with_instrument(replace(instrument, tiers=own, valid_from=0))
        elif missing == "nearest" and not rules.tier_tables(symbol):
            rules = rules.with_instrument(replace(instrument, tiers=rules.nearest_tiers(symbol), valid_from=0))
    return rules


def _as_json(risk: "AccountRisk", steps: dict[str, Any]) -> dict[str, Any]:
    from dataclasses import asdict

    plan = {symbol: [asdict(step) for step in planned] for symbol, planned in steps.items() if planned}
    return {**asdict(risk), "liquidation_steps": plan}


def _print(account: "Account", risk: "AccountRisk", marks: dict[str, Any], steps: dict[str, Any]) -> None:
    from backtest.result_text import decimals_of, money, percent

    rows = []
    for position in account.positions:
        found, mark = risk.positions[position.key], float(marks[position.symbol])
        price = found.liquidation_price
        name = position.symbol if position.side is None else f"{position.symbol} {position.side}"
        decimals = decimals_of(found.notional)
        rows.append(
            (
                f"{name} {position.quantity:,g} @ {position.entry_price:,g}",
                money(found.unrealized_pnl, decimals),
                money(found.initial_margin, decimals),
                money(found.maintenance_margin, decimals),
                "none" if price is None else f"{price:,.6g}" if price < 1000 else f"{price:,.2f}",
                "none" if price is None else percent(abs(mark - price) / mark, 1),
            )
        )
    heads = ("position", "profit", "initial", "maintenance", "liquidation", "away")
    output.table(heads, rows, right=heads[1:])
    output.heading(f"ACCOUNT in {risk.asset}")
    decimals = decimals_of(risk.equity)
    totals = [
        (name, money(getattr(risk, name), decimals)) for name in ("equity", "initial_margin", "maintenance_margin")
    ]
    totals.append(("available", money(risk.available, decimals)))
    totals.append(
        (
            "margin ratio (1 = liquidation)",
            f"{risk.margin_ratio:.4f}" if risk.margin_ratio < float("inf") else "no equity is left",
        )
    )
    output.table(
        ("figure", "value"),
        [(name.replace("_", " "), value) for name, value in totals],
        right=("value",),
        with_heads=False,
    )
    for symbol, planned in steps.items():
        if planned:
            output.heading(f"FORCED CLOSE of {symbol}, if every order fills at the mark")
            plan = [
                (
                    step.kind.replace("_", " "),
                    f"{step.quantity:,g}" if step.quantity else "",
                    "" if step.price is None else f"{step.price:,.2f}",
                    money(step.fee, decimals) if step.kind == "reduce" else "",
                )
                for step in planned
            ]
            output.table(("step", "quantity", "limit", "fee"), plan, right=("quantity", "limit", "fee"))
