// One pass of Lloyd's algorithm: which centroid each point comes to, as sums per centroid.
#pragma once

#include <algorithm>
#include <vector>

#include "tree_search.hpp"

namespace smalti {
namespace SMALTI_LEVEL {
namespace {

// Sums per centroid; with alpha the weight has a place of its own.
template <int D>
struct Sums {
    std::vector<int64_t> moments, weights;
    int64_t moved = 0;

    explicit Sums(size_t k) : moments(k * 4), weights(D == 4 ? k : 0) {}

    void add(const Node& node, int32_t row) noexcept {
        int64_t* to = &moments[static_cast<size_t>(row) * 4];
        for (int d = 0; d < D; ++d) to[d] += node.sum[d];
        if (D == 4)
            weights[static_cast<size_t>(row)] += node.weight;
        else
            to[3] += node.weight;
    }
    void add(const Tree& tree, size_t point, int32_t row) noexcept {
        int64_t sum[D + 1];
        for (int d = 0; d < D; ++d) sum[d] = tree.moment(point, d);
        sum[D] = tree.weights()[point];
        add(sum, row);
    }
    void add(const int64_t (&sum)[D + 1], int32_t row) noexcept {
        int64_t* to = &moments[static_cast<size_t>(row) * 4];
        for (int d = 0; d < 4; ++d) to[d] += sum[d];
        if (D == 4) weights[static_cast<size_t>(row)] += sum[D];
    }
    void add_to(int64_t* sums) const noexcept {
        for (size_t j = 0; j < moments.size() / 4; ++j) {
            for (size_t d = 0; d < 4; ++d) sums[j * (D + 1) + d] += moments[j * 4 + d];
            if (D == 4) sums[j * 5 + 4] += weights[j];
        }
    }
};

// Sums of one leaf by place in its candidate list, a vector of points at a time. Only for light
// nodes: there, sums of weight times (coordinate - lo) are integers that float32 holds exactly.
template <int D>
class LeafSums {
public:
    static constexpr size_t most = 16;  // candidates; longer lists are rare

    static bool fits(const Node& node, const Candidates<D>& candidates) noexcept {
        return node.light && candidates.size <= most;
    }
    void add(const Node& node, const Floats (&x)[D], Floats weight, Ints place, size_t places) noexcept {
        Floats moment[D + 1];
        for (int d = 0; d < D; ++d) moment[d] = weight * (x[d] - all(node.lo[d]));
        moment[D] = weight;
        Ints number = {};
        for (size_t j = 1; j < places; ++j) {
            number += 1;
            const Ints here = place == number;
            for (int d = 0; d <= D; ++d) sums_[j][d] = here ? sums_[j][d] + moment[d] : sums_[j][d];
        }
    }
    // Hands everything on and is empty again; the first place gets what the others leave of the node.
    void flush(const Node& node, const Candidates<D>& candidates, Sums<D>& to) noexcept {
        int64_t rest[D + 1];
        for (int d = 0; d < D; ++d) rest[d] = node.sum[d];
        rest[D] = node.weight;
        for (size_t j = 1; j < candidates.size; ++j) {
            int64_t sum[D + 1];
            sum[D] = static_cast<int64_t>(total(sums_[j][D]));
            for (int d = 0; d < D; ++d)
                sum[d] = static_cast<int64_t>(total(sums_[j][d])) +
                         sum[D] * static_cast<int64_t>(node.lo[d]);
            for (int d = 0; d <= D; ++d) {
                rest[d] -= sum[d];
                sums_[j][d] = Floats{};
            }
            to.add(sum, candidates.rows[j]);
        }
        to.add(rest, candidates.rows[0]);
    }

private:
    Floats sums_[most][D + 1] = {};
};

inline void relabel(const Tree& tree, size_t point, int32_t row, uint16_t* labels,
                    int64_t& moved) noexcept {
    const auto label = static_cast<uint16_t>(row);
    if (labels[point] != label) moved += tree.weights()[point];
    labels[point] = label;
}

// One worker's pass of Lloyd's algorithm.
template <int D, class Chooser>
struct Stepper {
    const Tree& tree;
    uint16_t* labels;  // or null
    Chooser chooser;
    Sums<D> sums;
    LeafSums<D> local;

    Stepper(const Tree& tree_, size_t k, uint16_t* labels_)
        : tree(tree_), labels(labels_), chooser(k), sums(k) {}

    void whole(const Node& node, const Candidates<D>& candidates) noexcept {
        const int32_t row = candidates.rows[0];
        sums.add(node, row);
        for (size_t i = node.begin; labels && i < node.end; ++i)
            relabel(tree, i, row, labels, sums.moved);
    }
    void leaf(const Node& node, const Candidates<D>& candidates) noexcept {
        const bool fast = LeafSums<D>::fits(node, candidates);
        chooser.set(candidates);
        for (size_t i = node.begin; i < node.end; i += lanes) {
            const size_t count = std::min<size_t>(lanes, node.end - i);
            const auto point = load_points<D>(tree, i);
            const Ints place = chooser.nearest(point).place;
            if (fast)
                local.add(node, point.x, first_lanes(load<Floats>(tree.float_weights() + i), count),
                          place, candidates.size);
            if (fast && !labels) continue;
            int32_t places[lanes];
            store(places, place);
            for (size_t p = 0; p < count; ++p) {
                const int32_t row = candidates.rows[static_cast<size_t>(places[p])];
                if (!fast) sums.add(tree, i + p, row);
                if (labels) relabel(tree, i + p, row, labels, sums.moved);
            }
        }
        if (fast) local.flush(node, candidates, sums);
    }
};

template <int D, class Chooser>
int64_t step_with(const Tree& tree, const float* centroids, size_t k, int64_t* sums,
                  uint16_t* labels, unsigned threads) {
    std::vector<Stepper<D, Chooser>> steppers(useful_threads(tree, threads), {tree, k, labels});
    search_tasks<D>(tree, centroids, k, steppers);
    int64_t moved = 0;
    for (const auto& stepper : steppers) {
        stepper.sums.add_to(sums);
        moved += stepper.sums.moved;
    }
    return moved;
}

template <int D>
int64_t step_in(const Tree& tree, const float* centroids, size_t k, int64_t* sums,
                uint16_t* labels, unsigned threads) {
    return can_pair<D>(tree, centroids, k)
               ? step_with<D, WholeChooser<D>>(tree, centroids, k, sums, labels, threads)
               : step_with<D, Chooser<D>>(tree, centroids, k, sums, labels, threads);
}

int64_t step(const Tree& tree, const float* centroids, size_t k, int64_t* sums, uint16_t* labels,
             unsigned threads) {
    return tree.dims() == 3 ? step_in<3>(tree, centroids, k, sums, labels, threads)
                            : step_in<4>(tree, centroids, k, sums, labels, threads);
}

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
