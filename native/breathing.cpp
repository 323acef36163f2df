// Beyond Lloyd: breathing. Take away the centroids that are missed least, put them where clusters are
// served worst, let Lloyd settle, and keep the result if it is better; if not, try half as many.
//
// After Fritzke (2020), "The breathing k-means algorithm", arXiv:2006.15666, with both choices made
// from estimates rather than trials: what taking away costs by Ward's formula (1963), what splitting
// saves by the variance along the principal axis. Updates go 1.8 times the way to the mean: Lee,
// Baek & Sung (1997), IEEE Signal Processing Letters 4(1), doi:10.1109/97.551685.
//
// The first rows may be fixed: they take points, but neither move nor go. What a free centroid
// beside them would save counts from where they are, not from the mean of their points.
#include <algorithm>
#include <array>
#include <cmath>

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
// Half of a normal distribution stays with a fixed centroid at its mean. The best place c for another
// one is the mean of what is nearer to it, beyond c / 2; then it saves P(x > c / 2) c^2.
constexpr double beside_saving = 0.4049, beside_distance = 1.2240;
constexpr float unmoved = 1e30f;  // the weight of a fixed cluster: whoever joins it comes all the way

// The search keeps centroids at whole coordinates, where a step of Lloyd's algorithm is fastest; the
// half a step of fixed point that this moves them is less than it depends on.
float whole(double coordinate) noexcept { return static_cast<float>(std::floor(coordinate + 0.5)); }

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

// Neumaier's compensated sum (1974), doi:10.1002/zamm.19740540106: terms of a cost are much larger
// than the cost.
class Total {
public:
    explicit Total(double start) : sum_(start) {}
    void add(double term) noexcept {
        const double sum = sum_ + term;
        rest_ += std::fabs(sum_) >= std::fabs(term) ? (sum_ - sum) + term : (term - sum) + sum_;
        sum_ = sum;
    }
    double value() const noexcept { return std::max(sum_ + rest_, 0.0); }

private:
    double sum_, rest_ = 0;
};

class Breather {
public:
    Breather(const Tree& tree, const float* centroids, size_t k, size_t fixed, unsigned threads)
        : tree_(tree),
          k_(k),
          fixed_(fixed),
          dims_(static_cast<size_t>(tree.dims())),
          threads_(threads),
          sums_(k * (dims_ + 1)) {
        now_.centroids.assign(centroids, centroids + k * dims_);
        now_.clusters.resize(k);
        now_.labels.resize(tree.size());
    }

    // Relaxed Lloyd iterations; the last goes to the means and remembers the labels.
    void settle(int iterations) {
        spent_ += iterations;
        for (int i = 1; i <= iterations; ++i) {
            const bool last = i == iterations;
            assign(last);
            const double way = last ? 1.0 : relaxation;
            for (size_t j = fixed_; j < k_; ++j) {
                if (now_.clusters[j].weight == 0) continue;
                for (size_t d = 0; d < dims_; ++d) {
                    float& c = now_.centroids[j * dims_ + d];
                    c = whole(c + way * (now_.clusters[j].mean[d] - c));
                }
            }
        }
    }

    void breathe(int cycles, int iterations) {
        State best = now_;
        std::vector<Split> splits = measure_splits();
        std::vector<Merge> merges = measure_merges();
        size_t count = std::max<size_t>(1, k_ / 8), skip = 0;
        for (int cycle = 0; cycle < cycles; ++cycle) {
            if (!exchange(count, skip, splits, merges)) return;
            settle(iterations);
            if (now_.cost < best.cost) {
                best = now_;
                splits = measure_splits();
                merges = measure_merges();
                skip = 0;
            } else {
                now_ = best;
                if (count == 1) ++skip;  // the one best exchange fails: try the next best
                count = std::max<size_t>(1, count / 2);
            }
        }
    }

    const State& state() const { return now_; }
    int spent() const { return spent_; }

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
                const auto moment = static_cast<double>(sum[d]);
                const double c = now_.centroids[j * dims_ + d];
                now_.cost -= j < fixed_ ? c * (2 * moment - c * cluster.weight)
                                        : cluster.mean[d] * moment;
            }
        }
    }

    // How far each cluster spreads, in which direction: covariance matrices. Floats are enough for an
    // estimate, and points are added in their order, so that it is the same everywhere.
    template <int D>
    std::vector<Covariance<D>> measure_spread() const {
        typedef float Row __attribute__((vector_size(16)));
        constexpr size_t banks = 2;  // neighbors share a cluster; two sums in turn need not wait
        std::vector<Row> sums(k_ * banks * max_dims), means(k_);
        for (size_t j = 0; j < k_; ++j)
            for (size_t d = 0; d < dims_; ++d)
                means[j][d] = static_cast<float>(now_.clusters[j].mean[d]);
        const float *x = tree_.axis(0), *y = tree_.axis(1), *z = tree_.axis(2);
        const float* a = D == 4 ? tree_.axis(3) : nullptr;
        for (size_t i = 0; i < tree_.size(); ++i) {
            const size_t j = now_.labels[i];
            const Row delta = Row{x[i], y[i], z[i], a ? a[i] : 0.0f} - means[j];
            const Row weighted = delta * tree_.float_weights()[i];
            Row* sum = &sums[(j * banks + i % banks) * max_dims];
            for (size_t d = 0; d < D; ++d) sum[d] += weighted[d] * delta;
        }
        std::vector<Covariance<D>> covariances(k_);
        for (size_t j = 0; j < k_; ++j)
            for (size_t d = 0; d < dims_; ++d) {
                const Row row = sums[j * banks * max_dims + d] + sums[(j * banks + 1) * max_dims + d];
                const float values[max_dims] = {row[0], row[1], row[2], row[3]};
                covariances[j].set_row(d, values);
            }
        return covariances;
    }

    // What splitting each cluster in two along its principal axis would save, and how.
    std::vector<Split> measure_splits() const {
        return dims_ == 3 ? measure_splits_in<3>() : measure_splits_in<4>();
    }
    template <int D>
    std::vector<Split> measure_splits_in() const {
        const std::vector<Covariance<D>> covariances = measure_spread<D>();
        std::vector<Split> splits(k_);
        for (size_t j = 0; j < k_; ++j) {
            double axis[max_dims];
            const bool spread = covariances[j].principal_axis(axis);
            if (j < fixed_) splits[j].saving = away2(j) * now_.clusters[j].weight;
            if (!spread) continue;
            double length2 = 0;
            for (size_t d = 0; d < dims_; ++d) length2 += axis[d] * axis[d];
            const double variance = covariances[j].along(axis) / length2;
            const double deviation = std::sqrt(variance / now_.clusters[j].weight / length2);
            if (j < fixed_) {
                // From its far side, if the points lie around it, to their mean, if it is far away.
                const double around = variance / (variance + splits[j].saving);
                splits[j].saving += beside_saving * variance;
                const double side = along_away(j, axis) < 0 ? -1 : 1;
                for (size_t d = 0; d < dims_; ++d)
                    splits[j].offset[d] = side * around * beside_distance * deviation * axis[d];
                continue;
            }
            splits[j].saving = split_saving * variance;
            for (size_t d = 0; d < dims_; ++d)
                splits[j].offset[d] = split_distance * deviation * axis[d];
        }
        return splits;
    }

    // How far the mean of a cluster is from its fixed centroid, squared; and in which direction.
    double away2(size_t j) const {
        double sum = 0;
        for (size_t d = 0; d < dims_; ++d) {
            const double delta = now_.clusters[j].mean[d] - now_.centroids[j * dims_ + d];
            sum += delta * delta;
        }
        return sum;
    }
    double along_away(size_t j, const double* axis) const {
        double sum = 0;
        for (size_t d = 0; d < dims_; ++d)
            sum += axis[d] * (now_.clusters[j].mean[d] - now_.centroids[j * dims_ + d]);
        return sum;
    }

    // The cheapest merge of each cluster with another, cheapest first.
    std::vector<Merge> measure_merges() const {
        std::vector<float> means(k_ * dims_), weights(k_), costs(k_);
        std::vector<uint32_t> neighbors(k_);
        for (size_t j = 0; j < k_; ++j) {
            const bool moves = j >= fixed_;
            for (size_t d = 0; d < dims_; ++d)
                means[d * k_ + j] = moves ? static_cast<float>(now_.clusters[j].mean[d])
                                          : now_.centroids[j * dims_ + d];
            weights[j] = moves ? static_cast<float>(now_.clusters[j].weight) : unmoved;
        }
        kernels().cheapest_merges(means.data(), weights.data(), k_, tree_.dims(), costs.data(),
                                  neighbors.data());
        std::vector<Merge> merges(k_);
        for (size_t j = 0; j < k_; ++j) merges[j] = {costs[j], j, neighbors[j]};
        std::sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) {
            return a.cost < b.cost || (a.cost == b.cost && a.row < b.row);
        });
        return merges;
    }

    // Moves up to `count` centroids from the cheapest merges to the best splits but the first `skip`
    // of them; false if none pays.
    bool exchange(size_t count, size_t skip, const std::vector<Split>& splits,
                  const std::vector<Merge>& merges) {
        std::vector<size_t> targets(k_);
        for (size_t j = 0; j < k_; ++j) targets[j] = j;
        std::sort(targets.begin(), targets.end(), [&](size_t a, size_t b) {
            return splits[a].saving > splits[b].saving ||
                   (splits[a].saving == splits[b].saving && a < b);
        });
        std::vector<char> taken(k_);  // no cluster takes part in two exchanges
        size_t done = 0;
        auto target = targets.begin() + static_cast<std::ptrdiff_t>(std::min(skip, k_));
        for (const Merge& merge : merges) {
            if (done == count) break;
            if (merge.row < fixed_ || taken[merge.row] || taken[merge.neighbor]) continue;
            while (target != targets.end() && taken[*target]) ++target;
            if (target == targets.end()) break;
            const size_t j = *target;
            if (j == merge.row || j == merge.neighbor) continue;
            if (!(splits[j].saving > least_saving * static_cast<double>(merge.cost))) break;
            taken[merge.row] = taken[merge.neighbor] = taken[j] = 1;
            for (size_t d = 0; d < dims_; ++d) {
                const double mean = now_.clusters[j].mean[d], offset = splits[j].offset[d];
                if (j >= fixed_) now_.centroids[j * dims_ + d] = whole(mean + offset);
                const double other = j >= fixed_ ? mean - offset : mean + offset;
                now_.centroids[merge.row * dims_ + d] = whole(other);
            }
            ++done;
        }
        return done > 0;
    }

    const Tree& tree_;
    size_t k_, fixed_, dims_;
    unsigned threads_;
    int spent_ = 0;
    std::vector<int64_t> sums_;
    State now_;
};

}  // namespace

// Huygens: sum w |x - mean|^2 = sum w |x|^2 - sum W |mean|^2.
Update update_centroids(const Tree& tree, const float* centroids, const int64_t* sums, size_t k,
                        float* updated) noexcept {
    const auto dims = static_cast<size_t>(tree.dims());
    Total before(tree.second_moment()), after(tree.second_moment());
    double shift2 = 0;
    for (size_t j = 0; j < k; ++j) {
        const int64_t* sum = sums + j * (dims + 1);
        const auto weight = static_cast<double>(sum[dims]);
        double moved = 0;
        for (size_t d = 0; d < dims; ++d) {
            const double c = centroids[j * dims + d], moment = static_cast<double>(sum[d]);
            const double mean = weight > 0 ? moment / weight : c;  // 0/0 has no mean
            const auto place = static_cast<float>(mean);
            before.add(-2 * c * moment);
            before.add(c * c * weight);
            after.add(-mean * moment);
            moved += (place - c) * (place - c);
            updated[j * dims + d] = place;
        }
        shift2 = std::max(shift2, moved);
    }
    return {before.value(), after.value(), shift2};
}

Breath breathe(const Tree& tree, float* centroids, size_t k, size_t fixed, int first, int cycles,
               int iterations, unsigned threads) {
    Breather breather(tree, centroids, k, fixed, threads);
    breather.settle(first);
    if (k > 2 && cycles > 0) breather.breathe(cycles, iterations);
    std::copy(breather.state().centroids.begin(), breather.state().centroids.end(), centroids);
    return {breather.state().cost, breather.spent()};
}

}  // namespace smalti
