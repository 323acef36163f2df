// The nearest centroid of rows of any length, in float64: what clusters numbers that are no colors.
#pragma once

#include <algorithm>
#include <cmath>

#include "../core.hpp"
#include "../parallel.hpp"
#include "../simd.hpp"

namespace smalti {
namespace SMALTI_LEVEL {
namespace {

constexpr size_t abreast = 2 * size_t{double_lanes};  // rows compared at a time, with
constexpr size_t group = 4;  // so many centroids: eight sums, which stay in registers
constexpr size_t chunk_rows = 2048;
constexpr size_t chunk_products = size_t{1} << 22;  // a few milliseconds: many centroids, fewer rows

// Compares rows i .. i + abreast - 1 with centroids j .. j + group - 1.
inline void compare(const double* columns, size_t n, size_t dims, size_t i, const double* centroids,
                    size_t j, Doubles best[2], Longs at[2]) noexcept {
    Doubles sums[2][group] = {};
    for (size_t d = 0; d < dims; ++d) {
        const double* column = columns + d * n + i;
        const Doubles x = load<Doubles>(column), y = load<Doubles>(column + double_lanes);
        for (size_t c = 0; c < group; ++c) {
            const double place = centroids[(j + c) * dims + d];
            sums[0][c] += (x - place) * (x - place);
            sums[1][c] += (y - place) * (y - place);
        }
    }
    for (int half = 0; half < 2; ++half) {
        for (size_t c = 0; c < group; ++c) {
            const auto closer = sums[half][c] < best[half];
            best[half] = closer ? sums[half][c] : best[half];
            at[half] = closer ? Longs{} + static_cast<int64_t>(j + c) : at[half];
        }
    }
}

// The same for one row and some centroids, with the same order of operations.
inline void compare_one(const double* columns, size_t n, size_t dims, size_t i,
                        const double* centroids, size_t begin, size_t end, double& best,
                        int64_t& at) noexcept {
    for (size_t j = begin; j < end; ++j) {
        double sum = 0;
        for (size_t d = 0; d < dims; ++d) {
            const double delta = columns[d * n + i] - centroids[j * dims + d];
            sum += delta * delta;
        }
        if (sum < best) best = sum, at = static_cast<int64_t>(j);
    }
}

void nearest_rows(const double* columns, size_t n, size_t dims, const double* centroids, size_t k,
                  int64_t* labels, double* d2, unsigned threads) {
    const size_t grouped = k / group * group;
    const size_t rows = std::clamp(chunk_products / (k * dims), abreast, chunk_rows);
    parallel_chunks(n, rows / abreast * abreast, threads, [&](size_t begin, size_t end, size_t) {
        size_t i = begin;
        for (; i + abreast <= end; i += abreast) {
            Doubles best[2] = {Doubles{} + HUGE_VAL, Doubles{} + HUGE_VAL};
            Longs at[2] = {};
            for (size_t j = 0; j < grouped; j += group)
                compare(columns, n, dims, i, centroids, j, best, at);
            for (size_t half = 0; half < 2; ++half) {
                store(labels + i + half * double_lanes, at[half]);
                store(d2 + i + half * double_lanes, best[half]);
            }
            for (size_t row = i; row < i + abreast; ++row)
                compare_one(columns, n, dims, row, centroids, grouped, k, d2[row], labels[row]);
        }
        for (; i < end; ++i) {
            d2[i] = HUGE_VAL;
            labels[i] = 0;
            compare_one(columns, n, dims, i, centroids, 0, k, d2[i], labels[i]);
        }
    });
}

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
