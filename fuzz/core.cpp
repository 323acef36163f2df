// Random bytes into the native core, beside oracles that do the same the slow and obvious way.
//
//   bytes -> operation, channels, space, k, width, height, pixels -> core.hpp -> check
//
// Everything runs at each instruction set level that this CPU has, and on one and two threads: the
// results must be the same to the bit, and those of brute force where brute force can say them.
// `make fuzz` builds this with libFuzzer; the first failure ends the process, and leaves its bytes.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "../native/core.hpp"

using namespace smalti;

namespace {

// The loops are small, so that thousands of inputs are tried in a minute.
constexpr size_t most_pixels = 512, more_pixels = 4096;
constexpr size_t most_comparisons = size_t{1} << 18;  // of colors with entries, by brute force

void check(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "smalti: the oracle says otherwise: %s (level %s)\n", what, kernels().level);
    std::abort();
}

// ---------------------------------------------------------------- from bytes to cases

class Bytes {
public:
    Bytes(const uint8_t* data, size_t size) : at_(data), end_(data + size) {}

    uint8_t next() { return at_ < end_ ? *at_++ : uint8_t{0}; }
    size_t below(size_t n) { return (next() | static_cast<size_t>(next()) << 8) % n; }
    std::vector<uint8_t> rest() { return {at_, end_}; }

private:
    const uint8_t *at_, *end_;
};

// The same numbers from the same seed, everywhere.
class Random {
public:
    explicit Random(uint64_t seed) : state_(seed * 2 + 1) {}
    uint32_t next() {
        state_ = state_ * 6364136223846793005u + 1442695040888963407u;
        return static_cast<uint32_t>(state_ >> 33);
    }
    size_t below(size_t n) { return next() % n; }

private:
    uint64_t state_;
};

struct Case {
    int channels;
    Space space;
    size_t k, width, height;
    uint64_t seed;
    std::vector<uint8_t> pixels;

    size_t size() const { return width * height; }
    size_t c() const { return static_cast<size_t>(channels); }
};

// Pixels as they are in the bytes, of a few colors, in slopes, or at random.
std::vector<uint8_t> draw(const Case& made, int way, const std::vector<uint8_t>& bytes) {
    const size_t c = made.c();
    std::vector<uint8_t> pixels(made.size() * c);
    Random random(made.seed + bytes.size());
    const auto byte = [&](size_t i) { return bytes.empty() ? uint8_t{7} : bytes[i % bytes.size()]; };
    const size_t few = 1 + bytes.size() / c;
    for (size_t i = 0; i < made.size(); ++i) {
        const size_t x = i % made.width, y = i / made.width;
        const size_t color = way == 1 ? random.below(few) : 0;
        for (size_t d = 0; d < c; ++d) {
            size_t value = byte(i * c + d);
            if (way == 1) value = byte(color * c + d);
            if (way == 2) value = byte(d) + x * byte(d + 4) / 16 + y * byte(d + 8) / 16;
            if (way == 3) value = random.next() >> (byte(d) % 8);
            pixels[i * c + d] = static_cast<uint8_t>(value);
        }
        if (c == 4 && way >= 2) {  // half opaque, some clear
            const size_t kind = random.below(8);
            if (kind < 4) pixels[i * 4 + 3] = 255;
            if (kind == 4) pixels[i * 4 + 3] = 0;
        }
    }
    return pixels;
}

Case read_case(Bytes& bytes) {
    Case made{};
    const uint8_t flags = bytes.next();
    made.channels = flags & 1 ? 4 : 3;
    made.space = flags & 2 ? Space::oklab : Space::srgb;
    const int way = flags >> 2 & 3;
    made.k = 1 + bytes.below(flags & 16 ? 4096 : 256);
    if (flags & 32) made.k = std::min<size_t>(made.k, 1 + made.k % 8);
    made.width = 1 + bytes.below(flags & 64 ? 512 : 48);
    made.height = 1 + bytes.below(std::max<size_t>((flags & 128 ? more_pixels : most_pixels) / made.width, 1));
    made.seed = bytes.next();
    made.pixels = draw(made, way, bytes.rest());
    return made;
}

// ---------------------------------------------------------------- the same everywhere

const double* linear() {
    static const auto table = [] {
        std::array<double, 256> light{};
        for (size_t i = 0; i < 256; ++i) {
            const double value = static_cast<double>(i) / 255;
            light[i] = value <= 0.04045 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4);
        }
        return light;
    }();
    return table.data();
}

const std::vector<std::string>& levels() {
    static const auto found = [] {
        std::vector<std::string> names;
        for (const char* name : {"plain", "v2", "v3", "v4"})
            if (choose_level(name)) names.emplace_back(name);
        return names;
    }();
    return found;
}

// Calls make(threads) at every level, on one thread or two, and checks that all give the same.
template <class Make>
auto everywhere(const char* what, const Make& make) {
    choose_level(levels().front().c_str());
    auto first = make(1u);
    unsigned threads = 2;
    for (const auto& level : levels()) {
        choose_level(level.c_str());
        check(make(threads) == first, what);
        threads = 3 - threads;
    }
    return first;
}

template <class T>
std::vector<T> copied(const T* values, size_t n) {
    return {values, values + n};
}

// ---------------------------------------------------------------- histogram and tree

struct Colors {
    std::vector<uint8_t> colors;
    std::vector<int64_t> counts;
    bool operator==(const Colors& other) const {
        return colors == other.colors && counts == other.counts;
    }
};

uint32_t packed(const uint8_t* color, size_t channels) {
    uint32_t code = 0;
    if (channels == 4 && color[3] == 0) return 0;
    for (size_t d = 0; d < 4; ++d)
        code = code << 8 | (d < channels ? color[d] : uint32_t{255});
    return code;
}

Colors histogram(const Case& given) {
    const size_t c = given.c();
    const auto found = everywhere("histograms are alike", [&](unsigned threads) {
        const Counts counted = count_colors(given.pixels.data(), given.size(), given.channels, threads);
        return Colors{copied(counted.colors.get(), counted.size * c),
                      copied(counted.counts.get(), counted.size)};
    });
    std::map<uint32_t, int64_t> expected, seen;
    for (size_t i = 0; i < given.size(); ++i) ++expected[packed(&given.pixels[i * c], c)];
    for (size_t i = 0; i < found.counts.size(); ++i)
        seen[packed(&found.colors[i * c], c)] += found.counts[i];
    check(seen == expected, "every color is counted");
    check(seen.size() == found.counts.size(), "colors of a histogram are distinct");
    std::vector<uint32_t> order(found.counts.size());
    storage_order(found.colors.data(), order.size(), given.channels, order.data());
    for (size_t i = 0; i < order.size(); ++i) check(order[i] == i, "histograms are in storage order");
    return found;
}

std::vector<int16_t> points_of(const std::vector<uint8_t>& colors, int channels, Space space) {
    return everywhere("coordinates are alike", [&](unsigned) {
        std::vector<int16_t> points(colors.size());
        to_points(colors.data(), colors.size() / static_cast<size_t>(channels), channels, space,
                  linear(), points.data());
        return points;
    });
}

int gap_of(const Case& given) { return given.channels == 4 && given.seed & 1 ? 16383 : 0; }

Tree tree_of(const Case& given, const Colors& found, unsigned threads = 1) {
    return Tree(found.colors.data(), found.counts.data(), found.counts.size(), given.channels,
                given.space, linear(), gap_of(given), threads);
}

// Colors of the picture, or close to them; distinct or not.
std::vector<uint8_t> entries_of(const Case& given, size_t k) {
    Random random(given.seed * 31 + k);
    const size_t c = given.c();
    std::vector<uint8_t> palette(k * c);
    for (size_t j = 0; j < k; ++j) {
        const size_t pixel = random.below(given.size());
        for (size_t d = 0; d < c; ++d) {
            const size_t off = random.below(4) ? 0 : random.below(5);
            palette[j * c + d] = static_cast<uint8_t>(given.pixels[pixel * c + d] + off);
        }
    }
    return palette;
}

std::vector<int16_t> with_gap(std::vector<int16_t> points, const std::vector<uint8_t>& colors, int gap) {
    for (size_t i = 3; gap && i < points.size(); i += 4)
        if (colors[i] == 255) points[i] = static_cast<int16_t>(points[i] + gap);
    return points;
}

int64_t distance2(const float* point, const int16_t* entry, size_t dims) {
    int64_t sum = 0;
    for (size_t d = 0; d < dims; ++d) {
        const int64_t delta = static_cast<int64_t>(point[d]) - entry[d];
        sum += delta * delta;
    }
    return sum;
}

std::vector<float> all_points(const Tree& tree) {
    const auto dims = static_cast<size_t>(tree.dims());
    std::vector<float> points(tree.size() * dims);
    for (size_t i = 0; i < tree.size(); ++i)
        for (size_t d = 0; d < dims; ++d) points[i * dims + d] = tree.axis(static_cast<int>(d))[i];
    return points;
}

int64_t total(const std::vector<int64_t>& values) {
    return std::accumulate(values.begin(), values.end(), int64_t{0});
}

void check_tree(const Tree& tree, int64_t weight) {
    const auto points = all_points(tree);
    const auto dims = static_cast<size_t>(tree.dims());
    for (const Node& node : tree.nodes()) {
        check(node.begin < node.end && node.end <= tree.size(), "nodes have points");
        int64_t sum[max_dims] = {}, of_node = 0;
        for (size_t i = node.begin; i < node.end; ++i) {
            of_node += tree.weights()[i];
            for (size_t d = 0; d < dims; ++d) {
                check(points[i * dims + d] >= node.lo[d] && points[i * dims + d] <= node.hi[d],
                      "points are in the box of their node");
                sum[d] += tree.moment(i, static_cast<int>(d));
            }
        }
        check(of_node == node.weight, "nodes know their weight");
        for (size_t d = 0; d < dims; ++d) check(sum[d] == node.sum[d], "nodes know their sums");
    }
    check(tree.nodes()[0].weight == weight, "trees hold all pixels");
}

void fuzz_tree(const Case& given) {
    const Colors found = histogram(given);
    const Tree tree = tree_of(given, found);
    check_tree(tree, total(found.counts));
    everywhere("trees are alike", [&](unsigned threads) {
        return all_points(tree_of(given, found, threads));
    });
    const int dropped = tree.coarseness(given.k, 1);
    check(dropped >= 0 && dropped <= 16, "coarseness is one of the levels");
    if (dropped == 0) return;
    const Tree cells(tree, dropped, 1);
    check(cells.size() >= std::min(given.k, tree.size()), "enough cells remain");
    check_tree(cells, total(found.counts));
}

void fuzz_gather(const Case& given) {
    const Colors found = histogram(given);
    const size_t c = given.c(), n = found.counts.size();
    std::vector<uint16_t> labels(n);
    for (size_t i = 0; i < n; ++i) labels[i] = static_cast<uint16_t>(i * 31 + 5);
    const auto gathered = everywhere("labels of pixels are alike", [&](unsigned threads) {
        std::vector<uint16_t> out(given.size());
        gather(given.pixels.data(), given.size(), given.channels, found.colors.data(), labels.data(),
               n, out.data(), threads);
        return out;
    });
    std::map<uint32_t, uint16_t> expected;
    for (size_t i = 0; i < n; ++i) expected[packed(&found.colors[i * c], c)] = labels[i];
    for (size_t i = 0; i < given.size(); ++i)
        check(gathered[i] == expected[packed(&given.pixels[i * c], c)],
              "pixels get the labels of their colors");
    for (uint16_t& label : labels) label = static_cast<uint16_t>(label % given.k);
    std::vector<int64_t> weights(given.k);
    check(weigh(labels.data(), found.counts.data(), n, given.k, weights.data(), 2), "labels are below k");
    check(total(weights) == static_cast<int64_t>(given.size()), "weights add up");
    labels[0] = static_cast<uint16_t>(given.k);
    std::fill(weights.begin(), weights.end(), 0);
    check(!weigh(labels.data(), found.counts.data(), n, given.k, weights.data(), 1),
          "a label that is not below k is found");
}

// ---------------------------------------------------------------- nearest entries

struct Labels {
    std::vector<uint16_t> first, second;
    std::vector<int32_t> d2;
    bool operator==(const Labels& other) const {
        return first == other.first && second == other.second && d2 == other.d2;
    }
};

void fuzz_nearest(const Case& given) {
    const Colors found = histogram(given);
    const Tree tree = tree_of(given, found);
    const size_t n = tree.size(), c = given.c();
    const size_t k = std::max<size_t>(std::min(given.k, most_comparisons / n), 1);
    const auto palette = entries_of(given, k);
    const auto entries = with_gap(points_of(palette, given.channels, given.space), palette, gap_of(given));
    for (size_t j = 0; j < k; ++j) {
        float place[max_dims] = {};
        std::copy_n(&entries[j * c], c, place);
        check(tree.within_reach(place), "colors are within reach of a tree");
    }
    const auto labels = everywhere("nearest entries are alike", [&](unsigned threads) {
        Labels out{std::vector<uint16_t>(n), {}, std::vector<int32_t>(n)};
        kernels().nearest(tree, entries.data(), k, out.first.data(), out.d2.data(), threads);
        std::vector<uint16_t> alone(n);
        kernels().nearest(tree, entries.data(), k, alone.data(), nullptr, threads);
        check(alone == out.first, "labels do not depend on whether distances are wanted");
        if (c == 3) {
            std::vector<uint16_t> first(n);
            out.second.resize(n);
            kernels().nearest_two(tree, entries.data(), k, first.data(), out.second.data(), threads);
            check(first == out.first, "the first of two is the nearest");
        }
        return out;
    });
    const auto points = all_points(tree);
    for (size_t i = 0; i < n; ++i) {
        size_t best = 0;
        int64_t best_d2 = INT64_MAX;
        for (size_t j = 0; j < k; ++j) {
            const int64_t d2 = distance2(&points[i * c], &entries[j * c], c);
            if (d2 < best_d2) best = j, best_d2 = d2;
        }
        check(labels.first[i] == best, "the nearest entry is taken, the lower row of a tie");
        check(labels.d2[i] == best_d2, "distances are exact");
        if (c == 3) check(labels.second[i] < k, "the second of two is an entry");
    }
}

struct Sums {
    std::vector<int64_t> sums;
    std::vector<uint16_t> labels;
    int64_t moved;
    bool operator==(const Sums& other) const {
        return sums == other.sums && labels == other.labels && moved == other.moved;
    }
};

// Seeds in the box of the tree, half of them at whole coordinates.
std::vector<float> centroids_of(const Case& given, const Tree& tree, size_t k) {
    Random random(given.seed * 17 + k);
    const auto dims = static_cast<size_t>(tree.dims());
    const bool whole = random.below(2);
    std::vector<float> centroids(k * dims);
    for (size_t j = 0; j < k; ++j) {
        const size_t point = random.below(tree.size());
        for (size_t d = 0; d < dims; ++d) {
            const float lo = tree.nodes()[0].lo[d], hi = tree.nodes()[0].hi[d];
            const float share = static_cast<float>(random.below(1024)) / 1024.0f;
            float place = lo + (hi - lo) * share;
            if (j % 2) place = tree.axis(static_cast<int>(d))[point];
            centroids[j * dims + d] = whole ? std::floor(place) : place;
        }
    }
    return centroids;
}

// float32, dimension by dimension; exact where all coordinates are whole.
size_t nearest_centroid(const float* point, const std::vector<float>& centroids, size_t k, size_t dims,
                        bool whole) {
    size_t at = 0;
    float best = HUGE_VALF;
    int64_t best_whole = INT64_MAX;
    for (size_t j = 0; j < k; ++j) {
        float d2 = 0;
        int64_t exact = 0;
        for (size_t d = 0; d < dims; ++d) {
            const float delta = point[d] - centroids[j * dims + d];
            d2 += delta * delta;
            exact += whole ? static_cast<int64_t>(delta) * static_cast<int64_t>(delta) : 0;
        }
        if (whole ? exact < best_whole : d2 < best) best = d2, best_whole = exact, at = j;
    }
    return at;
}

void check_update(const Tree& tree, const std::vector<float>& centroids, const Sums& found, size_t k) {
    const auto dims = static_cast<size_t>(tree.dims());
    std::vector<float> updated(k * dims);
    const Update moved =
        update_centroids(tree, centroids.data(), found.sums.data(), k, updated.data());
    const double slack = 1e-9 * tree.second_moment() + 1e-6;
    check(moved.after <= moved.before + slack, "means are never worse");
    check(moved.shift2 >= 0 && std::isfinite(moved.shift2), "shifts are finite");
    for (size_t j = 0; j < k; ++j)
        for (size_t d = 0; d < dims; ++d) {
            const auto weight = static_cast<double>(found.sums[j * (dims + 1) + dims]);
            const float place = updated[j * dims + d];
            if (weight == 0) check(place == centroids[j * dims + d], "empty clusters keep their place");
            else check(place >= tree.nodes()[0].lo[d] && place <= tree.nodes()[0].hi[d],
                       "means are within the box of the points");
        }
}

void fuzz_step(const Case& given) {
    Colors found = histogram(given);
    if (given.seed & 2)  // more than float32 holds exactly
        for (int64_t& count : found.counts) count = count * 40503 + (count << 20);
    const Tree tree = tree_of(given, found);
    const size_t n = tree.size(), dims = given.c();
    const size_t k = std::max<size_t>(std::min(given.k, most_comparisons / n), 1);
    const auto centroids = centroids_of(given, tree, k);
    const auto stepped = everywhere("passes of Lloyd's algorithm are alike", [&](unsigned threads) {
        Sums out{std::vector<int64_t>(k * (dims + 1)), std::vector<uint16_t>(n), 0};
        out.moved = kernels().step(tree, centroids.data(), k, out.sums.data(), out.labels.data(), threads);
        std::vector<int64_t> alone(k * (dims + 1));
        kernels().step(tree, centroids.data(), k, alone.data(), nullptr, threads);
        check(alone == out.sums, "sums do not depend on whether labels are wanted");
        return out;
    });
    const bool whole = std::all_of(centroids.begin(), centroids.end(),
                                   [](float c) { return c == std::floor(c); });
    const auto points = all_points(tree);
    std::vector<int64_t> sums(k * (dims + 1));
    int64_t moved = 0;
    for (size_t i = 0; i < n; ++i) {
        const size_t j = nearest_centroid(&points[i * dims], centroids, k, dims, whole);
        check(stepped.labels[i] == j, "each point goes to its nearest centroid");
        for (size_t d = 0; d < dims; ++d) sums[j * (dims + 1) + d] += tree.moment(i, static_cast<int>(d));
        sums[j * (dims + 1) + dims] += tree.weights()[i];
        moved += j ? tree.weights()[i] : 0;
    }
    check(sums == stepped.sums, "sums are those of the labels");
    check(moved == stepped.moved, "what moved is the weight of new labels");
    check_update(tree, centroids, stepped, k);
}

// ---------------------------------------------------------------- seeds and search

struct Found {
    std::vector<float> centroids;
    double cost;
    int iterations;
    bool operator==(const Found& other) const {
        return centroids == other.centroids && cost == other.cost && iterations == other.iterations;
    }
};

void fuzz_search(const Case& given) {
    const Colors found = histogram(given);
    const Tree tree = tree_of(given, found);
    const auto dims = static_cast<size_t>(tree.dims());
    const size_t k = std::min<size_t>(given.k, 64), fixed = given.seed % 4 == 0 ? std::min<size_t>(k, 2) : 0;
    auto seeds = everywhere("seeds are alike", [&](unsigned) {
        std::vector<float> out(k * dims);
        const size_t boxes = split_seeds(tree, k, 1 + given.seed % 40, out.data());
        check(boxes >= 1 && boxes <= k, "there are at most k seeds");
        out.resize(boxes * dims);
        return out;
    });
    const auto rows = everywhere("random seeds are alike", [&](unsigned) {
        std::vector<uint32_t> out(k);
        out.resize(kernels().plus_plus(tree, k, 1 + static_cast<int>(given.seed % 5), given.seed, out.data()));
        return out;
    });
    check(!rows.empty() && rows.size() <= k, "there are at most k random seeds");
    check(std::set<uint32_t>(rows.begin(), rows.end()).size() == rows.size(), "random seeds are distinct");
    for (uint32_t row : rows) check(row < tree.size(), "random seeds are points");
    for (size_t i = 0; i < seeds.size(); ++i)
        check(seeds[i] >= tree.nodes()[0].lo[i % dims] && seeds[i] <= tree.nodes()[0].hi[i % dims],
              "seeds are within the box of the points");
    const size_t many = seeds.size() / dims;
    for (size_t i = 0; i < std::min(fixed, many) * dims; ++i) seeds[i] = std::floor(seeds[i]);
    const auto searched = everywhere("searches are alike", [&](unsigned threads) {
        Found out{seeds, 0, 0};
        const Breath breath = breathe(tree, out.centroids.data(), many, std::min(fixed, many),
                                      1 + static_cast<int>(given.seed % 3),
                                      static_cast<int>(given.seed % 4), 2, threads);
        out.cost = breath.cost, out.iterations = breath.iterations;
        return out;
    });
    check(std::isfinite(searched.cost) && searched.iterations >= 1, "costs are finite");
    check(searched.cost >= -1e-9 * tree.second_moment(), "costs are not negative");
    for (float place : searched.centroids) check(std::fabs(place) < 65536, "centroids are near the points");
    for (size_t i = 0; i < std::min(fixed, many) * dims; ++i)
        check(searched.centroids[i] == seeds[i], "fixed centroids stay");
}

void fuzz_merges(const Case& given) {
    const size_t k = 2 + given.k % 300, dims = given.c();
    Random random(given.seed);
    std::vector<float> means(dims * k), weights(k);
    for (size_t i = 0; i < means.size(); ++i)
        means[i] = static_cast<float>(given.pixels[i % given.pixels.size()] * 64 + random.below(8));
    for (float& weight : weights) weight = static_cast<float>(random.below(1000));
    everywhere("merges are alike", [&](unsigned) {
        std::vector<float> costs(k);
        std::vector<uint32_t> neighbors(k);
        kernels().cheapest_merges(means.data(), weights.data(), k, static_cast<int>(dims), costs.data(),
                                  neighbors.data());
        for (size_t j = 0; j < k; ++j) {
            check(neighbors[j] < k && neighbors[j] != j, "the neighbor is another cluster");
            float best = HUGE_VALF;
            size_t at = 0;
            for (size_t i = 0; i < k; ++i) {
                if (i == j) continue;
                float cost = 0;
                for (size_t d = 0; d < dims; ++d) {
                    const float delta = means[d * k + i] - means[d * k + j];
                    cost += delta * delta;
                }
                cost = cost * (weights[i] / (weights[i] + (weights[j] + 1e-20f)));
                if (cost < best) best = cost, at = i;
            }
            check(neighbors[j] == at && costs[j] == best * weights[j], "the cheapest merge is found");
        }
        return std::make_pair(costs, neighbors);
    });
}

// ---------------------------------------------------------------- rows of numbers

void fuzz_rows(const Case& given) {
    const size_t dims = 1 + given.seed % 9, n = std::min<size_t>(given.size(), 600);
    const size_t k = 1 + given.k % 40;
    const auto value = [&](size_t i) { return given.pixels[i % given.pixels.size()] / 8.0; };
    std::vector<double> columns(dims * n), centroids(k * dims);
    for (size_t i = 0; i < columns.size(); ++i) columns[i] = value(i * 5 + i / 64);
    for (size_t i = 0; i < centroids.size(); ++i) centroids[i] = value(i * 3);
    everywhere("rows are clustered alike", [&](unsigned threads) {
        std::vector<int64_t> labels(n);
        std::vector<double> d2(n);
        kernels().nearest_rows(columns.data(), n, dims, centroids.data(), k, labels.data(), d2.data(), threads);
        for (size_t i = 0; i < n; ++i) {
            double best = HUGE_VAL;
            size_t at = 0;
            for (size_t j = 0; j < k; ++j) {
                double sum = 0;
                for (size_t d = 0; d < dims; ++d) {
                    const double delta = columns[d * n + i] - centroids[j * dims + d];
                    sum += delta * delta;
                }
                if (sum < best) best = sum, at = j;
            }
            check(labels[i] == static_cast<int64_t>(at) && d2[i] == best, "the nearest row is found");
        }
        return std::make_pair(labels, d2);
    });
}

// ---------------------------------------------------------------- pictures

// A picture mapped to a palette as smalti maps it.
struct Mapped {
    size_t k;
    std::vector<uint8_t> palette, indices, strengths;
    std::vector<int16_t> entries, points;
};

Mapped mapped(const Case& given) {
    const size_t c = given.c();
    Mapped out{};
    out.k = std::min<size_t>(given.k, 256);
    out.palette = entries_of(given, out.k);
    out.entries = points_of(out.palette, given.channels, given.space);
    out.points = points_of(given.pixels, given.channels, given.space);
    Random random(given.seed);
    for (size_t i = 0; i < given.size(); ++i) {
        size_t best = 0;
        int64_t best_d2 = INT64_MAX;
        const bool opaque = c == 3 || given.pixels[i * c + 3] == 255;
        for (size_t j = 0; j < out.k; ++j) {
            float point[max_dims] = {};
            std::copy_n(&out.points[i * c], c, point);
            int64_t d2 = distance2(point, &out.entries[j * c], c);
            if (c == 4 && opaque && out.palette[j * 4 + 3] != 255) d2 += int64_t{1} << 40;
            if (d2 < best_d2) best = j, best_d2 = d2;
        }
        out.indices.push_back(static_cast<uint8_t>(best));
        const size_t strength = random.below(3) ? 128 : random.below(129);
        out.strengths.push_back(static_cast<uint8_t>(given.seed & 4 ? strength : 128));
    }
    return out;
}

void check_dithered(const Case& given, const Mapped& on, const std::vector<uint8_t>& opaque,
                    int transparent, const std::vector<uint8_t>& found) {
    for (size_t i = 0; i < given.size(); ++i) {
        check(found[i] < on.k, "indices are below k");
        const uint8_t alpha = given.channels == 4 ? given.pixels[i * 4 + 3] : uint8_t{255};
        if (alpha == 0) check(found[i] == transparent, "clear pixels take the clear entry");
        else if (on.strengths[i] == 0) check(found[i] == on.indices[i], "strength 0 keeps the index");
        else if (alpha == 255) check(opaque[found[i]] != 0, "opaque pixels take opaque entries");
    }
}

void fuzz_dither(const Case& given, size_t way) {
    const Mapped on = mapped(given);
    const size_t c = given.c();
    static const int32_t boxes[2][8] = {{0, 16320, 0, 16320, 0, 16320, 0, 16320},
                                        {0, 16384, -3832, 4526, -5104, 3253, 0, 16384}};
    const int32_t* bounds = boxes[given.space == Space::oklab];
    std::vector<uint8_t> opaque(on.k, 1);
    int transparent = -1;
    if (c == 4) {
        transparent = 0;
        for (size_t j = 0; j < on.k; ++j) {
            opaque[j] = on.palette[j * 4 + 3] == 255;
            if (on.palette[j * 4 + 3] < on.palette[static_cast<size_t>(transparent) * 4 + 3])
                transparent = static_cast<int>(j);
        }
        if (std::count(opaque.begin(), opaque.end(), 0) == static_cast<std::ptrdiff_t>(on.k))
            std::fill(opaque.begin(), opaque.end(), uint8_t{1});
    }
    std::vector<uint16_t> tile(64);
    for (size_t i = 0; i < tile.size(); ++i) tile[i] = static_cast<uint16_t>(i * 37 % 64 * 8 + 4);
    everywhere("dithered pictures are alike", [&](unsigned) {
        auto found = on.indices;
        if (way < 3)
            kernels().diffuse(static_cast<int>(way), given.pixels.data(), given.height, given.width,
                              given.channels, given.space, linear(), on.entries.data(), on.k,
                              opaque.data(), transparent, bounds, on.strengths.data(), found.data());
        else
            kernels().order(tile.data(), 8, given.pixels.data(), given.height, given.width,
                            given.channels, given.space, linear(), on.entries.data(), on.k,
                            opaque.data(), transparent, bounds, on.strengths.data(), found.data());
        check_dithered(given, on, opaque, transparent, found);
        return found;
    });
}

void fuzz_bands(const Case& given) {
    const Mapped on = mapped(given);
    const size_t c = given.c();
    const auto entries = points_of(on.palette, given.channels, Space::oklab);
    const auto found = everywhere("bands are alike", [&](unsigned threads) {
        std::vector<uint8_t> strengths(given.size());
        kernels().find_bands(given.pixels.data(), given.height, given.width, given.channels, linear(),
                             entries.data(), on.indices.data(), strengths.data(), threads);
        return strengths;
    });
    for (size_t i = 0; i < given.size(); ++i) {
        check(found[i] <= 128, "strengths are at most 128");
        if (std::equal(&given.pixels[i * c], &given.pixels[i * c] + c, &on.palette[on.indices[i] * c]))
            check(found[i] == 0, "a pixel of its entry's color needs no dithering");
    }
}

struct Tally {
    std::vector<int64_t> numbers;
    double error;
    bool operator==(const Tally& other) const {
        return numbers == other.numbers && error == other.error;
    }
};

void check_survey(const Case& given, const Mapped& on, const std::vector<uint8_t>& weights,
                  const Survey& found) {
    const size_t c = given.c();
    Survey expected(on.k, given.channels);
    for (size_t i = 0; i < given.size(); ++i) {
        const size_t j = on.indices[i];
        const int64_t weight = weights.empty() ? 1 : weights[i];
        if (i % given.width) ++(on.indices[i - 1] == j ? expected.same : expected.other[j]);
        expected.counts[j] += weight;
        for (size_t d = 0; d < c; ++d) expected.sums[j * c + d] += weight * on.points[i * c + d];
        expected.exact[j] += std::equal(&on.points[i * c], &on.points[i * c] + c, &on.entries[j * c]);
    }
    check(found.same == expected.same && found.other == expected.other, "repeats are counted");
    check(found.counts == expected.counts && found.exact == expected.exact, "pixels are counted");
    check(found.sums == expected.sums, "points are added up");
    check(std::isfinite(found.error) && found.error >= 0, "errors are finite");
}

// A pixel keeps its entry where that is its very color; opaque ones keep to opaque entries.
void check_trellis(const Case& given, const Mapped& on, int32_t opaque, const std::vector<uint8_t>& found) {
    const size_t c = given.c();
    for (size_t i = 0; i < given.size(); ++i) {
        check(found[i] < on.k, "indices are below k");
        const int16_t *own = &on.entries[on.indices[i] * c], *now = &on.entries[found[i] * c];
        if (std::equal(own, own + c, &on.points[i * c]))
            check(std::equal(own, own + c, now), "exact pixels keep their color");
        if (c == 4 && given.pixels[i * 4 + 3] == 255 && own[3] == opaque)
            check(now[3] == opaque, "opaque pixels keep to opaque entries");
    }
}

void fuzz_size(const Case& given) {
    const Mapped on = mapped(given);
    Random random(given.seed + 5);
    std::vector<uint8_t> weights(given.seed & 1 ? given.size() : 0);
    for (uint8_t& weight : weights) weight = static_cast<uint8_t>(random.next());
    const auto busy = everywhere("activity is alike", [&](unsigned threads) {
        std::vector<uint8_t> activity(given.size()), repeats(given.size()), gradients(given.size());
        kernels().activity(given.pixels.data(), given.height, given.width, given.channels, given.space,
                           linear(), activity.data(), repeats.data(), gradients.data(), threads);
        return std::vector{activity, repeats, gradients};
    });
    std::vector<float> importance(256);
    for (size_t i = 0; i < 256; ++i) importance[i] = 1.0f / (328.0f + 16.0f * static_cast<float>(i));
    const auto surveyed = everywhere("surveys are alike", [&](unsigned threads) {
        Survey found(on.k, given.channels);
        kernels().survey(given.pixels.data(), given.height, given.width, given.channels, given.space,
                         linear(), on.entries.data(), on.k, on.indices.data(), busy[0].data(),
                         importance.data(), weights.empty() ? nullptr : weights.data(), found, threads);
        check_survey(given, on, weights, found);
        return Tally{found.other, found.error};
    });
    const double worth = (1 + static_cast<double>(given.seed)) / 64 * surveyed.error /
                         static_cast<double>(given.size());
    for (float& value : importance) value = worth > 0 ? value / static_cast<float>(worth) : value;
    RowCosts costs{0.25f, {}, 8.0f + static_cast<float>(random.below(9)), 0.1f,
                   static_cast<int>(given.seed % 4), 0.75f, 25.0f};
    for (size_t j = 0; j < 256; ++j) costs.other[j] = 1.0f + static_cast<float>(random.below(64)) / 4.0f;
    std::vector<float> gains(256);
    for (size_t i = 0; i < 256; ++i) gains[i] = 1 + 3 * static_cast<float>(i) / 128;
    const int32_t opaque = given.space == Space::oklab ? 16384 : 16320;
    everywhere("cheap rows are alike", [&](unsigned threads) {
        auto found = on.indices;
        kernels().trellis(given.pixels.data(), given.height, given.width, given.channels, given.space,
                          linear(), on.entries.data(), on.k, opaque, busy[0].data(), importance.data(),
                          busy[2].data(), gains.data(), on.strengths.data(), costs, found.data(), threads);
        check_trellis(given, on, opaque, found);
        return found;
    });
}

void fuzz_order(Case given) {
    given.k = 1 + given.k % 64;  // the work grows with its cube
    const Mapped on = mapped(given);
    const size_t k = on.k;
    std::vector<int32_t> counts(k * k), expected(k * k);
    count_neighbors(on.indices.data(), given.height, given.width, k, counts.data());
    for (size_t i = 0; i < given.size(); ++i) {
        const size_t a = on.indices[i];
        for (size_t next : {i % given.width + 1 < given.width ? i + 1 : i,
                            i + given.width < given.size() ? i + given.width : i}) {
            const size_t b = on.indices[next];
            if (a != b) ++expected[a * k + b], ++expected[b * k + a];
        }
    }
    check(counts == expected, "neighbors are counted");
    std::vector<uint8_t> grown(k), sorted;
    grow_order(counts.data(), k, grown.data());
    const auto is_permutation = [&](std::vector<uint8_t> order) {
        std::sort(order.begin(), order.end());
        for (size_t i = 0; i < k; ++i) check(order[i] == i, "orders hold every entry once");
    };
    is_permutation(grown);
    everywhere("orders are alike", [&](unsigned) {
        auto order = grown;
        const int64_t before = kernels().arrange(counts.data(), k, 0, order.data());
        check(order == grown, "no sweep, no move");
        const int64_t after = kernels().arrange(counts.data(), k, 1 + static_cast<int>(given.seed % 3), order.data());
        check(after <= before, "orders get no worse");
        is_permutation(order);
        return std::make_pair(order, after);
    });
}

// ---------------------------------------------------------------- grid and similarity

uint32_t cell_of(const uint8_t* color) {
    return static_cast<uint32_t>(color[0] >> 3 | color[1] >> 3 << 5 | color[2] >> 3 << 10);
}

void fuzz_grid(const Case& given) {
    const size_t c = given.c(), k = std::min<size_t>(given.k, 256);
    const Grid grid(given.pixels.data(), given.size(), given.channels, 1);
    check(total(grid.counts()) == static_cast<int64_t>(given.size()), "grids hold all pixels");
    std::map<uint32_t, size_t> cells;
    for (size_t i = 0; i < grid.size(); ++i) cells[cell_of(&grid.colors()[i * 3])] = i;
    check(cells.size() == grid.size(), "means are in their cells");
    const Tree tree(grid.colors().data(), grid.counts().data(), grid.size(), 3, given.space, linear(), 0, 1);
    const auto colors = entries_of(given, k);
    std::vector<uint8_t> palette;
    for (size_t j = 0; j < k; ++j) palette.insert(palette.end(), &colors[j * c], &colors[j * c] + 3);
    const auto entries = points_of(palette, 3, given.space);
    everywhere("previews are alike", [&](unsigned threads) {
        std::vector<uint16_t> first(grid.size()), second(grid.size());
        kernels().nearest_two(tree, entries.data(), k, first.data(), second.data(), threads);
        std::vector<uint8_t> out(given.size());
        grid.map(given.pixels.data(), given.size(), given.channels, entries.data(), k, first.data(),
                 second.data(), given.space, linear(), out.data(), threads);
        for (size_t i = 0; i < given.size(); ++i) {
            const auto cell = cells.find(cell_of(&given.pixels[i * c]));
            check(cell != cells.end(), "every pixel has a cell");
            check(out[i] == first[cell->second] || out[i] == second[cell->second],
                  "pixels take an entry of their cell");
        }
        return out;
    });
}

void fuzz_similarity(Case given) {
    if (given.channels == 4 || given.width < 8 || given.height < 8) return;
    auto other = given.pixels;
    Random random(given.seed);
    for (uint8_t& value : other) value = static_cast<uint8_t>(value ^ (random.below(16) ? 0 : given.seed));
    const auto points = everywhere("scores are alike", [&](unsigned threads) {
        const Pyramid a(given.pixels.data(), given.height, given.width, linear(), threads);
        const Pyramid b(other.data(), given.height, given.width, linear(), threads);
        check(similarity(a, a, threads) == 100, "a picture is similar to itself");
        return similarity(a, b, threads);
    });
    check(std::isfinite(points) && points <= 100, "scores are at most 100");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Bytes bytes(data, size);
    const size_t operation = bytes.next() % 16;
    const Case given = read_case(bytes);
    switch (operation) {
        case 0: fuzz_tree(given); break;
        case 1: fuzz_gather(given); break;
        case 2: case 3: fuzz_nearest(given); break;
        case 4: case 5: fuzz_step(given); break;
        case 6: fuzz_search(given); break;
        case 7: fuzz_merges(given); break;
        case 8: fuzz_rows(given); break;
        case 9: fuzz_dither(given, given.seed % 3); break;
        case 10: fuzz_dither(given, 3); break;
        case 11: fuzz_bands(given); break;
        case 12: fuzz_size(given); break;
        case 13: fuzz_order(given); break;
        case 14: fuzz_grid(given); break;
        default: fuzz_similarity(given); break;
    }
    return 0;
}
