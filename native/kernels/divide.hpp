// Which of two palette entries each color of a grid's cell takes.
#pragma once

#include "../core.hpp"
#include "../morton.hpp"
#include "../simd.hpp"

namespace smalti {
namespace SMALTI_LEVEL {
namespace {

typedef uint8_t Bytes __attribute__((vector_size(lanes)));

constexpr int fine = 64;  // colors of the lowest two bits per channel, in the order of their codes

// The value of `plane` at color `code` of its cell, less that at its origin.
inline int32_t rise(const Plane& plane, uint32_t code) noexcept {
    const uint32_t color = unmorton_rgb(code);
    int32_t sum = 0;
    for (int d = 0; d < 3; ++d) sum += plane.toward[d] * static_cast<int32_t>(color >> (8 * d) & 255);
    return sum;
}

void divide(const Plane* planes, size_t n, uint8_t* labels) noexcept {
    constexpr int colors = 1 << (24 - Grid::bits);
    Ints low[fine / lanes][3];
    for (int code = 0; code < fine; ++code) {
        const uint32_t color = unmorton_rgb(static_cast<uint32_t>(code));
        for (int d = 0; d < 3; ++d)
            low[code / lanes][d][code % lanes] = static_cast<int32_t>(color >> (8 * d) & 255);
    }
    for (size_t i = 0; i < n; ++i) {
        const Plane& plane = planes[i];
        Ints values[fine / lanes];
        for (int v = 0; v < fine / lanes; ++v)
            values[v] = low[v][0] * plane.toward[0] + low[v][1] * plane.toward[1] +
                        low[v][2] * plane.toward[2];
        for (int high = 0; high < colors; high += fine) {
            const Ints base = all(plane.at + rise(plane, static_cast<uint32_t>(high)));
            for (int v = 0; v < fine / lanes; ++v, labels += lanes) {
                const Ints beyond = values[v] > -base;
                store(labels, __builtin_convertvector(beyond ? all(int32_t{plane.second})
                                                             : all(int32_t{plane.first}), Bytes));
            }
        }
    }
}

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
