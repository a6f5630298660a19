"""Source models to INT8 ``.tflite``: the only place that imports a framework."""
