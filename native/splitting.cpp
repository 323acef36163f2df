// Seeds by variance splitting: grow boxes from one to k, always cutting the box that gains most,
// at the best cut along its principal axis. Deterministic, and a better start than random seeds.
//
// Works on cells of the color cube (colors that agree in their high bits) rather than on single
// colors: the cut positions hardly change and the time does. Double arithmetic in a fixed order.
#include <algorithm>
#include <queue>
#include <utility>

#include "core.hpp"
#include "interruption.hpp"
#include "principal.hpp"

namespace smalti {
namespace {

constexpr int max_bins = 256;

struct Cell {
    double mean[max_dims];
    double weight;
};

struct Box {
    size_t begin, end;
    double mean[max_dims], weight;
    double axis[max_dims];
    double low, scale;  // bin of a cell = (its projection - low) * scale
    int bins;
    int cut = 0;  // cells in bins up to here go left
    double gain = 0;    // how much the cut lowers the sum of squared errors
};

// The points of `tree` merged into cells that agree in all but the lowest `dropped` bits of their codes.
std::vector<Cell> merge_cells(const Tree& tree, int dropped) {
    const uint32_t* keys = tree.keys();
    const int low_bit = tree.key_shift(dropped);
    const int dims = tree.dims();
    std::vector<Cell> cells;
    for (size_t i = 0; i < tree.size();) {
        if (cells.size() % 256 == 0) check_interruption();
        int64_t sum[max_dims] = {}, weight = 0;
        const bool solid = i < tree.opaque();
        const uint32_t prefix = keys[i] >> low_bit;
        for (; i < tree.size() && keys[i] >> low_bit == prefix && (i < tree.opaque()) == solid; ++i) {
            for (int d = 0; d < dims; ++d) sum[d] += tree.moment(i, d);
            weight += tree.weights()[i];
        }
        Cell cell{};
        cell.weight = static_cast<double>(weight);
        for (int d = 0; d < dims; ++d) cell.mean[d] = static_cast<double>(sum[d]) / cell.weight;
        cells.push_back(cell);
    }
    return cells;
}

template <int D>
class Splitter {
public:
    explicit Splitter(std::vector<Cell> cells) : cells_(std::move(cells)) {
        spare_.resize(cells_.size());
    }

    std::vector<Box> run(size_t k) {
        std::priority_queue<std::pair<double, std::ptrdiff_t>> queue;  // largest gain, oldest box
        const auto push = [&](size_t i) {
            if (boxes_[i].gain > 0) queue.emplace(boxes_[i].gain, -static_cast<std::ptrdiff_t>(i));
        };
        boxes_.push_back(measure(0, cells_.size()));
        push(0);
        while (boxes_.size() < k && !queue.empty()) {
            const auto widest = static_cast<size_t>(-queue.top().second);
            queue.pop();
            const Box box = boxes_[widest];
            const size_t middle = part(box);
            boxes_[widest] = measure(box.begin, middle);
            boxes_.push_back(measure(middle, box.end));
            push(widest);
            push(boxes_.size() - 1);
        }
        return std::move(boxes_);
    }

private:
    Box measure(size_t begin, size_t end) {
        check_interruption();
        Box box{};
        box.begin = begin;
        box.end = end;
        for (size_t i = begin; i < end; ++i) {
            for (int d = 0; d < D; ++d) box.mean[d] += cells_[i].weight * cells_[i].mean[d];
            box.weight += cells_[i].weight;
        }
        for (int d = 0; d < D; ++d) box.mean[d] /= box.weight;
        if (end - begin > 1 && find_axis(box)) find_cut(box);
        return box;
    }

    // False if all cells coincide.
    bool find_axis(Box& box) const {
        Covariance<D> covariance;
        for (size_t i = box.begin; i < box.end; ++i) {
            double delta[max_dims];
            for (int d = 0; d < D; ++d) delta[d] = cells_[i].mean[d] - box.mean[d];
            covariance.add(delta, cells_[i].weight);
        }
        return covariance.principal_axis(box.axis);
    }

    double project(const Box& box, const Cell& cell) const {
        double t = 0;
        for (int d = 0; d < D; ++d) t += box.axis[d] * (cell.mean[d] - box.mean[d]);
        return t;
    }

    int bin(const Box& box, const Cell& cell) const {
        const int i = static_cast<int>((project(box, cell) - box.low) * box.scale);
        return std::min(i, box.bins - 1);  // the highest projection falls on the end of the scale
    }

    // The cut between two bins that separates the most variance.
    void find_cut(Box& box) const {
        double high = box.low = project(box, cells_[box.begin]);
        for (size_t i = box.begin + 1; i < box.end; ++i) {
            const double t = project(box, cells_[i]);
            box.low = std::min(box.low, t);
            high = std::max(high, t);
        }
        if (!(high > box.low)) return;
        // A few cells need few bins; scanning 256 for each small box would take most of the time.
        box.bins = static_cast<int>(std::clamp<size_t>(box.end - box.begin, 32, max_bins));
        box.scale = box.bins / (high - box.low);
        double sums[max_bins][max_dims], weights[max_bins];
        std::fill_n(sums[0], box.bins * max_dims, 0.0);
        std::fill_n(weights, box.bins, 0.0);
        for (size_t i = box.begin; i < box.end; ++i) {
            const Cell& cell = cells_[i];
            const int b = bin(box, cell);
            weights[b] += cell.weight;
            for (int d = 0; d < D; ++d)
                sums[b][d] += cell.weight * (cell.mean[d] - box.mean[d]);
        }
        // Sums are about the mean of the box, so the right side's is the left side's, negated, and
        // the gain wl * wr / w * |ml - mr|^2 becomes |sl|^2 * w / (wl * wr).
        double left_sum[max_dims] = {}, left = 0;
        for (int b = 0; b < box.bins - 1; ++b) {
            left += weights[b];
            double length2 = 0;
            for (int d = 0; d < D; ++d) {
                left_sum[d] += sums[b][d];
                length2 += left_sum[d] * left_sum[d];
            }
            const double right = box.weight - left;
            if (!(left > 0) || !(right > 0)) continue;
            const double gain = length2 * box.weight / (left * right);
            if (gain > box.gain) {
                box.gain = gain;
                box.cut = b;
            }
        }
    }

    // Stable partition of the box's cells at its cut; returns where the right side begins.
    size_t part(const Box& box) {
        size_t left = box.begin, right = 0;
        for (size_t i = box.begin; i < box.end; ++i) {
            if (bin(box, cells_[i]) <= box.cut)
                cells_[left++] = cells_[i];
            else
                spare_[right++] = cells_[i];
        }
        std::copy_n(spare_.begin(), right, cells_.begin() + static_cast<std::ptrdiff_t>(left));
        return left;
    }

    std::vector<Cell> cells_, spare_;
    std::vector<Box> boxes_;
};

template <int D>
size_t split_in(const Tree& tree, size_t k, size_t cells_per_seed, float* centroids) {
    auto boxes = Splitter<D>(merge_cells(tree, tree.coarseness(k * cells_per_seed, 1))).run(k);
    if (boxes.size() < k) boxes = Splitter<D>(merge_cells(tree, 0)).run(k);
    for (const Box& box : boxes)
        for (int d = 0; d < D; ++d) *centroids++ = static_cast<float>(box.mean[d]);
    return boxes.size();
}

}  // namespace

size_t split_seeds(const Tree& tree, size_t k, size_t cells_per_seed, float* centroids) {
    return tree.dims() == 3 ? split_in<3>(tree, k, cells_per_seed, centroids)
                            : split_in<4>(tree, k, cells_per_seed, centroids);
}

}  // namespace smalti
