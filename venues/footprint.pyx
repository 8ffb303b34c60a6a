"""What own orders leave in a market without a book: its depth, the cost of an order, how the market recovers.

An order that takes a quantity Q moves the price by I(Q), a fraction of it, and pays the average of the way there. Laws:

- linear: ``I(Q) = 1 % x Q / depth``, a book of equal size at every price (A. Obizhaeva, J. Wang, "Optimal trading
  strategy and supply/demand dynamics", 2005, section 3).
- square root: ``I(Q) = factor x volatility x sqrt(Q / volume)``, both of a day (leverage_lab.md section 2.4, LL-04).
  Its slope is infinite at zero, so that below `knee` days of volume it is the straight line to that point.
- recorded: rows of kind `depth`, cumulative quantity within distances of the middle; straight lines between them, and
  beyond the last the slope of the last piece.

What was taken comes back. `Q` above counts from what earlier own orders of the same side have taken and the market has
not refilled, and from what stays for good. Memory is a sum of exponentials, each with a share of every order:

- none: the next order finds the market whole (the temporary part of R. Almgren, N. Chriss, "Optimal execution of
  portfolio transactions", 2000, section 1.3).
- exponential: what is missing halves in a stated time (Obizhaeva and Wang; for other shapes of a book A. Alfonsi,
  A. Fruth, A. Schied, "Optimal execution strategies in limit order books with general shape functions", 2010, model 1).
- power: it falls as ``(1 + t / scale)^-exponent`` (the propagator of J.-P. Bouchaud et al., "Fluctuations and response
  in financial markets", 2004), as the mixture of exponentials ``w(s) = scale^n s^(n-1) exp(-s scale) / Gamma(n)`` that
  this power is, summed on a grid; within 1e-6 of an order of it, however long.

The share `permanent` of every order stays: it moves both sides of the market. The rest is missing on the side that it
was taken from alone, so that own buys never make own sells better. An order is one way however it is split: parts at
one instant cost what the whole costs.
"""

from libc.math cimport INFINITY, exp, fabs, fmax, fmin, lgamma, log, pow, sqrt
from libc.stdlib cimport free, realloc

cdef enum:
    WINDOW_NS = 300000000000             # over which trades are summed up

cdef double DAY_NS = 86400e9
cdef double STEP = 0.4                   # of the grid, in the logarithm of the rate


cdef void close_window(Gauge *g, double days) noexcept nogil:
    """Take a window's return and volume into the averages: plain ones at first, then with a half-life."""
    cdef double weight, move
    if days <= 0.0:
        return
    move = log(g.last / g.before)
    weight = fmax(1.0 - pow(2.0, -days / g.half_life), days / (g.days + days))
    g.days += days
    g.variance += weight * (move * move / days - g.variance)
    g.daily_volume += weight * (g.volume / days - g.daily_volume)
    g.before = g.last
    g.volume = 0.0


cdef class Footprint:
    """Depth of one market and what own orders of all accounts have taken from it.

    Parameters
    ----------
    law : int
        DepthLaw.
    depth, factor, knee, volatility, daily_volume, spread
        As in the contract.
    half_life : float
        Of measured averages, days.
    permanent : float
        Share of an order that stays.
    nodes : list of (float, float)
        Rate (1/s) and share of each exponential of the memory.
    moves_mark : bool
    """

    def __cinit__(self, *, int law, double depth, double factor, double knee, double volatility, double daily_volume,
                  double spread, double half_life, double permanent, list nodes, bint moves_mark):
        cdef int i
        if len(nodes) > NODES:
            raise ValueError(f"a memory has at most {NODES} nodes, got {len(nodes)}")
        self.law = law
        self.depth = depth
        self.factor = factor
        self.knee = knee
        self.volatility = volatility
        self.daily_volume = daily_volume
        self.spread = spread
        self.moves_mark = moves_mark
        self.measures = (law == SQUARE_ROOT_DEPTH and (volatility < 0.0 or daily_volume < 0.0)) or (
            spread > 0.0 and volatility < 0.0)
        self.gauge.half_life = half_life
        self.permanent = permanent
        self.n = len(nodes)
        for i in range(self.n):
            self.rates[i], self.shares[i] = nodes[i]

    def __dealloc__(self):
        free(self.marks)

    # ------------------------------------------------------------------ what the market was like

    cdef void note_bar(self, double start, double close, double volume, int64_t begin, int64_t end) noexcept nogil:
        if self.gauge.since == 0:
            self.gauge.before = start
        self.gauge.since = end
        self.gauge.last = close
        self.gauge.volume = volume
        close_window(&self.gauge, <double> (end - begin) / DAY_NS)

    cdef void note_trade(self, double price, double quantity, int64_t time) noexcept nogil:
        cdef Gauge *g = &self.gauge
        if g.since == 0:
            g.since = time
            g.before = price
            g.boundary = (time // WINDOW_NS + 1) * WINDOW_NS
        elif time >= g.boundary:
            # Windows without a trade belong to the one before them: nothing traded, the price stood.
            g.boundary = time // WINDOW_NS * WINDOW_NS
            close_window(g, <double> (g.boundary - g.since) / DAY_NS)
            g.since = g.boundary
            g.boundary += WINDOW_NS
        g.volume += quantity
        g.last = price

    cdef void note_depth(self, double distance, double quantity, int64_t time) noexcept nogil:
        cdef DepthCurve *c = &self.curves[1 if distance > 0.0 else 0]
        cdef int i, at
        distance = fabs(distance)
        if c.time != time or c.n == 0:
            c.time = time
            c.n = 1                      # (0, 0)
        if c.n == BANDS or distance == 0.0:
            return
        at = c.n
        while at > 1 and c.distance[at - 1] > distance:
            c.distance[at] = c.distance[at - 1]
            c.quantity[at] = c.quantity[at - 1]
            at -= 1
        c.distance[at] = distance
        c.quantity[at] = quantity
        c.n += 1
        for i in range(max(1, at), c.n):
            c.quantity[i] = fmax(c.quantity[i], c.quantity[i - 1])

    cdef double sigma(self) noexcept nogil:
        return self.volatility if self.volatility >= 0.0 else sqrt(self.gauge.variance)

    cdef double turnover(self) noexcept nogil:
        return self.daily_volume if self.daily_volume >= 0.0 else self.gauge.daily_volume

    cdef bint is_known(self) noexcept nogil:
        if self.measures and self.gauge.days == 0.0:
            return False
        if self.law == RECORDED_DEPTH:
            return (self.curves[0].n > 1 and self.curves[1].n > 1
                    and self.curves[0].quantity[self.curves[0].n - 1] > 0.0
                    and self.curves[1].quantity[self.curves[1].n - 1] > 0.0)
        return self.law == LINEAR_DEPTH or self.turnover() > 0.0

    cdef double half_spread(self) noexcept nogil:
        return self.spread * self.sigma() if self.spread > 0.0 else 0.0

    # ------------------------------------------------------------------ the law

    cdef double impact(self, int side, double quantity) noexcept nogil:
        cdef double q = fabs(quantity), moved, bend
        if q == 0.0:
            return 0.0
        if self.law == LINEAR_DEPTH:
            moved = 0.01 * q / self.depth
        elif self.law == SQUARE_ROOT_DEPTH:
            bend = self.knee * self.turnover()
            moved = self.factor * self.sigma() * sqrt(fmax(q, bend) / self.turnover())
            moved *= fmin(q / bend, 1.0)
        else:
            moved = curve_distance(&self.curves[1 if side > 0 else 0], q)
        return moved if quantity > 0.0 else -moved

    cdef double quantity_to(self, int side, double impact) noexcept nogil:
        cdef double d = fabs(impact), q, bend, scale
        if self.law == LINEAR_DEPTH:
            q = 100.0 * d * self.depth
        elif self.law == SQUARE_ROOT_DEPTH:
            bend = self.knee * self.turnover()
            scale = self.factor * self.sigma()
            if scale == 0.0:
                return INFINITY if impact >= 0.0 else -INFINITY
            q = (d / scale) ** 2 * self.turnover()
            if q < bend:
                q = bend * d / (scale * sqrt(self.knee))
        else:
            q = curve_quantity(&self.curves[1 if side > 0 else 0], d)
        return q if impact > 0.0 else -q

    cdef double swept(self, int side, double quantity) noexcept nogil:
        cdef double q = fabs(quantity), bend, straight
        if self.law == LINEAR_DEPTH:
            return 0.005 * q * q / self.depth
        if self.law == SQUARE_ROOT_DEPTH:
            bend = self.knee * self.turnover()
            straight = fmin(q, bend)
            return self.factor * self.sigma() / sqrt(self.turnover()) * (
                0.5 * straight * straight / sqrt(bend)
                + (2.0 / 3.0 * (q * sqrt(q) - bend * sqrt(bend)) if q > bend else 0.0))
        return curve_swept(&self.curves[1 if side > 0 else 0], q)

    # ------------------------------------------------------------------ the memory

    cdef void pass_time(self, int64_t time) noexcept nogil:
        cdef double seconds = 1e-9 * <double> (time - self.time), fall
        cdef int i
        if seconds <= 0.0:
            return
        self.time = time
        for i in range(self.n):
            if self.taken[0][i] != 0.0 or self.taken[1][i] != 0.0:
                fall = exp(-self.rates[i] * seconds)
                self.taken[0][i] *= fall
                self.taken[1][i] *= fall

    cdef double behind(self, int side) noexcept nogil:
        cdef double sum = side * self.lasting
        cdef int i
        for i in range(self.n):
            sum += self.taken[1 if side > 0 else 0][i]
        return sum

    cdef double average_move(self, int side, double quantity, int64_t time) noexcept nogil:
        """How much worse than the market an order fills on average, as a fraction of the price."""
        cdef double before
        self.pass_time(time)
        before = self.behind(side)
        if quantity <= 0.0:
            return self.impact(side, before)
        if self.law == LINEAR_DEPTH:
            return 0.01 * (before + 0.5 * quantity) / self.depth
        return (self.swept(side, before + quantity) - self.swept(side, before)) / quantity

    cdef double reachable(self, int side, double impact, int64_t time) noexcept nogil:
        """The quantity until whose last unit the price moves by an impact; 0 when it is beyond that already."""
        self.pass_time(time)
        return fmax(0.0, self.quantity_to(side, impact) - self.behind(side))

    cdef void leave(self, int side, double quantity, int64_t time) noexcept nogil:
        """An own order has taken a quantity."""
        cdef int i
        self.pass_time(time)
        self.lasting += side * self.permanent * quantity
        for i in range(self.n):
            self.taken[1 if side > 0 else 0][i] += self.shares[i] * quantity

    cdef double middle(self, int64_t time) noexcept nogil:
        self.pass_time(time)
        if not self.is_known():
            return 0.0
        return 0.5 * (self.impact(1, self.behind(1)) - self.impact(-1, self.behind(-1)))

    # ------------------------------------------------------------------ marks on their way to the strategy

    cdef int push_mark(self, int64_t price) except -1 nogil:
        cdef int64_t *grown
        cdef int64_t i
        if self.first_mark + self.n_marks == self.room:
            if self.first_mark > self.room // 2:
                for i in range(self.n_marks):
                    self.marks[i] = self.marks[self.first_mark + i]
                self.first_mark = 0
            else:
                grown = <int64_t *> realloc(self.marks, (2 * self.room + 64) * sizeof(int64_t))
                if grown == NULL:
                    with gil:
                        raise MemoryError("footprint: no memory for marks")
                self.marks = grown
                self.room = 2 * self.room + 64
        self.marks[self.first_mark + self.n_marks] = price
        self.n_marks += 1
        return 0

    cdef int64_t pop_mark(self) noexcept nogil:
        cdef int64_t price = self.marks[self.first_mark]
        self.first_mark += 1
        self.n_marks -= 1
        if self.n_marks == 0:
            self.first_mark = 0
        return price

    # ------------------------------------------------------------------ for Python

    def move(self, int side, double quantity, int64_t time=0):
        """Return the impact of the last unit of an order and the average of all of them, fractions of the price."""
        average = self.average_move(side, quantity, time)
        return self.impact(side, self.behind(side) + quantity), average

    def order(self, int side, double quantity, int64_t time):
        """Take a quantity at a time, ns, and return its average move, a fraction of the price."""
        average = self.average_move(side, quantity, time)
        self.leave(side, quantity, time)
        return average

    def capacity(self, int side, double impact, int64_t time=0):
        """Return the quantity that an order may take until the price has moved by a fraction."""
        return self.reachable(side, impact, time)

    def observe(self, rows):
        """Note (distance, quantity) rows of recorded depth; distances below 0 are bids."""
        for distance, quantity in rows:
            self.note_depth(distance, quantity, self.time + 1)

    def see(self, trades):
        """Note (time, price, quantity) trades and return volatility and volume a day as measured since."""
        for time, price, quantity in trades:
            self.note_trade(price, quantity, time)
        return sqrt(self.gauge.variance), self.gauge.daily_volume


cdef double curve_distance(const DepthCurve *c, double quantity) noexcept nogil:
    """How far the price is when a quantity has been taken."""
    cdef int i = 1
    cdef double step
    while i < c.n - 1 and c.quantity[i] < quantity:
        i += 1
    step = c.quantity[i] - c.quantity[i - 1]
    while step <= 0.0 and i > 1:
        i -= 1
        step = c.quantity[i] - c.quantity[i - 1]
    return c.distance[i - 1] + (quantity - c.quantity[i - 1]) / step * (c.distance[i] - c.distance[i - 1])


cdef double curve_quantity(const DepthCurve *c, double distance) noexcept nogil:
    """How much has been taken when the price is so far."""
    cdef int i = 1
    cdef double share
    while i < c.n - 1 and c.distance[i] < distance:
        i += 1
    share = (distance - c.distance[i - 1]) / (c.distance[i] - c.distance[i - 1])
    return c.quantity[i - 1] + share * (c.quantity[i] - c.quantity[i - 1])


cdef double curve_swept(const DepthCurve *c, double quantity) noexcept nogil:
    """The integral of the distance up to a quantity."""
    cdef double sum = 0.0, here = 0.0, there
    cdef int i = 1
    while i < c.n - 1 and c.quantity[i] < quantity:
        there = c.quantity[i]
        sum += 0.5 * (there - here) * (c.distance[i] + c.distance[i - 1])
        here = there
        i += 1
    return sum + 0.5 * (quantity - here) * (curve_distance(c, quantity) + (c.distance[i - 1] if i > 1 else 0.0))


def power_nodes(scale: float, exponent: float) -> list[tuple[float, float]]:
    """Return (rate, share) whose sum of ``share exp(-rate t)`` is ``(1 + t / scale)^-exponent``.

    Parameters
    ----------
    scale : float
        Seconds.
    exponent : float

    Notes
    -----
    ``x^-n = integral of s^(n-1) exp(-s x) ds / Gamma(n)`` with x = 1 + t / scale, by the trapezoidal rule in ln s,
    whose error falls exponentially with the width of its steps. What lies below the grid decays too slowly to be seen
    and is one share that stays.
    """
    nodes = []
    u = 4.2
    while u > -36.0:
        s = exp(u)
        nodes.append((s / scale, STEP * exp(exponent * u - s - lgamma(exponent))))
        u -= STEP
    # the trapezoidal sum is 1 but for its error; what is left below the grid never falls
    nodes.append((0.0, max(0.0, 1.0 - sum(share for _, share in nodes))))
    return nodes
