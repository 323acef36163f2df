// Beyond Lloyd: breathing. Take away the centroids that are missed least, put them where clusters are
// served worst, let Lloyd settle, and keep the result if it is better; if not, try half as many.
//
// After Fritzke (2020), "The breathing k-means algorithm", arXiv:2006.15666, with both choices made
// from estimates rather than trials: what taking away costs by Ward's formula (1963), what splitting
// saves by the variance along the principal axis. Updates go 1.8 times the way to the mean: Lee,
// Baek & Sung (1997), IEEE Signal Processing Letters 4(1), doi:10.1109/97.551685.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core.hpp"
#include "principal.hpp"

namespace smalti {
namespace {

constexpr double relaxation = 1.8;
constexpr double split_saving = 0.6366;    // 2 / pi: the share saved by cutting a normal distribution
constexpr double split_distance = 0.7979;  // sqrt(2 / pi): the means of its halves, in deviations
// Ward's formula overrates the cost of taking a centroid away, because its points go to several
// neighbors. Measured best of 0 to 1.5 on photographs.
constexpr double least_saving = 0.3;

struct Cluster {
    std::array<double, max_dims> mean;
    double weight;
};

struct Split {
    double saving;
    std::array<double, max_dims> offset;
};

struct Merge {
    float cost;
    size_t row, neighbor;
};

// What is known about a set of centroids after an assignment.
struct State {
    std::vector<float> centroids;
    std::vector<Cluster> clusters;
    std::vector<uint16_t> labels;
    double cost = 0;  // sum of weighted squared distances to the clusters' means
};

class Breather {
public:
    Breather(const Tree& tree, const Tree& cells, const float* centroids, size_t k,
             unsigned threads)
        : tree_(tree),
          cells_(cells),
          k_(k),
          dims_(static_cast<size_t>(tree.dims())),
          threads_(threads),
          sums_(k * (dims_ + 1)) {
        now_.centroids.assign(centroids, centroids + k * dims_);
        now_.clusters.resize(k);
        now_.labels.resize(tree.size());
    }

    // Relaxed Lloyd iterations; the last goes to the means and remembers the labels.
    void settle(int iterations) {
        for (int i = 1; i <= iterations; ++i) {
            const bool last = i == iterations;
            assign(last);
            const double way = last ? 1.0 : relaxation;
            for (size_t j = 0; j < k_; ++j) {
                if (now_.clusters[j].weight == 0) continue;
                for (size_t d = 0; d < dims_; ++d) {
                    float& c = now_.centroids[j * dims_ + d];
                    c = static_cast<float>(c + way * (now_.clusters[j].mean[d] - c));
                }
            }
        }
    }

    void breathe(int cycles, int iterations) {
        State best = now_;
        std::vector<Split> splits = measure_splits();
        std::vector<Merge> merges = measure_merges();
        size_t count = std::max<size_t>(1, k_ / 8);
        for (int cycle = 0; cycle < cycles && count > 0; ++cycle) {
            if (!exchange(count, splits, merges)) return;
            settle(iterations);
            if (now_.cost < best.cost) {
                best = now_;
                splits = measure_splits();
                merges = measure_merges();
            } else {
                now_ = best;
                count /= 2;
            }
        }
    }

    const State& state() const { return now_; }

private:
    void assign(bool with_labels) {
        std::fill(sums_.begin(), sums_.end(), 0);
        kernels().step(tree_, now_.centroids.data(), k_, sums_.data(),
                       with_labels ? now_.labels.data() : nullptr, threads_);
        now_.cost = tree_.second_moment();
        for (size_t j = 0; j < k_; ++j) {
            const int64_t* sum = &sums_[j * (dims_ + 1)];
            Cluster& cluster = now_.clusters[j];
            cluster.weight = static_cast<double>(sum[dims_]);
            if (sum[dims_] == 0) continue;
            for (size_t d = 0; d < dims_; ++d) {
                cluster.mean[d] = static_cast<double>(sum[d]) / cluster.weight;
                now_.cost -= cluster.mean[d] * static_cast<double>(sum[d]);
            }
        }
    }

    // What splitting each cluster in two along its principal axis would save, and how: an estimate
    // in which a whole cell belongs where its first point does.
    std::vector<Split> measure_splits() const {
        std::vector<Covariance> covariances(k_);
        std::vector<double> weights(k_);
        for (size_t i = 0; i < cells_.size(); ++i) {
            const size_t j = now_.labels[cells_.first_points()[i]];
            weights[j] += static_cast<double>(cells_.weights()[i]);
            double delta[max_dims];
            for (size_t d = 0; d < dims_; ++d)
                delta[d] = cells_.axis(static_cast<int>(d))[i] - now_.clusters[j].mean[d];
            covariances[j].add(delta, static_cast<double>(cells_.weights()[i]), tree_.dims());
        }
        std::vector<Split> splits(k_);
        for (size_t j = 0; j < k_; ++j) {
            double axis[max_dims];
            if (!covariances[j].principal_axis(axis, tree_.dims())) continue;
            double length2 = 0;
            for (size_t d = 0; d < dims_; ++d) length2 += axis[d] * axis[d];
            const double variance = covariances[j].along(axis, tree_.dims()) / length2;
            const double deviation = std::sqrt(variance / weights[j] / length2);
            splits[j].saving = split_saving * variance * now_.clusters[j].weight / weights[j];
            for (size_t d = 0; d < dims_; ++d)
                splits[j].offset[d] = split_distance * deviation * axis[d];
        }
        return splits;
    }

    // The cheapest merge of each cluster with another, cheapest first.
    std::vector<Merge> measure_merges() const {
        std::vector<float> axes(k_ * dims_), weights(k_), costs(k_);
        for (size_t j = 0; j < k_; ++j) {
            for (size_t d = 0; d < dims_; ++d)
                axes[d * k_ + j] = static_cast<float>(now_.clusters[j].mean[d]);
            weights[j] = static_cast<float>(now_.clusters[j].weight);
        }
        std::vector<Merge> merges(k_);
        for (size_t j = 0; j < k_; ++j) {
            std::fill(costs.begin(), costs.end(), 0.0f);
            for (size_t d = 0; d < dims_; ++d) {
                const float* x = &axes[d * k_];
                for (size_t i = 0; i < k_; ++i) costs[i] += (x[i] - x[j]) * (x[i] - x[j]);
            }
            for (size_t i = 0; i < k_; ++i)
                costs[i] *= weights[j] * weights[i] / (weights[j] + weights[i] + 1e-20f);
            costs[j] = std::numeric_limits<float>::max();
            const auto least = std::min_element(costs.begin(), costs.end());
            merges[j] = {*least, j, static_cast<size_t>(least - costs.begin())};
        }
        std::sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) {
            return a.cost < b.cost || (a.cost == b.cost && a.row < b.row);
        });
        return merges;
    }

    // Moves up to `count` centroids from the cheapest merges to the best splits; false if none pays.
    bool exchange(size_t count, const std::vector<Split>& splits,
                  const std::vector<Merge>& merges) {
        std::vector<size_t> targets(k_);
        for (size_t j = 0; j < k_; ++j) targets[j] = j;
        std::sort(targets.begin(), targets.end(), [&](size_t a, size_t b) {
            return splits[a].saving > splits[b].saving ||
                   (splits[a].saving == splits[b].saving && a < b);
        });
        std::vector<char> taken(k_);  // no cluster takes part in two exchanges
        size_t done = 0;
        auto target = targets.begin();
        for (const Merge& merge : merges) {
            if (done == count) break;
            if (taken[merge.row] || taken[merge.neighbor]) continue;
            while (target != targets.end() && taken[*target]) ++target;
            if (target == targets.end()) break;
            const size_t j = *target;
            if (j == merge.row || j == merge.neighbor) continue;
            if (!(splits[j].saving > least_saving * static_cast<double>(merge.cost))) break;
            taken[merge.row] = taken[merge.neighbor] = taken[j] = 1;
            for (size_t d = 0; d < dims_; ++d) {
                const double mean = now_.clusters[j].mean[d], offset = splits[j].offset[d];
                now_.centroids[j * dims_ + d] = static_cast<float>(mean + offset);
                now_.centroids[merge.row * dims_ + d] = static_cast<float>(mean - offset);
            }
            ++done;
        }
        return done > 0;
    }

    const Tree &tree_, &cells_;
    size_t k_, dims_;
    unsigned threads_;
    std::vector<int64_t> sums_;
    State now_;
};

}  // namespace

double breathe(const Tree& tree, const Tree& cells, float* centroids, size_t k, int first,
               int cycles, int iterations, unsigned threads) {
    Breather breather(tree, cells, centroids, k, threads);
    breather.settle(first);
    if (k > 2 && cycles > 0) breather.breathe(cycles, iterations);
    std::copy(breather.state().centroids.begin(), breather.state().centroids.end(), centroids);
    return breather.state().cost;
}

}  // namespace smalti
