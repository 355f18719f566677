"""MPyC 0.11, secure fixed point of 32 bits with 16 fraction bits, one process with all parties' roles."""

import sys

from mpyc import statistics
from mpyc.runtime import mpc

from points import FUNCTIONS, points, show

secfxp = mpc.SecFxp(32, 16)
OPERATIONS = {"reciprocal": lambda x: 1 / x, "root": statistics._fsqrt, "inverse root": lambda x: 1 / statistics._fsqrt(x)}


async def main():
    await mpc.start()
    for name in FUNCTIONS:
        if name in OPERATIONS:
            results = []
            for x in points(name):
                results.append(await mpc.output(OPERATIONS[name](secfxp(x))))
            show("MPyC 0.11, 16 bits", name, results)
    await mpc.shutdown()


sys.argv = sys.argv[:1]
mpc.run(main())
