// Which palette entries lie beside each other in a picture, and an order in which such entries are
// close together: what row filters need to be of use to indices.
#include <algorithm>
#include <vector>

#include "core.hpp"

namespace smalti {

namespace {
constexpr size_t sampled = size_t{1} << 20;  // pixels that are looked at, of which each has two neighbors
}

void count_neighbors(const uint8_t* indices, size_t height, size_t width, size_t k,
                     int32_t* counts) noexcept {
    std::fill_n(counts, k * k, 0);
    const size_t right = (width + sampled - 1) / sampled;
    const size_t columns = (width + right - 1) / right;
    const size_t down = (height * columns + sampled - 1) / sampled;
    for (size_t y = 0; y < height; y += down) {
        const uint8_t* row = indices + y * width;
        const uint8_t* below = y + 1 < height ? row + width : row;  // itself: no neighbor
        for (size_t x = 0; x < width; x += right) {
            ++counts[row[x] * k + row[std::min(x + 1, width - 1)]];
            ++counts[row[x] * k + below[x]];
        }
    }
    for (size_t i = 0; i < k; ++i) {
        counts[i * k + i] = 0;
        for (size_t j = 0; j < i; ++j)
            counts[i * k + j] = counts[j * k + i] = counts[i * k + j] + counts[j * k + i];
    }
}

void grow_order(const int32_t* counts, size_t k, uint8_t* order) {
    if (k == 1) {
        order[0] = 0;
        return;
    }
    // The middle of `line` is where the order begins; it grows to both sides.
    std::vector<uint8_t> line(2 * k);
    std::vector<int64_t> bonds(k);  // of the entries still free to those in the line; -1 for these
    const size_t pair = static_cast<size_t>(std::max_element(counts, counts + k * k) - counts);
    size_t first = k, last = k;  // of the line, which has last - first entries
    const auto take = [&](size_t entry, bool left) {
        line[left ? --first : last++] = static_cast<uint8_t>(entry);
        bonds[entry] = -1;
        for (size_t i = 0; i < k; ++i)
            if (bonds[i] >= 0) bonds[i] += counts[entry * k + i];
    };
    take(pair / k, false);
    take(pair % k == pair / k ? 1 : pair % k, false);  // no two entries are neighbors: any pair
    while (last - first < k) {
        const auto strongest = std::max_element(bonds.begin(), bonds.end());
        const size_t entry = static_cast<size_t>(strongest - bonds.begin());
        // Which end is nearer: at the left one, the distances are 1, 2, ...; at the other, n, n - 1, ...
        int64_t left_is_nearer = 0;
        for (size_t i = first; i < last; ++i)
            left_is_nearer += (static_cast<int64_t>(last + first) - 1 - 2 * static_cast<int64_t>(i)) *
                              counts[entry * k + line[i]];
        take(entry, left_is_nearer > 0);
    }
    std::copy_n(line.begin() + static_cast<std::ptrdiff_t>(first), k, order);
}

}  // namespace smalti
