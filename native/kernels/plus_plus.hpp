// Greedy k-means++ seeds.
#pragma once

#include <algorithm>
#include <vector>

#include "../core.hpp"

namespace smalti {
namespace SMALTI_LEVEL {
namespace {

// Vigna's splitmix64: https://prng.di.unimi.it/splitmix64.c (public domain); same as seeds.py.
struct SplitMix {
    uint64_t state;
    uint64_t next() noexcept {
        uint64_t z = state += 0x9E3779B97F4A7C15u;
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
        z = (z ^ z >> 27) * 0x94D049BB133111EBu;
        return z ^ z >> 31;
    }
    // A number below `total`; its tiny bias does not matter to a heuristic.
    int64_t below(int64_t total) noexcept {
        const double fraction = static_cast<double>(next() >> 11) * 0x1p-53;
        return std::min(static_cast<int64_t>(fraction * static_cast<double>(total)), total - 1);
    }
};

class PlusPlus {
public:
    PlusPlus(const Tree& tree, uint64_t seed)
        : tree_(tree),
          random_{seed},
          weights_(tree.weights(), tree.weights() + tree.size()),
          nearest_(tree.size(), 1),  // so that the first draw is by weight alone
          trial_(tree.size()),
          best_(tree.size()) {
        int64_t total = 0;
        for (const int64_t weight : weights_) total += weight;
        int shift = 0;  // the sums of weight times distance, below 2^31 each, must stay below 2^63
        while (total >> shift >= int64_t{1} << 32) ++shift;
        for (int64_t& weight : weights_) weight >>= shift;
    }

    size_t run(size_t k, int trials, uint32_t* rows) {
        size_t found = 0;
        for (; found < k; ++found) {
            const int64_t potential = sum_blocks();
            if (potential <= 0) break;
            int64_t lowest = -1;
            for (int t = 0; t < (found ? trials : 1); ++t) {
                const size_t row = draw(random_.below(potential));
                const int64_t cost = add(row, found == 0);
                if (lowest >= 0 && cost >= lowest) continue;
                lowest = cost;
                rows[found] = static_cast<uint32_t>(row);
                best_.swap(trial_);
            }
            nearest_.swap(best_);
        }
        return found;
    }

private:
    static constexpr size_t block = 64;

    int64_t sum_blocks() {
        blocks_.assign((tree_.size() + block - 1) / block, 0);
        int64_t total = 0;
        for (size_t b = 0; b < blocks_.size(); ++b) {
            const size_t end = std::min(tree_.size(), (b + 1) * block);
            for (size_t i = b * block; i < end; ++i) blocks_[b] += weights_[i] * nearest_[i];
            total += blocks_[b];
        }
        return total;
    }

    // The point in whose share of the potential `at` falls.
    size_t draw(int64_t at) const noexcept {
        size_t b = 0;
        while (at >= blocks_[b]) at -= blocks_[b++];
        size_t i = b * block;
        while (at >= weights_[i] * nearest_[i]) {
            at -= weights_[i] * nearest_[i];
            ++i;
        }
        return i;
    }

    // Fills trial_ with the squared distances as they are once `row` is a seed; returns their sum.
    int64_t add(size_t row, bool first) noexcept {
        const size_t n = tree_.size();
        int32_t* __restrict trial = trial_.data();
        std::fill(trial_.begin(), trial_.end(), 0);
        for (int d = 0; d < tree_.dims(); ++d) {
            const float* x = tree_.axis(d);
            const float from = x[row];
            for (size_t i = 0; i < n; ++i) {
                const auto delta = static_cast<int32_t>(x[i] - from);
                trial[i] += delta * delta;
            }
        }
        int64_t sum = 0;
        for (size_t i = 0; i < n; ++i) {
            trial[i] = first ? trial[i] : std::min(trial[i], nearest_[i]);
            sum += weights_[i] * trial[i];
        }
        return sum;
    }

    const Tree& tree_;
    SplitMix random_;
    std::vector<int64_t> weights_, blocks_;
    std::vector<int32_t> nearest_, trial_, best_;
};

size_t plus_plus(const Tree& tree, size_t k, int trials, uint64_t seed, uint32_t* rows) {
    return PlusPlus(tree, seed).run(k, trials, rows);
}

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
