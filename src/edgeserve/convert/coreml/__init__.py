"""Core ML packages: made from a float model, read back, evaluated without a Mac.

``program`` builds and ``saved`` reads; what checks (``saved``, ``blob``, ``evaluate``,
``arithmetic``) shares no code with what builds (``program``, ``windows``, ``shapes``, ``values``).
"""
