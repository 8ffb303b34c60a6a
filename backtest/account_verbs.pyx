"""The verbs that a strategy asks its accounts with."""

from backtest.exposure cimport Exposure
from libc.stdint cimport int32_t
from venues.contract cimport OF_TIER

from backtest.errors import OrderError
from backtest.state_views import AccountView


cdef class AccountVerbs(Exposure):
    """The verbs that ask an account for something: leverage, margin, transfers, conversion."""

    def set_leverage(self, symbol, leverage):
        """Ask for a margin leverage: it caps exposure and sets initial margin, never maintenance."""
        instrument, account = self.find(symbol)
        if not float(leverage) >= 1:
            raise OrderError(f"leverage must be at least 1, got {leverage!r} for {symbol}")
        if self.context.world.contracts[instrument].initial_rule == OF_TIER:
            raise OrderError(
                f"{self.context.infos[instrument].address}: the venue has no leverage setting, its initial margin "
                "follows from the size of the position; an order's own leverage= sets how large that is")
        self._ask("leverage", account, f"set_leverage({symbol!r}, {leverage!r})", instrument, float(leverage))

    def set_margin_mode(self, symbol, mode):
        """Ask for ``cross`` or ``isolated`` margin of a symbol; refused while a position or order is open."""
        instrument, account = self.find(symbol)
        if mode not in ("cross", "isolated"):
            raise OrderError(f"margin mode must be 'cross' or 'isolated', got {mode!r}")
        if mode not in self.context.margin_modes[account]:
            raise OrderError(
                f"{self.context.infos[instrument].address}: the venue has only "
                f"{' and '.join(self.context.margin_modes[account])} margin, got {mode!r}")
        self._ask("margin_mode", account, f"set_margin_mode({symbol!r}, {mode!r})", instrument, mode == "isolated")

    def add_margin(self, symbol, amount, *, position=None):
        """Ask to move money of the settle asset from the cross wallet to an isolated position."""
        instrument, account = self.find(symbol)
        self._ask("margin", account, f"add_margin({symbol!r}, {amount!r})", instrument, self._leg(account, position),
                  float(amount))

    def remove_margin(self, symbol, amount, *, position=None):
        """Ask to take money out of an isolated position; its initial margin must stay."""
        self.add_margin(symbol, -float(amount), position=position)

    def _account_number(self, account):
        """The row of an account: its name, its venue where that has only one, or a symbol that is traded in it."""
        name = account.name if isinstance(account, AccountView) else str(account)
        if name.partition("@")[0] in self.context.addresses:
            return self.find(name)[1]
        name = name.removesuffix("/main")
        matches = [i for i, own in enumerate(self.context.accounts) if own == name]
        matches = matches or [i for i, venue in enumerate(self.context.account_venues) if venue == name]
        if len(matches) == 1:
            self._heard.add(matches[0])
            return matches[0]
        raise OrderError(
            f"account {account!r} is {'ambiguous' if matches else 'unknown'}; "
            f"the run has {', '.join(self.context.accounts)}")

    def _asset_number(self, asset):
        if asset not in self.context.assets:
            raise OrderError(f"asset {asset!r} is unknown; the run has {', '.join(self.context.assets)}")
        return self.context.assets.index(asset)

    def transfer(self, asset, amount, *, source, target, receive=None):
        """Move money between two accounts of the run; it arrives after the delay of `venues.Transfers`.

        Parameters
        ----------
        asset : str
        amount : number or "all"
        source, target : str or account
            As in `account`.
        receive : str, optional
            Asset on arrival; when it differs, a conversion at the index less the slippage of the source.

        Returns
        -------
        int
            Number of the transfer, as in `on_transfer`.
        """
        cdef int32_t one = self._account_number(source), other = self._account_number(target)
        if one == other:
            raise OrderError(f"source and target are both {self.context.accounts[one]}")
        if amount != "all" and not float(amount) > 0:
            raise OrderError(f"amount must be positive or 'all', got {amount!r}")
        self.context.next_transfer += 1
        self._ask("transfer", one, f"transfer of {amount} {asset}", self.context.next_transfer,
                  self._asset_number(asset), amount, other, self._asset_number(receive or asset))
        return self.context.next_transfer

    def convert(self, account, sell, buy, amount):
        """Exchange one asset for another inside an account, at the index less the account's slippage."""
        number = self._account_number(account)
        if amount != "all" and not float(amount) > 0:
            raise OrderError(f"amount must be positive or 'all', got {amount!r}")
        self._ask("convert", number, f"convert({sell!r} to {buy!r}, {amount!r})", self._asset_number(sell),
                  self._asset_number(buy), amount)

    def borrow(self, asset, amount, *, account=None):
        """Ask for a loan: money of an asset, which costs interest (`borrow_rates`) and margin until it is repaid.

        Parameters
        ----------
        asset : str
        amount : number
        account : str or account, optional
            As in `account`; None: the only account of the run that lends.
        """
        self._ask_for_loan("borrow", asset, amount, account)

    def repay(self, asset, amount, *, account=None):
        """Ask to pay a loan back out of the balance of its asset; an amount, or ``"all"`` that can be paid back."""
        self._ask_for_loan("repay", asset, amount, account)

    def _ask_for_loan(self, what, asset, amount, account):
        lending = self.context.lending
        if account is None:
            lenders = [i for i in range(len(lending)) if not lending[i]]
            if len(lenders) > 1:
                names = ", ".join(self.context.accounts[i] for i in lenders)
                raise OrderError(f"{what}({asset!r}, {amount!r}) needs account= one of {names}")
            number = lenders[0] if lenders else 0
            self._heard.add(number)
        else:
            number = self._account_number(account)
        if lending[number]:
            raise OrderError(f"{what}({asset!r}, {amount!r}): {lending[number]}")
        if not (what == "repay" and amount == "all") and not float(amount) > 0:
            allowed = "positive or 'all'" if what == "repay" else "positive"
            raise OrderError(f"amount must be {allowed}, got {amount!r}")
        self._ask(what, number, f"{what}({asset!r}, {amount!r})", self._asset_number(asset), amount)

    def deposit(self, account, asset, amount):
        """Pay money into an account from outside the run."""
        number = self._account_number(account)
        self._ask("deposit", number, f"deposit({asset!r}, {amount!r})", self._asset_number(asset), float(amount))

    def withdraw(self, account, asset, amount):
        """Take money out of the run; the venue refuses more than is withdrawable."""
        number = self._account_number(account)
        self._ask("withdraw", number, f"withdraw({asset!r}, {amount!r})", self._asset_number(asset), amount)

    def account(self, name):
        """Return the state of an account as delivered so far.

        Parameters
        ----------
        name : str
            ``VENUE`` (where it has one account), ``VENUE/ACCOUNT``, or a symbol: the account that trades it.
        """
        return AccountView(self.context, self._account_number(name))

    @property
    def accounts(self):
        """All accounts of the run."""
        return [AccountView(self.context, i) for i in range(len(self.context.accounts))]
