// Z-order codes of many pixels at once, and the counters that are indexed by them.
#pragma once

#include <cstring>

#include "../core.hpp"
#include "../morton.hpp"
#include "../simd.hpp"

namespace smalti {
namespace SMALTI_LEVEL {
namespace {

// The low byte of each lane, its bits moved to every third place.
inline Ints spread(Ints v) noexcept {
    v = (v | v << 8) & 0x00F00F;
    v = (v | v << 4) & 0x0C30C3;
    return (v | v << 2) & 0x249249;
}

// The Z-order codes of colors r | g << 8 | b << 16; the highest byte does not matter.
inline Ints interleave(Ints v) noexcept {
    return spread(v & 255) << 1 | spread(v >> 8 & 255) << 2 | spread(v >> 16 & 255);
}

// How far ahead the pixels of a picture that no cache holds are asked for: the CPU's own prefetching
// starts anew on each page of memory, and the page after that is in time. Halves the cold pass.
constexpr size_t prefetch_bytes = 2048;

void morton(const uint8_t* pixels, size_t n, int channels, uint32_t* codes) noexcept {
    const auto c = static_cast<size_t>(channels);
    const size_t reach = channels == 3 ? rgb_reach : lanes;
    size_t i = 0;
    for (; i + reach <= n; i += lanes) {
        const uint8_t* from = pixels + i * c;
        __builtin_prefetch(from + prefetch_bytes);
        store(codes + i, interleave(channels == 3 ? load_rgb(from) : load<Ints>(from)));
    }
    for (; i < n; ++i) codes[i] = morton_rgb(pixels + i * c);
}

void unmorton(uint32_t* codes, size_t n) noexcept {
    for (size_t i = 0; i < n; ++i) codes[i] = unmorton_rgb(codes[i]) | 0xFF000000u;
}

size_t list_used(const uint32_t* counters, uint8_t* used, size_t lines, uint32_t* found) noexcept {
    Ints lane;
    for (int i = 0; i < lanes; ++i) lane[i] = i;
    size_t size = 0;
    for (size_t first = 0; first < lines; first += 8) {
        uint64_t marks;
        std::memcpy(&marks, used + first, 8);
        if (!marks) continue;
        std::memset(used + first, 0, 8);
        for (; marks; marks &= marks - 1) {  // one bit per marked line: its byte is 1
            const size_t line = first + static_cast<size_t>(__builtin_ctzll(marks)) / 8;
            for (size_t at = line * 16; at < line * 16 + 16; at += lanes) {
                const unsigned keep = bits(load<Ints>(counters + at) != Ints{});
                compress(keep, lane + all(static_cast<int32_t>(at)), found + size);
                size += static_cast<size_t>(__builtin_popcount(keep));
            }
        }
    }
    return size;
}

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
