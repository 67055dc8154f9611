# SPDX-License-Identifier: GPL-2.0-or-later
"""io.prometheus.client.MetricFamily, delimited, by hand."""
import struct

TYPE = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def num(field, n):
    return varint(field << 3) + varint(n)


def sint(field, n):
    return num(field, n << 1 if n >= 0 else (-n << 1) - 1)


def dbl(field, v):
    return varint(field << 3 | 1) + struct.pack("<d", v)


def sub(field, b):
    b = b.encode() if isinstance(b, str) else b
    return varint(field << 3 | 2) + varint(len(b)) + b


def native(k):
    """Observations k times 0.3 and 3k times 1.5 and once 0, schema 0: buckets (0.25,0.5] and (1,2]; and the same as classic buckets."""
    h = num(1, 4 * k + 1) + dbl(2, 0.3 * k + 4.5 * k) + sint(5, 0) + dbl(6, 2.0**-128) + num(7, 1)
    h += sub(12, sint(1, -1) + num(2, 1)) + sub(12, sint(1, 1) + num(2, 1)) + sint(13, k) + sint(13, 2 * k)
    h += sub(3, num(1, k + 1) + dbl(2, 1.0))
    family = sub(1, "nh_seconds") + sub(2, "A native histogram.") + num(3, 4) + sub(4, sub(1, sub(1, "a") + sub(2, "b")) + sub(7, h))
    counter = sub(1, "nh_total") + num(3, 0) + sub(4, sub(3, dbl(1, k)))
    return b"".join(varint(len(f)) + f for f in (family, counter))


def pair(name, value):
    return sub(1, sub(1, name) + sub(2, value))


def family(name, kind, *metrics):
    f = sub(1, name) + sub(2, "Help of " + name) + num(3, kind) + b"".join(sub(4, m) for m in metrics)
    return varint(len(f)) + f


def everything(k):
    """One family of each kind, and native histograms: with a negative side, empty, a gauge, one that gets more
    buckets, one that is reset."""
    summary = num(1, k) + dbl(2, 0.5 * k) + b"".join(sub(3, dbl(1, q) + dbl(2, q * k)) for q in (0.5, 0.9, 1))
    classic = num(1, 3 * k) + dbl(2, k) + sub(3, num(1, k) + dbl(2, 0.5)) + sub(3, num(1, 2 * k) + dbl(2, 10))
    negative = num(1, 5 * k) + dbl(2, -1.5 * k) + sint(5, 2) + dbl(6, 0.001) + num(7, k)
    negative += sub(9, sint(1, -3) + num(2, 2)) + sint(10, k) + sint(10, k) + sub(12, sint(1, 4) + num(2, 1)) + sint(13, k)
    growing = num(1, k) + dbl(2, k) + sint(5, 0) + sub(12, sint(1, 0) + num(2, k)) + sint(13, 1) + b"".join(sint(13, 0) for _ in range(k - 1))
    r = k % 4
    reset = num(1, 2 * r) + dbl(2, r) + sint(5, 3) + sub(12, sint(1, 7) + num(2, 1)) + sint(13, 2 * r)
    return b"".join([
        family("p_total", 0, pair("a", "x") + sub(3, dbl(1, k)), pair("a", "y") + sub(3, dbl(1, 2 * k))),
        family("p_gauge", 1, sub(2, dbl(1, -0.1 * k))),
        family("p_untyped", 3, sub(5, dbl(1, k))),
        family("p_summary", 2, pair("b", "1") + sub(4, summary)),
        family("p_classic", 4, sub(7, classic)),
        family("n_negative", 4, sub(7, negative)),
        family("n_growing", 4, pair("c", "d") + sub(7, growing)),
        family("n_reset", 4, sub(7, reset)),
        family("n_empty", 4, sub(7, dbl(6, 0.5))),
        family("n_gauge", 5, sub(7, reset)),
    ]) + native(k)
