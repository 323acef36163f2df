// The search behind assignment: which centroid or palette entry is nearest to which points.
//
// It goes down the tree with a shrinking list of candidates: at each node, those that a better one
// dominates on the whole bounding box are dropped. Visitors get whole nodes that have one candidate
// left, and leaves that have several.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "../core.hpp"
#include "../parallel.hpp"
#include "../simd.hpp"

namespace smalti {
namespace SMALTI_LEVEL {
namespace {

// Rounding in the test that drops candidates stays below this (squared units, coordinates below
// 2^15), so a dropped candidate could not have won: the path down the tree never shows.
constexpr float margin = 2048.0f;

constexpr size_t breath_points = 4096;  // after about so many, somebody may wish to interrupt

template <int D>
struct Candidates {
    explicit Candidates(size_t k)
        : capacity((k + lane_padding * 2) / lane_padding * lane_padding + lane_padding),
          coordinates(capacity * D),
          rows(capacity) {}

    float* axis(int d) noexcept { return coordinates.data() + static_cast<size_t>(d) * capacity; }
    const float* axis(int d) const noexcept {
        return coordinates.data() + static_cast<size_t>(d) * capacity;
    }
    // Fills the rest of the last vector with candidates that are never chosen.
    void pad() noexcept {
        for (int d = 0; d < D; ++d) store(axis(d) + size, all(far_away));
    }

    size_t capacity, size = 0;
    std::vector<float> coordinates;
    std::vector<int32_t> rows;
};

// A vector of points: each coordinate by itself, and two by two as 16-bit integers.
template <int D>
struct Points {
    Floats x[D];
    Ints xy, za;
};

template <int D>
inline void pack_pairs(Points<D>& points) noexcept {
    Ints whole[4] = {};
    for (int d = 0; d < D; ++d) whole[d] = __builtin_convertvector(points.x[d], Ints);
    points.xy = pack(whole[0], whole[1]);
    points.za = pack(whole[2], whole[3]);
}

template <int D>
inline Points<D> load_points(const Tree& tree, size_t at) noexcept {
    Points<D> points;
    for (int d = 0; d < D; ++d) points.x[d] = load<Floats>(tree.axis(d) + at);
    pack_pairs(points);
    return points;
}

// The place of the nearest candidate of a leaf in its list, and for whole coordinates how far it is.
struct Nearest {
    Ints place, d2;
};

// `distance(j)` for places j below n; ties go to the first, which has the lowest row.
template <class Distances, class Distance>
inline auto lowest(size_t n, const Distance& distance) noexcept {
    struct {
        Ints place;
        Distances d2;
    } best{Ints{}, distance(0)};
    Ints number = {};
    for (size_t j = 1; j < n; ++j) {
        number += 1;
        const Distances d2 = distance(j);
        const Ints less = d2 < best.d2;
        best.d2 = less ? d2 : best.d2;
        best.place = less ? number : best.place;
    }
    return best;
}

// Compares candidates at any coordinates, in float32.
template <int D>
class Chooser {
public:
    explicit Chooser(size_t) {}
    void set(const Candidates<D>& candidates) noexcept { candidates_ = &candidates; }
    Nearest nearest(const Points<D>& points) const noexcept {
        const auto best = lowest<Floats>(candidates_->size, [&](size_t j) {
            Floats d2 = {};
            for (int d = 0; d < D; ++d) {
                const Floats delta = points.x[d] - all(candidates_->axis(d)[j]);
                d2 += delta * delta;
            }
            return d2;
        });
        return {best.place, Ints{}};
    }

private:
    const Candidates<D>* candidates_ = nullptr;
};

// Whether a WholeChooser may compare: coordinates are whole, and squared distances fit 32 bits.
template <int D>
bool can_pair(const Tree& tree, const float* centroids, size_t k) noexcept {
    const auto is_whole = [](float c) { return c == static_cast<float>(static_cast<int32_t>(c)); };
    for (size_t j = 0; j < k; ++j) {
        const float* c = centroids + j * D;
        if (!tree.within_reach(c) || !std::all_of(c, c + D, is_whole)) return false;
    }
    return true;
}

// Compares candidates at whole coordinates, exactly and faster: two coordinates at a time.
template <int D>
class WholeChooser {
public:
    explicit WholeChooser(size_t k) : xy_(k + lane_padding), za_(k + lane_padding) {}
    void set(const Candidates<D>& candidates) noexcept {
        size_ = candidates.size;
        for (size_t j = 0; j < size_; j += lanes) {
            Points<D> some;
            for (int d = 0; d < D; ++d) some.x[d] = load<Floats>(candidates.axis(d) + j);
            pack_pairs(some);
            store(&xy_[j], some.xy);
            store(&za_[j], some.za);
        }
    }
    Nearest nearest(const Points<D>& points) const noexcept {
        const auto best = lowest<Ints>(size_, [&](size_t j) {
            return distance2(points.xy, all(xy_[j])) + distance2(points.za, all(za_[j]));
        });
        return {best.place, best.d2};
    }
    // The places of the nearest and of the one after it; there must be two.
    std::pair<Ints, Ints> nearest_two(const Points<D>& points) const noexcept {
        const auto distance = [&](size_t j) {
            return distance2(points.xy, all(xy_[j])) + distance2(points.za, all(za_[j]));
        };
        Ints best = distance(0), next = all(INT32_MAX), place = {}, next_place = {}, number = {};
        for (size_t j = 1; j < size_; ++j) {
            number += 1;
            const Ints d2 = distance(j);
            const Ints less = d2 < best, between = d2 < next;
            next = less ? best : between ? d2 : next;
            next_place = less ? place : between ? number : next_place;
            best = less ? d2 : best;
            place = less ? number : place;
        }
        return {place, next_place};
    }

private:
    size_t size_ = 0;
    std::vector<int32_t> xy_, za_;
};

template <int D>
struct Search {
    const Tree& tree;
    std::vector<Candidates<D>> levels;

    template <class Entry>
    Search(const Tree& tree_, const Entry* entries, size_t k) : tree(tree_) {
        levels.reserve(static_cast<size_t>(tree.depth()) + 1);
        for (int i = 0; i <= tree.depth(); ++i) levels.emplace_back(k);
        Candidates<D>& first = levels[0];
        for (size_t j = 0; j < k; ++j) {
            for (int d = 0; d < D; ++d)
                first.axis(d)[j] = static_cast<float>(entries[j * D + static_cast<size_t>(d)]);
            first.rows[j] = static_cast<int32_t>(j);
        }
        first.size = k;
        first.pad();
    }

    // Visits the subtree at `index`: visitor.whole(node, candidates) for nodes with one candidate left,
    // visitor.leaf(node, candidates) for leaves with several.
    template <class Visitor>
    void visit(uint32_t index, size_t level, Visitor& visitor) {
        const Node& node = tree.nodes()[index];
        const Candidates<D>* left = &levels[level];
        if (left->size > 1) {
            filter(node, *left, levels[level + 1]);
            left = &levels[++level];
        }
        if (left->size == 1) return visitor.whole(node, *left);
        if (node.leaf()) return visitor.leaf(node, *left);
        if (node.end - node.begin > breath_points) check_interruption();
        for (uint32_t child = index + 1; child < node.next;) {
            visit(child, level, visitor);
            const Node& done = tree.nodes()[child];
            child = done.leaf() ? child + 1 : done.next;
        }
    }

    // The candidate nearest to the middle of the node's box.
    static size_t nearest_to_middle(const Node& node, const Candidates<D>& in) noexcept {
        Floats middle[D];
        for (int d = 0; d < D; ++d) middle[d] = all((node.lo[d] + node.hi[d]) * 0.5f);
        Floats best = all(4 * far_away * far_away);
        Ints best_at = {};
        for (size_t i = 0; i < in.size; i += lanes) {
            Floats d2 = {};
            for (int d = 0; d < D; ++d) {
                const Floats delta = load<Floats>(in.axis(d) + i) - middle[d];
                d2 += delta * delta;
            }
            const Ints less = d2 < best;
            best = less ? d2 : best;
            best_at = less ? all(static_cast<int32_t>(i)) : best_at;
        }
        size_t found = 0;
        float lowest = 4 * far_away * far_away;
        for (int lane = 0; lane < lanes; ++lane) {
            const size_t at = static_cast<size_t>(best_at[lane]) + static_cast<size_t>(lane);
            if (best[lane] < lowest || (best[lane] == lowest && at < found)) {
                lowest = best[lane];
                found = at;
            }
        }
        return found;
    }

    // Keeps the candidates that are not farther than the middle's nearest on the whole box: it is
    // enough to look at the corner where they do best.
    static void filter(const Node& node, const Candidates<D>& in, Candidates<D>& out) noexcept {
        const size_t best = nearest_to_middle(node, in);
        Floats centre[D], lo[D], hi[D];
        for (int d = 0; d < D; ++d) {
            centre[d] = all(in.axis(d)[best]);
            lo[d] = all(node.lo[d] * 2);
            hi[d] = all(node.hi[d] * 2);
        }
        size_t size = 0;
        for (size_t i = 0; i < in.size; i += lanes) {
            Floats c[D], excess = {};
            for (int d = 0; d < D; ++d) {
                c[d] = load<Floats>(in.axis(d) + i);
                const Ints above = c[d] > centre[d];
                const Floats corner2 = above ? hi[d] : lo[d];
                excess += (c[d] - centre[d]) * (c[d] + centre[d] - corner2);
            }
            const unsigned keep = bits(excess < all(margin));
            if (!keep) continue;
            for (int d = 0; d < D; ++d) compress(keep, (Ints)c[d], out.axis(d) + size);
            compress(keep, load<Ints>(in.rows.data() + i), out.rows.data() + size);
            size += static_cast<size_t>(__builtin_popcount(keep));
        }
        out.size = size;
        out.pad();
    }
};

// Whether to search in parallel: starting threads costs as much as searching some 20,000 colors.
unsigned useful_threads(const Tree& tree, unsigned threads) noexcept {
    return static_cast<unsigned>(
        std::clamp<size_t>(tree.size() / 16384, 1, std::max(1u, threads)));
}

// Lets the visitors, one for each worker, visit all of the tree.
template <int D, class Entry, class Visitor>
void search_tasks(const Tree& tree, const Entry* entries, size_t k, std::vector<Visitor>& visitors) {
    const auto workers = static_cast<unsigned>(visitors.size());
    std::vector<Search<D>> searches(workers, Search<D>(tree, entries, k));
    if (workers == 1) return searches[0].visit(0u, 0, visitors[0]);
    parallel_for(tree.tasks().size(), workers, [&](size_t task, unsigned worker) {
        searches[worker].visit(tree.tasks()[task], 0, visitors[worker]);
    });
}

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
