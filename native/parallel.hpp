// Runs independent tasks on a few threads. Callers make tasks whose results do not depend on which
// thread ran them or when, so the thread count never shows in a result.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <new>
#include <thread>
#include <vector>

#include "interruption.hpp"

namespace smalti {

// Threads that are waited for, whatever happens.
struct Helpers {
    ~Helpers() {
        for (auto& thread : threads) thread.join();
    }
    std::vector<std::thread> threads;
};

// Calls run(task, worker) for every task in 0..n-1; worker is below `threads` and never used by
// two threads at once. Tasks may run out of memory or be interrupted, and throw nothing else; that is
// thrown here, too, once no thread works any more.
template <class Run>
void parallel_for(std::size_t n, unsigned threads, const Run& run) {
    const auto workers = static_cast<unsigned>(std::min<std::size_t>(std::max(threads, 1u), n));
    if (workers <= 1) {
        for (std::size_t i = 0; i < n; ++i) {
            check_interruption();
            run(i, 0u);
        }
        return;
    }
    std::atomic<std::size_t> next{0};
    std::atomic<bool> out_of_memory{false};
    const auto work = [&](unsigned worker) {
        try {
            for (std::size_t i; (i = next.fetch_add(1)) < n;) {
                check_interruption();
                run(i, worker);
            }
        } catch (const std::bad_alloc&) {
            out_of_memory = true;
        }
    };
    const auto help = [&work, watch = Interruption::current()](unsigned worker) {
        Interruption::help(watch);
        try {
            work(worker);
        } catch (const Interrupted&) {
            // The thread that this one helps ends, too, and says so.
        }
    };
    {
        Helpers helpers;
        helpers.threads.reserve(workers - 1);
        try {
            for (unsigned worker = 1; worker < workers; ++worker)
                helpers.threads.emplace_back(help, worker);
        } catch (const std::exception&) {
            // The system has no thread left to give: those that started share the work.
        }
        work(0);
    }
    if (out_of_memory) throw std::bad_alloc();
}

// How many threads n things are worth, when starting a thread costs as much as `each` of them.
inline unsigned useful_threads(std::size_t n, std::size_t each, unsigned threads) noexcept {
    return static_cast<unsigned>(std::clamp<std::size_t>(n / each, 1, std::max(threads, 1u)));
}

// Calls run(begin, end, chunk) for runs of `size` out of 0..n-1: always the same runs, so that what
// is found in each and put together in order is always the same, too.
template <class Run>
void parallel_chunks(std::size_t n, std::size_t size, unsigned threads, const Run& run) {
    parallel_for((n + size - 1) / size, threads, [&](std::size_t chunk, unsigned) {
        run(chunk * size, std::min(n, (chunk + 1) * size), chunk);
    });
}

}  // namespace smalti
