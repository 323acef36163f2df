// Ordered dithering to any palette: each pixel between two entries, by a tile of thresholds.
#pragma once

#include <algorithm>
#include <vector>

#include "../core.hpp"
#include "../interruption.hpp"
#include "entry_cells.hpp"

namespace smalti {
namespace SMALTI_LEVEL {
namespace {

constexpr size_t most_partners = 32;  // of an entry: those around it, and a few behind them
constexpr int64_t furthest = 16;  // times as far away, squared, as the nearest: others are specks

template <int C>
inline double product(Quad a, Quad b) noexcept {
    const Quad both = a * b;  // each below 2^30, their sum below 2^32
    double sum = static_cast<double>(both[0]) + both[1] + both[2];
    return C == 4 ? sum + both[3] : sum;
}

// The entries that the pixels of a class may take, and of each the nearest others.
template <int C>
struct Pairs {
    EntryCells<C> cells;
    std::vector<std::vector<int32_t>> partners;  // by row, nearest first

    Pairs(const Quad* entries, size_t k, const uint8_t* allowed, int shift)
        : cells(entries, k, allowed, shift), partners(k) {
        std::vector<std::pair<int32_t, int32_t>> others;  // squared distance, row
        for (size_t i = 0; i < k; ++i) {
            if (allowed && !allowed[i]) continue;
            others.clear();
            for (size_t j = 0; j < k; ++j) {
                const int32_t d2 = length2<C>(entries[i] - entries[j]);
                if (d2 > 0 && (!allowed || allowed[j]))
                    others.emplace_back(d2, static_cast<int32_t>(j));
            }
            const size_t count = std::min(most_partners, others.size());
            std::partial_sort(others.begin(), others.begin() + static_cast<std::ptrdiff_t>(count),
                              others.end());
            for (size_t j = 0; j < count; ++j)
                if (others[j].first <= furthest * others[0].first)
                    partners[i].push_back(others[j].second);
        }
    }
};

struct Mixture {
    int32_t row = -1;  // of the other entry; -1: there is none on the color's side
    double part = 0;   // of it
};

// The entry that, mixed with the nearest one, comes closest to a place. A mixture of entries v apart of
// which the part t is the other leaves the squared error of its mean, and flickers by t (1 - t) v^2;
// an eighth of that counts, too, so that of two ways to the same mean the quieter wins.
template <int C>
Mixture mixture(const Quad* entries, const std::vector<int32_t>& partners, int32_t nearest,
                Quad place) noexcept {
    Mixture best;
    double most = 0;
    const Quad way = place - entries[nearest];
    for (const int32_t row : partners) {
        const Quad toward = entries[row] - entries[nearest];
        const double along = product<C>(way, toward);
        if (along <= 0) continue;
        const double part = along / product<C>(toward, toward), gain = along * (9.0 * part - 1.0);
        if (best.row >= 0 && gain <= most) continue;
        most = gain;
        best = {row, part};
    }
    return best;
}

// The darker of two entries comes first, so that thresholds mean the same on both sides of the middle.
template <int C>
inline bool precedes(const Quad* entries, int32_t a, int32_t b) noexcept {
    const auto sum = [&](int32_t row) {
        const Quad e = entries[row];
        return e[0] + e[1] + e[2] + (C == 4 ? e[3] : 0);
    };
    return sum(a) != sum(b) ? sum(a) < sum(b) : a < b;
}

// Whether a part of a mixture passes a threshold of 0 to 512 that a strength draws toward the middle.
inline bool passes(double part, int threshold, int strength) noexcept {
    return part * (512 << 7) > (256 << 7) + (threshold - 256) * strength;
}

template <int C>
void order_in(const uint16_t* tile, size_t side, const uint8_t* pixels, size_t height, size_t width,
              Space space, const double* linear, const int16_t* entries, size_t k,
              const uint8_t* opaque, int transparent, const int32_t* bounds,
              const uint8_t* strengths, uint8_t* indices) {
    const auto places = entry_places<C>(entries, k, bounds);
    const int shift = cell_shift<C>(space);
    Pairs<C> any(places.data(), k, nullptr, shift), solid(places.data(), k, opaque, shift);
    std::vector<int16_t> points(width * C);
    for (size_t y = 0; y < height; ++y) {
        check_interruption();
        const size_t start = y * width;
        to_points(pixels + start * C, width, C, space, linear, points.data());
        for (size_t x = 0; x < width; ++x) {
            const uint8_t* pixel = pixels + (start + x) * C;
            const int strength = strengths[start + x];
            if (C == 4 && pixel[C - 1] == 0) indices[start + x] = static_cast<uint8_t>(transparent);
            if (strength == 0 || (C == 4 && pixel[C - 1] == 0)) continue;
            Pairs<C>& pairs = C == 3 || pixel[C - 1] == 255 ? solid : any;
            const Quad place = place_of<C>(&points[x * C], bounds);
            int32_t first = pairs.cells.nearest(place).row;
            const Mixture mix = mixture<C>(places.data(), pairs.partners[static_cast<size_t>(first)],
                                           first, place);
            int32_t second = mix.row < 0 ? first : mix.row;
            double part = mix.part;
            if (precedes<C>(places.data(), second, first)) {
                std::swap(first, second);
                part = 1.0 - part;
            }
            const int threshold = tile[y % side * side + x % side];
            indices[start + x] = static_cast<uint8_t>(passes(part, threshold, strength) ? second : first);
        }
    }
}

void order(const uint16_t* tile, size_t side, const uint8_t* pixels, size_t height, size_t width,
           int channels, Space space, const double* linear, const int16_t* entries, size_t k,
           const uint8_t* opaque, int transparent, const int32_t* bounds, const uint8_t* strengths,
           uint8_t* indices) {
    const auto run = channels == 3 ? order_in<3> : order_in<4>;
    run(tile, side, pixels, height, width, space, linear, entries, k, opaque, transparent, bounds,
        strengths, indices);
}

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
