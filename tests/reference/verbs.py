"""What a trader may ask for: orders, settings, margin, money; each is carried out or refused with a reason."""

from dataclasses import dataclass
from fractions import Fraction

from reference.inputs import ATOM
from reference.ledger import OUTSIDE, TRANSIT, fees_of
from reference.orders import Order
from reference.rounding import floor


@dataclass
class Transfer:
    """Money on its way."""

    due: int
    source: object
    target: object
    asset: str
    amount: int


class Verbs:
    """Carries out the operations of a scenario."""

    def __init__(self, run):
        self.run = run
        self.moving = []
        self.transfers = []
        self.orders = {}  # by the key that an operation gave
        self.refusals = []  # (time, reason)

    def carry_out(self, operation):
        """Carry out one operation."""
        account = self.run.accounts[operation.account]
        reason = getattr(self, operation.what)(account, **operation.words)
        if reason:
            self.refusals.append((self.run.now, reason))

    # ------------------------------------------------------------------ orders

    def order(self, account, key, **facts):
        """Judge an order when it arrives, then let it into its market."""
        contract = facts["contract"]
        order = Order(len(self.run.orders) + 1, account, **facts)
        self.run.orders.append(order)
        self.orders[key] = order
        tape = self.run.tapes[contract.address]
        takes = order.kind == "limit" and tape.is_reached(order)
        order.reason = self.refusal(account, order, tape) or account.hold(order, takes)
        if order.reason:
            order.status = "rejected"
        else:
            tape.add(order)

    def refusal(self, account, order, tape):
        """Return why the venue does not take an order, whatever its margin."""
        if tape.is_closed:
            return "DELISTED"
        if order.contract.kind != "spot":
            key = (order.contract.address, order.leg)
            if account.watches[account.pool_of(key)].condition == "liquidating":
                return "IN_LIQUIDATION"
            if order.leg and order.side != order.leg:
                order.reduce_only = True  # against its leg an order of hedge mode can only reduce
            if order.is_reducing and not account.reducible(order):
                return "NOTHING_TO_REDUCE"
        if self.is_too_large(account, order, tape):
            return "ABOVE_MAXIMUM"
        if order.kind in ("stop", "take"):
            prices = {"mark": self.run.marks, "index": self.run.indexes}
            price = tape.last if order.source == "last" else prices[order.source].get(order.contract.address)
            if price and order.is_beyond(price):
                return "WOULD_TRIGGER"
        return ""

    def is_too_large(self, account, order, tape):
        """Return whether an order is worth more than the venue takes (hyperliquid.md, contracts)."""
        limits = account.house.order_values
        if not limits or order.contract.kind == "spot":
            return False
        allowed = order.contract.tiers[0].leverage
        most = [value for leverage, value in limits if leverage <= allowed][-1] * (10 if order.kind == "limit" else 1)
        value = order.contract.notional(order.quantity, order.price or tape.last)
        self.run.doubt_near(value, most, value)
        return value > most

    def protect(self, account, key, contract, leg, kind, level, source):
        """Keep one resident stop of a kind for a whole position: another level replaces the standing one."""
        held = account.positions[contract.address, leg].quantity
        if not held:
            return
        side = -1 if held > 0 else 1
        tape = self.run.tapes[contract.address]
        for order in list(tape.orders):
            if order.account is account and (order.kind, order.leg, order.whole) == (kind, leg, True):
                if (order.trail if kind == "trailing" else order.trigger) == level and order.side == side:
                    self.orders[key] = order
                    return
                tape.end(order, "canceled", "BY_USER")
        facts = {"trail": level} if kind == "trailing" else {"trigger": level}
        facts |= {"contract": contract, "side": side, "quantity": Fraction(0), "kind": kind, "leg": leg}
        self.order(account, key, source=source, whole=True, reduce_only=True, **facts)

    def cancel(self, account, key):
        """Cancel an order that still works."""
        order = self.orders.get(key)
        if order is not None and order.status == "working":
            self.run.tapes[order.contract.address].end(order, "canceled", "BY_USER")

    # ------------------------------------------------------------------ settings

    def leverage(self, account, contract, leverage):
        """Set the margin leverage: bracket and available balance permitting; of an isolated position it only rises."""
        address, old, house = contract.address, account.leverage[contract.address], account.house
        if house.whole_leverage and leverage.denominator > 1:
            return "LEVERAGE_NOT_WHOLE"
        for key in [key for key in account.positions if key[0] == address]:
            leg = account.leg(key)
            value = leg.notional + max(leg.bids, leg.asks) if house.refuses_above_bracket else Fraction(0)
            if house.leverage_allowed(leg, value) < leverage:
                return "LEVERAGE_ABOVE_TIER"
            if account.isolated[address] and account.positions[key].quantity and leverage < old:
                return "INSUFFICIENT_MARGIN"
        before = account.available(contract.settle)
        account.leverage[address] = leverage
        after = account.available(contract.settle)
        if after < before:
            self.run.doubt_near(after, 0, before)
        if after < 0 and after < before:
            account.leverage[address] = old
            return "INSUFFICIENT_MARGIN"
        self.run.look(account)
        return ""

    def margin_mode(self, account, contract, isolated):
        """Change between cross and isolated, which an open position or order forbids."""
        keys = [key for key in account.positions if key[0] == contract.address]
        busy = any(account.positions[key].quantity or any(account.holding(key)) for key in keys)
        if busy and account.isolated[contract.address] != isolated:
            return "POSITION_LIMIT"
        account.isolated[contract.address] = isolated
        return ""

    def margin(self, account, contract, leg, amount):
        """Move money between the cross wallet and an isolated position; its initial margin must stay."""
        key, atoms = (contract.address, leg), int(amount / ATOM)
        if not account.positions[key].quantity or not account.isolated[contract.address]:
            return "NOTHING_TO_REDUCE"
        if atoms > 0:
            free = account.available(contract.settle)
            self.run.doubt_near(free, amount, 0)
            if amount > free:
                return "INSUFFICIENT_MARGIN"
        account.wallets[key] += atoms
        pool = account.pool(key)
        if atoms < 0:
            least = max(pool.initial, pool.notional * account.house.stays)
            self.run.doubt_near(pool.equity, least, 0)
            if pool.equity < least:
                account.wallets[key] -= atoms
                return "INSUFFICIENT_MARGIN"
        self.run.look(account)
        return ""

    # ------------------------------------------------------------------ money

    def free(self, account, asset):
        """Return the atoms that may leave: the wallet, and no more than is available without open profit.

        Where a share of the notional must stay, that counts instead of the profit (hyperliquid.md, margin).
        """
        pool, house = account.pool(asset), account.house
        if house.lends_profit:
            return max(0, floor(account.available(asset) / ATOM))
        kept = max(Fraction(0), pool.equity - pool.wallet + sum(leg.loss_in_equity for leg in pool.legs))
        if house.stays and pool.notional:
            kept = max(Fraction(0), pool.notional * house.stays - pool.initial - pool.orders)
        available = floor((account.available(asset) - kept) / ATOM)
        wallet = account.cross(asset) - account.locked(asset) - max(0, account.session_profit)
        return max(0, min(wallet, available))

    def deposit(self, account, asset, amount):
        """Pay money in."""
        account.post(OUTSIDE, asset, "deposit", int(amount / ATOM))
        self.run.look(account)
        return ""

    def withdraw(self, account, asset, amount):
        """Take money out."""
        atoms, most = int(amount / ATOM), self.free(account, asset)
        self.run.doubt_near(Fraction(atoms), Fraction(most), 0)
        if atoms > most:
            return "INSUFFICIENT_BALANCE"
        account.post(OUTSIDE, asset, "withdrawal", -atoms)
        self.run.look(account)
        return ""

    def transfer(self, account, asset, amount, target):
        """Send money to another account: it is in transit until its delay is over."""
        other, rules = self.run.accounts[target], self.run.scenario.transfers
        abroad = other.owner.venue != account.owner.venue
        fee = int(rules.fees.get(asset, 0) / ATOM) if abroad else 0
        atoms, most = int(amount / ATOM), self.free(account, asset)
        self.run.doubt_near(Fraction(atoms), Fraction(most), 0)
        reason = ""
        if atoms > most or atoms <= fee:
            reason = "INSUFFICIENT_BALANCE"
        elif abroad and atoms < int(rules.minimum.get(asset, 0) / ATOM):
            reason = "BELOW_MINIMUM"
        if reason:
            self.tell(account, other, asset, (atoms, 0, 0), "refused", reason)
            return
        account.post(TRANSIT, asset, "transfer", fee - atoms)
        account.post(fees_of(account.owner.venue), asset, "fee", -fee)
        self.run.look(account)
        self.tell(account, other, asset, (atoms, atoms - fee, fee), "sent", "")
        self.moving.append(Transfer(self.run.now + (rules.delay if abroad else 0), account, other, asset, atoms - fee))

    def tell(self, source, target, asset, amounts, status, reason):
        """Write down a state of a transfer: amounts sent, to be received, and the fee."""
        self.transfers.append((self.run.now, source.name, target.name, asset, *amounts, status, reason))

    def arrive(self):
        """Bring in what is due."""
        for transfer in [t for t in self.moving if t.due <= self.run.now]:
            self.moving.remove(transfer)
            transfer.target.post(TRANSIT, transfer.asset, "transfer", transfer.amount)
            self.run.look(transfer.target)
            self.tell(
                transfer.source, transfer.target, transfer.asset, (transfer.amount, transfer.amount, 0), "arrived", ""
            )
            self.run.attend()
