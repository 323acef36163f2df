// Chooses, once, the kernels compiled for the best instruction set level this CPU has.
#include <cstdlib>
#include <cstring>

#include "core.hpp"

namespace smalti {

#ifdef SMALTI_X86
namespace v2 { extern const Kernels table; }
namespace v3 { extern const Kernels table; }
namespace v4 { extern const Kernels table; }
namespace {
bool has_v2() noexcept { return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt"); }
bool has_v3() noexcept {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("fma");
}
bool has_v4() noexcept {
    return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512cd");
}
const Kernels* named(const char* name) noexcept {
    if (!std::strcmp(name, "v4")) return has_v4() ? &v4::table : nullptr;
    if (!std::strcmp(name, "v3")) return has_v3() ? &v3::table : nullptr;
    if (!std::strcmp(name, "v2")) return has_v2() ? &v2::table : nullptr;
    return nullptr;
}
const Kernels* best() noexcept {
    __builtin_cpu_init();
    for (const char* name : {"v4", "v3", "v2"})
        if (const Kernels* found = named(name)) return found;
    return nullptr;  // older than 2009: bindings.cpp refuses to load
}
}  // namespace
#else
namespace plain { extern const Kernels table; }
namespace {
const Kernels* named(const char* name) noexcept {
    return std::strcmp(name, "plain") ? nullptr : &plain::table;
}
const Kernels* best() noexcept { return &plain::table; }
}  // namespace
#endif

namespace {
const Kernels* chosen = nullptr;
}

bool choose_level(const char* name) noexcept {
    const Kernels* found = name && *name ? named(name) : best();
    if (found) chosen = found;
    return found != nullptr;
}

const Kernels& kernels() noexcept { return *chosen; }

void to_points(const uint8_t* colors, size_t n, int channels, Space space, const double* linear,
               int16_t* points) noexcept {
    if (space == Space::oklab) return kernels().oklab(colors, n, channels, linear, points);
    if (channels == 3) {
        for (size_t i = 0; i < n * 3; ++i) points[i] = static_cast<int16_t>(64 * colors[i]);
        return;
    }
    for (size_t i = 0; i < n; ++i) {
        const uint8_t* color = colors + i * 4;
        for (size_t d = 0; d < 3; ++d)
            points[i * 4 + d] = static_cast<int16_t>((64 * color[d] * color[3] + 127) / 255);
        points[i * 4 + 3] = static_cast<int16_t>(64 * color[3]);
    }
}

}  // namespace smalti
