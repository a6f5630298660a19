"""The kernels that the runtime has: a record of parameters for each."""
