// A coarse histogram: the color cube in cells, each with a count and a mean color. One pass over the
// pixels makes it and one more maps them, each at a fraction of the exact histogram's price.
//
// Within a cell the pixels may belong to two palette entries: the plane between them, as a linear
// function of the low bits of a color, tells which. Three entries that meet in one cell are the
// approximation. All of it is integers, and doubles in a fixed order: the same everywhere.
#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include "core.hpp"
#include "morton.hpp"
#include "parallel.hpp"

namespace smalti {
namespace {

constexpr size_t block_pixels = 4096;     // codes of a block stay in the first-level cache
constexpr size_t worker_pixels = 1 << 20;  // of fewer, the tables of another worker cost more than it saves
constexpr size_t streams = 4;
constexpr int low_bits = 24 - Grid::bits;  // of a code, that tell colors of a cell apart
constexpr uint32_t low_mask = (1u << low_bits) - 1;
constexpr size_t cells_of_cube = size_t{1} << Grid::bits;
constexpr size_t colors_of_cell = size_t{1} << low_bits;

typedef uint32_t Sum __attribute__((vector_size(16)));  // pixels, then their red, green, blue in the cell

// The low bits of a Z-order code as {1, red, green, blue}.
std::array<Sum, colors_of_cell> make_lows() {
    std::array<Sum, colors_of_cell> lows{};
    for (uint32_t code = 0; code < lows.size(); ++code) {
        const uint32_t color = unmorton_rgb(code);
        lows[code] = Sum{1, color & 255, color >> 8 & 255, color >> 16};
    }
    return lows;
}
const std::array<Sum, colors_of_cell>& lows() {
    static const auto table = make_lows();
    return table;
}

// Calls visit(codes, begin, end) for blocks of the pixels begin..end.
template <class Visit>
void each_block(const uint8_t* pixels, size_t begin, size_t end, int channels, const Visit& visit) {
    uint32_t codes[block_pixels];
    for (size_t at = begin; at < end; at += block_pixels) {
        if ((at - begin) % (16 * block_pixels) == 0) check_interruption();
        const size_t size = std::min(block_pixels, end - at);
        kernels().morton(pixels + at * static_cast<size_t>(channels), size, channels, codes);
        visit(codes, at, size);
    }
}

typedef std::vector<Sum> Sums;  // of all cells of the cube

// Neighbors tend to share a cell, and each must wait for the sum of the one before: four streams.
void add_pixels(const uint32_t* codes, size_t n, Sum* sums) noexcept {
    const Sum* low = lows().data();
    const auto add = [=](uint32_t code) { sums[code >> low_bits] += low[code & low_mask]; };
    const size_t length = n / streams;
    for (size_t i = 0; i < length; ++i)
        for (size_t s = 0; s < streams; ++s) add(codes[s * length + i]);
    for (size_t i = length * streams; i < n; ++i) add(codes[i]);
}

// One part of the pixels for each worker, each with sums of its own: addition is exact in any order.
Sums sum_cells(const uint8_t* pixels, size_t n, int channels, unsigned threads) {
    const size_t workers = std::clamp<size_t>(n / worker_pixels, 1, std::max(1u, threads));
    std::vector<Sums> sums(workers, Sums(cells_of_cube));
    const size_t share = (n + workers - 1) / workers;
    parallel_for(workers, threads, [&](size_t part, unsigned) {
        each_block(pixels, std::min(n, part * share), std::min(n, (part + 1) * share), channels,
                   [&](const uint32_t* codes, size_t, size_t size) {
                       add_pixels(codes, size, sums[part].data());
                   });
    });
    for (size_t part = 1; part < workers; ++part)
        for (size_t cell = 0; cell < cells_of_cube; ++cell) sums[0][cell] += sums[part][cell];
    return std::move(sums[0]);
}

constexpr uint32_t reach = (1u << low_bits / 3) - 1;  // from a cell's lowest color to its highest, per channel

// The plane where four values of a linear function, at the cell's origin and at its corners along
// the three axes, say it is zero. Scaled so that its numbers fit 16 bits.
Plane plane_through(const int32_t (&values)[4]) noexcept {
    double numbers[4] = {static_cast<double>(values[0])}, largest = std::fabs(numbers[0]);
    for (int d = 1; d < 4; ++d) {
        numbers[d] = static_cast<double>(values[d] - values[0]) / reach;
        largest = std::max(largest, std::fabs(numbers[d]));
    }
    Plane plane;
    if (!(largest > 0)) return plane;
    const auto scaled = [&](double number) {
        return static_cast<int16_t>(std::floor(number * (32767 / largest) + 0.5));
    };
    plane.at = scaled(numbers[0]);
    for (int d = 0; d < 3; ++d) plane.toward[d] = scaled(numbers[d + 1]);
    return plane;
}

int32_t distance2(const int16_t* a, const int16_t* b) noexcept {
    int32_t sum = 0;
    for (int d = 0; d < 3; ++d) sum += (a[d] - b[d]) * (a[d] - b[d]);
    return sum;
}

}  // namespace

Grid::Grid(const uint8_t* pixels, size_t n, int channels, unsigned threads) {
    const Sums sums = sum_cells(pixels, n, channels, threads);
    for (uint32_t cell = 0; cell < cells_of_cube; ++cell) {
        const Sum& sum = sums[cell];
        if (sum[0] == 0) continue;
        const double one = 1.0 / sum[0];
        const uint32_t first = origin(cell);
        for (int d = 0; d < 3; ++d)
            colors_.push_back(static_cast<uint8_t>((first >> (8 * d) & 255) +
                                                   static_cast<uint32_t>(sum[d + 1] * one + 0.5)));
        counts_.push_back(sum[0]);
        cells_.push_back(cell);
    }
}

uint32_t Grid::origin(uint32_t cell) noexcept { return unmorton_rgb(cell << low_bits); }

// The planes of the cells that lie on both sides of one. rows[i] becomes the place of cell i in a table
// that has the cells of one entry first, k of them, and then those with a plane.
std::vector<Plane> Grid::divide(const int16_t* entries, size_t k, const uint16_t* first,
                                const uint16_t* second, Space space, const double* linear,
                                std::vector<uint32_t>& rows) const {
    std::vector<size_t> cells;
    for (size_t i = 0; i < size(); ++i) {
        rows[i] = first[i];
        if (first[i] != second[i]) cells.push_back(i);
    }
    // Four corners of each cell: its origin, and from there along red, green and blue.
    std::vector<uint8_t> colors(cells.size() * 12);
    for (size_t c = 0; c < colors.size(); c += 3) {
        const uint32_t corner = c / 3 % 4, at = origin(cells_[cells[c / 12]]);
        for (uint32_t d = 0; d < 3; ++d)
            colors[c + d] = static_cast<uint8_t>(
                (at >> (8 * d) & 255) + (corner == d + 1 ? reach : 0));
    }
    std::vector<int16_t> points(colors.size());
    to_points(colors.data(), cells.size() * 4, 3, space, linear, points.data());
    std::vector<Plane> planes;
    for (size_t c = 0; c < cells.size(); ++c) {
        const uint16_t one = first[cells[c]], other = second[cells[c]];
        int32_t excess[4];
        for (size_t corner = 0; corner < 4; ++corner) {
            const int16_t* point = &points[(c * 4 + corner) * 3];
            excess[corner] = distance2(point, entries + one * 3) - distance2(point, entries + other * 3);
        }
        int32_t lowest = excess[0], highest = excess[0];
        for (int d = 1; d < 4; ++d) {
            lowest += std::min(0, excess[d] - excess[0]);
            highest += std::max(0, excess[d] - excess[0]);
        }
        if (highest <= 0) continue;
        if (lowest > 0) {
            rows[cells[c]] = other;
            continue;
        }
        rows[cells[c]] = static_cast<uint32_t>(k + planes.size());
        planes.push_back(plane_through(excess));
        planes.back().first = static_cast<uint8_t>(one);
        planes.back().second = static_cast<uint8_t>(other);
    }
    return planes;
}

void Grid::map(const uint8_t* pixels, size_t n, int channels, const int16_t* entries, size_t k,
               const uint16_t* first, const uint16_t* second, Space space, const double* linear,
               uint8_t* out, unsigned threads) const {
    // Labels of the colors of each cell that is divided; the others share those of their entry.
    std::vector<uint32_t> rows(size());
    const std::vector<Plane> planes = divide(entries, k, first, second, space, linear, rows);
    const std::unique_ptr<uint8_t[]> table(new uint8_t[(k + planes.size()) * colors_of_cell]);
    for (size_t j = 0; j < k; ++j) std::fill_n(&table[j * colors_of_cell], colors_of_cell, static_cast<uint8_t>(j));
    kernels().divide(planes.data(), planes.size(), &table[k * colors_of_cell]);
    std::vector<uint32_t> begin(cells_of_cube);
    for (size_t i = 0; i < size(); ++i) begin[cells_[i]] = rows[i] << low_bits;

    const size_t parts = (n + worker_pixels - 1) / worker_pixels;
    parallel_for(parts, threads, [&](size_t part, unsigned) {
        const uint32_t* starts = begin.data();
        const uint8_t* labels = table.get();
        const size_t from = part * worker_pixels;
        each_block(pixels, from, std::min(n, from + worker_pixels), channels,
                   [=](const uint32_t* codes, size_t at, size_t size) {
                       for (size_t i = 0; i < size; ++i)
                           out[at + i] = labels[starts[codes[i] >> low_bits] + (codes[i] & low_mask)];
                   });
    });
}

}  // namespace smalti
