"""How each venue writes the names of its instruments, and the parts of a unified name."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from feeds.ccxt_ids import CCXT_IDS

UNIFIED = re.compile(r"([^/:@\s]+)/([^/:@\s-]+)(?::([^/:@\s-]+)(?:-(\d{6})(?:-([\d.]+)-([CP]))?)?)?")
_SPOT_QUOTES = (
    *("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USDP", "USD1", "USDE", "RLUSD", "DAI", "PAX", "USDS", "UST"),
    *("BTC", "ETH", "BNB", "XRP", "TRX", "DOGE", "DOT", "SOL"),
    *("EUR", "GBP", "TRY", "BRL", "AUD", "RUB", "UAH", "BIDR", "IDRT", "NGN", "ZAR", "PLN", "RON", "ARS", "JPY"),
    *("MXN", "CZK", "COP", "VAI", "BVND", "BKRW", "USD"),
)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_QUARTER_LETTERS = {3: "H", 6: "M", 9: "U", 12: "Z"}


@dataclass(frozen=True, slots=True)
class Unified:
    """The parts of a unified symbol ``BASE/QUOTE[:SETTLE[-YYMMDD[-STRIKE-C|P]]]``; parts that it lacks are empty."""

    base: str
    quote: str
    settle: str = ""
    expiry: str = ""
    strike: str = ""
    right: str = ""

    def __str__(self) -> str:
        """Return the symbol."""
        text = f"{self.base}/{self.quote}"
        for sign, part in ((":", self.settle), ("-", self.expiry), ("-", self.strike), ("-", self.right)):
            text += sign + part if part else ""
        return text


@dataclass(frozen=True, slots=True)
class VenueNames:
    """How one venue writes its names; None from either function means: not a name of this venue."""

    unified: Callable[[str], Unified | None]
    native: Callable[[Unified], str | None]
    example: str
    spot: bool = False


def _split_quote(text: str, quotes: tuple[str, ...]) -> tuple[str, str] | None:
    """Split ``BTCUSDT`` at the longest of the quotes that ends it."""
    for each in sorted(quotes, key=len, reverse=True):
        if text.endswith(each) and len(text) > len(each):
            return text[: -len(each)], each
    return None


def _joined_spot(quotes: tuple[str, ...] = _SPOT_QUOTES, *, separator: str = "") -> VenueNames:
    """Return the rule of a spot venue that writes BASE and QUOTE with a separator or none."""

    def unified(native: str) -> Unified | None:
        if separator:
            base, found, rest = native.partition(separator)
            return Unified(base, rest) if base and found and rest and separator not in rest else None
        pair = _split_quote(native, quotes)
        return Unified(*pair) if pair else None

    def native(parts: Unified) -> str | None:
        return None if parts.settle else f"{parts.base}{separator}{parts.quote}"

    return VenueNames(unified, native, f"BTC{separator}USDT" if "USDT" in quotes else f"BTC{separator}USD", spot=True)


def _usdm_unified(native: str) -> Unified | None:
    """Binance USD-M: BTCUSDT, BTCUSDT_260327; ASSETUSD is an asset index."""
    name, _, expiry = native.partition("_")
    pair = _split_quote(name, ("USDT", "USDC", "BUSD", "FDUSD", "USD1", "BTC", "USD"))
    if pair is None or (expiry and not re.fullmatch(r"\d{6}", expiry)) or native.endswith("_"):
        return None
    if pair[1] == "USD":
        return None if expiry else Unified(*pair)
    return Unified(*pair, settle=pair[1], expiry=expiry)


def _usdm_native(parts: Unified) -> str | None:
    """Inverse of `_usdm_unified`."""
    if parts.strike:
        return None
    return f"{parts.base}{parts.quote}" + (f"_{parts.expiry}" if parts.expiry else "")


def _coinm_unified(native: str) -> Unified | None:
    """Binance COIN-M: BTCUSD_PERP, BTCUSD_251226; the bare pair BTCUSD is an index."""
    match = re.fullmatch(r"(\w+?)USD(?:_(PERP|\d{6}))?", native)
    if match is None:
        return None
    base, kind = match[1], match[2]
    if kind is None:
        return Unified(base, "USD")
    return Unified(base, "USD", base, "" if kind == "PERP" else kind)


def _coinm_native(parts: Unified) -> str | None:
    """Inverse of `_coinm_unified`."""
    if parts.strike or parts.quote != "USD":
        return None
    if not parts.settle:
        return f"{parts.base}USD"
    return f"{parts.base}USD_{parts.expiry or 'PERP'}"


def _day_text(expiry: str) -> str:
    """Return YYMMDD as Deribit and Bybit write it: 251226 is 26DEC25, no leading zero."""
    return f"{int(expiry[4:])}{_MONTHS[int(expiry[2:4]) - 1]}{expiry[:2]}"


def _day_from_text(text: str) -> str | None:
    """Inverse of `_day_text`."""
    match = re.fullmatch(r"(\d{1,2})([A-Z]{3})(\d{2})", text)
    if match is None or match[2] not in _MONTHS:
        return None
    return f"{match[3]}{_MONTHS.index(match[2]) + 1:02d}{int(match[1]):02d}"


def _last_friday(year: int, month: int) -> date:
    """Return the last Friday of a month, on which quarterly contracts settle."""
    day = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
    return day - timedelta(days=(day.weekday() - 4) % 7)


def _quarter_code(expiry: str) -> str | None:
    """Return the code of a quarterly expiry (251226 is Z25), None for any other day."""
    day = datetime.strptime(expiry, "%y%m%d").date()
    letter = _QUARTER_LETTERS.get(day.month)
    return f"{letter}{day:%y}" if letter and day == _last_friday(day.year, day.month) else None


def _quarter_expiry(code: str) -> str | None:
    """Inverse of `_quarter_code`."""
    months = {letter: month for month, letter in _QUARTER_LETTERS.items()}
    if not re.fullmatch(r"[HMUZ]\d{2}", code):
        return None
    return f"{_last_friday(2000 + int(code[1:]), months[code[0]]):%y%m%d}"


def _bybit_unified(native: str) -> Unified | None:
    """Bybit contracts: BTCUSDT, BTCPERP, BTCUSD, BTC-26DEC25, BTCUSDT-26DEC25, BTCUSDZ25."""
    name, dash, day = native.partition("-")
    expiry = _day_from_text(day) if dash else ""
    if expiry is None:
        return None
    if pair := _split_quote(name, ("USDT",)):
        return Unified(*pair, settle="USDT", expiry=expiry)
    if dash:
        return Unified(name, "USDC", "USDC", expiry)
    if name.endswith("PERP"):
        return Unified(name[:-4], "USDC", "USDC") if len(name) > 4 else None
    match = re.fullmatch(r"(\w+?)USD([HMUZ]\d{2})?", name)
    if match is None:
        return None
    return Unified(match[1], "USD", match[1], (_quarter_expiry(match[2]) or "") if match[2] else "")


def _bybit_native(parts: Unified) -> str | None:
    """Inverse of `_bybit_unified`."""
    if parts.strike or not parts.settle:
        return None
    if parts.quote == "USDC":
        return f"{parts.base}-{_day_text(parts.expiry)}" if parts.expiry else f"{parts.base}PERP"
    if parts.quote == "USD" and parts.expiry:
        code = _quarter_code(parts.expiry)
        return f"{parts.base}USD{code}" if code else None
    return f"{parts.base}{parts.quote}" + (f"-{_day_text(parts.expiry)}" if parts.expiry else "")


def _okx_unified(native: str) -> Unified | None:
    """OKX: BTC-USDT, BTC-USDT-SWAP, BTC-USD-251226, BTC-USD-251226-80000-P."""
    match = re.fullmatch(r"([^-]+)-([^-]+)(?:-(SWAP|\d{6})(?:-([\d.]+)-([CP]))?)?", native)
    if match is None or (match[3] == "SWAP" and match[4]):
        return None
    base, quoted, kind, strike, right = match.groups()
    if kind is None:
        return Unified(base, quoted)
    settle = base if quoted == "USD" else quoted
    return Unified(base, quoted, settle, "" if kind == "SWAP" else kind, strike or "", right or "")


def _okx_native(parts: Unified) -> str | None:
    """Inverse of `_okx_unified`."""
    text = f"{parts.base}-{parts.quote}"
    if parts.strike:
        return f"{text}-{parts.expiry}-{parts.strike}-{parts.right}"
    return text if not parts.settle else f"{text}-{parts.expiry or 'SWAP'}"


def _deribit_unified(native: str) -> Unified | None:
    """Deribit: BTC-PERPETUAL, SOL_USDC-PERPETUAL, BTC-26DEC25, BTC-26DEC25-80000-P, BTC_USDC (spot)."""
    pieces = native.split("-")
    base, _, quoted = pieces[0].partition("_")
    if not base or len(pieces) not in (1, 2, 4):
        return None
    if len(pieces) == 1:
        return Unified(base, quoted) if quoted else None
    expiry = "" if pieces[1] == "PERPETUAL" else _day_from_text(pieces[1])
    if expiry is None or (len(pieces) == 4 and (not expiry or pieces[3] not in ("C", "P"))):
        return None
    strike, right = (pieces[2].replace("d", "."), pieces[3]) if len(pieces) == 4 else ("", "")
    return Unified(base, quoted or "USD", quoted or base, expiry, strike, right)


def _deribit_native(parts: Unified) -> str | None:
    """Inverse of `_deribit_unified`; a strike with decimals has a d for the point."""
    text = parts.base if parts.settle == parts.base else f"{parts.base}_{parts.quote}"
    if not parts.settle:
        return f"{parts.base}_{parts.quote}"
    text += f"-{_day_text(parts.expiry)}" if parts.expiry else "-PERPETUAL"
    return text + (f"-{parts.strike.replace('.', 'd')}-{parts.right}" if parts.strike else "")


def _bitmex_unified(native: str) -> Unified | None:
    """BitMEX: XBTUSD, XBTUSDT, ETHUSD (settled in BTC), XBTZ25; XBT is BTC. A spot pair has an underscore."""
    if "_" in native:
        base, _, quoted = native.partition("_")
        return Unified(_from_xbt(base), _from_xbt(quoted)) if base and quoted else None
    if match := re.fullmatch(r"(XBT)([HMUZ]\d{2})", native):
        return Unified("BTC", "USD", "BTC", _quarter_expiry(match[2]) or "")
    pair = _split_quote(native, ("USDT", "USD"))
    if pair is None:
        return None
    return Unified(_from_xbt(pair[0]), pair[1], "USDT" if pair[1] == "USDT" else "BTC")


def _bitmex_native(parts: Unified) -> str | None:
    """Inverse of `_bitmex_unified`."""
    if parts.strike:
        return None
    base = _to_xbt(parts.base)
    if not parts.settle:
        return f"{base}_{_to_xbt(parts.quote)}"
    if parts.expiry:
        code = _quarter_code(parts.expiry)
        return f"{base}{code}" if code else None
    return f"{base}{parts.quote}"


def _kraken_unified(native: str) -> Unified | None:
    """Kraken futures: PF_XBTUSD (linear, USD), PI_XBTUSD (inverse), FI_XBTUSD_251226, FF_XBTUSD_251226."""
    match = re.fullmatch(r"([PF])([FI])_(\w+?)USD(?:_(\d{6}))?", native)
    if match is None or (match[1] == "F") != (match[4] is not None):
        return None
    base = _from_xbt(match[3])
    return Unified(base, "USD", "USD" if match[2] == "F" else base, match[4] or "")


def _kraken_native(parts: Unified) -> str | None:
    """Inverse of `_kraken_unified`."""
    if parts.strike or not parts.settle or parts.quote != "USD":
        return None
    head = ("F" if parts.expiry else "P") + ("F" if parts.settle == "USD" else "I")
    return f"{head}_{_to_xbt(parts.base)}USD" + (f"_{parts.expiry}" if parts.expiry else "")


def _from_xbt(asset: str) -> str:
    """Return BTC for XBT."""
    return "BTC" if asset == "XBT" else asset


def _to_xbt(asset: str) -> str:
    """Return XBT for BTC."""
    return "XBT" if asset == "BTC" else asset


def _perpetual_only(suffix: str, quoted: str, example: str) -> VenueNames:
    """Return the rule of a venue whose ids are the base and a fixed suffix, all settled in one asset."""

    def unified(native: str) -> Unified | None:
        base = native.removesuffix(suffix) if suffix else native
        has_form = native.endswith(suffix) and base and not re.search(r"[@:/\s-]", base)
        return Unified(base, quoted, quoted) if has_form else None

    def native(parts: Unified) -> str | None:
        is_perpetual = parts.settle == parts.quote == quoted and not parts.expiry
        return f"{parts.base}{suffix}" if is_perpetual else None

    return VenueNames(unified, native, example)


def _gate_unified(native: str) -> Unified | None:
    """Gate futures: BTC_USDT, BTC_USD (inverse), BTC_USDT_20251226."""
    match = re.fullmatch(r"([^_]+)_(USDT|USD)(?:_20(\d{6}))?", native)
    return Unified(match[1], match[2], match[1] if match[2] == "USD" else "USDT", match[3] or "") if match else None


def _gate_native(parts: Unified) -> str | None:
    """Inverse of `_gate_unified`."""
    if parts.strike or not parts.settle:
        return None
    return f"{parts.base}_{parts.quote}" + (f"_20{parts.expiry}" if parts.expiry else "")


def _bitget_unified(native: str) -> Unified | None:
    """Bitget contracts: BTCUSDT, BTCPERP (USDC), BTCUSD (inverse)."""
    if native.endswith("PERP"):
        return Unified(native[:-4], "USDC", "USDC") if len(native) > 4 else None
    pair = _split_quote(native, ("USDT", "USD"))
    return Unified(*pair, settle=pair[0] if pair[1] == "USD" else "USDT") if pair else None


def _bitget_native(parts: Unified) -> str | None:
    """Inverse of `_bitget_unified`."""
    if parts.expiry or not parts.settle:
        return None
    return f"{parts.base}PERP" if parts.quote == "USDC" else f"{parts.base}{parts.quote}"


def _kucoin_unified(native: str) -> Unified | None:
    """KuCoin futures: XBTUSDTM, XBTUSDM (inverse)."""
    pair = _split_quote(native.removesuffix("M"), ("USDT", "USDC", "USD")) if native.endswith("M") else None
    if pair is None:
        return None
    base = _from_xbt(pair[0])
    return Unified(base, pair[1], base if pair[1] == "USD" else pair[1])


def _kucoin_native(parts: Unified) -> str | None:
    """Inverse of `_kucoin_unified`."""
    return f"{_to_xbt(parts.base)}{parts.quote}M" if parts.settle and not parts.expiry else None


def _htx_unified(native: str) -> Unified | None:
    """HTX swaps: BTC-USDT, BTC-USD (inverse)."""
    match = re.fullmatch(r"([^-]+)-(USDT|USD)", native)
    return Unified(match[1], match[2], match[1] if match[2] == "USD" else "USDT") if match else None


def _htx_native(parts: Unified) -> str | None:
    """Inverse of `_htx_unified`."""
    return f"{parts.base}-{parts.quote}" if parts.settle and not parts.expiry else None


VENUES: dict[str, VenueNames] = {
    "binance_usdm": VenueNames(_usdm_unified, _usdm_native, "BTCUSDT"),
    "binance_coinm": VenueNames(_coinm_unified, _coinm_native, "BTCUSD_PERP"),
    "binance_spot": _joined_spot(),
    "bybit": VenueNames(_bybit_unified, _bybit_native, "BTCUSDT"),
    "bybit_spot": _joined_spot(),
    "okx": VenueNames(_okx_unified, _okx_native, "BTC-USDT-SWAP", spot=True),
    "deribit": VenueNames(_deribit_unified, _deribit_native, "BTC-PERPETUAL", spot=True),
    "bitmex": VenueNames(_bitmex_unified, _bitmex_native, "XBTUSD", spot=True),
    "hyperliquid": _perpetual_only("", "USDC", "BTC"),
    "dydx": _perpetual_only("-USD", "USDC", "BTC-USD"),
    "drift": _perpetual_only("-PERP", "USDC", "SOL-PERP"),
    "krakenfutures": VenueNames(_kraken_unified, _kraken_native, "PF_XBTUSD"),
    "gate": VenueNames(_gate_unified, _gate_native, "BTC_USDT"),
    "bitget": VenueNames(_bitget_unified, _bitget_native, "BTCUSDT"),
    "htx": VenueNames(_htx_unified, _htx_native, "BTC-USDT"),
    "kucoinfutures": VenueNames(_kucoin_unified, _kucoin_native, "XBTUSDTM"),
    "coinbase": _joined_spot(separator="-"),
    "gemini": _joined_spot(("USD", "GUSD", "USDT", "USDC", "BTC", "ETH", "EUR", "GBP", "SGD")),
}


def _ccxt_unified(native: str) -> Unified | None:
    """Any other exchange of ccxt: its instruments are kept under their unified names."""
    match = UNIFIED.fullmatch(native)
    return Unified(*(part if part is not None else "" for part in match.groups())) if match else None


# Instruments of other exchanges of ccxt; Binance's ids there are other words for venues that are above.
CCXT_VENUES: dict[str, VenueNames] = {
    name: VenueNames(_ccxt_unified, str, "BTC/USDT:USDT", spot=True)
    for name in sorted(CCXT_IDS - set(VENUES))
    if not name.startswith("binance")
}
