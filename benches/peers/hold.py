"""SimPy at the hold model: so many bare callbacks, each of which schedules itself again.

Prints nanoseconds of processor time an event: hold.py PENDING EVENTS
"""

import math
import random
import sys
import time

import simpy
from simpy.events import Timeout

pending, events = int(sys.argv[1]), int(sys.argv[2])
table = [max(1, int(-1e6 * math.log((i + 0.5) / 1024))) for i in range(1024)]
draw = random.Random(1).getrandbits
env = simpy.Environment()


def again(_):
    Timeout(env, table[draw(10)]).callbacks.append(again)


for _ in range(pending):
    again(None)
# Steady before the clock runs.
for _ in range(2 * pending):
    env.step()
start = time.process_time()
for _ in range(events):
    env.step()
print((time.process_time() - start) * 1e9 / events)
