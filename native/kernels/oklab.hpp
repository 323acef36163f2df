// Oklab coordinates of many colors at once.
#pragma once

#include <algorithm>
#include <cstring>

#include "../core.hpp"
#include "../simd.hpp"

namespace smalti {
namespace SMALTI_LEVEL {
namespace {

constexpr double oklab_units = 16384;

typedef int32_t Whole __attribute__((vector_size(double_lanes * 4)));

// Cube root of 0 <= x <= 1 to the last bit or two: a guess from the exponent, then three of
// Halley's cubic steps. Own code, because libm's differs between systems.
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
    return x > Doubles{} ? y : Doubles{};  // for black, the steps underflow and end as 0/0
}

// Rounded to whole units, halves away from zero.
inline Whole to_units(Doubles value) noexcept {
    const Doubles scaled = value * oklab_units;
    return __builtin_convertvector(scaled + (scaled < 0.0 ? Doubles{} - 0.5 : Doubles{} + 0.5), Whole);
}

// Lanes 0 to 2 of the channels of some pixels, and alpha in lane 3.
template <int Channels>
void oklab_of(const uint8_t* colors, size_t n, const double* linear, int16_t* points) noexcept {
    for (size_t i = 0; i < n; i += double_lanes) {
        const size_t count = std::min<size_t>(double_lanes, n - i);
        double rgb[3][double_lanes] = {}, alpha[double_lanes] = {};
        for (size_t p = 0; p < count; ++p) {
            const uint8_t* color = colors + (i + p) * Channels;
            for (size_t d = 0; d < 3; ++d) rgb[d][p] = linear[color[d]];
            if (Channels == 4) alpha[p] = color[Channels - 1];
        }
        const auto r = load<Doubles>(rgb[0]), g = load<Doubles>(rgb[1]), b = load<Doubles>(rgb[2]);
        // Ottosson's matrices, linear sRGB -> LMS -> Lab.
        const Doubles l = cube_root(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
        const Doubles m = cube_root(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
        const Doubles s = cube_root(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
        Doubles lab[4] = {0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
                          1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
                          0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s, {}};
        if (Channels == 4) {
            lab[3] = load<Doubles>(alpha) / 255.0;
            for (int d = 0; d < 3; ++d) lab[d] *= lab[3];
        }
        int32_t units[Channels][double_lanes];
        for (int d = 0; d < Channels; ++d) store(units[d], to_units(lab[d]));
        for (size_t p = 0; p < count; ++p)
            for (size_t d = 0; d < Channels; ++d)
                points[(i + p) * Channels + d] = static_cast<int16_t>(units[d][p]);
    }
}

void oklab(const uint8_t* colors, size_t n, int channels, const double* linear,
           int16_t* points) noexcept {
    return channels == 3 ? oklab_of<3>(colors, n, linear, points)
                         : oklab_of<4>(colors, n, linear, points);
}

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
