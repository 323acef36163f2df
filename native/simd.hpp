// The few vector operations the kernels need, in the widest registers of the level being compiled.
// GCC and Clang vector types; wider ones than the CPU has would be taken apart lane by lane.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__) || defined(__AVX2__) || defined(__SSE2__)
#include <immintrin.h>
#endif

// For the few functions whose calls would cost as much as what they do, and for the paths rarely taken.
#define SMALTI_INLINE __attribute__((always_inline)) inline
#define SMALTI_NOINLINE __attribute__((noinline))

namespace smalti {
namespace SMALTI_LEVEL {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif
constexpr int lanes = vector_bytes / 4;
constexpr int double_lanes = vector_bytes / 8;

typedef float Floats __attribute__((vector_size(vector_bytes)));
typedef std::int32_t Ints __attribute__((vector_size(vector_bytes)));
typedef double Doubles __attribute__((vector_size(vector_bytes)));
typedef std::int64_t Longs __attribute__((vector_size(vector_bytes)));

template <class Vector, class T>
inline Vector load(const T* from) noexcept {
    Vector v;
    std::memcpy(&v, from, sizeof v);
    return v;
}

template <class Vector, class T>
inline void store(T* to, Vector v) noexcept {
    std::memcpy(to, &v, sizeof v);
}

// Less nothing: plus nothing would make 0 of -0, and so take an instruction.
inline Floats all(float value) noexcept { return value - Floats{}; }
inline Ints all(std::int32_t value) noexcept { return Ints{} + value; }

// Pixels that load_rgb reads bytes of: those of its lanes, and some behind them.
constexpr std::size_t rgb_reach = (vector_bytes + 2) / 3;

#if defined(__SSSE3__)
// From twelve bytes to four lanes.
inline __m128i rgb_bytes() noexcept {
    return _mm_setr_epi8(0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 11, 12);
}
#endif

// As many pixels of three bytes as there are lanes, each in the low bytes of its lane, the highest
// byte undefined.
inline Ints load_rgb(const std::uint8_t* pixels) noexcept {
#if defined(__AVX512F__)
    const __m512i thirds = _mm512_setr_epi32(0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 11, 12);
    const __m512i bytes = _mm512_maskz_broadcast_i32x4(0xFFFF, rgb_bytes());
    const __m512i v = _mm512_loadu_si512(pixels);
    return (Ints)_mm512_shuffle_epi8(_mm512_maskz_permutexvar_epi32(0xFFFF, thirds, v), bytes);
#elif defined(__AVX2__)
    const __m256i thirds = _mm256_setr_epi32(0, 1, 2, 3, 3, 4, 5, 6);
    const __m256i v = load<__m256i>(pixels);
    return (Ints)_mm256_shuffle_epi8(_mm256_permutevar8x32_epi32(v, thirds),
                                     _mm256_broadcastsi128_si256(rgb_bytes()));
#elif defined(__SSSE3__)
    return (Ints)_mm_shuffle_epi8(load<__m128i>(pixels), rgb_bytes());
#else
    Ints v;
    for (int lane = 0; lane < lanes; ++lane) v[lane] = load<std::int32_t>(pixels + lane * 3);
    return v;
#endif
}

// table[at] in each lane.
inline Floats gather(const float* table, Ints at) noexcept {
#if defined(__AVX512F__)
    return (Floats)_mm512_i32gather_ps((__m512i)at, table, 4);
#elif defined(__AVX2__)
    return (Floats)_mm256_i32gather_ps(table, (__m256i)at, 4);
#else
    Floats v;
    for (int lane = 0; lane < lanes; ++lane) v[lane] = table[at[lane]];
    return v;
#endif
}

// The same from a table of 16.
inline Floats pick(const float* table, Ints at) noexcept {
#if defined(__AVX512F__)
    return (Floats)_mm512_permutexvar_ps((__m512i)at, _mm512_loadu_ps(table));
#else
    return gather(table, at);
#endif
}

// One bit per lane of a comparison's result.
inline unsigned bits(Ints mask) noexcept {
#if defined(__AVX512F__)
    return _mm512_movepi32_mask((__m512i)mask);
#elif defined(__AVX2__)
    return static_cast<unsigned>(_mm256_movemask_ps((__m256)mask));
#elif defined(__SSE2__)
    return static_cast<unsigned>(_mm_movemask_ps((__m128)mask));
#else
    unsigned result = 0;
    for (int lane = 0; lane < lanes; ++lane) result |= (mask[lane] ? 1u : 0u) << lane;
    return result;
#endif
}

// The first lane that holds a value that one of them does.
inline int first_lane(Ints v, std::int32_t value) noexcept {
#if defined(__AVX512F__)
    return __builtin_ctz(_mm512_cmpeq_epi32_mask((__m512i)v, (__m512i)all(value)));
#else
    return __builtin_ctz(bits(v == all(value)));
#endif
}

// The lowest of the lanes.
inline std::int32_t lowest(Ints v) noexcept {
#if defined(__SSE4_1__)
#if defined(__AVX512F__)
    __m256i halves[2];
    std::memcpy(halves, &v, sizeof v);  // GCC 12 warns of its own headers where they take v apart
    const __m256i half = _mm256_min_epi32(halves[0], halves[1]);
#elif defined(__AVX2__)
    const auto half = (__m256i)v;
#endif
#if defined(__AVX2__)
    __m128i low = _mm_min_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
#else
    auto low = (__m128i)v;
#endif
    low = _mm_min_epi32(low, _mm_shuffle_epi32(low, 0x4E));
    return _mm_cvtsi128_si32(_mm_min_epi32(low, _mm_shuffle_epi32(low, 0xB1)));
#else
    std::int32_t low = v[0];
    for (int lane = 1; lane < lanes; ++lane) low = v[lane] < low ? v[lane] : low;
    return low;
#endif
}

inline float least_lane(Floats v) noexcept {
    typedef float Quarter __attribute__((vector_size(16)));
    float values[lanes];
    store(values, v);
    auto low = load<Quarter>(values);
    for (int i = 4; i < lanes; i += 4) {
        const auto other = load<Quarter>(values + i);
        low = other < low ? other : low;
    }
    const float a = low[1] < low[0] ? low[1] : low[0], b = low[3] < low[2] ? low[3] : low[2];
    return b < a ? b : a;
}

// Two 16-bit integers in each lane.
inline Ints pack(Ints low, Ints high) noexcept { return (low & 0xffff) | (high << 16); }

// Four numbers from 0 to 2^15 - 1.
typedef std::int32_t Quad __attribute__((vector_size(16)));

// Two of them in every lane, packed: the first two, and the last two.
inline void pack_all(Quad v, Ints& first, Ints& last) noexcept {
#if defined(__AVX512F__)
    const __m128i packed = _mm_packs_epi32((__m128i)v, (__m128i)v);
    first = (Ints)_mm512_broadcastd_epi32(packed);
    last = (Ints)_mm512_broadcastd_epi32(_mm_srli_si128(packed, 4));
#elif defined(__AVX2__)
    const __m128i packed = _mm_packs_epi32((__m128i)v, (__m128i)v);
    first = (Ints)_mm256_broadcastd_epi32(packed);
    last = (Ints)_mm256_broadcastd_epi32(_mm_srli_si128(packed, 4));
#else
    first = all(v[0] | v[1] << 16);
    last = all(v[2] | v[3] << 16);
#endif
}

// The sum of the squares of both differences in each lane; they must fit 16 bits.
inline Ints distance2(Ints a, Ints b) noexcept {
#if defined(__AVX512BW__)
    const __m512i delta = _mm512_sub_epi16((__m512i)a, (__m512i)b);
    return (Ints)_mm512_madd_epi16(delta, delta);
#elif defined(__AVX2__)
    const __m256i delta = _mm256_sub_epi16((__m256i)a, (__m256i)b);
    return (Ints)_mm256_madd_epi16(delta, delta);
#elif defined(__SSE2__)
    const __m128i delta = _mm_sub_epi16((__m128i)a, (__m128i)b);
    return (Ints)_mm_madd_epi16(delta, delta);
#else
    const Ints low = (a << 16 >> 16) - (b << 16 >> 16), high = (a >> 16) - (b >> 16);
    return low * low + high * high;
#endif
}

// The first `count` lanes of v, zero in the others.
inline Floats first_lanes(Floats v, std::size_t count) noexcept {
    Ints lane;
    for (int i = 0; i < lanes; ++i) lane[i] = i;
    return lane < all(static_cast<std::int32_t>(count)) ? v : Floats{};
}

// The sum of the lanes, for values whose sums are exact in any order.
inline float total(Floats v) noexcept {
    typedef float Quarter __attribute__((vector_size(16)));
    float values[lanes];
    store(values, v);
    auto sum = load<Quarter>(values);
    for (int i = 4; i < lanes; i += 4) sum += load<Quarter>(values + i);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

inline std::int32_t total(Ints v) noexcept {
    std::int32_t values[lanes];
    store(values, v);
    auto sum = load<Quad>(values);
    for (int i = 4; i < lanes; i += 4) sum += load<Quad>(values + i);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// Writes the lanes of v whose bit is set to `to`, in order; may write garbage behind them.
inline void compress(unsigned keep, Ints v, void* to) noexcept {
#if defined(__AVX512F__)
    _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(static_cast<__mmask16>(keep), (__m512i)v));
#else
    std::int32_t values[lanes];
    store(values, v);
    auto* out = static_cast<char*>(to);
    for (; keep; keep &= keep - 1, out += 4) std::memcpy(out, &values[__builtin_ctz(keep)], 4);
#endif
}

}  // namespace SMALTI_LEVEL
}  // namespace smalti
