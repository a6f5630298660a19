"""edgeserve: neural networks on microcontrollers and phones, measured and verified."""

__version__ = "0.1.0"
