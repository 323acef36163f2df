// An octree over the colors of a histogram: bounding boxes and moments for every node, so that a
// whole box can be given to the one centroid that is nearest to all of it.
#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "core.hpp"
#include "memory.hpp"
#include "morton.hpp"
#include "parallel.hpp"

namespace smalti {
namespace {

constexpr size_t chunk_points = 4096;    // coordinates of a chunk stay in the first-level caches
// Fewer nodes, and leaves that fill vectors. On photographs 128 is a percent or two faster for k up to
// 64, and as much slower for 256.
constexpr size_t merge_size = 96;
constexpr size_t chunk_nodes = 64;
constexpr size_t thread_points = 16384;  // fewer are not worth a thread (estimated)

bool is_opaque(const uint8_t* colors, size_t i, int dims) noexcept {
    return dims == 3 || colors[i * 4 + 3] == 255;
}

// How many colors are opaque, if those come first.
size_t count_opaque(const uint8_t* colors, size_t n, int dims) noexcept {
    size_t low = 0, high = n;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        (is_opaque(colors, middle, dims) ? low : high) = middle + is_opaque(colors, middle, dims);
    }
    return low;
}

}  // namespace

Tree::Tree(const uint8_t* colors, const int64_t* counts, size_t n, int dims, Space space,
           const double* linear, int alpha_gap, unsigned threads, bool keep_keys)
    : n_(n), opaque_(count_opaque(colors, n, dims)), dims_(dims), weights_(counts) {
    threads = useful_threads(n, thread_points, threads);
    reserve();
    std::atomic<int32_t> bits{0};
    std::atomic<bool> ordered{true};
    parallel_chunks(n, chunk_points, threads, [&](size_t begin, size_t end, size_t) {
        if (!set_keys(colors, begin, end)) ordered = false;
        int16_t points[chunk_points * max_dims];
        to_points(colors + begin * static_cast<size_t>(dims), end - begin, dims, space, linear, points);
        bits |= set_points(points, begin, end, alpha_gap);
    });
    for (size_t i = chunk_points; i < n; i += chunk_points)  // within chunks, set_keys has looked
        if (keys_[i] <= keys_[i - 1] && i != opaque_) ordered = false;
    if (!ordered) throw std::invalid_argument("colors must be distinct and in storage order");
    finish(bits, threads, keep_keys);
}

void Tree::reserve() {
    stride_ = n_ + lane_padding;
    axes_ = allocate<float>(stride_ * static_cast<size_t>(dims_));
    keys_ = allocate<uint32_t>(n_);
    for (int d = 0; d < dims_; ++d) std::fill_n(&axes_[at(d, n_)], lane_padding, 0.0f);
}

// Keys of some of the colors; false if those are not distinct and in storage order.
bool Tree::set_keys(const uint8_t* colors, size_t begin, size_t end) noexcept {
    const auto dims = static_cast<size_t>(dims_);
    bool ordered = true;
    for (size_t i = begin; i < end; ++i)
        ordered = ordered && is_opaque(colors, i, dims_) == (i < opaque_);
    if (dims_ == 3) {
        kernels().morton(colors + begin * dims, end - begin, dims_, &keys_[begin]);
        for (size_t i = begin; i < end; ++i) keys_[i] <<= key_shift(0);
    } else {
        for (size_t i = begin; i < end; ++i) keys_[i] = morton_rgba(colors + i * dims);
    }
    for (size_t i = begin + 1; i < end; ++i)
        ordered = ordered && (keys_[i] > keys_[i - 1] || i == opaque_);
    return ordered;
}

// Coordinates of some of the points; returns the bits that occur in them.
int32_t Tree::set_points(const int16_t* points, size_t begin, size_t end, int alpha_gap) noexcept {
    const auto dims = static_cast<size_t>(dims_);
    int32_t bits = 0;
    for (size_t d = 0; d < dims; ++d) {
        const size_t raised = d == 3 ? opaque_ : 0;  // those before it
        for (size_t i = begin; i < end; ++i) {
            const int32_t x = points[(i - begin) * dims + d] + (i < raised ? alpha_gap : 0);
            axes_[at(static_cast<int>(d), i)] = static_cast<float>(x);
            bits |= x;
        }
    }
    return bits;
}

const uint32_t* Tree::keys() const {
    if (!keys_) throw std::invalid_argument("the tree must have its keys, but gave them up");
    return keys_.get();
}

int Tree::coarseness(size_t least, unsigned threads) const {
    const uint32_t* const keys = this->keys();
    std::array<std::atomic<size_t>, 32> parting{};  // neighbors by the highest bit their keys differ in
    threads = useful_threads(n_, 8 * thread_points, threads);
    parallel_chunks(n_, chunk_points, threads, [&](size_t begin, size_t end, size_t) {
        uint32_t some[2][32] = {};  // two counters in turn need not wait for each other
        for (size_t i = std::max<size_t>(begin, 1); i < end; ++i) {
            const uint32_t differ = i == opaque_ ? ~uint32_t{0} : keys[i] ^ keys[i - 1];
            ++some[i % 2][31 - __builtin_clz(differ | 1)];
        }
        for (size_t bit = 0; bit < 32; ++bit) parting[bit] += some[0][bit] + some[1][bit];
    });
    const auto most = key_shift(4 * dims_), least_bit = key_shift(0);
    size_t cells = 1;
    int bit = 32;
    while (bit > most || (bit > least_bit && cells < least)) cells += parting[static_cast<size_t>(--bit)];
    return bit - least_bit;
}

// Where the cells begin that keys agree in from bit `low` up, and, at the end, the last one ends.
std::vector<uint32_t> Tree::list_cells(int low, unsigned threads) const {
    const uint32_t* const keys = this->keys();
    const auto begins = [&](size_t i) {
        return i == 0 || i == opaque_ || keys[i] >> low != keys[i - 1] >> low;
    };
    std::vector<size_t> first((n_ + chunk_points - 1) / chunk_points);  // cell of each chunk
    parallel_chunks(n_, chunk_points, threads, [&](size_t begin, size_t end, size_t chunk) {
        for (size_t i = begin; i < end; ++i) first[chunk] += begins(i);
    });
    size_t total = 0;
    for (size_t& cell : first) cell = std::exchange(total, total + cell);
    std::vector<uint32_t> cells(total + 1, static_cast<uint32_t>(n_));
    parallel_chunks(n_, chunk_points, threads, [&](size_t begin, size_t end, size_t chunk) {
        for (size_t i = begin, cell = first[chunk]; i < end; ++i)
            if (begins(i)) cells[cell++] = static_cast<uint32_t>(i);
    });
    return cells;
}

Tree::Tree(const Tree& fine, int dropped, unsigned threads) : dims_(fine.dims_) {
    const int low = key_shift(dropped);
    threads = useful_threads(fine.n_, thread_points, threads);
    const std::vector<uint32_t> cells = fine.list_cells(low, threads);
    n_ = cells.size() - 1;
    opaque_ = static_cast<size_t>(std::lower_bound(cells.begin(), cells.end(), fine.opaque_) - cells.begin());
    reserve();
    own_weights_ = allocate<int64_t>(n_);
    weights_ = own_weights_.get();
    std::atomic<int32_t> bits{0};
    parallel_chunks(n_, chunk_points / 8, threads, [&](size_t begin, size_t end, size_t) {
        int32_t some = 0;
        for (size_t c = begin; c < end; ++c) {
            keys_[c] = fine.keys_[cells[c]] >> low << low;
            some |= set_cell(c, fine, cells[c], cells[c + 1]);
        }
        bits |= some;
    });
    finish(bits, threads);
}

// Puts the mean of some points of `fine` in place c; returns the bits that occur in coordinates.
int32_t Tree::set_cell(size_t c, const Tree& fine, size_t begin, size_t end) noexcept {
    int64_t sum[max_dims] = {}, weight = 0;
    for (size_t i = begin; i < end; ++i) {
        weight += fine.weights_[i];
        for (int d = 0; d < dims_; ++d) sum[d] += fine.moment(i, d);
    }
    own_weights_[c] = weight;
    int32_t bits = 0;
    for (int d = 0; d < dims_; ++d) {
        const double mean = static_cast<double>(sum[d]) / static_cast<double>(weight);
        const double x = std::floor(mean / coarse_grain + 0.5) * coarse_grain;
        axes_[at(d, c)] = static_cast<float>(x);
        bits |= static_cast<int32_t>(x);
    }
    return bits;
}

// Everything that follows from coordinates, weights and keys.
void Tree::finish(int32_t bits, unsigned threads, bool keep_keys) {
    grain_ = bits ? bits & -bits : 1;
    nodes_.reserve(n_ / 32 + 16);
    build(0, static_cast<uint32_t>(n_), 32, 1);
    if (!keep_keys) forget_keys();
    float_weights_ = allocate<float>(stride_);
    std::fill_n(&float_weights_[n_], lane_padding, 0.0f);
    std::vector<double> second_moments(nodes_.size());
    parallel_chunks(nodes_.size(), chunk_nodes, threads, [&](size_t begin, size_t end, size_t) {
        for (size_t i = begin; i < end; ++i)
            if (nodes_[i].leaf()) second_moments[i] = measure_leaf(nodes_[i]);
    });
    for (size_t i = nodes_.size(); i-- > 0;) {  // children come after their parents
        if (!nodes_[i].leaf()) measure_parent(i);
        nodes_[i].light = is_light(nodes_[i]);
        second_moment_ += second_moments[i];
    }
    list_tasks(std::max<size_t>(n_ / 64, 1024));
}

// Appends the node of points begin..end, which agree in all key bits from `shift` up. The root has
// the opaque and the other colors as its subtrees; below, a level takes one key bit per channel.
void Tree::build(uint32_t begin, uint32_t end, int shift, int depth) {
    const size_t index = nodes_.size();
    nodes_.push_back(Node{});
    nodes_[index].begin = begin;
    nodes_[index].end = end;
    depth_ = std::max(depth_, depth);
    if (end - begin <= leaf_size) return;
    if (begin < opaque_ && opaque_ < end) {
        build(begin, static_cast<uint32_t>(opaque_), 32, depth + 1);
        build(static_cast<uint32_t>(opaque_), end, 32, depth + 1);
    } else {
        add_children(begin, end, shift, depth);
    }
    nodes_[index].next = static_cast<uint32_t>(nodes_.size());
}

void Tree::add_children(uint32_t begin, uint32_t end, int shift, int depth) {
    int low = shift - dims_;
    // Levels on which all points agree would only be nodes with one child.
    while (keys_[begin] >> low == keys_[end - 1] >> low) low -= dims_;
    const auto end_of_child = [&](uint32_t child) {
        const uint32_t prefix = keys_[child] >> low;
        return static_cast<uint32_t>(
            std::upper_bound(&keys_[child], &keys_[end], prefix,
                             [low](uint32_t value, uint32_t key) { return value < key >> low; }) -
            &keys_[0]);
    };
    for (uint32_t child = begin; child < end;) {
        uint32_t stop = end_of_child(child);
        // Small neighbors share a leaf: more would only be more nodes.
        while (stop < end && stop - child < merge_size) {
            const uint32_t next = end_of_child(stop);
            if (next - child > merge_size) break;
            stop = next;
        }
        build(child, stop, low, depth + 1);
        child = stop;
    }
}

// Sets the box and sums of a leaf, and the weights of its points as floats; returns the sum of weight
// times squared length.
double Tree::measure_leaf(Node& node) noexcept {
    double second = 0;
    for (int d = 0; d < dims_; ++d) {
        const float* x = axis(d);
        float lo = x[node.begin], hi = lo;
        for (size_t i = node.begin; i < node.end; ++i) {
            const auto whole = static_cast<int32_t>(x[i]);
            lo = x[i] < lo ? x[i] : lo;
            hi = x[i] > hi ? x[i] : hi;
            node.sum[d] += weights_[i] * whole;
            second += static_cast<double>(weights_[i]) * static_cast<double>(whole * whole);
        }
        node.lo[d] = lo;
        node.hi[d] = hi;
    }
    for (size_t i = node.begin; i < node.end; ++i) {
        node.weight += weights_[i];
        float_weights_[i] = static_cast<float>(weights_[i]);
    }
    return second;
}

// The same from its children's.
void Tree::measure_parent(size_t index) noexcept {
    Node& node = nodes_[index];
    std::fill_n(node.lo, dims_, far_away);
    std::fill_n(node.hi, dims_, -far_away);
    for (size_t child = index + 1; child < node.next;) {
        const Node& part = nodes_[child];
        for (int d = 0; d < dims_; ++d) {
            node.lo[d] = std::min(node.lo[d], part.lo[d]);
            node.hi[d] = std::max(node.hi[d], part.hi[d]);
            node.sum[d] += part.sum[d];
        }
        node.weight += part.weight;
        child = part.leaf() ? child + 1 : part.next;
    }
}

// Whether sums of weight times (coordinate - lo) stay below 2^24 grains, exact in float32.
bool Tree::is_light(const Node& node) const noexcept {
    float extent = static_cast<float>(grain_);
    for (int d = 0; d < dims_; ++d) extent = std::max(extent, node.hi[d] - node.lo[d]);
    return static_cast<double>(node.weight) * extent < 16777216.0 * grain_;
}

void Tree::list_tasks(size_t largest) {
    for (uint32_t i = 0; i < nodes_.size();) {
        const Node& node = nodes_[i];
        if (node.leaf() || node.end - node.begin <= largest) {
            tasks_.push_back(i);
            i = node.leaf() ? i + 1 : node.next;
        } else {
            ++i;
        }
    }
}

bool Tree::within_reach(const float* place) const noexcept {
    double farthest = 0;
    for (int d = 0; d < dims_; ++d) {
        const double x = place[d];
        const double part = std::max(x - nodes_[0].lo[d], nodes_[0].hi[d] - x);
        if (!(part <= 32767)) return false;
        farthest += part * part;
    }
    return farthest <= 2147483647.0;
}

}  // namespace smalti
