// An octree over the colors of a histogram: bounding boxes and moments for every node, so that a
// whole box can be given to the one centroid that is nearest to all of it.
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core.hpp"
#include "morton.hpp"

namespace smalti {

Tree::Tree(const uint8_t* colors, const int16_t* points, const int64_t* counts, size_t n, int dims,
           int alpha_gap)
    : n_(n), stride_(n + lane_padding), opaque_(n), dims_(dims) {
    const auto d_count = static_cast<size_t>(dims);
    weights_.assign(counts, counts + n);
    keys_.resize(n);
    axes_.assign(stride_ * d_count, 0.0f);
    for (size_t i = n; i-- > 0;) {
        const uint8_t* color = colors + i * d_count;
        const bool solid = dims == 3 || color[3] == 255;
        if (!solid) opaque_ = i;
        keys_[i] = solid ? morton_rgb(color) << 8 : morton_rgba(color);
    }
    for (size_t i = 1; i < n; ++i) {
        const bool late = i > opaque_ && colors[i * d_count + 3] == 255;
        if (late || (keys_[i] <= keys_[i - 1] && i != opaque_))
            throw std::invalid_argument("colors must be distinct and in storage order");
    }
    for (size_t d = 0; d < d_count; ++d)
        for (size_t i = 0; i < n; ++i)
            axes_[d * stride_ + i] = static_cast<float>(points[i * d_count + d] +
                                                        (d == 3 && i < opaque_ ? alpha_gap : 0));
    finish();
}

int Tree::coarseness(size_t least) const noexcept {
    const int most = 4 * dims_;
    size_t parting[33] = {};  // neighbors by the highest bit in which their keys differ
    for (size_t i = 1; i < n_; ++i) {
        const uint32_t differ = i == opaque_ ? ~0u : keys_[i] ^ keys_[i - 1];
        ++parting[31 - __builtin_clz(differ | 1)];
    }
    size_t cells = 1;
    int bit = 32;
    while (bit > key_shift(most) || (bit > key_shift(0) && cells < least)) cells += parting[--bit];
    return bit - key_shift(0);
}

Tree::Tree(const Tree& fine, int dropped) : n_(0), opaque_(0), dims_(fine.dims_) {
    const int low = key_shift(dropped);
    std::vector<uint32_t> starts;
    starts.reserve(fine.n_ + 1);
    for (size_t i = 0; i < fine.n_; ++i) {
        const bool first = i == 0 || i == fine.opaque_;
        if (!first && (fine.keys_[i] ^ fine.keys_[i - 1]) >> low == 0) continue;
        if (i < fine.opaque_) ++opaque_;
        starts.push_back(static_cast<uint32_t>(i));
    }
    n_ = starts.size();
    starts.push_back(static_cast<uint32_t>(fine.n_));
    stride_ = n_ + lane_padding;
    axes_.assign(stride_ * static_cast<size_t>(dims_), 0.0f);
    weights_.resize(n_);
    keys_.resize(n_);
    for (size_t c = 0; c < n_; ++c) {
        keys_[c] = fine.keys_[starts[c]] >> low << low;
        merge(fine, starts[c], starts[c + 1], c);
    }
    finish();
}

// Point c becomes the mean of points begin..end of `fine`.
void Tree::merge(const Tree& fine, size_t begin, size_t end, size_t c) noexcept {
    int64_t sum[max_dims] = {}, weight = 0;
    for (size_t i = begin; i < end; ++i) {
        weight += fine.weights_[i];
        for (int d = 0; d < dims_; ++d) sum[d] += fine.moment(i, d);
    }
    weights_[c] = weight;
    const double scale = 1.0 / (static_cast<double>(weight) * coarse_grain);
    for (int d = 0; d < dims_; ++d) {
        const auto grains = static_cast<double>(sum[d]) * scale;
        axes_[static_cast<size_t>(d) * stride_ + c] =
            static_cast<float>(std::floor(grains + 0.5) * coarse_grain);
    }
}

// Everything that follows from coordinates, weights and keys.
void Tree::finish() {
    float_weights_.assign(stride_, 0.0f);
    for (size_t i = 0; i < n_; ++i) float_weights_[i] = static_cast<float>(weights_[i]);
    int32_t bits = 0;
    for (int d = 0; d < dims_; ++d) {
        const float* x = axis(d);
        for (size_t i = 0; i < n_; ++i) {
            const auto whole = static_cast<int32_t>(x[i]);
            bits |= whole;
            second_moment_ += static_cast<double>(weights_[i]) * static_cast<double>(whole * whole);
        }
    }
    grain_ = bits ? bits & -bits : 1;
    nodes_.reserve(n_ / 32 + 16);
    build(0, static_cast<uint32_t>(n_), 32, 1);
    list_tasks(std::max<size_t>(n_ / 64, 1024));
}

// Appends the node of points begin..end, which agree in all key bits from `shift` up. The root has
// the opaque and the other colors as its subtrees; below, a level takes 3 key bits (4 with alpha).
uint32_t Tree::build(uint32_t begin, uint32_t end, int shift, int depth) {
    const auto index = static_cast<uint32_t>(nodes_.size());
    nodes_.push_back(Node{});
    nodes_[index].begin = begin;
    nodes_[index].end = end;
    depth_ = std::max(depth_, depth);
    if (end - begin > leaf_size) {
        if (begin < opaque_ && opaque_ < end) {
            build(begin, static_cast<uint32_t>(opaque_), 32, depth + 1);
            build(static_cast<uint32_t>(opaque_), end, 32, depth + 1);
        } else {
            add_children(begin, end, shift, depth);
        }
        nodes_[index].next = static_cast<uint32_t>(nodes_.size());
    }
    Node node = nodes_[index];
    measure(node, index);
    node.light = is_light(node);
    nodes_[index] = node;
    return index;
}

void Tree::add_children(uint32_t begin, uint32_t end, int shift, int depth) {
    const int bits = begin < opaque_ ? 3 : 4;
    int low = shift - bits;
    // Levels on which all points agree would only be nodes with one child.
    while (keys_[begin] >> low == keys_[end - 1] >> low) low -= bits;
    for (uint32_t child = begin; child < end;) {
        const uint32_t prefix = keys_[child] >> low;
        const auto last = std::upper_bound(
            keys_.begin() + child, keys_.begin() + end, prefix,
            [low](uint32_t value, uint32_t key) { return value < key >> low; });
        const auto stop = static_cast<uint32_t>(last - keys_.begin());
        build(child, stop, low, depth + 1);
        child = stop;
    }
}

void Tree::measure(Node& node, uint32_t index) const noexcept {
    for (int d = 0; d < max_dims; ++d) {
        node.lo[d] = far_away;
        node.hi[d] = -far_away;
    }
    const auto widen = [&](int d, float lo, float hi) {
        node.lo[d] = std::min(node.lo[d], lo);
        node.hi[d] = std::max(node.hi[d], hi);
    };
    if (node.leaf()) {
        for (int d = 0; d < dims_; ++d) {
            const float* x = axis(d);
            float lo = x[node.begin], hi = lo;
            for (size_t i = node.begin; i < node.end; ++i) {
                lo = x[i] < lo ? x[i] : lo;
                hi = x[i] > hi ? x[i] : hi;
                node.sum[d] += weights_[i] * static_cast<int64_t>(x[i]);
            }
            widen(d, lo, hi);
        }
        for (size_t i = node.begin; i < node.end; ++i) node.weight += weights_[i];
        return;
    }
    for (uint32_t child = index + 1; child < node.next;) {
        const Node& part = nodes_[child];
        for (int d = 0; d < dims_; ++d) {
            widen(d, part.lo[d], part.hi[d]);
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

}  // namespace smalti
