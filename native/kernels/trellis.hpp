// Size-aware mapping: indices that cost few bits for the error they make.
#pragma once

#include <algorithm>
#include <vector>

#include "../core.hpp"
#include "../parallel.hpp"
#include "../simd.hpp"

namespace smalti {
namespace SMALTI_LEVEL {
namespace {

constexpr int states = 16;  // of a pixel: entries near its own, and copies of the row above
constexpr int copies = 3;   // from straight above, from the left of that, from its right
constexpr int nearby = states - copies;
constexpr int state_vectors = states / lanes;
constexpr size_t strip_rows = 128;  // a strip does not look at the one above: strips are tasks
constexpr float never = 1e30f;
constexpr std::ptrdiff_t copied_from[copies] = {0, -1, 1};

// One number per state.
struct PerState {
    Floats part[state_vectors];
};

// The entries nearest to each one, itself first, of those that pixels of its kind may take: opaque
// entries keep to themselves, and fully transparent ones are alone.
template <int C>
class Neighbors {
public:
    Neighbors(const int16_t* entries, size_t k, int32_t opaque) : of_(k), limits_(k) {
        std::vector<std::pair<int64_t, int32_t>> near;
        for (size_t j = 0; j < k; ++j) {
            near.clear();
            for (size_t i = 0; i < k; ++i)
                if (kind(entries + i * C, opaque) == kind(entries + j * C, opaque))
                    near.emplace_back(distance2_of(entries + i * C, entries + j * C),
                                      i == j ? -1 : static_cast<int32_t>(i));
            std::sort(near.begin(), near.end());
            List& list = of_[j];
            for (int s = 0; s < states; ++s) {
                const bool some = s < nearby && static_cast<size_t>(s) < near.size() &&
                                  (s == 0 || kind(entries + j * C, opaque) != 0);
                const int32_t row = !some ? -1 : s == 0 ? static_cast<int32_t>(j) : near[s].second;
                list.rows[s] = row;
                for (int d = 0; d < C; ++d)
                    list.axes[d][s] = row < 0 ? 0 : static_cast<float>(entries[row * C + d]);
            }
            limits_[j] = near.size() < 2 ? 0 : static_cast<float>(near[1].first) / 2;
            kinds_.push_back(kind(entries + j * C, opaque));
        }
    }

    struct List {
        int32_t rows[states];  // -1: none
        float axes[C][states];
    };
    const List& of(size_t row) const noexcept { return of_[row]; }
    // How long the error may be that a pixel with this entry hands on, squared: half the squared
    // distance to the entry's nearest neighbor, as in error diffusion.
    float limit(size_t row) const noexcept { return limits_[row]; }
    int kind_of(size_t row) const noexcept { return kinds_[row]; }

private:
    // 0 for fully transparent entries, 1 for translucent, 2 for opaque ones.
    static int kind(const int16_t* entry, int32_t opaque) noexcept {
        if (C == 3) return 2;
        return entry[C - 1] == 0 ? 0 : entry[C - 1] == opaque ? 2 : 1;
    }
    static int64_t distance2_of(const int16_t* a, const int16_t* b) noexcept {
        int64_t d2 = 0;
        for (int d = 0; d < C; ++d) d2 += int64_t{a[d] - b[d]} * (a[d] - b[d]);
        return d2;
    }

    std::vector<List> of_;
    std::vector<float> limits_;
    std::vector<int> kinds_;
};

// Rows of one strip, from top to bottom; each by dynamic programming from one end to the other.
template <int C>
class Strip {
public:
    Strip(const RowCosts& costs, const Neighbors<C>& neighbors, const int16_t* entries, size_t width)
        : costs_(costs), neighbors_(neighbors), entries_(entries), width_(width),
          from_(width * states), below_((width + 2) * C), incoming_((width + 2) * C) {}

    //   points  width x C    importance  width, weight of the squared error
    //   above   labels of the row above, or null    labels  in: nearest entries, out: the choice
    void row(const int16_t* points, const float* importance, const uint8_t* above, bool leftward,
             uint8_t* labels) {
        incoming_.swap(below_);
        std::fill(below_.begin(), below_.end(), 0.f);
        step_ = leftward ? -1 : 1;
        const std::ptrdiff_t first = leftward ? static_cast<std::ptrdiff_t>(width_) - 1 : 0;
        std::ptrdiff_t x = first;
        for (size_t done = 0; done < width_; ++done, x += step_)
            advance(points, importance[x], above, labels, x, done == 0);
        trace(above, labels, x - step_);
        hand_down(points, labels, first);
    }

private:
    struct Survivors {
        alignas(vector_bytes) float cost[states], error[C][states];
        alignas(vector_bytes) int32_t rows[states];
    };

    // What color the pixel should show: its own, and the errors of the row above.
    void wanted(const int16_t* points, std::ptrdiff_t x, float* target) const noexcept {
        for (int d = 0; d < C; ++d)
            target[d] = static_cast<float>(points[x * C + d]) + incoming_[(x + 1) * C + d];
    }

    // Whether a pixel keeps its entry: its color is the entry's own, or cannot be seen.
    bool settled(const int16_t* points, std::ptrdiff_t x, uint8_t label) const noexcept {
        if (C == 4 && points[x * C + 3] == 0) return true;
        for (int d = 0; d < C; ++d)
            if (points[x * C + d] != entries_[label * C + d]) return false;
        return true;
    }

    void advance(const int16_t* points, float importance, const uint8_t* above,
                 const uint8_t* labels, std::ptrdiff_t x, bool first) noexcept {
        const uint8_t own = labels[x];
        const bool fixed = settled(points, x, own);
        float target[C];
        wanted(points, x, target);
        if (fixed)
            for (int d = 0; d < C; ++d) target[d] = entries_[own * C + d];
        Survivors& now = survivors_[x & 1];
        PerState start;   // cost of beginning each state from another one
        PerState go_on;   // and of going on with it: only copies
        open(now, start, go_on, own, fixed, above, x);

        PerState best, chosen_error[C];
        Ints from[state_vectors];
        for (int p = 0; p < state_vectors; ++p) {
            best.part[p] = all(never);
            from[p] = Ints{};
            for (int d = 0; d < C; ++d) chosen_error[d].part[p] = Floats{};
        }
        const Survivors& before = survivors_[(x - step_) & 1];
        const float share = first ? 0 : fixed ? 0 : costs_.feedback * 7 / 16;
        for (int r = 0; r < states; ++r) {
            if (first ? r > 0 : !(before.cost[r] < costs_.prune)) continue;
            const float base = first ? 0 : before.cost[r];
            const int32_t row = first ? -2 : before.rows[r];
            float value[C];
            for (int d = 0; d < C; ++d)
                value[d] = share == 0 ? target[d] : target[d] + share * before.error[d][r];
            for (int p = 0; p < state_vectors; ++p) {
                Floats delta[C], d2 = Floats{};
                for (int d = 0; d < C; ++d) {
                    delta[d] = all(value[d]) - load<Floats>(&axes_[d][p * lanes]);
                    d2 += delta[d] * delta[d];
                }
                const Ints same = load<Ints>(&keys_[p * lanes]) == all(row);
                Floats bits = same ? all(costs_.same) : start.part[p];
                if (r >= nearby && !first)
                    bits = load<Ints>(&lane_[p * lanes]) == all(r) ? go_on.part[p] : bits;
                const Floats cost = (all(importance) * d2 + bits) + all(base);
                const Ints less = cost < best.part[p];
                best.part[p] = less ? cost : best.part[p];
                from[p] = less ? all(r) : from[p];
                for (int d = 0; d < C; ++d)
                    chosen_error[d].part[p] = less ? delta[d] : chosen_error[d].part[p];
            }
        }
        close(now, best, from, chosen_error, fixed, x);
    }

    // Lists the states of a pixel and what it costs to begin them.
    void open(Survivors& now, PerState& start, PerState& go_on, uint8_t own, bool fixed,
              const uint8_t* above, std::ptrdiff_t x) noexcept {
        const auto& list = neighbors_.of(own);
        std::copy(list.rows, list.rows + states, now.rows);
        for (int d = 0; d < C; ++d) std::copy(list.axes[d], list.axes[d] + states, axes_[d]);
        alignas(vector_bytes) float starts[states], on[states];
        for (int s = 0; s < nearby; ++s) {
            const bool open = now.rows[s] >= 0 && (!fixed || s == 0);
            starts[s] = open ? costs_.other[now.rows[s]] : never;
            on[s] = never;
            keys_[s] = open ? now.rows[s] : -1;
        }
        for (int c = 0; c < copies; ++c) {
            const int s = nearby + c;
            const std::ptrdiff_t at = x + copied_from[c];
            const bool inside = above && at >= 0 && at < static_cast<std::ptrdiff_t>(width_);
            const int32_t row = inside ? above[at] : -1;
            const bool open = c < costs_.copies && row >= 0 &&
                              (fixed ? row == own : neighbors_.kind_of(row) == neighbors_.kind_of(own));
            now.rows[s] = open ? row : -1;
            keys_[s] = -1;
            starts[s] = open ? costs_.copy : never;
            on[s] = open ? costs_.go_on : never;
            for (int d = 0; d < C; ++d)
                axes_[d][s] = open ? static_cast<float>(entries_[row * C + d]) : 0;
        }
        for (int p = 0; p < state_vectors; ++p) {
            start.part[p] = load<Floats>(&starts[p * lanes]);
            go_on.part[p] = load<Floats>(&on[p * lanes]);
        }
    }

    // Keeps the best way to each state; costs are counted from the lowest, which keeps them small.
    void close(Survivors& now, const PerState& best, const Ints* from, const PerState* error,
               bool fixed, std::ptrdiff_t x) noexcept {
        for (int p = 0; p < state_vectors; ++p) {
            store(&now.cost[p * lanes], best.part[p]);
            for (int d = 0; d < C; ++d) store(&now.error[d][p * lanes], error[d].part[p]);
        }
        float lowest = never;
        for (int s = 0; s < states; ++s) lowest = std::min(lowest, now.cost[s]);
        int32_t origin[states];
        for (int p = 0; p < state_vectors; ++p) store(&origin[p * lanes], from[p]);
        uint8_t* back = &from_[static_cast<size_t>(x) * states];
        for (int s = 0; s < states; ++s) {
            now.cost[s] -= lowest;
            back[s] = static_cast<uint8_t>(origin[s]);
            shorten(now, s, fixed);
        }
    }

    void shorten(Survivors& now, int s, bool fixed) noexcept {
        float length2 = 0;
        for (int d = 0; d < C; ++d) length2 += now.error[d][s] * now.error[d][s];
        const float limit = now.rows[s] < 0 || fixed ? 0 : neighbors_.limit(now.rows[s]);
        if (length2 <= limit) return;
        const float factor = limit / length2;
        for (int d = 0; d < C; ++d) now.error[d][s] *= factor;
    }

    // Walks back along the cheapest way.
    void trace(const uint8_t* above, uint8_t* labels, std::ptrdiff_t x) noexcept {
        const Survivors& last = survivors_[x & 1];
        int s = 0;
        for (int other = 1; other < states; ++other)
            if (last.cost[other] < last.cost[s]) s = other;
        for (size_t left = width_; left-- > 0; x -= step_) {
            const int before = from_[static_cast<size_t>(x) * states + static_cast<size_t>(s)];
            labels[x] = s < nearby ? static_cast<uint8_t>(neighbors_.of(labels[x]).rows[s])
                                   : above[x + copied_from[s - nearby]];
            s = before;
        }
    }

    // Hands the errors of the row to the one below, by Floyd and Steinberg's shares.
    void hand_down(const int16_t* points, const uint8_t* labels, std::ptrdiff_t x) noexcept {
        float error[C] = {};
        for (size_t done = 0; done < width_; ++done, x += step_) {
            float target[C], length2 = 0;
            wanted(points, x, target);
            const bool fixed = settled(points, x, labels[x]);
            for (int d = 0; d < C; ++d) {
                error[d] = fixed ? 0 : target[d] + costs_.feedback * 7 / 16 * error[d] -
                                           static_cast<float>(entries_[labels[x] * C + d]);
                length2 += error[d] * error[d];
            }
            const float limit = neighbors_.limit(labels[x]);
            if (length2 > limit)
                for (int d = 0; d < C; ++d) error[d] *= limit / length2;
            for (int d = 0; d < C; ++d) {
                const float part = costs_.feedback / 16 * error[d];
                float* under = &below_[static_cast<size_t>(x + 1) * C + static_cast<size_t>(d)];
                under[-step_ * C] += 3 * part;
                under[0] += 5 * part;
                under[step_ * C] += part;
            }
        }
    }

    const RowCosts& costs_;
    const Neighbors<C>& neighbors_;
    const int16_t* entries_;
    size_t width_;
    std::ptrdiff_t step_ = 1;
    Survivors survivors_[2];
    alignas(vector_bytes) float axes_[C][states];
    alignas(vector_bytes) int32_t keys_[states];
    alignas(vector_bytes) int32_t lane_[states] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    std::vector<uint8_t> from_;
    std::vector<float> below_, incoming_;
};

template <int C>
void trellis_in(const uint8_t* pixels, size_t height, size_t width, Space space,
               const double* linear, const int16_t* entries, size_t k, int32_t opaque,
               const uint8_t* activity, const float* importance, const RowCosts& costs,
               uint8_t* indices, unsigned threads) {
    const Neighbors<C> neighbors(entries, k, opaque);
    parallel_allocating((height + strip_rows - 1) / strip_rows, threads, [&](size_t task, unsigned) {
        Strip<C> strip(costs, neighbors, entries, width);
        std::vector<int16_t> points(width * C);
        std::vector<float> weights(width);
        const size_t top = task * strip_rows;
        for (size_t y = top; y < std::min(height, top + strip_rows); ++y) {
            to_points(pixels + y * width * C, width, C, space, linear, points.data());
            for (size_t x = 0; x < width; ++x) weights[x] = importance[activity[y * width + x]];
            uint8_t* row = indices + y * width;
            strip.row(points.data(), weights.data(), y > top ? row - width : nullptr, y % 2, row);
        }
    });
}

void trellis(const uint8_t* pixels, size_t height, size_t width, int channels, Space space,
            const double* linear, const int16_t* entries, size_t k, int32_t opaque,
            const uint8_t* activity, const float* importance, const RowCosts& costs,
            uint8_t* indices, unsigned threads) {
    const auto run = channels == 3 ? trellis_in<3> : trellis_in<4>;
    run(pixels, height, width, space, linear, entries, k, opaque, activity, importance, costs,
        indices, threads);
}

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
