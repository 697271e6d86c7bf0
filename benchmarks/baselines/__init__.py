"""Conventional schemes: their source parts are given, their links are textbook.

`label_code` sends the class that the transmitter decided, `separate` the image itself as bits,
`digital_semantic` its features as bits, `analog_pixels` its pixels as symbols. Each is configured
by a frozen dataclass, a `SchemeConfig`.
"""
