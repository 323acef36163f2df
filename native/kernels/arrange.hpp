// An order of a palette in which entries that are neighbors in the picture are close together.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <vector>

#include "../core.hpp"
#include "../interruption.hpp"
#include "../simd.hpp"

namespace smalti {
namespace SMALTI_LEVEL {
namespace {

// 32 log2(x), rounded down, x >= 1: squaring a number doubles its logarithm, and whether that
// overflows is the next bit. Integers only, for the same order everywhere.
inline int32_t logarithm(uint64_t x) noexcept {
    int32_t result = 0;
    while (x >> result > 1) ++result;
    uint64_t mantissa = (x << 31) >> result;  // of [1, 2), with 31 bits behind the point
    for (int bit = 0; bit < 5; ++bit) {
        mantissa = mantissa * mantissa >> 31;
        const bool over = mantissa >> 32;
        mantissa >>= over;
        result = 2 * result + over;
    }
    return result;
}

// The sum of (a[i] - b[i]) * grows[i], without place `at`, behind which grows[i - 1] counts. In whole
// vectors: behind the n places, rows end in zeros.
inline int32_t pull(const int32_t* a, const int32_t* b, const int32_t* grows, size_t at,
                    size_t n) noexcept {
    Ints lane, sum = {};
    for (int i = 0; i < lanes; ++i) lane[i] = i;
    const auto terms = [&](size_t i, const int32_t* grow) {
        return (load<Ints>(a + i) - load<Ints>(b + i)) * load<Ints>(grow + i);
    };
    size_t i = 0;
    for (; i + lanes <= at; i += lanes) sum += terms(i, grows);
    const Ints here = lane + all(static_cast<int32_t>(i)), split = all(static_cast<int32_t>(at));
    sum += here < split ? terms(i, grows) : here > split ? terms(i, grows - 1) : Ints{};
    for (i += lanes; i < n; i += lanes) sum += terms(i, grows - 1);
    return total(sum);
}

int64_t arrange(const int32_t* counts, size_t k, int sweeps, uint8_t* order) {
    // Rows and columns of `near` stand in the present order. grows[k + d] is what a pair costs more
    // when it gets from d apart to d + 1 apart, to the right; to the left it is that much less.
    const size_t stride = (k + lanes - 1) / lanes * lanes;
    std::vector<int32_t> cells(k * stride), grows(k + 1 + stride), cost(k);
    std::vector<int32_t*> near(k);
    for (size_t i = 0; i < k; ++i) {
        near[i] = &cells[i * stride];
        for (size_t j = 0; j < k; ++j) near[i][j] = counts[order[i] * k + order[j]];
        if (i) grows[k - i] = -(grows[k + i] = logarithm(i + 2) - logarithm(i + 1));
    }
    bool moved = true;
    for (int sweep = 0; sweep < sweeps && moved; ++sweep) {
        check_interruption();
        moved = false;
        for (size_t entry = 0; entry < k; ++entry) {
            const size_t at = static_cast<size_t>(std::find(order, order + k, entry) - order);
            const int32_t* own = near[at];
            // cost[t]: with the entry at place t, beyond a constant. A step from t to t + 1 changes
            // places with the next of the others, whose distances change the other way around.
            cost[0] = 0;
            for (size_t t = 0; t + 1 < k; ++t) {
                const int32_t* next = near[t < at ? t : t + 1];
                cost[t + 1] = cost[t] - pull(own, next, &grows[k - t], at, k);
            }
            const size_t to = static_cast<size_t>(
                std::min_element(cost.begin(), cost.end()) - cost.begin());
            if (cost[to] == cost[at]) continue;
            moved = true;
            const size_t first = std::min(at, to), last = std::max(at, to) + 1;
            const size_t middle = to < at ? at : at + 1;
            std::rotate(order + first, order + middle, order + last);
            std::rotate(&near[first], &near[0] + middle, &near[0] + last);
            for (int32_t* row : near) std::rotate(row + first, row + middle, row + last);
        }
    }
    int64_t sum = 0;
    for (size_t i = 0; i < k; ++i)
        for (size_t j = 0; j < k; ++j)
            sum += int64_t{near[i][j]} * logarithm(1 + (i < j ? j - i : i - j));
    return sum;
}

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
