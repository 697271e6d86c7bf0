"""Schemes that are not one network: their noiseless parts are given, their links are textbook.

`label_code` sends the class that the transmitter decided, `separate` the image itself as bits,
`digital_semantic` its features as bits. Each is configured by a frozen dataclass, a `SchemeConfig`.
"""
