"""TOML configurations: every error at once, the same objects that Python users make."""

import inspect
import re
from pathlib import Path

import pytest

import feeds
import venues
from backtest import Backtest, ConfigError, Crowd, Strategy
from backtest.config import load, override
from backtest.config_build import Prepared
from backtest.config_population import _OF_MAP
from backtest.config_tables import (
    InstrumentTable,
    PopulationTable,
    RunTable,
    SampleTable,
    Section,
    TierTable,
    TransfersTable,
    VenueTable,
)
from venues.instrument import Instrument

OF_MAP = {*_OF_MAP, "open_interest"}
STRATEGY = """
from backtest import Strategy

class Hold(Strategy):
    leverage: float = 2.0
    symbol: str = "BTC/USDT:USDT"

class Other(Strategy):
    level: int = 1

class Picky(Strategy):
    size: float = 1.0

    def __init__(self, size):
        super().__init__(size=size)

nothing = 3
"""
GOOD = """
[data]
sample = { days = 1, trades_per_day = 100 }

[strategy]
class = "mine.py:Hold"
parameters = { leverage = 3 }

[venue]
name = "binance_usdm"
balances = { USDT = 10_000 }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(STRATEGY)
    return tmp_path


def loaded(folder: Path, text: str = GOOD, *settings: str) -> Prepared:
    (folder / "run.toml").write_text(text)
    return load(folder / "run.toml", settings=settings)


def errors(folder: Path, text: str, *settings: str) -> list[str]:
    """Return the errors of a configuration without the line that counts them."""
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text, *settings)
    return [line.strip() for line in str(caught.value).split("\n")[1:]]


def changed(*pairs: tuple[str, str]) -> str:
    text = GOOD
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


def table(text: str, *more: str) -> str:
    return "\n".join([text, *more])


# ---------------------------------------------------------------- what a configuration becomes


def test_a_configuration_becomes_the_objects_that_python_makes(folder: Path) -> None:
    text = table(
        changed(("balances = ", "leverage = 7\nfees = [0.0001, 0.0004]\nlatency = ['2ms', '3ms', '1ms']\nbalances = ")),
        "[run]\nmark = 'last'\nseed = 4\non_gap = 'warn'\nprices = { USDT = 1.0 }\ncash_rate = 0.02",
        "[transfers]\ndelay = { 'binance_usdm -> binance_spot' = '5m' }\nfees = { USDT = 1 }",
        "[report]\nout = 'result'\nattribution = 'month'",
    )
    made = loaded(folder, text)
    by_hand = Backtest(
        feeds.sample(days=1, trades_per_day=100),
        Strategy(),
        venues=venues.Venue(
            "binance_usdm",
            balances={"USDT": 10_000},
            leverage=7,
            fees=(0.0001, 0.0004),
            latency=("2ms", "3ms", "1ms"),
        ),
        mark="last",
        seed=4,
        on_gap="warn",
        prices={"USDT": 1.0},
        cash_rate=0.02,
        transfers=venues.Transfers(delay={("binance_usdm", "binance_spot"): "5m"}, fees={"USDT": 1}),
    )
    assert made.backtest.settings == by_hand.settings
    assert made.backtest.venues == by_hand.venues
    assert made.backtest.data.fingerprint == by_hand.data.fingerprint
    assert made.backtest.cash_rate == by_hand.cash_rate
    strategy = made.backtest.strategies[0]
    assert (type(strategy).__name__, strategy.parameter_values()["leverage"]) == ("Hold", 3)
    assert made.out == folder / "result"
    assert made.attribution == ("month",)


def test_latency_and_impact_are_tables_of_their_own(folder: Path) -> None:
    (folder / "trips.csv").write_text("ts,order,response\n0,10,20\n5,30,40\n")
    drawn = "latency = { order = '2ms', response = '3ms', feed = '1ms', sigma = 0.5, feed_sigma = 0.25 }"
    impact = "impact = { law = 'linear', depth = 500, memory = 'power', recovery = '5s', exponent = 0.4 }"
    made = loaded(folder, changed(("balances = ", f"{drawn}\n{impact}\nparticipation = 0.1\nbalances = ")))
    account = made.backtest.venues[0]
    assert account.latency == venues.Latency(order="2ms", response="3ms", feed="1ms", sigma=0.5, feed_sigma=0.25)
    assert account.impact == venues.Impact(law="linear", depth=500, memory="power", recovery="5s", exponent=0.4)
    assert (account.participation, account.leftovers) == (0.1, "carry")
    recorded = loaded(folder, changed(("balances = ", "latency = { record = 'trips.csv' }\nbalances = ")))
    assert [column.tolist() for column in recorded.backtest.venues[0].latency.rows] == [[0, 5], [10, 30], [20, 40]]


def test_what_latency_and_impact_refuse_is_told_by_their_place(folder: Path) -> None:
    wrong = "latency = { sigma = 0.5 }\nimpact = { law = 'linear', knees = 3 }\nbalances = "
    with pytest.raises(ConfigError) as error:
        loaded(folder, changed(("balances = ", wrong)))
    assert "venue.impact.knees: unknown key, did you mean 'knee'?" in str(error.value)
    assert "has no effect without order=" in str(error.value)


def test_several_strategies_and_accounts_stand_in_lists(folder: Path) -> None:
    text = changed(("[strategy]", "[[strategy]]"), ("[venue]", "[[venue]]"))
    more = """
[[strategy]]
class = "mine.py:Other"
[[venue]]
name = "binance_usdm"
account = "second"
balances = { USDT = 5 }
"""
    made = loaded(folder, text + more).backtest
    assert [type(each).__name__ for each in made.strategies] == ["Hold", "Other"]
    assert [each.account for each in made.venues] == ["main", "second"]


def test_tiers_and_instruments_can_be_given(folder: Path) -> None:
    tiers = "[{ floor = 0, maintenance_rate = 0.01, max_leverage = 20 }]"
    text = changed(("balances", f"missing_tiers = {tiers}\nbalances"))
    text += f"\n[[instrument]]\nsymbol = 'X/USDT:USDT'\ncontract = 'linear'\ntick_size = 0.1\ntiers = {tiers}\n"
    venue = loaded(folder, text).backtest.venues[0]
    assert venue.missing_tiers[0].maintenance_rate == 0.01
    known = venue.book.instrument("X/USDT:USDT")
    assert known is not None
    assert known.tick_size == 0.1
    assert venue.book.tiers("X/USDT:USDT")[0].max_leverage == 20


def test_ratios_of_collateral_and_tiers_of_loans_can_be_given(folder: Path) -> None:
    tiers = "[{ floor = 0, maintenance_rate = 0.1, max_leverage = 5 }]"
    more = 'collateral = "multi"\ncollateral_ratios = { ETH = 0.9, BTC = [[0, 0.9], [5, 0.8]] }\nauto_borrow = false\n'
    text = changed(("binance_usdm", "okx"), ("balances", f"{more}loan_tiers = {{ USDT = {tiers} }}\nbalances"))
    venue = loaded(folder, text).backtest.venues[0]
    assert not venue.auto_borrow
    assert venue.book.collateral_brackets("ETH") == ((0.0, 0.9),)
    assert venue.book.collateral_brackets("BTC") == ((0.0, 0.9), (5.0, 0.8))
    assert [(row.maintenance_rate, row.max_leverage) for row in venue.book.loan_tiers("USDT")] == [(0.1, 5)]
    assert [row.maintenance_rate for row in venue.book.loan_tiers("ETH")] == [0.03]


def test_rules_as_of_a_date_are_those_of_that_date(folder: Path) -> None:
    venue = loaded(folder, changed(("balances", "as_of = 2021-04-01\nbalances"))).backtest.venues[0]
    assert venue.book.as_of == venues.get("binance_usdm", as_of="2021-04-01").as_of


def test_dates_of_toml_and_text_mean_the_same(folder: Path) -> None:
    bounds = [
        loaded(folder, GOOD + f"[run]\nstart = {written}").backtest.settings.start
        for written in ("2024-11-01T06:00:00Z", "2024-11-01T06:00:00", "'2024-11-01T06:00'")
    ]
    assert len(set(bounds)) == 1
    assert loaded(folder, GOOD + "[run]\nend = 2024-11-01T12:00:00").backtest.settings.end > bounds[0]


def test_a_catalog_gives_what_is_named(folder: Path) -> None:
    root = Path(__file__).resolve().parent.parent / "data"
    text = changed(("sample = { days = 1, trades_per_day = 100 }", f"catalog = '{root}'\nsymbols = ['ETH/USDT:USDT']"))
    data = loaded(folder, text.replace("[data]", "[data]\nkinds = ['trades', 'mark']")).backtest.data
    assert [(stream.symbol, stream.kind) for stream in data.streams] == [
        ("ETH/USDT:USDT", "trades"),
        ("ETH/USDT:USDT", "mark"),
    ]


def test_files_are_relative_to_the_configuration_and_share_venue_and_symbol(folder: Path, monkeypatch) -> None:
    rows = "".join(f"2024-11-01T{hour:02}:00:00Z,1,2,1,2,5\n" for hour in range(5))
    (folder / "bars.csv").write_text("date,open,high,low,close,volume\n" + rows)
    text = changed(
        ("sample = { days = 1, trades_per_day = 100 }", "files = 'bars.csv'\nvenue = 'binance_usdm'"),
        ("[strategy]", "symbols = 'X/USDT:USDT'\n[strategy]"),
    )
    monkeypatch.chdir(folder.parent)
    data = loaded(folder, text).backtest.data
    assert [(stream.venue, stream.symbol, stream.rows) for stream in data.streams] == [
        ("binance_usdm", "X/USDT:USDT", 5)
    ]


def test_sources_are_joined_and_cut(folder: Path) -> None:
    whole = loaded(folder).backtest.data
    part = loaded(folder, changed(("[strategy]", "end = 2024-11-01T12:00:00\n[strategy]"))).backtest.data
    assert 0 < part.rows < whole.rows


def test_a_strategy_is_found_in_a_module_beside_the_configuration(folder: Path) -> None:
    (folder / "package_of_mine.py").write_text(STRATEGY)
    made = loaded(folder, changed(("mine.py:Hold", "package_of_mine:Hold"))).backtest
    assert type(made.strategies[0]).__module__ == "package_of_mine"


def test_a_configuration_runs(folder: Path) -> None:
    assert loaded(folder).backtest.run().summary["fills"] == 0


# ---------------------------------------------------------------- settings from the command line


def test_settings_win_over_the_file(folder: Path) -> None:
    made = loaded(folder, GOOD, "venue.leverage=5", "strategy.parameters.leverage=1.5", "run.mark=last").backtest
    assert made.venues[0].leverage == 5
    assert made.strategies[0].parameter_values()["leverage"] == 1.5
    assert made.settings.mark == "last"


@pytest.mark.parametrize("key", ["venue.1.leverage", "venue.second.leverage"])
def test_one_of_several_tables_is_named_by_number_or_name(key: str) -> None:
    document = {"venue": [{"name": "a"}, {"name": "a", "account": "second"}]}
    override(document, f"{key}=3")
    assert document["venue"] == [{"name": "a"}, {"name": "a", "account": "second", "leverage": 3}]


def test_a_setting_that_could_mean_several_tables_is_refused_with_their_names() -> None:
    document = {"venue": [{"name": "one"}, {"name": "two"}]}
    with pytest.raises(ConfigError, match=r"2 tables \[\[venue\]\] \(one, two\); say which one: venue\.0\.leverage"):
        override(document, "venue.leverage=3")


@pytest.mark.parametrize(
    ("written", "value"),
    [("3", 3), ("0.5", 0.5), ("true", True), ("last", "last"), ("[1, 2]", [1, 2]), ("2024-11-01", None), ("", "")],
)
def test_values_of_settings_are_toml_or_else_text(written: str, value: object) -> None:
    document: dict = {}
    override(document, f"run.x={written}")
    assert document["run"]["x"] == value or (value is None and str(document["run"]["x"]) == written)


@pytest.mark.parametrize("text", ["venue.leverage", "=3", ".x=3", "venue..x=1"])
def test_a_setting_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        override({}, text)


def test_a_setting_inside_a_value_is_refused() -> None:
    with pytest.raises(ConfigError, match="seed is 3, not a table"):
        override({"seed": 3}, "seed.x=1")


# ---------------------------------------------------------------- errors


def test_every_error_comes_at_once(folder: Path) -> None:
    text = """
[data]
sample = { days = 90, seeds = 1 }
files = ["absent.csv"]

[[strategy]]
class = "mine.py:Holt"

[[strategy]]
class = "mine.py:Hold"
parameters = { leverige = 5, x = 1 }

[[venue]]
name = "binance_usdm"
balances = { USDT = 10_000 }
levrage = 3
leverage = 0.5
slippage = -1
latency = 5.5

[[venue]]
name = "binance_coin"
balances = { BTC = 1 }

[run]
end = "x"
on_gap = "maybe"
slippage = 4

[reprt]
"""
    found = errors(folder, text)
    for wanted in (
        r"data\.sample\.seeds: unknown key, did you mean 'seed'\?",
        r"data\.sample\.days: .*1 to 31, got 90",
        r"data\.files\[0\]: no such file",
        r"strategy\[0\]\.class: .*did you mean 'Hold'",
        r"strategy\[1\]\.parameters\.leverige: .*did you mean 'leverage'",
        r"strategy\[1\]\.parameters\.x: .*no parameter 'x'",
        r"venue\[0\]\.levrage: unknown key, did you mean 'leverage'\?",
        r"venue\[0\]\.leverage: must be in \[1, inf\), got 0\.5",
        r"venue\[0\]\.slippage: must be in \[0, 10000\], got -1",
        r"venue\[0\]\.latency: must be a whole number or text or a list or a table, got 5\.5",
        r"venue\[1\]\.name: no venue 'binance_coin'.*did you mean",
        r"run\.end: .*'x' is not a time",
        r"run\.on_gap: must be one of .*'maybe'",
        r"run\.slippage: unknown key here; it belongs to \[\[venue\]\]",
        r"reprt: unknown key, did you mean 'report'\?",
    ):
        assert [line for line in found if re.match(wanted, line)], (wanted, found)
    assert len(found) == 15


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('[venue]\nname = "binance_usdm"', '[venue]\nnam = "binance_usdm"', r"venue\.name: is missing"),
        ("[strategy]\n", "[strateg]\n", r"strategy: is missing"),
        ("leverage = 3", "leverage = 3, more = 2", r"strategy\.parameters\.more: Hold has no parameter 'more'"),
        ("USDT = 10_000", "USDT = 'much'", r"venue\.balances\.USDT: must be a number, got 'much'"),
        ("USDT = 10_000", "USDT = -3", r"venue: .*balances\['USDT'\] must be in \[0, inf\), got -3"),
        ("mine.py:Hold", "other.py:Hold", r"strategy\.class: no such file: .*other\.py \(there: mine\.py\)"),
        ("mine.py:Hold", "absent_module:Hold", r"strategy\.class: no module 'absent_module'"),
        ("mine.py:Hold", "mine.py", r"strategy\.class: a class is written 'module:Class' or 'file\.py:Class'"),
        ("mine.py:Hold", "mine.py:nothing", r"strategy\.class: mine\.py:nothing is no backtest\.Strategy"),
        ("mine.py:Hold", "mine.py:Picky", r"strategy\.parameters\.leverage: Picky does not take these parameters"),
        ("sample = {", "sample = true\nx = {", r"data\.x: unknown key"),
        ("sample = { days = 1, trades_per_day = 100 }", "", r"data: is empty"),
        ("sample = {", "kinds = 'bars'\nsample = {", r"data\.kinds: chooses from a catalog"),
        ("sample = {", "venue = 'binance_usdm'\nsample = {", r"data\.venue: .*neither"),
        ("sample = {", "catalog = 'nowhere'\nsample = {", r"data\.catalog: symbols is missing"),
        (
            "balances",
            "missing_tiers = [{ floor = 0 }]\nbalances",
            r"venue\.missing_tiers\[0\]\.maintenance_rate: is missing",
        ),
        (
            "balances",
            "missing_tiers = [{ floor = 5, maintenance_rate = 0.1, max_leverage = 5 }]\nbalances",
            r"venue\.missing_tiers: .*the first floor must be 0, got 5",
        ),
        ("balances", "as_of = 'never'\nbalances", r"venue\.as_of: must be a time"),
        ("[data]", "[report]\nattribution = 'symbl'\n[data]", r"report\.attribution: 'symbl'.*did you mean 'symbol'"),
        ("[data]", "[transfers]\ndelay = { a = '5m' }\n[data]", r"transfers\.delay: a pair is written"),
        ("[data]", "[transfers]\ndelay = '5 parsecs'\n[data]", r"transfers\.delay: must be a duration"),
        ("[data]", "[run]\nstart = 2024-11-05\nend = 2024-11-04\n[data]", r"run\.start: .*is not before end"),
        (
            "[data]",
            "[[instrument]]\nsymbol = 'X/USDT:USDT'\ncontract = 'linear'\nvenue = 'binance_coinm'\n[data]",
            r"instrument\.venue: 'binance_coinm' is no venue of the run",
        ),
        (
            "[data]",
            "[[instrument]]\nsymbol = 'X/USDT:USDT'\ncontract = 'linear'\ntick_size = -1\nlot_size = 0\n[data]",
            r"instrument\.(tick|lot)_size: must be in \(0, inf\)",
        ),
    ],
)
def test_an_error_says_where_it_is_and_what_is_allowed(folder: Path, old: str, new: str, message: str) -> None:
    found = errors(folder, changed((old, new)))
    assert any(re.search(message, line) for line in found), found


def test_a_strategy_file_that_fails_says_how(folder: Path) -> None:
    (folder / "mine.py").write_text("import nothing_like_this")
    assert "No module named 'nothing_like_this'" in errors(folder, GOOD)[0]
    (folder / "mine.py").write_text("x = = 3")
    assert "SyntaxError" in errors(folder, GOOD)[0]


def test_a_file_that_is_no_toml_says_the_line(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"is not TOML: .*line 2"):
        loaded(folder, "[data]\nsample: true")


def test_a_missing_file_names_what_is_there(folder: Path) -> None:
    (folder / "other.toml").write_text(GOOD)
    with pytest.raises(ConfigError, match=r"no such configuration: .*there: .*other\.toml"):
        load(folder / "missing.toml")


def test_files_are_not_read_while_something_is_wrong(folder: Path) -> None:
    (folder / "bad.csv").write_text("this,is,no,format\n1,2,3,4\n")
    text = changed(("sample = { days = 1, trades_per_day = 100 }", "files = 'bad.csv'"))
    assert "bad.csv" in errors(folder, text)[0]
    found = errors(folder, text.replace("leverage = 3", "leverge = 3"))
    assert len(found) == 1
    assert found[0].startswith("strategy.parameters.leverge: Hold has no parameter 'leverge', did you mean 'leverage'?")


# ---------------------------------------------------------------- the tables and what they are passed to


@pytest.mark.parametrize(
    ("section", "target", "renamed", "without"),
    [
        (VenueTable, venues.Venue, {"name": "rules"}, {"as_of", "collateral_ratios", "loan_tiers"}),
        (TierTable, venues.Tier, {}, set()),
        (TransfersTable, venues.Transfers, {}, set()),
        (SampleTable, feeds.sample, {}, set()),
        (InstrumentTable, Instrument, {}, {"venue", "strike", "right", "source", "unverified"}),
        (RunTable, Backtest, {}, {"data", "strategy", "venues", "transfers", "population", "scenario"}),
        (PopulationTable, Crowd, {}, OF_MAP),
    ],
)
def test_a_table_has_the_arguments_of_what_it_is_passed_to(
    section: type[Section], target: object, renamed: dict[str, str], without: set[str]
) -> None:
    keys = {renamed.get(name, name) for name in section.model_fields} - without
    signature = inspect.signature(target.__init__ if isinstance(target, type) else target)  # type: ignore[arg-type]
    arguments = {*signature.parameters} - {"self", "return"} - without
    assert keys == arguments


@pytest.mark.parametrize(
    ("section", "target"),
    [(VenueTable, venues.Venue), (TransfersTable, venues.Transfers), (SampleTable, feeds.sample), (RunTable, Backtest)],
)
def test_defaults_that_a_reader_sees_are_those_of_the_constructor(section: type[Section], target: object) -> None:
    signature = inspect.signature(target.__init__ if isinstance(target, type) else target)  # type: ignore[arg-type]
    for name, field in section.model_fields.items():
        if name in signature.parameters and not field.is_required():
            default = signature.parameters[name].default
            if isinstance(default, (str, int, float, bool)):
                assert field.default == default, name
