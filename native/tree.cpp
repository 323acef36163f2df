// An octree over the colors of a histogram: bounding boxes and moments for every node, so that a
// whole box can be given to the one centroid that is nearest to all of it.
#include <algorithm>
#include <cstring>

#include "core.hpp"
#include "morton.hpp"

namespace smalti {

Tree::Tree(const uint8_t* colors, const int16_t* points, const int64_t* counts, size_t n, int dims,
           int alpha_gap)
    : n_(n), stride_(n + lane_padding), opaque_(n), dims_(dims) {
    const auto d_count = static_cast<size_t>(dims);
    axes_.assign(stride_ * d_count, 0.0f);
    moments_.resize(n * 4);
    weights_.assign(counts, counts + n);
    float_weights_.assign(stride_, 0.0f);
    keys_.resize(n);
    for (size_t i = n; i-- > 0;) {
        const uint8_t* color = colors + i * d_count;
        const bool solid = dims == 3 || color[3] == 255;
        if (!solid) opaque_ = i;
        keys_[i] = solid ? morton_rgb(color) << 8 : morton_rgba(color);
    }
    int32_t bits = 0;
    for (size_t i = 0; i < n; ++i) {
        double length2 = 0;
        for (size_t d = 0; d < d_count; ++d) {
            const int32_t x = points[i * d_count + d] + (d == 3 && i < opaque_ ? alpha_gap : 0);
            bits |= x;
            axes_[d * stride_ + i] = static_cast<float>(x);
            moments_[i * 4 + d] = counts[i] * x;
            length2 += static_cast<double>(x) * x;
        }
        if (dims == 3) moments_[i * 4 + 3] = counts[i];
        second_moment_ += static_cast<double>(counts[i]) * length2;
        float_weights_[i] = static_cast<float>(counts[i]);
    }
    grain_ = bits ? bits & -bits : 1;
    nodes_.reserve(n / 32 + 16);
    build(0, static_cast<uint32_t>(n), 32, 1);
    list_tasks(std::max<size_t>(n / 64, 1024));
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
        for (size_t i = node.begin; i < node.end; ++i) {
            for (int d = 0; d < dims_; ++d) {
                widen(d, axis(d)[i], axis(d)[i]);
                node.sum[d] += moments_[i * 4 + static_cast<size_t>(d)];
            }
            node.weight += weights_[i];
        }
        float extent = static_cast<float>(grain_);
        for (int d = 0; d < dims_; ++d) extent = std::max(extent, node.hi[d] - node.lo[d]);
        node.light = static_cast<double>(node.weight) * extent < 16777216.0 * grain_;  // 2^24 grains
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
