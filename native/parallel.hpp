// Runs independent tasks on a few threads. Callers make tasks whose results do not depend on which
// thread ran them or when, so the thread count never shows in a result.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <system_error>
#include <thread>
#include <vector>

namespace smalti {

// Calls run(task, worker) for every task in 0..n-1; worker is below `threads` and never used by
// two threads at once. `run` must not throw.
template <class Run>
void parallel_for(std::size_t n, unsigned threads, const Run& run) {
    const auto workers = static_cast<unsigned>(std::min<std::size_t>(std::max(threads, 1u), n));
    if (workers <= 1) {
        for (std::size_t i = 0; i < n; ++i) run(i, 0u);
        return;
    }
    std::atomic<std::size_t> next{0};
    const auto work = [&](unsigned worker) {
        for (std::size_t i; (i = next.fetch_add(1)) < n;) run(i, worker);
    };
    std::vector<std::thread> pool;
    pool.reserve(workers - 1);
    try {
        for (unsigned worker = 1; worker < workers; ++worker) pool.emplace_back(work, worker);
    } catch (const std::system_error&) {
        // The system has no thread left to give: those that started share the work.
    }
    work(0);
    for (auto& thread : pool) thread.join();
}

}  // namespace smalti
