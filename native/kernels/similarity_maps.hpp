// The maps of SSIMULACRA2: where a picture differs from its original in structure, in artifacts and
// in lost detail. A few rows are at work at a time, so that pictures of any size need little memory.
#pragma once

#include <algorithm>
#include <vector>

#include "../core.hpp"
#include "../interruption.hpp"
#include "../simd.hpp"

namespace smalti {
namespace SMALTI_LEVEL {
namespace {

constexpr size_t blur_reach = 5;  // pixels to each side
constexpr size_t blur_rows = 2 * blur_reach + 1;
// The Gaussian of sigma 1.5, cut off there and made to add up to 1.
constexpr float gaussian[blur_reach + 1] = {0.2660117248617943f,   0.21300553771125366f,
                                            0.1093606895097f,      0.03600077212843082f,
                                            0.007598758135239184f, 0.001028380084479109f};
constexpr float stable = 0.0009f;  // C2 of SSIM, for values of 0 to 1

// Sums are kept for each of so many columns, whatever the vectors hold: the same order on every CPU.
constexpr size_t sum_columns = 16;
constexpr size_t vectors = sum_columns / lanes;

// Cube root of x > 0 to the last bit or two, from a guess by the exponent. Own code, as in oklab.hpp.
inline Floats cube_root(Floats x) noexcept {
    const Floats scaled = __builtin_convertvector((Ints)x, Floats) * (1.0f / 3.0f);
    Floats y = (Floats)(__builtin_convertvector(scaled, Ints) + all(int32_t{0x2A5137A0}));
    for (int round = 0; round < 2; ++round) {  // Halley's steps
        const Floats y3 = y * y * y;
        y = y * (y3 + 2.0f * x) / (2.0f * y3 + x);
    }
    return y;
}

inline Floats magnitude(Floats x) noexcept { return (Floats)((Ints)x & all(int32_t{0x7FFFFFFF})); }
inline Floats above_zero(Floats x) noexcept { return x > Floats{} ? x : Floats{}; }

// What is at work of two pictures: the latest rows in XYB, and their blurs along the row.
class Window {
public:
    enum { a, b, mean_a, mean_b, square_a, square_b, square_apart, kinds };

    explicit Window(size_t width)
        : width_(width), stride_((width + sum_columns - 1) / sum_columns * sum_columns),
          padded_(stride_ + 2 * sum_columns), light_(3 * stride_), edged_(2 * padded_),
          ring_(3 * kinds * blur_rows * stride_) {}

    size_t stride() const noexcept { return stride_; }

    const float* row(int channel, int kind, size_t y) const noexcept {
        return &ring_[place(channel, kind, y)];
    }

    void read(const Pyramid& first, const Pyramid& second, size_t scale, size_t y) noexcept {
        first.row(scale, y, light_.data(), stride_);
        to_xyb(a, y);
        second.row(scale, y, light_.data(), stride_);
        to_xyb(b, y);
        for (int channel = 0; channel < 3; ++channel) blur(channel, y);
    }

private:
    size_t place(int channel, int kind, size_t y) const noexcept {
        return ((static_cast<size_t>(channel) * kinds + static_cast<size_t>(kind)) * blur_rows +
                y % blur_rows) * stride_;
    }

    // XYB as JPEG XL has it, then shifted and scaled to about 0 to 1, with B - Y for B.
    void to_xyb(int kind, size_t y) noexcept {
        constexpr float bias = 0.0037930732552754493f, bias_root = 0.15595420054924863f;
        for (size_t x = 0; x < stride_; x += lanes) {
            const auto r = load<Floats>(&light_[x]);
            const auto g = load<Floats>(&light_[stride_ + x]);
            const auto blue = load<Floats>(&light_[2 * stride_ + x]);
            const Floats l = cube_root(0.3f * r + 0.622f * g + 0.078f * blue + bias) - bias_root;
            const Floats m = cube_root(0.23f * r + 0.692f * g + 0.078f * blue + bias) - bias_root;
            const Floats s = cube_root(0.24342268924547819f * r + 0.20476744424496821f * g +
                                       0.5518098665095536f * blue + bias) - bias_root;
            const Floats luma = 0.5f * (l + m);
            store(&ring_[place(0, kind, y) + x], 0.5f * (l - m) * 14.0f + 0.42f);
            store(&ring_[place(1, kind, y) + x], luma + 0.01f);
            store(&ring_[place(2, kind, y) + x], (s - luma) + 0.55f);
        }
    }

    // Copies a row to where there are zeros before and after it.
    const float* edged(int channel, int kind, size_t y) noexcept {
        float* row = &edged_[static_cast<size_t>(kind) * padded_ + sum_columns];
        std::copy_n(&ring_[place(channel, kind, y)], width_, row);
        return row;
    }

    // Blurs what covariances are made of: squares of the small differences of both pictures keep
    // the bits that differences of their large squares and products would lose.
    void blur(int channel, size_t y) noexcept {
        const float* first = edged(channel, a, y);
        const float* second = edged(channel, b, y);
        float* out[kinds];
        for (int kind = mean_a; kind < kinds; ++kind) out[kind] = &ring_[place(channel, kind, y)];
        for (size_t x = 0; x < stride_; x += lanes) {
            const auto p = load<Floats>(first + x), q = load<Floats>(second + x);
            Floats sums[5] = {p * gaussian[0], q * gaussian[0], p * p * gaussian[0],
                              q * q * gaussian[0], (p - q) * (p - q) * gaussian[0]};
            for (size_t i = 1; i <= blur_reach; ++i) {
                const auto pl = load<Floats>(first + x - i), pr = load<Floats>(first + x + i);
                const auto ql = load<Floats>(second + x - i), qr = load<Floats>(second + x + i);
                sums[0] += (pl + pr) * gaussian[i];
                sums[1] += (ql + qr) * gaussian[i];
                sums[2] += (pl * pl + pr * pr) * gaussian[i];
                sums[3] += (ql * ql + qr * qr) * gaussian[i];
                const Floats left = pl - ql, right = pr - qr;
                sums[4] += (left * left + right * right) * gaussian[i];
            }
            for (int i = 0; i < 5; ++i) store(out[mean_a + i] + x, sums[i]);
        }
    }

    size_t width_, stride_, padded_;
    std::vector<float> light_, edged_, ring_;
};

// The blur down the columns, from rows blurred along.
inline Floats blurred(const float* const rows[blur_rows], size_t x) noexcept {
    Floats sum = load<Floats>(rows[blur_reach] + x) * gaussian[0];
    for (size_t i = 1; i <= blur_reach; ++i)
        sum += (load<Floats>(rows[blur_reach - i] + x) + load<Floats>(rows[blur_reach + i] + x)) *
               gaussian[i];
    return sum;
}

// Row y - blur_reach of `height`; beyond the edges, rows come back as in a mirror.
inline size_t mirrored(size_t y, size_t height) noexcept {
    if (y < blur_reach) return blur_reach - 1 - y;
    return y - blur_reach < height ? y - blur_reach : 2 * height - 1 - (y - blur_reach);
}

// Adds the maps of one row of a channel to `sums`.
void add_row(const Window& window, int channel, size_t y, size_t height, size_t width,
             MapSums& sums) noexcept {
    const float* rows[Window::kinds][blur_rows];
    for (int kind = 0; kind < Window::kinds; ++kind)
        for (size_t i = 0; i < blur_rows; ++i)
            rows[kind][i] = window.row(channel, kind, mirrored(y + i, height));
    Floats first[3][vectors] = {}, fourth[3][vectors] = {};
    Ints column;
    for (int i = 0; i < lanes; ++i) column[i] = i;
    for (size_t block = 0; block < window.stride(); block += sum_columns)
        for (size_t v = 0; v < vectors; ++v) {
            const size_t x = block + v * lanes;
            const Floats mean_a = blurred(rows[Window::mean_a], x);
            const Floats mean_b = blurred(rows[Window::mean_b], x);
            const Floats apart2 = (mean_a - mean_b) * (mean_a - mean_b);
            const Floats variances = (blurred(rows[Window::square_a], x) - mean_a * mean_a) +
                                     (blurred(rows[Window::square_b], x) - mean_b * mean_b);
            // Of the difference; twice the covariance is what the variances exceed it by.
            const Floats variance = blurred(rows[Window::square_apart], x) - apart2;
            const Floats unlike = variance / (variances + stable);
            const Floats structure = unlike + apart2 * (1.0f - unlike);
            const Floats edge_a = magnitude(load<Floats>(rows[Window::a][blur_reach] + x) - mean_a);
            const Floats edge_b = magnitude(load<Floats>(rows[Window::b][blur_reach] + x) - mean_b);
            const Floats edges = (1.0f + edge_b) / (1.0f + edge_a) - 1.0f;
            const Floats maps[3] = {above_zero(structure), above_zero(edges), above_zero(-edges)};
            const Ints inside = column + all(static_cast<int32_t>(x)) < all(static_cast<int32_t>(width));
            for (int map = 0; map < 3; ++map) {
                const Floats value = inside ? maps[map] : Floats{};
                first[map][v] += value;
                fourth[map][v] += value * value * (value * value);
            }
        }
    for (int map = 0; map < 3; ++map)
        for (size_t v = 0; v < vectors; ++v)
            for (int i = 0; i < lanes; ++i) {
                sums.first[map] += static_cast<double>(first[map][v][i]);
                sums.fourth[map] += static_cast<double>(fourth[map][v][i]);
            }
}

void maps(const Pyramid& original, const Pyramid& result, size_t scale, size_t begin, size_t end,
          MapSums* sums) {
    const size_t height = original.height(scale), width = original.width(scale);
    Window window(width);
    size_t y = begin < blur_reach ? 0 : begin - blur_reach;
    for (size_t row = begin; row < end; ++row) {
        check_interruption();
        for (; y < std::min(height, row + blur_reach + 1); ++y) window.read(original, result, scale, y);
        for (int channel = 0; channel < 3; ++channel)
            add_row(window, channel, row, height, width, sums[channel]);
    }
}

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
