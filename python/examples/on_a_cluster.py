"""Points of a sweep as tasks of joblib: processes here, machines with another backend.

    python on_a_cluster.py runs.csv

joblib starts the workers and brings scenarios there and frames back. With `dask.distributed` the
same lines run on a cluster: `Client("tcp://scheduler:8786")` and
`joblib.parallel_config("dask")` around the call.
"""

import sys

import apfsim
import joblib
import pandas


def runs(number, scenario):
    """The rows of a point, with its number."""
    frame = scenario.compare(jobs=1).pandas()
    frame.insert(0, "point", number)
    return frame


def main(path):
    scenario = apfsim.Scenario("smoke").set({"duration": "100ms"})
    sweep = scenario.sweep({"host.swap.device.read_latency": ["50us", "500us", "5ms"]})
    points = enumerate(sweep.scenarios())
    workers = joblib.Parallel(n_jobs=2)
    frames = workers(joblib.delayed(runs)(number, one) for number, one in points)
    pandas.concat(frames, ignore_index=True).to_csv(path, index=False)


if __name__ == "__main__":
    main(sys.argv[1])
