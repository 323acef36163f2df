// Oklab coordinates of many colors at once.
//
// They are what doubles give, rounded. Nearly always float32 tells how to round, in half the time or
// less; where it comes close to the middle between two, doubles decide.
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

// Cube root of 0 <= x <= 1 to some 2e-7 of itself: a guess of its inverse from the exponent, and
// two steps of third order, which need no division.
inline Floats quick_cube_root(Floats x) noexcept {
    Ints guess_bits;
    std::memcpy(&guess_bits, &x, sizeof x);
    const Floats scaled = __builtin_convertvector(guess_bits, Floats) * (-1.f / 3);
    const Ints inverse_bits = __builtin_convertvector(scaled, Ints) + 0x54A21D2A;
    Floats y;
    std::memcpy(&y, &inverse_bits, sizeof y);
    for (int round = 0; round < 2; ++round) {
        const Floats off = 1.f - x * y * y * y;
        y += y * off * (1.f / 3 + off * (2.f / 9));
    }
    const Floats root = x * y * y;
    return root + (x - root * root * root) * y * y * (1.f / 3);
}

// Converts colors run by run; a few at a time are left behind for `finish`.
template <int C>
class Oklab {
public:
    explicit Oklab(const double* linear) noexcept : linear_(linear) {
        for (int i = 0; i < 256; ++i) floats_[i] = static_cast<float>(linear[i]);
    }

    void convert(const uint8_t* colors, size_t n, int16_t* points) noexcept {
        constexpr size_t reach = C == 3 ? rgb_reach : lanes;
        for (size_t i = 0; i < n; i += lanes, colors += lanes * C, points += lanes * C) {
            const size_t count = std::min<size_t>(lanes, n - i);
            uint8_t copied[vector_bytes + 16] = {};  // the last colors, and room to read on
            if (n - i < reach) std::memcpy(copied, colors, count * C);
            int32_t units[C][lanes];
            unsigned unsure = quick(n - i < reach ? copied : colors, units);
            for (size_t p = 0; p < count; ++p)
                for (size_t d = 0; d < C; ++d) points[p * C + d] = static_cast<int16_t>(units[d][p]);
            for (; unsure; unsure &= unsure - 1) {
                const auto p = static_cast<size_t>(__builtin_ctz(unsure));
                if (p < count) leave(colors + p * C, points + p * C);
            }
        }
    }
    void finish() noexcept {
        if (waiting_) exact();
    }

private:
    // How far a coordinate in float32 may be from the exact one, in units: of all colors, the worst
    // is 0.0055 off.
    static constexpr float slack = 1.f / 128;

    // Coordinates of a vector of colors, rounded; tells in which lanes float32 cannot say how.
    SMALTI_INLINE unsigned quick(const uint8_t* colors, int32_t (*units)[lanes]) const noexcept {
        const Ints bytes = C == 3 ? load_rgb(colors) : load<Ints>(colors);
        const Floats r = gather(floats_, bytes & 255), g = gather(floats_, bytes >> 8 & 255),
                     b = gather(floats_, bytes >> 16 & 255);
        const Floats l = quick_cube_root(0.4122214708f * r + 0.5363325363f * g + 0.0514459929f * b);
        const Floats m = quick_cube_root(0.2119034982f * r + 0.6806995451f * g + 0.1073969566f * b);
        const Floats s = quick_cube_root(0.0883024619f * r + 0.2817188376f * g + 0.6299787005f * b);
        // Factors of a row of the matrix add up to 1 or 0, so that differences will do: they lose less.
        const Floats lab[4] = {m + (0.2104542553f * (l - m) + 0.0040720468f * (m - s)),
                               1.9779984951f * (l - m) - 0.4505937099f * (m - s),
                               0.0259040371f * (l - m) + 0.8086757660f * (m - s), all(1.f)};
        const Floats alpha =
            C == 3 ? all(1.f) : __builtin_convertvector(bytes >> 24 & 255, Floats) * (1.f / 255);
        constexpr float whole = 1.5f * (1 << 23);  // added to a float, it takes its fraction
        Ints unsure = {};
        for (int d = 0; d < C; ++d) {
            const Floats scaled = lab[d] * static_cast<float>(oklab_units) * alpha;
            const Floats rounded = (scaled + whole) - whole, off = scaled - rounded;
            unsure |= off * off > (0.5f - slack) * (0.5f - slack);
            store(units[d], __builtin_convertvector(rounded, Ints));
        }
        return bits(unsure);
    }

    void leave(const uint8_t* color, int16_t* point) noexcept {
        colors_[waiting_] = color;
        points_[waiting_] = point;
        if (++waiting_ == double_lanes) exact();
    }

    // Converts the colors left behind.
    SMALTI_NOINLINE void exact() noexcept {
        double rgb[3][double_lanes] = {}, alpha[double_lanes] = {};
        for (size_t p = 0; p < waiting_; ++p) {
            for (size_t d = 0; d < 3; ++d) rgb[d][p] = linear_[colors_[p][d]];
            if (C == 4) alpha[p] = colors_[p][C - 1];
        }
        const auto r = load<Doubles>(rgb[0]), g = load<Doubles>(rgb[1]), b = load<Doubles>(rgb[2]);
        // Ottosson's matrices, linear sRGB -> LMS -> Lab.
        const Doubles l = cube_root(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
        const Doubles m = cube_root(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
        const Doubles s = cube_root(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
        Doubles lab[4] = {0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
                          1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
                          0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s, {}};
        if (C == 4) {
            lab[3] = load<Doubles>(alpha) / 255.0;
            for (int d = 0; d < 3; ++d) lab[d] *= lab[3];
        }
        int32_t units[C][double_lanes];
        for (int d = 0; d < C; ++d) store(units[d], to_units(lab[d]));
        for (size_t p = 0; p < waiting_; ++p)
            for (size_t d = 0; d < C; ++d) points_[p][d] = static_cast<int16_t>(units[d][p]);
        waiting_ = 0;
    }

    const double* linear_;
    float floats_[256];
    const uint8_t* colors_[double_lanes];  // left behind, and where they go
    int16_t* points_[double_lanes];
    size_t waiting_ = 0;
};

template <int C>
void oklab_of(const uint8_t* colors, size_t n, const double* linear, int16_t* points) noexcept {
    Oklab<C> oklab(linear);
    oklab.convert(colors, n, points);
    oklab.finish();
}

void oklab(const uint8_t* colors, size_t n, int channels, const double* linear,
           int16_t* points) noexcept {
    return channels == 3 ? oklab_of<3>(colors, n, linear, points)
                         : oklab_of<4>(colors, n, linear, points);
}

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
