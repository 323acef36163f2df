// The principal axis of a few weighted points, in doubles and in a fixed order: the same everywhere.
#pragma once

#include <algorithm>
#include <cmath>

#include "core.hpp"

namespace smalti {

class Covariance {
public:
    void add(const double* delta, double weight, int dims) noexcept {
        for (int d = 0; d < dims; ++d) {
            const double weighted = weight * delta[d];
            for (int e = d; e < dims; ++e) sums_[d][e] += weighted * delta[e];
        }
    }

    // Row d of the matrix, given as weight * delta[d] * (delta[0], delta[1], ...).
    void set_row(int d, const float* row, int dims) noexcept {
        for (int e = 0; e < dims; ++e) sums_[d][e] = row[e];
    }

    // By power iteration; scaled so that its largest component is 1. False if there is no spread.
    bool principal_axis(double* axis, int dims) noexcept {
        int widest = 0;
        for (int d = 0; d < dims; ++d) {
            for (int e = 0; e < d; ++e) sums_[d][e] = sums_[e][d];
            if (sums_[d][d] > sums_[widest][widest]) widest = d;
        }
        if (!(sums_[widest][widest] > 0)) return false;
        for (int d = 0; d < dims; ++d) axis[d] = sums_[widest][d];
        for (int round = 0; round < power_iterations; ++round) {
            double next[max_dims] = {}, largest = 0;
            for (int d = 0; d < dims; ++d) {
                for (int e = 0; e < dims; ++e) next[d] += sums_[d][e] * axis[e];
                largest = std::max(largest, std::fabs(next[d]));
            }
            for (int d = 0; d < dims; ++d) axis[d] = next[d] / largest;
        }
        return true;
    }

    // The weighted sum of squares along `axis`, times its squared length.
    double along(const double* axis, int dims) const noexcept {
        double sum = 0;
        for (int d = 0; d < dims; ++d)
            for (int e = 0; e < dims; ++e) sum += axis[d] * sums_[d][e] * axis[e];
        return sum;
    }

private:
    static constexpr int power_iterations = 12;
    double sums_[max_dims][max_dims] = {};
};

}  // namespace smalti
