// The exactly nearest palette entry of each color, for the result rather than the search.
#pragma once

#include <algorithm>
#include <vector>

#include "tree_search.hpp"

namespace smalti {
namespace SMALTI_LEVEL {
namespace {

template <int D>
struct Labeler {
    const Tree& tree;
    uint16_t* labels;
    int32_t* d2;  // or null
    WholeChooser<D> chooser;

    Labeler(const Tree& tree_, size_t k, uint16_t* labels_, int32_t* d2_)
        : tree(tree_), labels(labels_), d2(d2_), chooser(k) {}

    void leaf(const Node& node, const Candidates<D>& candidates) noexcept {
        chooser.set(candidates);
        for (size_t i = node.begin; i < node.end; i += lanes) {
            const auto nearest = chooser.nearest(load_points<D>(tree, i));
            int32_t places[lanes], distances[lanes];
            store(places, nearest.place);
            store(distances, nearest.d2);
            const size_t count = std::min<size_t>(lanes, node.end - i);
            for (size_t p = 0; p < count; ++p)
                labels[i + p] = static_cast<uint16_t>(candidates.rows[static_cast<size_t>(places[p])]);
            if (d2) std::copy_n(distances, count, d2 + i);
        }
    }
    void whole(const Node& node, const Candidates<D>& candidates) noexcept {
        std::fill(labels + node.begin, labels + node.end, static_cast<uint16_t>(candidates.rows[0]));
        if (!d2) return;
        chooser.set(candidates);
        for (size_t i = node.begin; i < node.end; i += lanes) {
            int32_t distances[lanes];
            store(distances, chooser.nearest(load_points<D>(tree, i)).d2);
            std::copy_n(distances, std::min<size_t>(lanes, node.end - i), d2 + i);
        }
    }
};

template <int D>
void nearest_in(const Tree& tree, const int16_t* entries, size_t k, uint16_t* labels, int32_t* d2,
                unsigned threads) {
    std::vector<Labeler<D>> labelers(useful_threads(tree, threads),
                                     Labeler<D>(tree, k, labels, d2));
    search_tasks<D>(tree, entries, k, labelers);
}

void nearest(const Tree& tree, const int16_t* entries, size_t k, uint16_t* labels, int32_t* d2,
             unsigned threads) {
    return tree.dims() == 3 ? nearest_in<3>(tree, entries, k, labels, d2, threads)
                            : nearest_in<4>(tree, entries, k, labels, d2, threads);
}

struct PairLabeler {
    const Tree& tree;
    uint16_t *first, *second;
    WholeChooser<3> chooser;

    PairLabeler(const Tree& tree_, size_t k, uint16_t* first_, uint16_t* second_)
        : tree(tree_), first(first_), second(second_), chooser(k) {}

    void whole(const Node& node, const Candidates<3>& candidates) noexcept {
        for (uint16_t* labels : {first, second})
            std::fill(labels + node.begin, labels + node.end,
                      static_cast<uint16_t>(candidates.rows[0]));
    }
    void leaf(const Node& node, const Candidates<3>& candidates) noexcept {
        chooser.set(candidates);
        for (size_t i = node.begin; i < node.end; i += lanes) {
            const auto two = chooser.nearest_two(load_points<3>(tree, i));
            const size_t count = std::min<size_t>(lanes, node.end - i);
            write(two.first, count, candidates, first + i);
            write(two.second, count, candidates, second + i);
        }
    }
    static void write(Ints places, size_t count, const Candidates<3>& candidates,
                      uint16_t* labels) noexcept {
        int32_t at[lanes];
        store(at, places);
        for (size_t p = 0; p < count; ++p)
            labels[p] = static_cast<uint16_t>(candidates.rows[static_cast<size_t>(at[p])]);
    }
};

void nearest_two(const Tree& tree, const int16_t* entries, size_t k, uint16_t* first,
                 uint16_t* second, unsigned threads) {
    std::vector<PairLabeler> labelers(useful_threads(tree, threads),
                                      PairLabeler(tree, k, first, second));
    search_tasks<3>(tree, entries, k, labelers);
}

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
