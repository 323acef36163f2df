// The principal axis of a few weighted points, in doubles and in a fixed order: the same everywhere.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>

#include "core.hpp"

namespace smalti {

template <size_t D>
class Covariance {
public:
    void add(const double* delta, double weight) noexcept {
        for (size_t d = 0; d < D; ++d) {
            const double weighted = weight * delta[d];
            for (size_t e = d; e < D; ++e) sums_[d][e] += weighted * delta[e];
        }
    }

    // Row d of the matrix, given as weight * delta[d] * (delta[0], delta[1], ...).
    void set_row(size_t d, const float* row) noexcept {
        for (size_t e = 0; e < D; ++e) sums_[d][e] = row[e];
    }

    // Scaled so that its largest component is 1. False if there is no spread.
    //
    // A high power of the matrix is all principal axis. It starts from a trace of 1, so neither it
    // nor its powers can overflow, nor vanish: the largest eigenvalue is at least 1 / D.
    bool principal_axis(double* axis) const noexcept {
        Matrix power;
        double trace = 0;
        for (size_t d = 0; d < D; ++d) trace += sums_[d][d];
        if (!(trace > 0)) return false;
        for (size_t d = 0; d < D; ++d)
            for (size_t e = 0; e < D; ++e) power[d][e] = sums_[std::min(d, e)][std::max(d, e)] / trace;
        for (int i = 0; i < squarings; ++i) power = square(power);
        size_t widest = 0;
        for (size_t d = 1; d < D; ++d)
            if (power[d][d] > power[widest][widest]) widest = d;
        double largest = 0;
        for (size_t d = 0; d < D; ++d) largest = std::max(largest, std::fabs(power[widest][d]));
        for (size_t d = 0; d < D; ++d) axis[d] = power[widest][d] / largest;
        return true;
    }

    // The weighted sum of squares along `axis`, times its squared length.
    double along(const double* axis) const noexcept {
        double sum = 0;
        for (size_t d = 0; d < D; ++d)
            for (size_t e = 0; e < D; ++e)
                sum += axis[d] * sums_[std::min(d, e)][std::max(d, e)] * axis[e];
        return sum;
    }

private:
    typedef std::array<std::array<double, D>, D> Matrix;
    static constexpr int squarings = 4;

    static Matrix square(const Matrix& m) noexcept {
        Matrix out;
        for (size_t d = 0; d < D; ++d)
            for (size_t e = d; e < D; ++e) {
                double sum = 0;
                for (size_t i = 0; i < D; ++i) sum += m[d][i] * m[i][e];
                out[d][e] = out[e][d] = sum;
            }
        return out;
    }
    Matrix sums_{};  // the upper triangle
};

}  // namespace smalti
