// The few vector operations the kernels need, in the widest registers of the level being compiled.
// GCC and Clang vector types; wider ones than the CPU has would be taken apart lane by lane.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__) || defined(__AVX2__) || defined(__SSE2__)
#include <immintrin.h>
#endif

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

inline Floats all(float value) noexcept { return Floats{} + value; }
inline Ints all(std::int32_t value) noexcept { return Ints{} + value; }

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
