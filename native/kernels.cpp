// The hot loops, compiled once per instruction set level (SMALTI_LEVEL names it).
//
// The search goes down the tree with a shrinking list of candidates: at each node, those that a
// better one dominates on the whole bounding box are dropped; one candidate left, and the node's
// stored moments are all that is needed. Leaves compare what is left with every point.
#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "core.hpp"
#include "morton.hpp"
#include "parallel.hpp"
#include "simd.hpp"

namespace smalti {
namespace SMALTI_LEVEL {
namespace {

// Rounding in the test that drops candidates stays below this (squared units, coordinates below
// 2^15), so a dropped candidate could not have won: the path down the tree never shows.
constexpr float margin = 2048.0f;

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

    // Visits the subtree at `index`: visitor.whole(node, row) for nodes with one candidate left,
    // visitor.leaf(node, candidates) for leaves with several. Where visitor.enter(node) says yes,
    // visitor.leave(candidates) follows when the node is done, with those that were left there.
    template <class Visitor>
    void visit(uint32_t index, size_t level, Visitor& visitor) {
        const Node& node = tree.nodes()[index];
        const Candidates<D>* left = &levels[level];
        if (left->size > 1) {
            filter(node, *left, levels[level + 1]);
            left = &levels[++level];
        }
        if (left->size == 1) return visitor.whole(node, left->rows[0]);
        const bool entered = visitor.enter(node);
        if (node.leaf()) visitor.leaf(node, *left);
        for (uint32_t child = index + 1; child < node.next;) {
            visit(child, level, visitor);
            const Node& done = tree.nodes()[child];
            child = done.leaf() ? child + 1 : done.next;
        }
        if (entered) visitor.leave(*left);
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

// The place in the list of the candidate nearest to each of the points x.
template <int D>
inline Ints choose(const Floats (&x)[D], const Candidates<D>& candidates) noexcept {
    const auto distance = [&](size_t j) {
        Floats d2 = {};
        for (int d = 0; d < D; ++d) {
            const Floats delta = x[d] - all(candidates.axis(d)[j]);
            d2 += delta * delta;
        }
        return d2;
    };
    Floats best = distance(0);
    Ints place = {}, number = {};
    for (size_t j = 1; j < candidates.size; ++j) {
        number += 1;
        const Floats d2 = distance(j);
        const Ints less = d2 < best;
        best = less ? d2 : best;
        place = less ? number : place;
    }
    return place;
}

template <int D>
inline void load_points(const Tree& tree, size_t at, Floats (&x)[D]) noexcept {
    for (int d = 0; d < D; ++d) x[d] = load<Floats>(tree.axis(d) + at);
}

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

// Sums of many points by centroid, a vector of points at a time. Only within light nodes: there,
// sums of weight times (coordinate - lo of the node) are integers that float32 holds exactly.
template <int D>
class LightSums {
public:
    static constexpr size_t most = 1024;  // centroids; for more, the sums would not stay in cache

    explicit LightSums(size_t k) : sums_(k <= most ? k : 0) {}

    bool open() const noexcept { return reference_ != nullptr; }
    bool enter(const Node& node) noexcept {
        if (open() || !node.light || sums_.empty()) return false;
        reference_ = node.lo;
        return true;
    }
    void add(const Floats (&x)[D], Floats weight, Ints place, const Candidates<D>& candidates) noexcept {
        Floats moment[D + 1];
        for (int d = 0; d < D; ++d) moment[d] = weight * (x[d] - all(reference_[d]));
        moment[D] = weight;
        Ints number = {};
        for (size_t j = 0; j < candidates.size; ++j) {
            const Ints here = place == number;
            number += 1;
            Floats* sum = sums_[static_cast<size_t>(candidates.rows[j])].moments;
            for (int d = 0; d <= D; ++d) sum[d] = here ? sum[d] + moment[d] : sum[d];
        }
    }
    void leave(const Candidates<D>& candidates, Sums<D>& to) noexcept {
        for (size_t j = 0; j < candidates.size; ++j) {
            const int32_t row = candidates.rows[j];
            Floats* moments = sums_[static_cast<size_t>(row)].moments;
            int64_t sum[D + 1];
            sum[D] = static_cast<int64_t>(total(moments[D]));
            if (!sum[D]) continue;
            for (int d = 0; d < D; ++d)
                sum[d] = static_cast<int64_t>(total(moments[d])) +
                         sum[D] * static_cast<int64_t>(reference_[d]);
            to.add(sum, row);
            for (int d = 0; d <= D; ++d) moments[d] = Floats{};
        }
        reference_ = nullptr;
    }

private:
    struct Row {
        Floats moments[D + 1] = {};
    };
    std::vector<Row> sums_;
    const float* reference_ = nullptr;
};

inline void relabel(const Tree& tree, size_t point, int32_t row, uint16_t* labels,
                    int64_t& moved) noexcept {
    const auto label = static_cast<uint16_t>(row);
    if (labels[point] != label) moved += tree.weights()[point];
    labels[point] = label;
}

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

// One worker's pass of Lloyd's algorithm.
template <int D>
struct Stepper {
    const Tree& tree;
    uint16_t* labels;  // or null
    Sums<D> sums;
    LightSums<D> light;

    Stepper(const Tree& tree_, size_t k, uint16_t* labels_)
        : tree(tree_), labels(labels_), sums(k), light(k) {}

    bool enter(const Node& node) noexcept { return light.enter(node); }
    void leave(const Candidates<D>& candidates) noexcept { light.leave(candidates, sums); }
    void whole(const Node& node, int32_t row) noexcept {
        sums.add(node, row);
        for (size_t i = node.begin; labels && i < node.end; ++i)
            relabel(tree, i, row, labels, sums.moved);
    }
    void leaf(const Node& node, const Candidates<D>& candidates) noexcept {
        for (size_t i = node.begin; i < node.end; i += lanes) {
            const size_t count = std::min<size_t>(lanes, node.end - i);
            Floats x[D];
            load_points(tree, i, x);
            const Ints place = choose<D>(x, candidates);
            if (light.open())
                light.add(x, first_lanes(load<Floats>(tree.float_weights() + i), count), place,
                          candidates);
            if (light.open() && !labels) continue;
            int32_t places[lanes];
            store(places, place);
            for (size_t p = 0; p < count; ++p) {
                const int32_t row = candidates.rows[static_cast<size_t>(places[p])];
                if (!light.open()) sums.add(tree, i + p, row);
                if (labels) relabel(tree, i + p, row, labels, sums.moved);
            }
        }
    }
};

template <int D>
int64_t step_in(const Tree& tree, const float* centroids, size_t k, int64_t* sums,
                uint16_t* labels, unsigned threads) {
    std::vector<Stepper<D>> steppers(useful_threads(tree, threads), Stepper<D>(tree, k, labels));
    search_tasks<D>(tree, centroids, k, steppers);
    int64_t moved = 0;
    for (const auto& stepper : steppers) {
        stepper.sums.add_to(sums);
        moved += stepper.sums.moved;
    }
    return moved;
}

int64_t step(const Tree& tree, const float* centroids, size_t k, int64_t* sums, uint16_t* labels,
             unsigned threads) {
    return tree.dims() == 3 ? step_in<3>(tree, centroids, k, sums, labels, threads)
                            : step_in<4>(tree, centroids, k, sums, labels, threads);
}

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

    bool enter(const Node&) const noexcept { return false; }
    void leave(const Candidates<D>&) const noexcept {}
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

// ---------------------------------------------------------------- Z-order codes

// The low byte of each lane, its bits moved to every third place.
inline Ints spread(Ints v) noexcept {
    v = (v | v << 8) & 0x00F00F;
    v = (v | v << 4) & 0x0C30C3;
    return (v | v << 2) & 0x249249;
}

void morton(const uint8_t* pixels, size_t n, int channels, uint32_t* codes) noexcept {
    const auto c = static_cast<size_t>(channels);
    if (n == 0) return;
    // One four-byte load per pixel; the last one of three bytes would read past the end.
    for (size_t i = 0; i + 1 < n; ++i) std::memcpy(&codes[i], pixels + i * c, 4);
    codes[n - 1] = 0;
    std::memcpy(&codes[n - 1], pixels + (n - 1) * c, 3);
    size_t i = 0;
    for (; i + lanes <= n; i += lanes) {
        const auto v = load<Ints>(codes + i);
        store(codes + i,
              spread(v & 255) << 1 | spread(v >> 8 & 255) << 2 | spread(v >> 16 & 255));
    }
    for (; i < n; ++i) {
        const uint8_t color[3] = {static_cast<uint8_t>(codes[i]), static_cast<uint8_t>(codes[i] >> 8),
                                  static_cast<uint8_t>(codes[i] >> 16)};
        codes[i] = morton_rgb(color);
    }
}

void unmorton(uint32_t* codes, size_t n) noexcept {
    for (size_t i = 0; i < n; ++i) codes[i] = unmorton_rgb(codes[i]) | 0xFF000000u;
}

size_t list_used(const uint32_t* counters, uint8_t* used, size_t lines, uint32_t* found) noexcept {
    Ints lane;
    for (int i = 0; i < lanes; ++i) lane[i] = i;
    size_t size = 0;
    for (size_t first = 0; first < lines; first += 8) {
        uint64_t marks;
        std::memcpy(&marks, used + first, 8);
        if (!marks) continue;
        std::memset(used + first, 0, 8);
        for (; marks; marks &= marks - 1) {  // one bit per marked line: its byte is 1
            const size_t line = first + static_cast<size_t>(__builtin_ctzll(marks)) / 8;
            for (size_t at = line * 16; at < line * 16 + 16; at += lanes) {
                const unsigned keep = bits(load<Ints>(counters + at) != Ints{});
                compress(keep, lane + all(static_cast<int32_t>(at)), found + size);
                size += static_cast<size_t>(__builtin_popcount(keep));
            }
        }
    }
    return size;
}

// ---------------------------------------------------------------- seeds

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

// ---------------------------------------------------------------- merging

void cheapest_merges(const float* means, const float* weights, size_t k, int dims, float* costs,
                     uint32_t* neighbors) {
    Ints lane;
    for (int i = 0; i < lanes; ++i) lane[i] = i;
    const size_t padded = (k + lanes - 1) / lanes * lanes;
    std::vector<float> x(padded * static_cast<size_t>(dims), far_away), w(padded, 1.0f);
    for (int d = 0; d < dims; ++d)
        std::copy_n(means + static_cast<size_t>(d) * k, k, &x[static_cast<size_t>(d) * padded]);
    std::copy_n(weights, k, w.data());
    for (size_t j = 0; j < k; ++j) {
        Floats best = all(4 * far_away * far_away);
        Ints at = {};
        for (size_t i = 0; i < padded; i += lanes) {
            Floats cost = {};
            for (int d = 0; d < dims; ++d) {
                const float* axis = &x[static_cast<size_t>(d) * padded];
                const Floats delta = load<Floats>(axis + i) - all(axis[j]);
                cost += delta * delta;
            }
            const Floats other = load<Floats>(&w[i]);
            cost = cost * (other / (other + all(w[j] + 1e-20f)));
            const Ints row = lane + all(static_cast<int32_t>(i));
            const Ints less = (cost < best) & (row != all(static_cast<int32_t>(j)));
            best = less ? cost : best;
            at = less ? row : at;
        }
        int lowest = 0;
        for (int i = 1; i < lanes; ++i)
            if (best[i] < best[lowest] || (best[i] == best[lowest] && at[i] < at[lowest])) lowest = i;
        costs[j] = best[lowest] * w[j];
        neighbors[j] = static_cast<uint32_t>(at[lowest]);
    }
}

// ---------------------------------------------------------------- Oklab

constexpr int double_lanes = vector_bytes / 8;
constexpr double oklab_units = 16384;

// Cube root of 0 <= x <= 1 to the last bit or two: a guess from the exponent, then three of
// Halley's cubic steps. Own code, because libm's differs between systems. Zero stays (almost) zero.
inline Doubles cube_root(Doubles x) noexcept {
    Longs guess_bits;
    std::memcpy(&guess_bits, &x, sizeof x);
    // A third of the exponent. Integer division by constants is slow in vectors; 1/3 as a product
    // in doubles of the bits' high part is not needed: a float-like estimate is enough to start.
    const Doubles scaled = __builtin_convertvector(guess_bits, Doubles) * (1.0 / 3.0);
    const Longs root_bits = __builtin_convertvector(scaled, Longs) + 0x2A9F7893782DA1CEll;
    Doubles y;
    std::memcpy(&y, &root_bits, sizeof y);
    for (int round = 0; round < 3; ++round) {
        const Doubles y3 = y * y * y;
        y = y * (y3 + 2.0 * x) / (2.0 * y3 + x);
    }
    return y;
}

inline int16_t to_units(double value) noexcept {
    const double scaled = value * oklab_units;
    return static_cast<int16_t>(static_cast<int32_t>(scaled + (scaled < 0 ? -0.5 : 0.5)));
}

void oklab(const uint8_t* colors, size_t n, int channels, const double* linear,
           int16_t* points) noexcept {
    const auto c = static_cast<size_t>(channels);
    for (size_t i = 0; i < n; i += double_lanes) {
        const size_t count = std::min<size_t>(double_lanes, n - i);
        double rgb[3][double_lanes] = {};
        for (size_t p = 0; p < count; ++p)
            for (size_t d = 0; d < 3; ++d) rgb[d][p] = linear[colors[(i + p) * c + d]];
        const auto r = load<Doubles>(rgb[0]), g = load<Doubles>(rgb[1]), b = load<Doubles>(rgb[2]);
        // Ottosson's matrices, linear sRGB -> LMS -> Lab.
        const Doubles l = cube_root(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
        const Doubles m = cube_root(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
        const Doubles s = cube_root(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
        double lab[3][double_lanes];
        store(lab[0], 0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s);
        store(lab[1], 1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s);
        store(lab[2], 0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s);
        for (size_t p = 0; p < count; ++p) {
            int16_t* point = points + (i + p) * c;
            const int alpha = channels == 4 ? colors[(i + p) * 4 + 3] : 255;
            const double scale = alpha / 255.0;
            for (size_t d = 0; d < 3; ++d) point[d] = to_units(lab[d][p] * scale);
            if (channels == 4) point[3] = to_units(scale);
        }
    }
}

// ---------------------------------------------------------------- dithering

// Palette entries that a class of pixels may take, as vectors of coordinates.
template <int C>
struct Entries {
    std::vector<int32_t> axes[C], rows;

    Entries(const int16_t* entries, size_t k, const uint8_t* allowed) {
        for (size_t j = 0; j < k; ++j) {
            if (allowed && !allowed[j]) continue;
            for (int d = 0; d < C; ++d) axes[d].push_back(entries[j * C + static_cast<size_t>(d)]);
            rows.push_back(static_cast<int32_t>(j));
        }
        limit_errors();
        while (rows.size() % lane_padding) {  // copies of the last entry: never lower, never first
            for (auto& axis : axes) axis.push_back(axis.back());
            rows.push_back(rows.back());
        }
    }
    // How long the error may be that a pixel with this entry hands on, squared: half the squared
    // distance to the entry's nearest neighbor. Error is there to be made good by other entries;
    // where the palette has none in reach, it would pile up until it bursts into a speck of a far one.
    std::vector<int32_t> limits;  // by row

    void limit_errors() {
        const size_t n = rows.size();
        limits.assign(n ? static_cast<size_t>(rows.back()) + 1 : 0, 0);
        for (size_t i = 0; i < n; ++i) {
            int32_t least = INT32_MAX;
            for (size_t j = 0; j < n; ++j) {
                int32_t d2 = 0;
                for (int d = 0; d < C; ++d)
                    d2 += (axes[d][i] - axes[d][j]) * (axes[d][i] - axes[d][j]);
                if (d2 > 0) least = std::min(least, d2);
            }
            limits[static_cast<size_t>(rows[i])] = least == INT32_MAX ? 0 : least / 2;
        }
    }

    // The row nearest to x, the lowest of several.
    int32_t nearest(const int32_t* x) const noexcept {
        Ints best = all(INT32_MAX), row = {};
        for (size_t j = 0; j < rows.size(); j += lanes) {
            Ints d2 = {};
            for (int d = 0; d < C; ++d) {
                const Ints delta = load<Ints>(&axes[d][j]) - all(x[d]);
                d2 += delta * delta;
            }
            const Ints less = d2 < best;
            best = less ? d2 : best;
            row = less ? load<Ints>(&rows[j]) : row;
        }
        int32_t lowest = best[0], found = row[0];
        for (int lane = 1; lane < lanes; ++lane)
            if (best[lane] < lowest || (best[lane] == lowest && row[lane] < found)) {
                lowest = best[lane];
                found = row[lane];
            }
        return found;
    }
};

template <int C>
class Diffusion {
public:
    Diffusion(const int16_t* entries, size_t k, const uint8_t* opaque, int transparent,
              const int32_t* bounds, size_t width)
        : entries_(entries),
          any_(entries, k, nullptr),
          opaque_(entries, k, opaque),
          transparent_(transparent),
          bounds_(bounds),
          width_(width),
          below_((width + 2) * C),
          incoming_((width + 2) * C) {}

    // One row; `step` is +1 or -1. Errors are in sixteenths; each one is shared out completely.
    void row(const uint8_t* pixels, const int16_t* points, std::ptrdiff_t step, uint8_t* indices) {
        incoming_.swap(below_);
        std::fill(below_.begin(), below_.end(), 0);
        int32_t ahead[C] = {};
        auto x = step > 0 ? std::ptrdiff_t{0} : static_cast<std::ptrdiff_t>(width_) - 1;
        for (size_t done = 0; done < width_; ++done, x += step) {
            const auto at = static_cast<size_t>(x);
            const bool solid = C == 3 || pixels[at * C + 3] == 255;
            if (C == 4 && pixels[at * C + 3] == 0) {
                indices[at] = static_cast<uint8_t>(transparent_);
                std::fill(ahead, ahead + C, 0);
                continue;
            }
            int32_t value[C];
            for (int d = 0; d < C; ++d) {
                const auto i = static_cast<size_t>(d);
                const int32_t error = incoming_[(at + 1) * C + i] + ahead[d];
                value[d] = std::clamp(points[at * C + i] + ((error + 8) >> 4), bounds_[2 * d],
                                      bounds_[2 * d + 1]);
            }
            const Entries<C>& choice = solid ? opaque_ : any_;
            const int32_t row = choice.nearest(value);
            indices[at] = static_cast<uint8_t>(row);
            int32_t error[C];
            for (int d = 0; d < C; ++d)
                error[d] = value[d] - entries_[static_cast<size_t>(row) * C + static_cast<size_t>(d)];
            shorten(error, choice.limits[static_cast<size_t>(row)]);
            for (int d = 0; d < C; ++d) {
                int32_t* under = &below_[(at + 1) * C + static_cast<size_t>(d)];
                ahead[d] = error[d] * 7;
                under[-step * C] += error[d] * 3;
                under[0] += error[d] * 5;
                under[step * C] += error[d];
            }
        }
    }

private:
    // Takes quarters off until the squared length is within the limit.
    static void shorten(int32_t* error, int32_t limit) noexcept {
        for (;;) {
            int32_t length2 = 0;
            for (int d = 0; d < C; ++d) length2 += error[d] * error[d];
            if (length2 <= limit) return;
            for (int d = 0; d < C; ++d) error[d] = error[d] * 3 / 4;
        }
    }

    const int16_t* entries_;
    Entries<C> any_, opaque_;
    int transparent_;
    const int32_t* bounds_;
    size_t width_;
    std::vector<int32_t> below_, incoming_;
};

template <int C>
void diffuse_in(const uint8_t* pixels, size_t height, size_t width, Space space,
                const double* linear, const int16_t* entries, size_t k, const uint8_t* opaque,
                int transparent, const int32_t* bounds, uint8_t* indices) {
    Diffusion<C> diffusion(entries, k, opaque, transparent, bounds, width);
    std::vector<int16_t> points(width * C);
    for (size_t y = 0; y < height; ++y) {
        const uint8_t* row = pixels + y * width * C;
        to_points(row, width, C, space, linear, points.data());
        diffusion.row(row, points.data(), y % 2 ? -1 : 1, indices + y * width);
    }
}

void diffuse(const uint8_t* pixels, size_t height, size_t width, int channels, Space space,
             const double* linear, const int16_t* entries, size_t k, const uint8_t* opaque,
             int transparent, const int32_t* bounds, uint8_t* indices) {
    const auto run = channels == 3 ? diffuse_in<3> : diffuse_in<4>;
    run(pixels, height, width, space, linear, entries, k, opaque, transparent, bounds, indices);
}

}  // namespace

#define SMALTI_NAME_(x) #x
#define SMALTI_NAME(x) SMALTI_NAME_(x)
extern const Kernels table;
const Kernels table = {SMALTI_NAME(SMALTI_LEVEL), step, nearest, plus_plus,
                       cheapest_merges, diffuse, morton, list_used, unmorton, oklab};

}  // namespace SMALTI_LEVEL
}  // namespace smalti
