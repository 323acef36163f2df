"""Collections: many pictures, on all cores or on many machines, with the same bytes everywhere.

    sources -> items -> shards -> engine (local processes, Dask) -> records, payloads

The unit of work is a shard, a list of inputs. It is done from its description
alone, its result is committed in one step, and doing it again gives the same
bytes, so that neither a killed process nor the choice of an engine matters. An
engine moves descriptions and records; pictures and histograms never travel
through it.
"""
