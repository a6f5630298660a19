"""What happens to a raw frame, clip or window before it is a model's input: declared once, computed
in integers alike on the host and on the device.
"""
