// How busy an image is around each pixel, how much of it is drawn, and where colors run evenly: in
// busy places an error is harder to see, in drawn ones pixels repeat those beside or above them, and
// in clean gradients, where no grain hides it, each step shows.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "../core.hpp"
#include "../parallel.hpp"

namespace smalti {
namespace SMALTI_LEVEL {
namespace {

constexpr int activity_reach = 4;    // the window is 9 x 9
constexpr double activity_step = 16;  // of a working space's coordinates
// A pixel is bent if a channel of it is farther than this from the line between its neighbors, times
// two. Rounding moves it by 1; grain, which photographs have, by more.
constexpr int straight = 3;
constexpr int whole_gradient = 128;

// Lightness, or what comes closest to it, of a row of points.
inline void lightness(const int16_t* points, size_t width, int channels, Space space,
                      int32_t* light) noexcept {
    const auto c = static_cast<size_t>(channels);
    for (size_t x = 0; x < width; ++x) {
        const int16_t* p = points + x * c;
        light[x] = space == Space::oklab ? p[0] : (p[0] + 2 * p[1] + p[2]) / 4;
    }
}

// Running sums over the rows of a window, per column.
class LightColumns {
public:
    LightColumns(const uint8_t* pixels, size_t height, size_t width, int channels, Space space,
                 const double* linear)
        : pixels_(pixels), height_(height), width_(width), channels_(channels), space_(space),
          linear_(linear), points_(width * static_cast<size_t>(channels)), light_(width * kept),
          repeated_(width * kept), bent_(width * kept),
          off_(width * static_cast<size_t>(channels)),
          levels_(channels == 4 ? level_rows * width * 4 : 0), sum_(width + 2 * activity_reach),
          square_(width + 2 * activity_reach), repeats_(width + 2 * activity_reach),
          bends_(width + 2 * activity_reach) {}

    void add(size_t y) {
        const auto c = static_cast<size_t>(channels_);
        to_points(pixels_ + y * width_ * c, width_, channels_, space_, linear_, points_.data());
        lightness(points_.data(), width_, channels_, space_, &light_[y % kept * width_]);
        find_repeats(y, &repeated_[y % kept * width_]);
        find_bends(y, &bent_[y % kept * width_]);
        count(y, 1);
    }
    void remove(size_t y) noexcept { count(y, -1); }

    // In a window of `rows` rows around each pixel, the standard deviation in steps, at most 255, 255
    // times the share of repeated pixels, and how clean a gradient it is.
    void judge(int rows, uint8_t* activity, uint8_t* repeats, uint8_t* gradients) const noexcept {
        int64_t sum = 0, square = 0;
        int32_t same = 0, bends = 0;
        for (size_t i = 0; i < 2 * activity_reach; ++i)
            sum += sum_[i], square += square_[i], same += repeats_[i], bends += bends_[i];
        for (size_t x = 0; x < width_; ++x) {
            sum += sum_[x + 2 * activity_reach];
            square += square_[x + 2 * activity_reach];
            same += repeats_[x + 2 * activity_reach];
            bends += bends_[x + 2 * activity_reach];
            const size_t right = std::min<size_t>(activity_reach, width_ - 1 - x);
            const auto n = static_cast<int64_t>(rows) *
                           static_cast<int64_t>(std::min<size_t>(activity_reach, x) + 1 + right);
            const auto spread = static_cast<double>(n * square - sum * sum);
            const double steps = std::sqrt(spread) / (activity_step * static_cast<double>(n));
            activity[x] = static_cast<uint8_t>(std::min(steps, 255.0));
            repeats[x] = static_cast<uint8_t>(255 * same / static_cast<int32_t>(n));
            gradients[x] = spread > 0 ? cleanness(bends, static_cast<int32_t>(n)) : uint8_t{0};
            sum -= sum_[x];
            square -= square_[x];
            same -= repeats_[x];
            bends -= bends_[x];
        }
    }

private:
    static constexpr size_t kept = 2 * activity_reach + 2;  // rows: the window's, and the next
    static constexpr size_t level_rows = 3;                 // a row, and those above and below

    // From all where up to a tenth of the pixels are bent, to nothing from a quarter on.
    static uint8_t cleanness(int32_t bends, int32_t n) noexcept {
        if (4 * bends >= n) return 0;
        return static_cast<uint8_t>(
            std::min(whole_gradient, whole_gradient * 5 * (n - 4 * bends) / (3 * n)));
    }

    // Whether each pixel of row y leaves the line between its neighbors, on either side or above and
    // below, by more than rounding does.
    void find_bends(size_t y, uint8_t* bent) noexcept {
        const size_t c = static_cast<size_t>(channels_), n = width_ * c;
        const uint8_t* row = levels(y);
        std::fill(bent, bent + width_, uint8_t{0});
        if (width_ > 2) bend(row, row + c, row + 2 * c, n - 2 * c, bent + 1);
        if (y > 0 && y + 1 < height_) bend(levels(y - 1), row, levels(y + 1), n, bent);
    }
    void bend(const uint8_t* before, const uint8_t* here, const uint8_t* after, size_t n,
              uint8_t* bent) noexcept {
        const auto c = static_cast<size_t>(channels_);
        for (size_t i = 0; i < n; ++i) {
            const int off = before[i] + after[i] - 2 * here[i];
            off_[i] = static_cast<uint8_t>((off > straight) | (off < -straight));
        }
        for (size_t i = 0, x = 0; i < n; i += c, ++x)
            for (size_t d = 0; d < c; ++d) bent[x] |= off_[i + d];
    }

    // A row as it is seen: premultiplied by alpha. Rows are asked for in their order, or again.
    const uint8_t* levels(size_t y) noexcept {
        const size_t n = width_ * static_cast<size_t>(channels_);
        const uint8_t* row = pixels_ + y * n;
        if (channels_ == 3) return row;
        uint8_t* seen = &levels_[y % level_rows * n];
        if (held_[y % level_rows] == y) return seen;
        held_[y % level_rows] = y;
        for (size_t i = 0; i < n; i += 4) {
            const int alpha = row[i + 3];
            for (size_t d = 0; d < 3; ++d)
                seen[i + d] = static_cast<uint8_t>((row[i + d] * alpha + 127) / 255);
            seen[i + 3] = row[i + 3];
        }
        return seen;
    }

    void find_repeats(size_t y, uint8_t* repeated) const noexcept {
        const auto c = static_cast<size_t>(channels_);
        const uint8_t* row = pixels_ + y * width_ * c;
        for (size_t x = 0; x < width_; ++x) {
            const uint8_t* pixel = row + x * c;
            repeated[x] = (x > 0 && looks_like(pixel, pixel - c)) ||
                          (y > 0 && looks_like(pixel, pixel - width_ * c));
        }
    }
    // Whether two pixels are seen as one color: under an alpha of 0, all are.
    bool looks_like(const uint8_t* a, const uint8_t* b) const noexcept {
        return std::equal(a, a + channels_, b) || (channels_ == 4 && a[3] == 0 && b[3] == 0);
    }
    void count(size_t y, int sign) noexcept {
        const int32_t* light = &light_[y % kept * width_];
        const uint8_t *repeated = &repeated_[y % kept * width_], *bent = &bent_[y % kept * width_];
        for (size_t x = 0; x < width_; ++x) repeats_[x + activity_reach] += sign * repeated[x];
        for (size_t x = 0; x < width_; ++x) bends_[x + activity_reach] += sign * bent[x];
        for (size_t x = 0; x < width_; ++x) {
            sum_[x + activity_reach] += sign * light[x];
            square_[x + activity_reach] += sign * int64_t{light[x]} * light[x];
        }
    }

    const uint8_t* pixels_;
    size_t height_, width_;
    int channels_;
    Space space_;
    const double* linear_;
    std::vector<int16_t> points_;
    std::vector<int32_t> light_;
    std::vector<uint8_t> repeated_, bent_, off_, levels_;
    size_t held_[level_rows] = {SIZE_MAX, SIZE_MAX, SIZE_MAX};
    std::vector<int64_t> sum_, square_;
    std::vector<int32_t> repeats_, bends_;
};

void activity(const uint8_t* pixels, size_t height, size_t width, int channels, Space space,
              const double* linear, uint8_t* busy, uint8_t* repeats, uint8_t* gradients,
              unsigned threads) {
    constexpr size_t rows = 128;  // of a task
    parallel_chunks(height, rows, threads, [&](size_t begin, size_t end, size_t) {
        LightColumns columns(pixels, height, width, channels, space, linear);
        const size_t top = begin < activity_reach ? 0 : begin - activity_reach;
        size_t low = top, high = top;  // rows in the sums
        for (size_t y = begin; y < end; ++y) {
            check_interruption();
            for (; high < std::min(height, y + activity_reach + 1); ++high) columns.add(high);
            for (; low + activity_reach < y; ++low) columns.remove(low);
            columns.judge(static_cast<int>(high - low), busy + y * width, repeats + y * width,
                          gradients + y * width);
        }
    });
}

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
