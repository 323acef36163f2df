// Floyd-Steinberg dithering.
#pragma once

#include <algorithm>
#include <vector>

#include "../core.hpp"
#include "../simd.hpp"

namespace smalti {
namespace SMALTI_LEVEL {
namespace {

// Palette entries that a class of pixels may take, as vectors of coordinates.
template <int C>
struct Entries {
    std::vector<int32_t> axes[C], rows;

    Entries(const int16_t* entries, size_t k, const uint8_t* allowed) {
        for (size_t j = 0; j < k; ++j) {
            if (allowed && !allowed[j]) continue;
            for (int d = 0; d < C; ++d) axes[d].push_back(entries[j * C + static_cast<size_t>(d)]);
            rows.push_back(static_cast<int32_t>(j));
        }
        limit_errors();
        while (rows.size() % lane_padding) {  // copies of the last entry: never lower, never first
            for (auto& axis : axes) axis.push_back(axis.back());
            rows.push_back(rows.back());
        }
    }
    // How long the error may be that a pixel with this entry hands on, squared: half the squared
    // distance to the entry's nearest neighbor. Error is there to be made good by other entries;
    // where the palette has none in reach, it would pile up until it bursts into a speck of a far one.
    std::vector<int32_t> limits;  // by row

    void limit_errors() {
        const size_t n = rows.size();
        limits.assign(n ? static_cast<size_t>(rows.back()) + 1 : 0, 0);
        for (size_t i = 0; i < n; ++i) {
            int32_t least = INT32_MAX;
            for (size_t j = 0; j < n; ++j) {
                int32_t d2 = 0;
                for (int d = 0; d < C; ++d)
                    d2 += (axes[d][i] - axes[d][j]) * (axes[d][i] - axes[d][j]);
                if (d2 > 0) least = std::min(least, d2);
            }
            limits[static_cast<size_t>(rows[i])] = least == INT32_MAX ? 0 : least / 2;
        }
    }

    // The row nearest to x, the lowest of several.
    int32_t nearest(const int32_t* x) const noexcept {
        Ints best = all(INT32_MAX), row = {};
        for (size_t j = 0; j < rows.size(); j += lanes) {
            Ints d2 = {};
            for (int d = 0; d < C; ++d) {
                const Ints delta = load<Ints>(&axes[d][j]) - all(x[d]);
                d2 += delta * delta;
            }
            const Ints less = d2 < best;
            best = less ? d2 : best;
            row = less ? load<Ints>(&rows[j]) : row;
        }
        int32_t lowest = best[0], found = row[0];
        for (int lane = 1; lane < lanes; ++lane)
            if (best[lane] < lowest || (best[lane] == lowest && row[lane] < found)) {
                lowest = best[lane];
                found = row[lane];
            }
        return found;
    }
};

template <int C>
class Diffusion {
public:
    Diffusion(const int16_t* entries, size_t k, const uint8_t* opaque, int transparent,
              const int32_t* bounds, size_t width)
        : entries_(entries),
          any_(entries, k, nullptr),
          opaque_(entries, k, opaque),
          transparent_(transparent),
          bounds_(bounds),
          width_(width),
          below_((width + 2) * C),
          incoming_((width + 2) * C) {}

    // One row; `step` is +1 or -1. Errors are in sixteenths; each one is shared out completely.
    void row(const uint8_t* pixels, const int16_t* points, std::ptrdiff_t step, uint8_t* indices) {
        incoming_.swap(below_);
        std::fill(below_.begin(), below_.end(), 0);
        int32_t ahead[C] = {};
        auto x = step > 0 ? std::ptrdiff_t{0} : static_cast<std::ptrdiff_t>(width_) - 1;
        for (size_t done = 0; done < width_; ++done, x += step) {
            const auto at = static_cast<size_t>(x);
            const bool solid = C == 3 || pixels[at * C + 3] == 255;
            if (C == 4 && pixels[at * C + 3] == 0) {
                indices[at] = static_cast<uint8_t>(transparent_);
                std::fill(ahead, ahead + C, 0);
                continue;
            }
            int32_t value[C];
            for (int d = 0; d < C; ++d) {
                const auto i = static_cast<size_t>(d);
                const int32_t error = incoming_[(at + 1) * C + i] + ahead[d];
                value[d] = std::clamp(points[at * C + i] + ((error + 8) >> 4), bounds_[2 * d],
                                      bounds_[2 * d + 1]);
            }
            const Entries<C>& choice = solid ? opaque_ : any_;
            const int32_t row = choice.nearest(value);
            indices[at] = static_cast<uint8_t>(row);
            int32_t error[C];
            for (int d = 0; d < C; ++d)
                error[d] = value[d] - entries_[static_cast<size_t>(row) * C + static_cast<size_t>(d)];
            shorten(error, choice.limits[static_cast<size_t>(row)]);
            for (int d = 0; d < C; ++d) {
                int32_t* under = &below_[(at + 1) * C + static_cast<size_t>(d)];
                ahead[d] = error[d] * 7;
                under[-step * C] += error[d] * 3;
                under[0] += error[d] * 5;
                under[step * C] += error[d];
            }
        }
    }

private:
    // Takes quarters off until the squared length is within the limit.
    static void shorten(int32_t* error, int32_t limit) noexcept {
        for (;;) {
            int32_t length2 = 0;
            for (int d = 0; d < C; ++d) length2 += error[d] * error[d];
            if (length2 <= limit) return;
            for (int d = 0; d < C; ++d) error[d] = error[d] * 3 / 4;
        }
    }

    const int16_t* entries_;
    Entries<C> any_, opaque_;
    int transparent_;
    const int32_t* bounds_;
    size_t width_;
    std::vector<int32_t> below_, incoming_;
};

template <int C>
void diffuse_in(const uint8_t* pixels, size_t height, size_t width, Space space,
                const double* linear, const int16_t* entries, size_t k, const uint8_t* opaque,
                int transparent, const int32_t* bounds, uint8_t* indices) {
    Diffusion<C> diffusion(entries, k, opaque, transparent, bounds, width);
    std::vector<int16_t> points(width * C);
    for (size_t y = 0; y < height; ++y) {
        const uint8_t* row = pixels + y * width * C;
        to_points(row, width, C, space, linear, points.data());
        diffusion.row(row, points.data(), y % 2 ? -1 : 1, indices + y * width);
    }
}

void diffuse(const uint8_t* pixels, size_t height, size_t width, int channels, Space space,
             const double* linear, const int16_t* entries, size_t k, const uint8_t* opaque,
             int transparent, const int32_t* bounds, uint8_t* indices) {
    const auto run = channels == 3 ? diffuse_in<3> : diffuse_in<4>;
    run(pixels, height, width, space, linear, entries, k, opaque, transparent, bounds, indices);
}

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
