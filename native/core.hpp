// The whole native API on one page: contracts here, algorithms in the files beside it.
//
//   pixels -> [histogram] -> colors, counts -> [to_points] -> points -> [Tree]
//   Tree -> [split_seeds | plus_plus] -> centroids -> [step]* -> palette -> [nearest] -> [gather | diffuse]
//
// Number format. Working-space coordinates are integers (1/64 of an 8-bit step in sRGB, 1/16384 in
// Oklab) and weights are integers, so every sum that decides anything is an integer sum: exact in
// any order, hence identical for every thread count and vector width. Distances to fractional
// centroids are float32, one point and one centroid at a time, with no reduction across lanes and
// no fused multiply-add: the same bits on every CPU. docs/decisions/0001-number-format.md
//
// Nothing here knows Python. Functions that allocate may throw std::bad_alloc, and those that take long
// Interrupted (interruption.hpp); the rest are noexcept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "memory.hpp"

namespace smalti {

using std::int16_t;
using std::int32_t;
using std::int64_t;
using std::size_t;
using std::uint16_t;
using std::uint32_t;
using std::uint64_t;
using std::uint8_t;

// ---------------------------------------------------------------- colors and counts

// Distinct colors in storage order: the opaque ones along the Z-order (Morton) curve, then those with
// alpha below 255 along the four-dimensional curve, the fully transparent one last.
struct Counts {
    Array<uint8_t> colors;  // size x channels
    Array<int64_t> counts;
    size_t size = 0;
};

// Counts the colors of n pixels of 3 or 4 bytes. All pixels with alpha 0 count as (0, 0, 0, 0).
Counts count_colors(const uint8_t* pixels, size_t n, int channels, unsigned threads);

// Writes the storage-order permutation of n distinct colors (3 or 4 bytes each) to `order`.
void storage_order(const uint8_t* colors, size_t n, int channels, uint32_t* order);

// Writes to out[i] the label of the color of pixel i. `colors` are all distinct colors of the
// pixels in any order, labels[j] belongs to colors[j].
template <class Label>
void gather(const uint8_t* pixels, size_t n, int channels, const uint8_t* colors,
            const uint16_t* labels, size_t n_colors, Label* out, unsigned threads);

// Adds to weights[j] how many pixels have label j, given the label and count of each color. False if
// a label is not below k.
bool weigh(const uint16_t* labels, const int64_t* counts, size_t n, size_t k, int64_t* weights,
           unsigned threads);

// ---------------------------------------------------------------- order of a palette

// Writes to counts[i k + j] how often entries i and j, i != j, are beside or below each other. Of
// pictures above a million pixels, only as many, evenly spread, are looked at. indices below k <= 256.
void count_neighbors(const uint8_t* indices, size_t height, size_t width, size_t k,
                     int32_t* counts) noexcept;

// Writes an order of the k entries that grows from the most frequent pair of neighbors: the entry
// that has most neighbors among those in it comes next, at the end that is nearer to these. Ties to
// the lower rows, and to the right. Pinho and Neves (2004), IEEE Signal Processing Letters 11(2), a
// modification of Zeng, Li and Lei (2000).
void grow_order(const int32_t* counts, size_t k, uint8_t* order);

// ---------------------------------------------------------------- working space

enum class Space { srgb = 0, oklab = 1 };

// Converts n colors (3 or 4 bytes) to fixed-point coordinates (3 or 4 int16), color premultiplied
// by alpha. `linear` is the table of linear light for the 256 sRGB values.
// Oklab: Ottosson (2020), https://bottosson.github.io/posts/oklab/
void to_points(const uint8_t* colors, size_t n, int channels, Space space, const double* linear,
               int16_t* points) noexcept;

// ---------------------------------------------------------------- grid

// Of the colors of a cell, those where at + toward . (red, green, blue, from the cell's origin) > 0
// take palette entry `second`, the others `first`.
struct Plane {
    int16_t at = 0, toward[3] = {};
    uint8_t first = 0, second = 0;
};

// A coarse histogram of opaque pixels, for previews: the cells of the color cube, 8 x 8 x 8 colors
// each, that hold a pixel, and their mean colors. n below 2^29.
class Grid {
public:
    static constexpr int bits = 15;  // of the code of a cell

    Grid(const uint8_t* pixels, size_t n, int channels, unsigned threads);

    size_t size() const noexcept { return cells_.size(); }
    const std::vector<uint8_t>& colors() const noexcept { return colors_; }  // size() x 3, the means
    const std::vector<int64_t>& counts() const noexcept { return counts_; }

    // Writes to `out` the palette entry of each pixel, one of the two that its cell may take.
    //   entries  k x 3, in working-space coordinates, k <= 256    first, second  size(), rows of entries
    void map(const uint8_t* pixels, size_t n, int channels, const int16_t* entries, size_t k,
             const uint16_t* first, const uint16_t* second, Space space, const double* linear,
             uint8_t* out, unsigned threads) const;

private:
    // The lowest color of a cell, r | g << 8 | b << 16.
    static uint32_t origin(uint32_t cell) noexcept;
    std::vector<Plane> divide(const int16_t* entries, size_t k, const uint16_t* first,
                              const uint16_t* second, Space space, const double* linear,
                              std::vector<uint32_t>& rows) const;

    std::vector<uint32_t> cells_;  // Z-order codes of those in use, ascending
    std::vector<uint8_t> colors_;
    std::vector<int64_t> counts_;
};

// ---------------------------------------------------------------- tree

constexpr int max_dims = 4;
constexpr size_t leaf_size = 192;  // measured best of 64..256 on photographs
constexpr size_t lane_padding = 16;
constexpr int coarse_grain = 8;  // an eighth of an 8-bit step; less than any search depends on
constexpr float far_away = 1e9f;  // coordinate of a padding candidate: never nearest, never kept

struct Node {
    float lo[max_dims], hi[max_dims];  // bounding box of its points
    int64_t sum[max_dims];             // of weight times coordinate
    int64_t weight;
    uint32_t begin, end;  // its points
    uint32_t next;        // the node after its subtree, in depth-first order
    bool light;           // sums of weight times (coordinate - lo) are exact in float32
    bool leaf() const noexcept { return next == 0; }
};

// Colors of a histogram as weighted points, with an octree over their storage order (16-ary with
// alpha) that carries bounding boxes and moments. Immutable once built, but for forget_keys.
class Tree {
public:
    // Keeps a pointer to `counts`, which must outlive it. Throws std::invalid_argument unless colors
    // are distinct and in storage order. `alpha_gap` is added to the fourth coordinate of opaque
    // colors, to keep clusters pure. Without its keys, a tree cannot be coarsened or split.
    Tree(const uint8_t* colors, const int64_t* counts, size_t n, int dims, Space space,
         const double* linear, int alpha_gap, unsigned threads, bool keep_keys = true);

    // The most low bits of the Z-order codes, up to 4 per channel, that can be dropped while `least`
    // cells remain.
    // Throws std::invalid_argument if the tree has no keys, as coarsening and splitting do.
    int coarseness(size_t least, unsigned threads) const;

    // Frees the Z-order keys, where all cells that are needed have been made.
    void forget_keys() noexcept { keys_.reset(); }

    // The points of `fine` merged into cells that agree in all but the lowest `dropped` bits of
    // their Z-order codes, at their means, rounded to whole `coarse_grain`s.
    Tree(const Tree& fine, int dropped, unsigned threads);

    size_t size() const noexcept { return n_; }
    int dims() const noexcept { return dims_; }
    // Coordinate d of all points, padded so that a whole vector may be loaded at any of them.
    const float* axis(int d) const noexcept { return &axes_[at(d, 0)]; }
    // Weight times coordinate, exact.
    int64_t moment(size_t i, int d) const noexcept {
        return weights_[i] * static_cast<int64_t>(axis(d)[i]);
    }
    const int64_t* weights() const noexcept { return weights_; }
    const float* float_weights() const noexcept { return float_weights_.get(); }
    const std::vector<Node>& nodes() const noexcept { return nodes_; }
    // Z-order codes in their highest bits: the cells that agree in all but the lowest `dropped` bits
    // of a code have equal keys >> key_shift(dropped).
    const uint32_t* keys() const;
    int key_shift(int dropped) const noexcept { return (dims_ == 3 ? 8 : 0) + dropped; }
    size_t opaque() const noexcept { return opaque_; }
    int depth() const noexcept { return depth_; }
    // Roots of disjoint subtrees that cover all points: the units of parallel work.
    const std::vector<uint32_t>& tasks() const noexcept { return tasks_; }
    double second_moment() const noexcept { return second_moment_; }
    // Whether the squared distances from `place` to all points fit 32 bits, and their parts 16.
    bool within_reach(const float* place) const noexcept;

private:
    size_t at(int d, size_t i) const noexcept { return static_cast<size_t>(d) * stride_ + i; }
    void reserve();
    bool set_keys(const uint8_t* colors, size_t begin, size_t end) noexcept;
    int32_t set_points(const int16_t* points, size_t begin, size_t end, int alpha_gap) noexcept;
    std::vector<uint32_t> list_cells(int low, unsigned threads) const;
    int32_t set_cell(size_t c, const Tree& fine, size_t begin, size_t end) noexcept;
    void finish(int32_t bits, unsigned threads, bool keep_keys = true);
    void build(uint32_t begin, uint32_t end, int shift, int depth);
    void add_children(uint32_t begin, uint32_t end, int shift, int depth);
    double measure_leaf(Node& node) noexcept;
    void measure_parent(size_t index) noexcept;
    bool is_light(const Node& node) const noexcept;
    void list_tasks(size_t largest);

    size_t n_ = 0, stride_ = 0, opaque_ = 0;
    int dims_, depth_ = 0;
    double second_moment_ = 0;  // sum of weight times squared length
    Array<float> axes_;
    const int64_t* weights_ = nullptr;        // of colors, the histogram's counts; of cells:
    Array<int64_t> own_weights_;
    Array<float> float_weights_;  // padded like the axes
    int grain_ = 0;                           // all coordinates are multiples of it
    Array<uint32_t> keys_;
    std::vector<Node> nodes_;
    std::vector<uint32_t> tasks_;
};

// Means of at most k boxes made by always splitting, at the best cut along its principal axis, the
// box that gains most. Returns the number of boxes: fewer than k when no box can be split.
//   centroids  k x dims
// Wan, Wong & Prusinkiewicz (1988), doi:10.1007/BFb0040413, with the variance-optimal cut.
// Cuts fall between cells of the color cube, of which there are at least `cells_per_seed` times k if
// colors allow: few are fast, many place the cuts well.
size_t split_seeds(const Tree& tree, size_t k, size_t cells_per_seed, float* centroids);

struct Update {
    double before;  // sum of weighted squared distances to the old centroids
    double after;   // the same to the new ones
    double shift2;  // the largest squared distance that a centroid moved
};

// Writes to `updated` the mean of each cluster, from the sums of Kernels::step; a cluster without
// points keeps its place.
Update update_centroids(const Tree& tree, const float* centroids, const int64_t* sums, size_t k,
                        float* updated) noexcept;

struct Breath {
    double cost;     // sum of weighted squared distances to the means, or to fixed centroids
    int iterations;  // of Lloyd's algorithm, spent
};

// Lowers the cost of k centroids (in place) by `first` relaxed Lloyd iterations and up to `cycles`
// breathing cycles of `iterations` each. The first `fixed` rows, at whole coordinates, stay.
Breath breathe(const Tree& tree, float* centroids, size_t k, size_t fixed, int first, int cycles,
               int iterations, unsigned threads);

// ---------------------------------------------------------------- size-aware mapping

// What storing a row is taken to cost, in bits: an index like the one before it, another one (by row
// of the palette), a copy of pixels from the row above begun, and gone on with.
struct RowCosts {
    float same, other[256], copy, go_on;
    int copies;      // how many of the three places that may be copied from: above, left and right of it
    float feedback;  // share of its error that a pixel hands on, 0 to 1
    float prune;     // ways that cost this much more than the cheapest are given up
};

// Of an image and its indices, what decides costs and centroids.
struct Survey {
    Survey(size_t k, int dims)
        : other(k), counts(k), exact(k), sums(k * static_cast<size_t>(dims)) {}
    void add(const Survey& part) noexcept {
        same += part.same;
        error += part.error;
        for (size_t j = 0; j < other.size(); ++j) {
            other[j] += part.other[j];
            counts[j] += part.counts[j];
            exact[j] += part.exact[j];
        }
        for (size_t i = 0; i < sums.size(); ++i) sums[i] += part.sums[i];
    }

    int64_t same = 0;            // pixels with the index of the one to their left
    std::vector<int64_t> other;  // those with another one, by index
    std::vector<int64_t> counts;  // pixels of an entry, by their weights
    std::vector<int64_t> exact;   // those of its very color, which weigh 1 each
    std::vector<int64_t> sums;    // points of its pixels, by their weights
    double error = 0;             // of weight times importance times squared distance
};

// ---------------------------------------------------------------- similarity

// The linear light of a picture at up to six scales, each half the size of the one before, none with
// a side below 8: what SSIMULACRA2 compares. Holds a pointer to the pixels, which must outlive it.
class Pyramid {
public:
    // height and width at least 8; `linear` is the table of linear light for the 256 sRGB values.
    Pyramid(const uint8_t* pixels, size_t height, size_t width, const double* linear, unsigned threads);
    Pyramid(Pyramid&&) = default;

    size_t scales() const noexcept { return scales_.size(); }
    size_t height(size_t scale) const noexcept { return scales_[scale].height; }
    size_t width(size_t scale) const noexcept { return scales_[scale].width; }
    // Writes row y of each channel c to light + c * stride.
    void row(size_t scale, size_t y, float* light, size_t stride) const noexcept;

private:
    struct Scale {
        size_t height, width;
        Array<float> light;  // 3 x height x width; none at the first scale, which the pixels are
    };
    void halve(size_t from, Scale& to, unsigned threads) const;

    const uint8_t* pixels_;
    float linear_[256];
    std::vector<Scale> scales_;
};

// Sums over pixels of three maps and of their fourth powers: how much the structure differs, how
// much is in the result that the original lacks (artifacts), and what it lost (detail).
struct MapSums {
    double first[3] = {}, fourth[3] = {};
};

// SSIMULACRA2 points of two pictures of one size: 100 for the same picture, lower the more they differ.
double similarity(const Pyramid& original, const Pyramid& result, unsigned threads);

// ---------------------------------------------------------------- kernels, one set per CPU level

struct Kernels {
    const char* level;

    // One pass of Lloyd's algorithm. Adds to sums[j * (dims + 1) + d] the weighted coordinates of
    // the points nearest to centroid j, and their weight at d = dims. With `labels`, also writes
    // each point's centroid there and returns the weight of those that differ from what it held.
    //   centroids  k x dims    sums  k x (dims + 1), not cleared    labels  n or null
    // Kanungo et al. (2002), IEEE Trans. PAMI 24(7), doi:10.1109/TPAMI.2002.1017616
    int64_t (*step)(const Tree& tree, const float* centroids, size_t k, int64_t* sums,
                    uint16_t* labels, unsigned threads);

    // The exactly nearest palette entry of each point, ties to the lower row, equal to brute force
    // over all entries. Also writes the squared distances unless `d2` is null.
    //   entries  k x dims, the palette in working-space coordinates, all within reach of the tree
    void (*nearest)(const Tree& tree, const int16_t* entries, size_t k, uint16_t* labels,
                    int32_t* d2, unsigned threads);

    // The nearest entry of each point, and the nearest other one of those that may be nearest somewhere
    // in its box of the tree; where there is no other, the same again. Three dimensions only.
    void (*nearest_two)(const Tree& tree, const int16_t* entries, size_t k, uint16_t* first,
                        uint16_t* second, unsigned threads);

    // Writes to `labels` the palette entries of the 512 colors of each of n cells of a Grid, in the
    // order of their Z-order codes.
    void (*divide)(const Plane* planes, size_t n, uint8_t* labels);

    // Greedy k-means++ seeds: rows of points chosen one by one, each the best of `trials` drawn
    // with probability proportional to weight times squared distance. Returns how many were found.
    // Arthur & Vassilvitskii (2007); greedy as in scikit-learn.
    size_t (*plus_plus)(const Tree& tree, size_t k, int trials, uint64_t seed, uint32_t* rows);

    // The other cluster that each cluster is merged with at the lowest cost, w v / (w + v) times
    // their squared distance, ties to the lower row. Ward (1963), doi:10.2307/2282967
    //   means  dims x k    weights, costs, neighbors  k >= 2
    void (*cheapest_merges)(const float* means, const float* weights, size_t k, int dims,
                            float* costs, uint32_t* neighbors);

    // Moves the k <= 256 entries of `order`, one by one, to where the sum over all pairs of counts
    // times the logarithm of 1 + their distance is lowest (32 log2, rounded down): `sweeps` times
    // through all of them, or until none moves any more. Ties stay, or go to the left.
    // Returns that sum.
    //   counts  k x k, symmetric, zero on the diagonal, with a sum of at most 2^22
    int64_t (*arrange)(const int32_t* counts, size_t k, int sweeps, uint8_t* order);

    // Error diffusion in serpentine order, in working-space coordinates and exact integers; `kernel` is
    // a Diffuser. A pixel takes the share of the errors handed to it that its strength says (0 to 128, which
    // is 1), and the nearest entry; at strength 0 it keeps the index it has, and neither takes nor
    // gives. It hands on no more error than its entry's neighbors in the palette can make good:
    // quarters are taken off until its square is at most half their squared distance. `opaque` lists
    // the entries that opaque pixels may take; pixels with alpha 0 take entry `transparent`, whatever their
    // strength, and neither give nor take error (pass -1 without alpha).
    //   pixels  height x width x channels    entries  k x channels    bounds  lo, hi per channel, less
    //   than 2^15 apart, around all points and entries    strengths, indices  height x width
    void (*diffuse)(int kernel, const uint8_t* pixels, size_t height, size_t width, int channels,
                    Space space, const double* linear, const int16_t* entries, size_t k,
                    const uint8_t* opaque, int transparent, const int32_t* bounds,
                    const uint8_t* strengths, uint8_t* indices);

    // Ordered dithering: each pixel takes the nearest entry, or the one that makes the best mixture
    // with it, by a tile of thresholds (side x side, 0 to 512) that its strength draws toward the
    // middle. The rest is as for `diffuse`.
    void (*order)(const uint16_t* tile, size_t side, const uint8_t* pixels, size_t height,
                  size_t width, int channels, Space space, const double* linear,
                  const int16_t* entries, size_t k, const uint8_t* opaque, int transparent,
                  const int32_t* bounds, const uint8_t* strengths, uint8_t* indices);

    // How much each pixel needs dithering, 0 to 128: where errors do not cancel in a window of 3 x 3
    // pixels and nothing hides that. 0 where the color is the entry's own, or invisible.
    //   pixels  height x width x channels    entries  rows of Oklab coordinates, of which `indices` are
    //   indices, strengths  height x width
    void (*find_bands)(const uint8_t* pixels, size_t height, size_t width, int channels,
                       const double* linear, const int16_t* entries, const uint8_t* indices,
                       uint8_t* strengths, unsigned threads);

    // How busy an image is: the standard deviation of lightness in a window of 9 x 9 pixels, in steps
    // of 16 of the working space's coordinates, at most 255; how much of that window is drawn: 255
    // times the share of pixels with the very color of the one to their left or above; and whether it
    // is a clean gradient: 128 where colors run straight, without grain, 0 where they do not, or where
    // lightness does not change.
    //   busy, repeats, gradients  height x width
    void (*activity)(const uint8_t* pixels, size_t height, size_t width, int channels, Space space,
                     const double* linear, uint8_t* busy, uint8_t* repeats, uint8_t* gradients,
                     unsigned threads);

    // Adds to `found` what `indices` say about an image.   importance  256, by activity
    //   weights  height x width, how much a pixel counts in sums and errors, or null for all alike
    void (*survey)(const uint8_t* pixels, size_t height, size_t width, int channels, Space space,
                   const double* linear, const int16_t* entries, size_t k, const uint8_t* indices,
                   const uint8_t* activity, const float* importance, const uint8_t* weights,
                   Survey& found, unsigned threads);

    // Turns indices of nearest entries into ones that cost fewer bits: along each row, the sequence
    // with the lowest sum of bits and of importance times squared error, found by dynamic programming
    // (Viterbi) over the entries near each pixel's own, and copies of the row above. Errors are handed
    // on as by Floyd and Steinberg, each way of the search with its own, as far as the strength of a
    // pixel (0 to 128) says. Importance is multiplied by gains[gradients], of 256. A pixel of exactly its
    // entry's color, or that is fully transparent, keeps it; opaque pixels keep to opaque entries
    // (those of alpha coordinate `opaque`).
    // Entropy-constrained quantization: Chou, Lookabaugh & Gray (1989), doi:10.1109/29.17498. Errors of
    // survivors: Raheli, Polydoros & Tzou (1995), per-survivor processing, IEEE Trans. Comm. 43.
    void (*trellis)(const uint8_t* pixels, size_t height, size_t width, int channels, Space space,
                   const double* linear, const int16_t* entries, size_t k, int32_t opaque,
                   const uint8_t* activity, const float* importance, const uint8_t* gradients,
                   const float* gains, const uint8_t* strengths, const RowCosts& costs,
                   uint8_t* indices, unsigned threads);

    // Writes the Z-order codes (morton.hpp) of the r, g and b of n pixels of 3 or 4 bytes.
    void (*morton)(const uint8_t* pixels, size_t n, int channels, uint32_t* codes);

    // Lists the places of counters that are not zero, ascending; returns how many. Counters stand in
    // lines of 16; used[line] is 1 where one may differ from zero, and 0 afterwards. `found` needs
    // room for 16 more than there are.
    size_t (*list_used)(const uint32_t* counters, uint8_t* used, size_t lines, uint32_t* found);

    // Turns Z-order codes into opaque colors, r | g << 8 | b << 16 | 255 << 24, in place.
    void (*unmorton)(uint32_t* codes, size_t n);

    void (*oklab)(const uint8_t* colors, size_t n, int channels, const double* linear,
                  int16_t* points);

    // The nearest centroid of each of n rows of `dims` numbers, ties to the lower one, and the squared
    // distance to it, one row at a time and dimension by dimension: the same bits on every CPU.
    //   columns  dims x n, the rows lying on their side    centroids  k x dims    labels, d2  n
    void (*nearest_rows)(const double* columns, size_t n, size_t dims, const double* centroids,
                         size_t k, int64_t* labels, double* d2, unsigned threads);

    // The maps of rows begin..end-1 of one scale, for each of the three channels of XYB. Every pixel
    // and every sum in the same order on every CPU: the same bits. Allocates.
    void (*maps)(const Pyramid& original, const Pyramid& result, size_t scale, size_t begin,
                 size_t end, MapSums* sums);
};

// The kernels of the best level this CPU has, or of the level named by SMALTI_ISA (v2, v3, v4).
const Kernels& kernels() noexcept;
// Chooses the kernels; false if the name is unknown or the CPU lacks the level.
bool choose_level(const char* name) noexcept;

}  // namespace smalti
