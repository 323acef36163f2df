// Dithering by error diffusion.
#pragma once

#include <algorithm>
#include <vector>

#include "../core.hpp"
#include "../interruption.hpp"
#include "entry_cells.hpp"
#include "oklab.hpp"

namespace smalti {
namespace SMALTI_LEVEL {
namespace {

// How an error is shared out, seen in the direction of the row, in parts of 2^shift:
//            pixel  ahead[0]  ahead[1]
//  below[0] below[1] below[2]
//          further
// Floyd & Steinberg (1976), Proc. SID 17(2), 75-77.
struct FloydSteinberg {
    static constexpr int shift = 4, ahead[2] = {7, 0}, below[3] = {3, 5, 1}, further = 0;
};
// Bill Atkinson's, of MacPaint (1984): a quarter is never handed on, which keeps contrast.
struct Atkinson {
    static constexpr int shift = 3, ahead[2] = {1, 1}, below[3] = {1, 1, 1}, further = 1;
};
// Frankie Sierra's smallest (1990).
struct SierraLite {
    static constexpr int shift = 2, ahead[2] = {2, 0}, below[3] = {1, 1, 0}, further = 0;
};

// v times 0 to 8: one or two shifts take a third of the time of a product, which every pixel waits for.
template <int Times>
inline Quad times(Quad v) noexcept {
    static_assert(Times >= 0 && Times <= 8, "seven times is eight times less once");
    if (Times == 7) return (v << 3) - v;
    Quad sum = Times & 1 ? v : Quad{};
    for (int bit = 1; bit <= 3; ++bit)
        if (Times >> bit & 1) sum += v << bit;
    return sum;
}

constexpr size_t besides = lanes;  // pixels at a time of the work done besides
constexpr int strength_shift = 7;  // a strength of 1 is 2^7

// What the pixels of a class may take, with how long the error may be that a pixel with an entry
// hands on, squared: half the squared distance to the entry's nearest neighbor. Error is there to
// be made good by other entries; where the palette has none in reach, it would pile up until it
// bursts into a speck of a far one.
template <int C>
struct Choice {
    EntryCells<C> cells;
    std::vector<int32_t> limits;  // by row

    Choice(const Quad* entries, size_t k, const uint8_t* allowed, int shift)
        : cells(entries, k, allowed, shift), limits(k, 0) {
        for (size_t i = 0; i < k; ++i) {
            if (allowed && !allowed[i]) continue;
            int32_t least = INT32_MAX;
            for (size_t j = 0; j < k; ++j) {
                if (allowed && !allowed[j]) continue;
                const int32_t d2 = length2<C>(entries[i] - entries[j]);
                if (d2 > 0) least = std::min(least, d2);
            }
            limits[i] = least == INT32_MAX ? 0 : least / 2;
        }
    }
};

template <int C, class Kernel>
class Diffusion {
public:
    Diffusion(const std::vector<Quad>& entries, const uint8_t* opaque, int transparent,
              const int32_t* bounds, int cell_shift, size_t width)
        : entries_(entries.data()),
          any_(entries_, entries.size(), nullptr, cell_shift),
          opaque_(entries_, entries.size(), opaque, cell_shift),
          transparent_(transparent),
          bounds_(bounds),
          width_(width) {
        for (int d = 0; d < C; ++d) range_[d] = bounds[2 * d + 1] - bounds[2 * d];
        for (auto& line : lines_) line.assign(width + 4, Quad{});
    }

    // One row; `step` is +1 or -1. Pixels of strength 0 keep the index they have. `elsewhere(x, n)` is
    // called for all runs of n pixels: work to be done besides. Each pixel waits for the one before,
    // and a CPU that waits does such work for nearly nothing.
    template <class Elsewhere>
    void row(const uint8_t* pixels, const int16_t* points, const uint8_t* strengths,
             std::ptrdiff_t step, uint8_t* indices, const Elsewhere& elsewhere) {
        std::rotate(lines_, lines_ + 1, lines_ + 3);
        std::fill(lines_[2].begin(), lines_[2].end(), Quad{});
        auto x = step > 0 ? std::ptrdiff_t{0} : static_cast<std::ptrdiff_t>(width_) - 1;
        const Quad* here = &lines_[0][static_cast<size_t>(x + 2)];
        Quad* under = &lines_[1][static_cast<size_t>(x + 2)];
        Quad* further = &lines_[2][static_cast<size_t>(x + 2)];
        Quad ahead = {}, next = {};  // what the pixels before hand to this one and to the one after
        for (size_t run = 0; run < width_; run += besides) {
            const size_t count = std::min(besides, width_ - run);
            elsewhere(run, count);
            for (size_t i = 0; i < count; ++i) {
                const auto at = static_cast<size_t>(x);
                const Quad error = choose(pixels + at * C, points + at * C, *here + ahead,
                                          strengths[at], indices[at]);
                ahead = next + times<Kernel::ahead[0]>(error);
                next = times<Kernel::ahead[1]>(error);
                under[-step] += times<Kernel::below[0]>(error);
                under[0] += times<Kernel::below[1]>(error);
                if (Kernel::below[2]) under[step] += times<Kernel::below[2]>(error);
                if (Kernel::further) further[0] += times<Kernel::further>(error);
                x += step, here += step, under += step, further += step;
            }
        }
    }

private:
    // Gives a pixel its index; returns the error to hand on.
    SMALTI_INLINE Quad choose(const uint8_t* pixel, const int16_t* point, Quad received, int strength,
                uint8_t& index) {
        if (C == 4 && pixel[3] == 0) {
            index = static_cast<uint8_t>(transparent_);
            return Quad{};
        }
        if (strength == 0) return Quad{};
        Quad value = place_of<C>(point, bounds_) + taken(received, strength);
        value = value < 0 ? Quad{} : value;
        value = value > range_ ? range_ : value;
        const bool solid = C == 3 || pixel[3] == 255;
        Choice<C>& choice = solid ? opaque_ : any_;
        const Found found = choice.cells.nearest(value);
        index = static_cast<uint8_t>(found.row);
        const Quad error = value - entries_[found.row];
        const int32_t limit = choice.limits[static_cast<size_t>(found.row)];
        return found.d2 <= limit ? error : shortened(error, limit);
    }

    // A part of the errors handed to a pixel, rounded to whole steps.
    static Quad taken(Quad received, int strength) noexcept {
        constexpr int shift = Kernel::shift + strength_shift;
        if (strength == 1 << strength_shift)  // products take their time, and most need none
            return (received + (1 << (Kernel::shift - 1))) >> Kernel::shift;
        return (received * strength + (1 << (shift - 1))) >> shift;
    }

    // Takes quarters off until the squared length is within the limit.
    SMALTI_NOINLINE static Quad shortened(Quad error, int32_t limit) noexcept {
        while (length2<C>(error) > limit) error = error * 3 / 4;
        return error;
    }

    const Quad* entries_;
    Choice<C> any_, opaque_;
    int transparent_;
    const int32_t* bounds_;
    Quad range_ = {};
    size_t width_;
    std::vector<Quad> lines_[3];  // errors for this row and the next two, two pixels wider at each end
};

// The points of the next row, made in parts while this one is dithered.
template <int C>
class NextRow {
public:
    NextRow(Space space, const double* linear, size_t width)
        : space_(space), oklab_(linear), points_(width * C) {}

    void convert(const uint8_t* row, size_t x, size_t n) noexcept {
        if (space_ == Space::oklab) oklab_.convert(row + x * C, n, &points_[x * C]);
        else to_points(row + x * C, n, C, space_, nullptr, &points_[x * C]);
    }
    // Gives the finished row for the one that `points` held.
    void swap(std::vector<int16_t>& points) noexcept {
        oklab_.finish();
        points_.swap(points);
    }

private:
    Space space_;
    Oklab<C> oklab_;
    std::vector<int16_t> points_;
};

template <int C, class Kernel>
void diffuse_in(const uint8_t* pixels, size_t height, size_t width, Space space,
                const double* linear, const int16_t* entries, size_t k, const uint8_t* opaque,
                int transparent, const int32_t* bounds, const uint8_t* strengths,
                uint8_t* indices) {
    const auto places = entry_places<C>(entries, k, bounds);
    Diffusion<C, Kernel> diffusion(places, opaque, transparent, bounds, cell_shift<C>(space), width);
    std::vector<int16_t> points(width * C);
    NextRow<C> coming(space, linear, width);
    to_points(pixels, width, C, space, linear, points.data());
    for (size_t y = 0; y < height; ++y) {
        check_interruption();
        const uint8_t *row = pixels + y * width * C, *next = row + (y + 1 < height ? width * C : 0);
        diffusion.row(row, points.data(), strengths + y * width, y % 2 ? -1 : 1, indices + y * width,
                      [&](size_t x, size_t n) { coming.convert(next, x, n); });
        coming.swap(points);
    }
}

void diffuse(int kernel, const uint8_t* pixels, size_t height, size_t width, int channels,
             Space space, const double* linear, const int16_t* entries, size_t k,
             const uint8_t* opaque, int transparent, const int32_t* bounds,
             const uint8_t* strengths, uint8_t* indices) {
    using Run = decltype(&diffuse_in<3, FloydSteinberg>);
    constexpr Run runs[2][3] = {
        {diffuse_in<3, FloydSteinberg>, diffuse_in<3, Atkinson>, diffuse_in<3, SierraLite>},
        {diffuse_in<4, FloydSteinberg>, diffuse_in<4, Atkinson>, diffuse_in<4, SierraLite>}};
    runs[channels - 3][kernel](pixels, height, width, space, linear, entries, k, opaque,
                               transparent, bounds, strengths, indices);
}

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
