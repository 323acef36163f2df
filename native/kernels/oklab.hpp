// Oklab coordinates of many colors at once.
#pragma once

#include <algorithm>
#include <cstring>

#include "../core.hpp"
#include "../simd.hpp"

namespace smalti {
namespace SMALTI_LEVEL {
namespace {

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

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
