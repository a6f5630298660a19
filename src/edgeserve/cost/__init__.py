"""What kernels cost: instructions and words, by features and measured coefficients.

A kernel's features (``features.py``) say how often a turn of it does each thing that costs.
``costs.json`` holds what each takes on a core, fitted to counts under the emulator
(``make bench-kernels``), with the error on shapes that the fit has not seen. Everything here is
integer arithmetic: the same program gets the same plan on every machine.
"""
