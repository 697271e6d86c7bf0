"""Conventional schemes: a given source part with a textbook link.

`label_code` sends the class that the transmitter has decided, `separate` the image itself as bits,
`digital_semantic` its features as bits, and `analog_pixels` its pixels as symbols. Each is
configured by a frozen dataclass, a `SchemeConfig`.
"""
