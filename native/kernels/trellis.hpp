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
typedef float Four __attribute__((vector_size(16)));  // coordinates, or errors of them
typedef uint8_t LaneBytes __attribute__((vector_size(lanes)));
constexpr std::ptrdiff_t copied_from[copies] = {0, -1, 1};

// What a pixel may become, state by state. Rows of -1 are no state: they cost more than any way.
template <int C>
struct alignas(vector_bytes) States {
    int32_t rows[states];       // of the palette
    int32_t keys[states];       // the same where a repeated index is cheaper: not for copies
    float axes[C][states];      // coordinates of the entries
    float limits[states];       // how long an error may be that is handed on, squared
    float starts[states];       // bits of coming here from another state
};

// The entries nearest to each one, itself first, of those that pixels of its kind may take: opaque
// entries keep to themselves, and fully transparent ones are alone.
template <int C>
class Neighbors {
public:
    Neighbors(const int16_t* entries, size_t k, int32_t opaque, const RowCosts& costs)
        : entries_(entries), of_(k), alone_(k) {
        for (size_t j = 0; j < k; ++j) kinds_.push_back(kind(entries + j * C, opaque));
        for (size_t j = 0; j < k; ++j) {
            int64_t least = INT64_MAX;
            for (size_t i = 0; i < k; ++i)
                if (i != j && kinds_[i] == kinds_[j])
                    least = std::min(least, distance2_of(entries + i * C, entries + j * C));
            // Half the squared distance to the nearest other entry, as in error diffusion.
            limits_.push_back(least == INT64_MAX ? 0 : static_cast<float>(least) / 2);
        }
        for (size_t j = 0; j < k; ++j) fill(j, costs);
    }

    // The states of a pixel that is nearest to entry `row`, or that keeps it; without copies.
    const States<C>& of(size_t row) const noexcept { return of_[row]; }
    const States<C>& alone(size_t row) const noexcept { return alone_[row]; }
    float limit(size_t row) const noexcept { return limits_[row]; }
    int kind_of(size_t row) const noexcept { return kinds_[row]; }

private:
    void fill(size_t j, const RowCosts& costs) {
        std::vector<std::pair<int64_t, size_t>> near{{-1, j}};
        for (size_t i = 0; i < kinds_.size(); ++i)
            if (i != j && kinds_[i] == kinds_[j] && kinds_[j] != 0)
                near.emplace_back(distance2_of(entries_ + i * C, entries_ + j * C), i);
        std::sort(near.begin(), near.end());
        if (near.size() > nearby) near.resize(nearby);
        for (size_t s = 0; s < states; ++s) {
            set(of_[j], s, s < near.size() ? static_cast<int32_t>(near[s].second) : -1, costs);
            set(alone_[j], s, s == 0 ? static_cast<int32_t>(j) : -1, costs);
        }
    }

    void set(States<C>& list, size_t s, int32_t row, const RowCosts& costs) const noexcept {
        list.rows[s] = list.keys[s] = row;
        list.starts[s] = row < 0 ? never : costs.other[row];
        list.limits[s] = row < 0 ? 0 : limits_[static_cast<size_t>(row)];
        for (int d = 0; d < C; ++d)
            list.axes[d][s] = row < 0 ? 0 : static_cast<float>(entries_[row * C + d]);
    }

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

    const int16_t* entries_;
    std::vector<States<C>> of_, alone_;
    std::vector<float> limits_;
    std::vector<int> kinds_;
};

// Rows of one strip, from top to bottom; each by dynamic programming from one end to the other.
template <int C>
class Strip {
public:
    Strip(const RowCosts& costs, const Neighbors<C>& neighbors, const int16_t* entries, size_t width)
        : costs_(costs), neighbors_(neighbors), entries_(entries), width_(width),
          from_(width * states), below_(width + 2), incoming_(width + 2) {}

    //   points  width x C    importance  width, weight of the squared error
    //   strengths  width, how much of its error each pixel hands on, 0 to 128
    //   above   labels of the row above, or null    labels  in: nearest entries, out: the choice
    void row(const int16_t* points, const float* importance, const uint8_t* strengths,
             const uint8_t* above, bool leftward, uint8_t* labels) {
        incoming_.swap(below_);
        std::fill(below_.begin(), below_.end(), Four{});
        step_ = leftward ? -1 : 1;
        const std::ptrdiff_t first = leftward ? static_cast<std::ptrdiff_t>(width_) - 1 : 0;
        std::ptrdiff_t x = first;
        for (size_t done = 0; done < width_; ++done, x += step_)
            advance(points, importance[x], strengths[x], above, labels, x, done == 0);
        trace(above, labels, x - step_);
        hand_down(points, strengths, labels, first);
    }

private:
    // The cheapest way to each state of a pixel, and the error at its end.
    struct alignas(vector_bytes) Survivors {
        float cost[states], error[C][states];
        int32_t rows[states];
    };

    // A point, or an entry.
    static Four place_of(const int16_t* point) noexcept {
        Four place = {};
        for (int d = 0; d < C; ++d) place[d] = static_cast<float>(point[d]);
        return place;
    }

    // What color the pixel should show: its own, and the errors of the row above.
    Four wanted(const int16_t* points, std::ptrdiff_t x) const noexcept {
        return place_of(points + x * C) + incoming_[static_cast<size_t>(x + 1)];
    }

    float share_of(uint8_t strength) const noexcept { return costs_.feedback / 128 * strength; }

    // Whether a pixel keeps its entry: its color is the entry's own, or cannot be seen.
    bool settled(const int16_t* points, std::ptrdiff_t x, uint8_t label) const noexcept {
        if (C == 4 && points[x * C + 3] == 0) return true;
        for (int d = 0; d < C; ++d)
            if (points[x * C + d] != entries_[label * C + d]) return false;
        return true;
    }

    void advance(const int16_t* points, float importance, uint8_t strength, const uint8_t* above,
                 const uint8_t* labels, std::ptrdiff_t x, bool first) noexcept {
        const uint8_t own = labels[x];
        const bool fixed = settled(points, x, own);
        const Four target = fixed ? place_of(entries_ + own * C) : wanted(points, x);
        open(own, fixed, above, x);
        for (auto& cost : best_.cost) cost = all(never);
        for (auto& from : best_.from) from = Ints{};
        if (first) {
            for (int d = 0; d < C; ++d) values_[d][0] = target[d];
            reach<false>(importance, 0, -2, 0);
        } else {
            come_from(survivors_[(x - step_) & 1], target, fixed ? 0 : 7.f / 16, importance);
        }
        close(survivors_[x & 1], fixed ? 0 : share_of(strength), x);
    }

    // Goes on from every state of the pixel before that is worth it.
    void come_from(const Survivors& before, Four target, float share, float importance) noexcept {
        unsigned alive = 0;
        for (int p = 0; p < state_vectors; ++p) {
            alive |= bits(load<Floats>(&before.cost[p * lanes]) < all(costs_.prune)) << (p * lanes);
            for (int d = 0; d < C; ++d)
                store(&values_[d][p * lanes],
                      all(target[d]) + all(share) * load<Floats>(&before.error[d][p * lanes]));
        }
        for (unsigned left = alive & ((1u << nearby) - 1); left; left &= left - 1) {
            const int r = __builtin_ctz(left);
            reach<false>(importance, before.cost[r], before.rows[r], r);
        }
        for (unsigned left = alive >> nearby << nearby; left; left &= left - 1) {
            const int r = __builtin_ctz(left);
            reach<true>(importance, before.cost[r], before.rows[r], r);
        }
    }

    // Lists the states of a pixel: entries near its own, and copies of pixels above.
    void open(uint8_t own, bool fixed, const uint8_t* above, std::ptrdiff_t x) noexcept {
        open_ = fixed ? neighbors_.alone(own) : neighbors_.of(own);
        if (!above) return;
        for (int c = 0; c < costs_.copies; ++c) {
            const std::ptrdiff_t at = x + copied_from[c];
            if (at < 0 || at >= static_cast<std::ptrdiff_t>(width_)) continue;
            const uint8_t row = above[at];
            if (fixed ? row != own : neighbors_.kind_of(row) != neighbors_.kind_of(own)) continue;
            const int s = nearby + c;
            open_.rows[s] = row;
            open_.starts[s] = costs_.copy;
            open_.limits[s] = neighbors_.limit(row);
            for (int d = 0; d < C; ++d)
                open_.axes[d][s] = static_cast<float>(entries_[row * C + d]);
        }
    }

    // Tries to come from state r, which shows palette row `row`, to every state of this pixel.
    template <bool copying>
    SMALTI_INLINE void reach(float importance, float base, int32_t row, int r) noexcept {
        for (int p = 0; p < state_vectors; ++p) {
            Floats d2;
            for (int d = 0; d < C; ++d) {
                const Floats delta = all(values_[d][r]) - load<Floats>(&open_.axes[d][p * lanes]);
                d2 = d ? d2 + delta * delta : delta * delta;
            }
            const Floats starts = load<Floats>(&open_.starts[p * lanes]);
            Floats bits = load<Ints>(&open_.keys[p * lanes]) == all(row) ? all(costs_.same) : starts;
            if (copying) {
                const Ints here = load<Ints>(&lane_[p * lanes]) == all(r);
                bits = (here & (starts < all(never))) ? all(costs_.go_on) : bits;
            }
            const Floats cost = (all(importance) * d2 + bits) + all(base);
            const Ints less = cost < best_.cost[p];
            best_.cost[p] = less ? cost : best_.cost[p];
            best_.from[p] = less ? all(r) : best_.from[p];
        }
    }

    // Keeps the best way to each state; costs are counted from the lowest, which keeps them small.
    void close(Survivors& now, float share, std::ptrdiff_t x) noexcept {
        Floats least = best_.cost[0];
        for (int p = 1; p < state_vectors; ++p) least = best_.cost[p] < least ? best_.cost[p] : least;
        const Floats start = all(least_lane(least));
        uint8_t* back = &from_[static_cast<size_t>(x) * states];
        for (int p = 0; p < state_vectors; ++p) {
            store(&now.cost[p * lanes], best_.cost[p] - start);
            store(&now.rows[p * lanes], load<Ints>(&open_.rows[p * lanes]));
            store(back + p * lanes, __builtin_convertvector(best_.from[p], LaneBytes));
            Floats error[C], length2 = Floats{};
            for (int d = 0; d < C; ++d) {
                error[d] = pick(values_[d], best_.from[p]) - load<Floats>(&open_.axes[d][p * lanes]);
                length2 += error[d] * error[d];
            }
            const Floats limit = load<Floats>(&open_.limits[p * lanes]);
            const Floats factor = (length2 > limit ? limit / length2 : all(1.f)) * all(share);
            for (int d = 0; d < C; ++d) store(&now.error[d][p * lanes], error[d] * factor);
        }
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
    void hand_down(const int16_t* points, const uint8_t* strengths, const uint8_t* labels,
                   std::ptrdiff_t x) noexcept {
        Four error = {};
        for (size_t done = 0; done < width_; ++done, x += step_) {
            const uint8_t label = labels[x];
            error = wanted(points, x) + 7.f / 16 * error - place_of(entries_ + label * C);
            if (settled(points, x, label)) error = Four{};
            const Four squares = error * error;
            float length2 = squares[0];
            for (int d = 1; d < C; ++d) length2 += squares[d];
            const float limit = neighbors_.limit(label);
            error *= (length2 > limit ? limit / length2 : 1) * share_of(strengths[x]);
            const Four part = error / 16;
            Four* under = &below_[static_cast<size_t>(x + 1)];
            under[-step_] += 3 * part;
            under[0] += 5 * part;
            under[step_] += part;
        }
    }

    const RowCosts& costs_;
    const Neighbors<C>& neighbors_;
    const int16_t* entries_;
    size_t width_;
    std::ptrdiff_t step_ = 1;
    Survivors survivors_[2];
    States<C> open_;
    struct {
        Floats cost[state_vectors];
        Ints from[state_vectors];
    } best_;
    alignas(vector_bytes) float values_[C][states] = {};  // to be shown, coming from each state
    alignas(vector_bytes) int32_t lane_[states] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                   8, 9, 10, 11, 12, 13, 14, 15};
    std::vector<uint8_t> from_;
    std::vector<Four> below_, incoming_;  // one more at each end
};

template <int C>
void trellis_in(const uint8_t* pixels, size_t height, size_t width, Space space,
               const double* linear, const int16_t* entries, size_t k, int32_t opaque,
               const uint8_t* activity, const float* importance, const uint8_t* gradients,
               const float* gains, const uint8_t* strengths, const RowCosts& costs,
               uint8_t* indices, unsigned threads) {
    const Neighbors<C> neighbors(entries, k, opaque, costs);
    parallel_for((height + strip_rows - 1) / strip_rows, threads, [&](size_t task, unsigned) {
        Strip<C> strip(costs, neighbors, entries, width);
        std::vector<int16_t> points(width * C);
        std::vector<float> weights(width);
        const size_t top = task * strip_rows;
        for (size_t y = top; y < std::min(height, top + strip_rows); ++y) {
            check_interruption();
            to_points(pixels + y * width * C, width, C, space, linear, points.data());
            for (size_t x = 0; x < width; ++x)
                weights[x] = importance[activity[y * width + x]] * gains[gradients[y * width + x]];
            uint8_t* row = indices + y * width;
            strip.row(points.data(), weights.data(), strengths + y * width,
                      y > top ? row - width : nullptr, y % 2, row);
        }
    });
}

void trellis(const uint8_t* pixels, size_t height, size_t width, int channels, Space space,
            const double* linear, const int16_t* entries, size_t k, int32_t opaque,
            const uint8_t* activity, const float* importance, const uint8_t* gradients,
            const float* gains, const uint8_t* strengths, const RowCosts& costs,
            uint8_t* indices, unsigned threads) {
    const auto run = channels == 3 ? trellis_in<3> : trellis_in<4>;
    run(pixels, height, width, space, linear, entries, k, opaque, activity, importance, gradients,
        gains, strengths, costs, indices, threads);
}

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
