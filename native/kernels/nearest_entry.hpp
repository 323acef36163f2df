// The exactly nearest palette entry of each color, for the result rather than the search.
#pragma once

#include <algorithm>
#include <vector>

#include "tree_search.hpp"

namespace smalti {
namespace SMALTI_LEVEL {
namespace {

// Exact integer distances; candidates are in row order, so the first lowest is the lowest row.
template <int D>
inline void choose_exactly(const Tree& tree, size_t at, const Candidates<D>& candidates,
                           int32_t* chosen, int32_t* d2_out) noexcept {
    Ints x[D];
    for (int d = 0; d < D; ++d)
        x[d] = __builtin_convertvector(load<Floats>(tree.axis(d) + at), Ints);
    const auto distance = [&](size_t j) {
        Ints d2 = {};
        for (int d = 0; d < D; ++d) {
            const Ints delta = x[d] - all(static_cast<int32_t>(candidates.axis(d)[j]));
            d2 += delta * delta;
        }
        return d2;
    };
    Ints best = distance(0), row = all(candidates.rows[0]);
    for (size_t j = 1; j < candidates.size; ++j) {
        const Ints d2 = distance(j);
        const Ints less = d2 < best;
        best = less ? d2 : best;
        row = less ? all(candidates.rows[j]) : row;
    }
    store(chosen, row);
    store(d2_out, best);
}

template <int D>
struct Labeler {
    const Tree& tree;
    const int16_t* entries;
    uint16_t* labels;
    int32_t* d2;  // or null

    void leaf(const Node& node, const Candidates<D>& candidates) const noexcept {
        int32_t rows[lanes], distances[lanes];
        for (size_t i = node.begin; i < node.end; i += lanes) {
            choose_exactly<D>(tree, i, candidates, rows, distances);
            const size_t count = std::min<size_t>(lanes, node.end - i);
            for (size_t p = 0; p < count; ++p) labels[i + p] = static_cast<uint16_t>(rows[p]);
            if (d2) std::copy_n(distances, count, d2 + i);
        }
    }
    void whole(const Node& node, int32_t row) const noexcept {
        std::fill(labels + node.begin, labels + node.end, static_cast<uint16_t>(row));
        const int16_t* entry = entries + static_cast<size_t>(row) * D;
        for (size_t i = node.begin; d2 && i < node.end; ++i) {
            d2[i] = 0;
            for (int d = 0; d < D; ++d) {
                const int32_t delta = static_cast<int32_t>(tree.axis(d)[i]) - entry[d];
                d2[i] += delta * delta;
            }
        }
    }
};

template <int D>
void nearest_in(const Tree& tree, const int16_t* entries, size_t k, uint16_t* labels, int32_t* d2,
                unsigned threads) {
    std::vector<Labeler<D>> labelers(useful_threads(tree, threads),
                                     Labeler<D>{tree, entries, labels, d2});
    search_tasks<D>(tree, entries, k, labelers);
}

void nearest(const Tree& tree, const int16_t* entries, size_t k, uint16_t* labels, int32_t* d2,
             unsigned threads) {
    return tree.dims() == 3 ? nearest_in<3>(tree, entries, k, labels, d2, threads)
                            : nearest_in<4>(tree, entries, k, labels, d2, threads);
}

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
