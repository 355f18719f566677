"""SPU 0.9.5, ABY3 modulo 2^64 with 18 fraction bits, its simulator."""

import jax
import jax.numpy as jnp
import numpy as np
import spu
import spu.utils.simulation as simulation

from points import FUNCTIONS, points, show

OPERATIONS = {
    "exp": jnp.exp,
    "reciprocal": lambda x: 1.0 / x,
    "inverse root": jax.lax.rsqrt,
    "root": jnp.sqrt,
    "ln": jnp.log,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
}
simulator = simulation.Simulator.simple(3, spu.ProtocolKind.ABY3, spu.FieldType.FM64)
for name in FUNCTIONS:
    results = simulation.sim_jax(simulator, OPERATIONS[name])(np.array(points(name), dtype=np.float32))
    show("SPU 0.9.5, 18 bits", name, np.asarray(results, dtype=np.float64))
