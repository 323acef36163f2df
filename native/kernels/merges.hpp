// What it would cost to do without a cluster.
#pragma once

#include <algorithm>
#include <vector>

#include "../core.hpp"
#include "../interruption.hpp"
#include "../simd.hpp"

namespace smalti {
namespace SMALTI_LEVEL {
namespace {

void cheapest_merges(const float* means, const float* weights, size_t k, int dims, float* costs,
                     uint32_t* neighbors) {
    Ints lane;
    for (int i = 0; i < lanes; ++i) lane[i] = i;
    const size_t padded = (k + lanes - 1) / lanes * lanes;
    // Padding is far and, so that no weight can make up for that, heavy.
    std::vector<float> x(padded * static_cast<size_t>(dims), far_away), w(padded, 1e30f);
    for (int d = 0; d < dims; ++d)
        std::copy_n(means + static_cast<size_t>(d) * k, k, &x[static_cast<size_t>(d) * padded]);
    std::copy_n(weights, k, w.data());
    for (size_t j = 0; j < k; ++j) {
        if (j % lane_padding == 0) check_interruption();
        Floats best = all(4 * far_away * far_away);
        Ints at = {};
        for (size_t i = 0; i < padded; i += lanes) {
            Floats cost = {};
            for (int d = 0; d < dims; ++d) {
                const float* axis = &x[static_cast<size_t>(d) * padded];
                const Floats delta = load<Floats>(axis + i) - all(axis[j]);
                cost += delta * delta;
            }
            const Floats other = load<Floats>(&w[i]);
            cost = cost * (other / (other + all(w[j] + 1e-20f)));
            const Ints row = lane + all(static_cast<int32_t>(i));
            const Ints less = (cost < best) & (row != all(static_cast<int32_t>(j)));
            best = less ? cost : best;
            at = less ? row : at;
        }
        int lowest = 0;
        for (int i = 1; i < lanes; ++i)
            if (best[i] < best[lowest] || (best[i] == best[lowest] && at[i] < at[lowest])) lowest = i;
        costs[j] = best[lowest] * w[j];
        neighbors[j] = static_cast<uint32_t>(at[lowest]);
    }
}

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
