// Where an image that is mapped to a palette without dithering shows bands.
#pragma once

#include <algorithm>
#include <vector>

#include "../core.hpp"
#include "../parallel.hpp"

namespace smalti {
namespace SMALTI_LEVEL {
namespace {

// All in Oklab, whatever the palette was made in: what shows does not depend on that.
constexpr int inner = 1;              // the window in which errors must cancel reaches so far: 3 x 3
constexpr int outer = 4;              // and the one in which what is left of them counts: 9 x 9
constexpr double visible = 80;        // mean error that shows in smooth places: 0.0049 in Oklab
constexpr double visible_flat = 320;  // the same where there is one color all around
constexpr double masking = 1.0 / 8;   // of the variance that hides errors
constexpr double unit = 16;           // of excess: what is just visible
constexpr int most_excess = 1024;     // less than one pixel needs to count for a whole window
constexpr int whole = 1024;           // of smoothness

// Sums over the rows of a window, of each column, for all quantities of a row at once.
template <int C>
struct Columns {
    std::vector<int32_t> error[C], point[C];
    std::vector<double> square;  // of the length of points; exact

    explicit Columns(size_t width) : square(width + 2 * inner) {
        for (int d = 0; d < C; ++d) error[d].resize(square.size()), point[d].resize(square.size());
    }
    void add(const Columns& row, int sign) noexcept {
        const size_t n = square.size();
        for (int d = 0; d < C; ++d) {
            for (size_t i = 0; i < n; ++i) error[d][i] += sign * row.error[d][i];
            for (size_t i = 0; i < n; ++i) point[d][i] += sign * row.point[d][i];
        }
        for (size_t i = 0; i < n; ++i) square[i] += sign * row.square[i];
    }
};

// How many of a window's places around `at` lie in 0..size-1.
inline int inside(size_t at, size_t size, int reach) noexcept {
    const auto i = static_cast<std::ptrdiff_t>(at), n = static_cast<std::ptrdiff_t>(size);
    return static_cast<int>(std::min(i + reach, n - 1) - std::max<std::ptrdiff_t>(i - reach, 0) + 1);
}

template <class T>
inline T across(const T* column) noexcept {
    T sum = column[0];
    for (int i = 1; i <= 2 * inner; ++i) sum += column[i];
    return sum;
}

template <int C>
class Bands {
public:
    Bands(const uint8_t* pixels, size_t height, size_t width, const double* linear,
          const int16_t* entries, const uint8_t* indices)
        : pixels_(pixels), height_(height), width_(width), linear_(linear), entries_(entries),
          indices_(indices) {}

    // What is measured next, and decided by, are rows first to last - 1.
    void hold(size_t first, size_t last) {
        first_ = first;
        excess_.resize((last - first) * width_);
        smooth_.resize((last - first) * width_);
    }

    // For rows begin to end - 1: by how much the mean error around each pixel exceeds what is visible
    // there, and how smooth its surroundings are.
    void measure(size_t begin, size_t end) {
        std::vector<Columns<C>> rows(2 * inner + 1, Columns<C>(width_));
        Columns<C> sums(width_);
        std::vector<int16_t> points(width_ * C);
        const size_t first = begin < inner ? 0 : begin - inner;
        for (size_t y = first; y < std::min(end + inner, height_); ++y) {
            check_interruption();
            Columns<C>& row = rows[y % rows.size()];
            if (y >= first + rows.size()) sums.add(row, -1);
            read(y, points, row);
            sums.add(row, 1);
            if (y >= begin + inner) judge(y - inner, sums, rows[(y - inner) % rows.size()]);
        }
        // The last rows of the picture, whose windows end at its edge.
        for (size_t y = height_; y < end + inner; ++y) {
            if (y >= first + rows.size()) sums.add(rows[y % rows.size()], -1);
            if (y >= begin + inner) judge(y - inner, sums, rows[(y - inner) % rows.size()]);
        }
    }

    // For rows begin to end - 1: the strengths, from what `measure` found in them and around them.
    void decide(size_t begin, size_t end, uint8_t* strengths) const {
        std::vector<int32_t> sums(width_ + 2 * outer);
        const auto add = [&](size_t y, int sign) {
            for (size_t x = 0; x < width_; ++x) sums[x + outer] += sign * excess_[held(y) + x];
        };
        for (size_t y = begin < outer ? 0 : begin - outer; y < std::min(begin + outer, height_); ++y)
            add(y, 1);
        for (size_t y = begin; y < end; ++y) {
            if (y + outer < height_) add(y + outer, 1);
            if (y > begin && y > outer) add(y - outer - 1, -1);
            const int rows = inside(y, height_, outer);
            int32_t sum = 0;
            for (size_t i = 0; i < 2 * outer; ++i) sum += sums[i];
            for (size_t x = 0; x < width_; ++x) {
                sum += sums[x + 2 * outer];
                const int32_t count = rows * inside(x, width_, outer);
                strengths[y * width_ + x] = strength(sum, count, smooth_[held(y) + x]);
                sum -= sums[x];
            }
        }
    }

private:
    size_t held(size_t y) const noexcept { return (y - first_) * width_; }

    // From nothing where the mean excess is just visible to all where it is four times that; less in
    // places so busy that it would be hidden there.
    static uint8_t strength(int32_t sum, int32_t count, int32_t smooth) noexcept {
        constexpr auto just = static_cast<int32_t>(unit);
        const int32_t over = sum - just * count;
        if (over <= 0 || smooth == 0) return 0;
        const int32_t shown = std::min(128, 128 * over / (3 * just * count));
        const int64_t open = int64_t{sum} * smooth / (int64_t{just} * count * (whole / 128));
        return static_cast<uint8_t>(shown * std::min<int64_t>(open, 128) >> 7);
    }

    void read(size_t y, std::vector<int16_t>& points, Columns<C>& row) const {
        const uint8_t *pixels = pixels_ + y * width_ * C, *indices = indices_ + y * width_;
        to_points(pixels, width_, C, Space::oklab, linear_, points.data());
        for (size_t x = 0; x < width_; ++x) {
            const bool seen = C == 3 || pixels[x * C + C - 1] > 0;
            double square = 0;
            for (size_t d = 0; d < C; ++d) {
                const int32_t p = points[x * C + d];
                row.point[d][x + inner] = p;
                row.error[d][x + inner] = seen ? p - entries_[indices[x] * C + d] : 0;
                square += static_cast<double>(p * p);
            }
            row.square[x + inner] = square;
        }
    }

    void judge(size_t y, const Columns<C>& sums, const Columns<C>& row) {
        const int rows = inside(y, height_, inner);
        for (size_t x = 0; x < width_; ++x) {
            const double n = rows * inside(x, width_, inner);
            double error2 = 0, variance = n * across(&sums.square[x]);  // both times n^2
            bool exact = true;
            for (int d = 0; d < C; ++d) {
                const double error = across(&sums.error[d][x]), point = across(&sums.point[d][x]);
                error2 += error * error;
                variance -= point * point;
                exact = exact && row.error[d][x + inner] == 0;
            }
            const double open = (variance == 0 ? visible_flat * visible_flat : visible * visible) * n * n;
            const double hidden = open + masking * variance;
            const double excess = unit * error2 / hidden, smooth = whole * open / hidden;
            excess_[held(y) + x] =
                static_cast<uint16_t>(excess < most_excess ? excess : most_excess);
            smooth_[held(y) + x] = static_cast<uint16_t>(exact ? 0 : smooth);
        }
    }

    const uint8_t* pixels_;
    size_t height_, width_;
    const double* linear_;
    const int16_t* entries_;
    const uint8_t* indices_;
    size_t first_ = 0;
    std::vector<uint16_t> excess_, smooth_;  // of rows from there on
};

template <int C>
void bands_in(const uint8_t* pixels, size_t height, size_t width, const double* linear,
              const int16_t* entries, const uint8_t* indices, uint8_t* strengths, unsigned threads) {
    constexpr size_t rows = 64;  // of a task
    // A strip at a time, whose windows reach over it; a few of its rows are measured twice.
    constexpr size_t most = size_t{1} << 22;  // pixels of one, or there are too few tasks
    const size_t strip = rows * std::max<size_t>(most / (rows * std::max<size_t>(width, 1)), 1);
    Bands<C> bands(pixels, height, width, linear, entries, indices);
    for (size_t top = 0; top < height; top += strip) {
        const size_t bottom = std::min(height, top + strip);
        const size_t first = top < outer ? 0 : top - outer, last = std::min(height, bottom + outer);
        bands.hold(first, last);
        parallel_chunks(last - first, rows, threads, [&](size_t begin, size_t end, size_t) {
            bands.measure(first + begin, first + end);
        });
        parallel_chunks(bottom - top, rows, threads, [&](size_t begin, size_t end, size_t) {
            bands.decide(top + begin, top + end, strengths);
        });
    }
}

void find_bands(const uint8_t* pixels, size_t height, size_t width, int channels,
                const double* linear, const int16_t* entries, const uint8_t* indices,
                uint8_t* strengths, unsigned threads) {
    const auto run = channels == 3 ? bands_in<3> : bands_in<4>;
    run(pixels, height, width, linear, entries, indices, strengths, threads);
}

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
