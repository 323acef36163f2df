// What an index per pixel says about an image: how often indices repeat, and what they serve.
#pragma once

#include <algorithm>
#include <vector>

#include "../core.hpp"
#include "../parallel.hpp"

namespace smalti {
namespace SMALTI_LEVEL {
namespace {

template <int C>
void survey_rows(const uint8_t* pixels, size_t begin, size_t end, size_t width, Space space,
                 const double* linear, const int16_t* entries, const uint8_t* indices,
                 const uint8_t* activity, const float* importance, const uint8_t* weights,
                 Survey& found) {
    std::vector<int16_t> points(width * C);
    for (size_t y = begin; y < end; ++y) {
        check_interruption();
        to_points(pixels + y * width * C, width, C, space, linear, points.data());
        const uint8_t* row = indices + y * width;
        for (size_t x = 0; x < width; ++x) {
            const size_t j = row[x];
            if (x > 0 && row[x - 1] == row[x]) ++found.same;
            else if (x > 0) ++found.other[j];
            const int64_t weight = weights ? weights[y * width + x] : 1;
            double d2 = 0;
            for (size_t d = 0; d < C; ++d) {
                const double delta = points[x * C + d] - entries[j * C + d];
                found.sums[j * C + d] += weight * points[x * C + d];
                d2 += delta * delta;
            }
            found.counts[j] += weight;
            found.exact[j] += d2 == 0;
            found.error += static_cast<double>(weight) * d2 *
                           static_cast<double>(importance[activity[y * width + x]]);
        }
    }
}

void survey(const uint8_t* pixels, size_t height, size_t width, int channels, Space space,
            const double* linear, const int16_t* entries, size_t k, const uint8_t* indices,
            const uint8_t* activity, const float* importance, const uint8_t* weights,
            Survey& found, unsigned threads) {
    constexpr size_t rows = 128;  // of a task; the errors of tasks are added in their order
    std::vector<Survey> parts;
    for (size_t y = 0; y < height; y += rows) parts.emplace_back(k, channels);
    const auto run = channels == 3 ? survey_rows<3> : survey_rows<4>;
    parallel_for(parts.size(), threads, [&](size_t i, unsigned) {
        run(pixels, i * rows, std::min(height, (i + 1) * rows), width, space, linear, entries,
            indices, activity, importance, weights, parts[i]);
    });
    for (const Survey& part : parts) found.add(part);
}

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
