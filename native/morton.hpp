// Z-order (Morton) codes of colors: interleaved bits, so that near codes are near colors.
// Morton (1966), "A computer oriented geodetic data base".
#pragma once

#include <array>
#include <cstdint>

namespace smalti {

constexpr std::array<std::uint32_t, 256> spread_bits(int stride) {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t value = 0; value < 256; ++value)
        for (int bit = 0; bit < 8; ++bit)
            table[value] |= (value >> bit & 1u) << (bit * stride);
    return table;
}

inline constexpr auto spread3 = spread_bits(3);
inline constexpr auto spread4 = spread_bits(4);

// 24 bits: green, the channel that matters most, in the highest place.
inline std::uint32_t morton_rgb(const std::uint8_t* c) noexcept {
    return spread3[c[0]] << 1 | spread3[c[1]] << 2 | spread3[c[2]];
}

// The code of fully transparent pixels, all of them one color: above those of all that are not opaque.
constexpr std::uint32_t clear_code = 0xFFFFFFFF;

// 32 bits, alpha above green. Opaque colors come in the same order as by morton_rgb.
inline std::uint32_t morton_rgba(const std::uint8_t* c) noexcept {
    if (c[3] == 0) return clear_code;
    return spread4[c[0]] << 1 | spread4[c[1]] << 2 | spread4[c[2]] | spread4[c[3]] << 3;
}

// Ascending in storage order: opaque colors first, fully transparent ones last.
inline std::uint64_t storage_key(const std::uint8_t* c, int channels) noexcept {
    if (channels == 3 || c[3] == 255) return morton_rgb(c);
    return std::uint64_t{1} << 32 | morton_rgba(c);
}

// The inverse of morton_rgb: r | g << 8 | b << 16.
inline std::uint32_t unmorton_rgb(std::uint32_t code) noexcept {
    const auto compact = [](std::uint32_t v) {  // every third bit of 24
        v &= 0x249249;
        v = (v | v >> 2) & 0x0C30C3;
        v = (v | v >> 4) & 0x00F00F;
        return (v | v >> 8) & 0x0000FF;
    };
    return compact(code >> 1) | compact(code >> 2) << 8 | compact(code) << 16;
}

// The inverse of morton_rgba: r | g << 8 | b << 16 | a << 24.
inline std::uint32_t unmorton_rgba(std::uint32_t code) noexcept {
    if (code == clear_code) return 0;
    const auto compact = [](std::uint32_t v) {  // every fourth bit of 32
        v &= 0x11111111;
        v = (v | v >> 3) & 0x03030303;
        v = (v | v >> 6) & 0x000F000F;
        return (v | v >> 12) & 0x000000FF;
    };
    return compact(code >> 1) | compact(code >> 2) << 8 | compact(code) << 16 |
           compact(code >> 3) << 24;
}

}  // namespace smalti
