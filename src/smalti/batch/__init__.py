"""Collections: many pictures, on all cores or on many machines, with the same bytes everywhere.

    sources -> items -> shards -> engine (local processes, Dask) -> records, payloads

The unit of work is a shard, a list of inputs. It is done from its description
alone, its result is committed in one step, and doing it again gives the same
bytes, so that neither a killed process nor the choice of an engine matters. An
engine moves descriptions and records; pictures and histograms never travel
through it.

    many     compressing a collection: what goes where
    summary  what a run did, and the files that say so
    runs     the driver: plan, resume, engines, counts
    shards   dealing inputs into shards, doing one, committing it
    work     what is done to each input
    local    the engine of this machine, on the workers of `pool`
    dask     the engine of many machines, which must agree on `versions`
    places   paths and URLs: finding, reading, writing
"""
