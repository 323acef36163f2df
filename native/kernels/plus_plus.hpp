// Greedy k-means++ seeds.
#pragma once

#include <algorithm>
#include <vector>

#include "../core.hpp"
#include "../interruption.hpp"

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

// Points lie in blocks of neighbors. A new seed changes next to nothing where it is farther from a
// block than any of its points is from an older seed, so whole blocks are passed over: the draws and
// sums are the same as without, to the bit, in a fraction of the time.
class PlusPlus {
public:
    PlusPlus(const Tree& tree, uint64_t seed)
        : tree_(tree),
          random_{seed},
          weights_(tree.weights(), tree.weights() + tree.size()),
          nearest_(tree.size(), 1),  // so that the first draw is by weight alone
          blocks_((tree.size() + block - 1) / block) {
        int64_t total = 0;
        for (const int64_t weight : weights_) total += weight;
        int shift = 0;  // the sums of weight times distance, below 2^31 each, must stay below 2^63
        while (total >> shift >= int64_t{1} << 32) ++shift;
        for (int64_t& weight : weights_) weight >>= shift;
        for (size_t b = 0; b < blocks_.size(); ++b) {
            if (b % breath == 0) check_interruption();
            measure(b);
        }
    }

    size_t run(size_t k, int trials, uint32_t* rows) {
        size_t found = 0;
        for (; found < k; ++found) {
            potential_ = 0;
            for (const Block& each : blocks_) potential_ += each.sum;
            if (potential_ <= 0) break;
            int64_t lowest = -1;
            for (int t = 0; t < (found ? trials : 1); ++t) {
                const size_t row = draw(random_.below(potential_));
                const int64_t cost = try_out(row, found == 0);
                if (lowest >= 0 && cost >= lowest) continue;
                lowest = cost;
                rows[found] = static_cast<uint32_t>(row);
                std::swap(best_, trial_);
            }
            accept();
        }
        return found;
    }

private:
    static constexpr size_t block = 64;
    static constexpr size_t breath = 1024;  // blocks, after which somebody may wish to interrupt

    struct Block {
        int32_t low[max_dims], high[max_dims];  // the box around its points
        int32_t farthest;                       // of its points from their nearest seeds, squared
        int64_t sum;                            // of weight times squared distance
    };
    // What a new seed would change: some blocks, and all distances in them, one block after another.
    struct Change {
        struct Part {
            size_t block;
            int32_t farthest;
            int64_t sum;
        };
        std::vector<Part> parts;
        std::vector<int32_t> distances;
    };

    size_t end_of(size_t b) const noexcept { return std::min(tree_.size(), (b + 1) * block); }

    void measure(size_t b) noexcept {
        Block& each = blocks_[b];
        each.farthest = 1;
        each.sum = 0;
        for (size_t i = b * block; i < end_of(b); ++i) each.sum += weights_[i];
        for (int d = 0; d < tree_.dims(); ++d) {
            const auto [low, high] =
                std::minmax_element(tree_.axis(d) + b * block, tree_.axis(d) + end_of(b));
            each.low[d] = static_cast<int32_t>(*low);
            each.high[d] = static_cast<int32_t>(*high);
        }
    }

    // The point in whose share of the potential `at` falls.
    size_t draw(int64_t at) const noexcept {
        size_t b = 0;
        while (at >= blocks_[b].sum) at -= blocks_[b++].sum;
        size_t i = b * block;
        while (at >= weights_[i] * nearest_[i]) {
            at -= weights_[i] * nearest_[i];
            ++i;
        }
        return i;
    }

    // Fills trial_ with what changes once `row` is a seed; returns the potential that is left.
    int64_t try_out(size_t row, bool first) {
        trial_.parts.clear();
        trial_.distances.clear();
        int32_t place[max_dims] = {};
        for (int d = 0; d < tree_.dims(); ++d) place[d] = static_cast<int32_t>(tree_.axis(d)[row]);
        int64_t potential = potential_;
        for (size_t b = 0; b < blocks_.size(); ++b) {
            if (b % breath == 0) check_interruption();
            const Block& each = blocks_[b];
            int32_t away2 = 0;
            for (int d = 0; d < tree_.dims(); ++d) {
                const int32_t away = std::max({each.low[d] - place[d], place[d] - each.high[d], 0});
                away2 += away * away;
            }
            if (!first && away2 >= each.farthest) continue;
            potential += add(b, place, first) - each.sum;
        }
        return potential;
    }

    // Adds to trial_ the distances of one block as they would be; returns its sum.
    int64_t add(size_t b, const int32_t* place, bool first) {
        const size_t begin = b * block, count = end_of(b) - begin, at = trial_.distances.size();
        int32_t distances[block] = {};
        for (int d = 0; d < tree_.dims(); ++d) {
            const float* x = tree_.axis(d) + begin;
            for (size_t i = 0; i < count; ++i) {
                const int32_t delta = static_cast<int32_t>(x[i]) - place[d];
                distances[i] += delta * delta;
            }
        }
        int32_t farthest = 0;
        int64_t sum = 0;
        for (size_t i = 0; i < count; ++i) {
            distances[i] = first ? distances[i] : std::min(distances[i], nearest_[begin + i]);
            farthest = std::max(farthest, distances[i]);
            sum += weights_[begin + i] * distances[i];
        }
        trial_.distances.resize(at + count);
        std::copy_n(distances, count, &trial_.distances[at]);
        trial_.parts.push_back({b, farthest, sum});
        return sum;
    }

    void accept() noexcept {
        const int32_t* distances = best_.distances.data();
        for (const auto& part : best_.parts) {
            const size_t begin = part.block * block, count = end_of(part.block) - begin;
            std::copy_n(distances, count, &nearest_[begin]);
            distances += count;
            blocks_[part.block].farthest = part.farthest;
            blocks_[part.block].sum = part.sum;
        }
    }

    const Tree& tree_;
    SplitMix random_;
    std::vector<int64_t> weights_;
    std::vector<int32_t> nearest_;
    std::vector<Block> blocks_;
    Change trial_, best_;
    int64_t potential_ = 0;
};

size_t plus_plus(const Tree& tree, size_t k, int trials, uint64_t seed, uint32_t* rows) {
    return PlusPlus(tree, seed).run(k, trials, rows);
}

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
