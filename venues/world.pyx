"""What all accounts of a run look at: contracts, prices, collateral. Two of them exist, one for each clock."""

from libc.math cimport NAN
from libc.stdlib cimport calloc, free
from venues.contract cimport Contract, ContractBox


cdef class World:
    """Contracts and the latest prices of a run.

    Parameters
    ----------
    boxes : list of ContractBox
        One per instrument, in the order of the run's table.
    asset_scales : list of int
        Decimals of one atom of each asset.
    """

    def __cinit__(self, list boxes, list asset_scales):
        cdef int32_t i
        cdef ContractBox box
        self.boxes = boxes
        self.n_instruments = len(boxes)
        self.n_assets = len(asset_scales)
        self.contracts = <const Contract **> calloc(self.n_instruments + 1, sizeof(Contract *))
        self.prices = <Prices *> calloc(self.n_instruments + 1, sizeof(Prices))
        self.divisors = <double *> calloc(self.n_instruments + 1, sizeof(double))
        self.quantity_divisors = <double *> calloc(self.n_instruments + 1, sizeof(double))
        self.asset_prices = <double *> calloc(self.n_assets + 1, sizeof(double))
        self.asset_usd = <double *> calloc(self.n_assets + 1, sizeof(double))
        self.asset_scales = <int32_t *> calloc(self.n_assets + 1, sizeof(int32_t))
        self.atoms = <double *> calloc(self.n_assets + 1, sizeof(double))
        if (self.contracts == NULL or self.prices == NULL or self.divisors == NULL or self.quantity_divisors == NULL
                or self.asset_prices == NULL or self.asset_usd == NULL or self.asset_scales == NULL
                or self.atoms == NULL):
            raise MemoryError("world: no memory for prices")
        for i in range(self.n_instruments):
            box = boxes[i]
            self.contracts[i] = box.contract
            self.divisors[i] = 10.0 ** box.contract.price_scale
            self.quantity_divisors[i] = 10.0 ** box.contract.quantity_scale
        for i in range(self.n_assets):
            self.asset_prices[i] = NAN
            self.asset_usd[i] = NAN
            self.asset_scales[i] = asset_scales[i]
            self.atoms[i] = 10.0 ** <int> asset_scales[i]

    def __dealloc__(self):
        free(self.contracts)
        free(self.prices)
        free(self.divisors)
        free(self.quantity_divisors)
        free(self.asset_prices)
        free(self.asset_usd)
        free(self.asset_scales)
        free(self.atoms)

    def set_asset_price(self, int asset, double reporting, double usd):
        """Set the reporting and the US dollar price of an asset (nan = unknown)."""
        if not 0 <= asset < self.n_assets:
            raise IndexError(f"asset {asset} of {self.n_assets}")
        self.asset_prices[asset] = reporting
        self.asset_usd[asset] = usd

    def price_of_asset(self, int asset):
        """Return the reporting price of an asset, nan when unknown."""
        return self.asset_prices[asset]

    cdef void set_price(self, int32_t instrument, PriceSource source, int64_t units, int64_t ts) noexcept nogil:
        cdef Prices *p = &self.prices[instrument]
        # Division by a power of ten below 2^53 rounds correctly, multiplication by its inverse does not.
        cdef double value
        if source == LAST_PRICE:
            p.last = units
            p.last_ts = ts
            return
        value = <double> units / self.divisors[instrument]
        if source == MARK_PRICE:
            p.mark = units
            p.mark_ts = ts
            p.mark_value = value
        else:
            p.index = units
            p.index_ts = ts
            p.index_value = value

    cdef void set_open_interest(self, int32_t instrument, double quantity) noexcept nogil:
        (<Contract *> self.contracts[instrument]).open_interest = quantity

    cdef double price_value(self, int32_t instrument, int64_t units) noexcept nogil:
        return <double> units / self.divisors[instrument]

    cdef double quantity_value(self, int32_t instrument, int64_t units) noexcept nogil:
        return <double> units / self.quantity_divisors[instrument]

    cdef double amount_value(self, int32_t asset, int64_t atoms) noexcept nogil:
        return <double> atoms / self.atoms[asset]
