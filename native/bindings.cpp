// Python's view of core.hpp. Checks what memory safety needs: dtypes, contiguity, lengths, ranges of
// sizes. Friendly messages belong to the Python callers. noconvert() everywhere: a silently
// converted copy would also silently lose what is written to it.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "core.hpp"
#include "interruption.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using namespace smalti;

// An array that nanobind takes only if its elements are where elements of their type may be.
template <class... Args>
struct Aligned : nb::ndarray<Args...> {
    Aligned() = default;
    explicit Aligned(nb::ndarray<Args...>&& array) : nb::ndarray<Args...>(std::move(array)) {}
};

template <class... Args>
struct nb::detail::type_caster<Aligned<Args...>> {
    using Caster = make_caster<ndarray<Args...>>;
    NB_TYPE_CASTER(Aligned<Args...>, Caster::Name)

    bool from_python(handle source, uint32_t flags, cleanup_list* cleanup) noexcept {
        Caster caster;
        if (!caster.from_python(source, flags, cleanup)) return false;
        value = Value(std::move(caster.value));
        const auto address = reinterpret_cast<std::uintptr_t>(value.data());
        return address % alignof(typename ndarray<Args...>::Scalar) == 0;
    }
};

namespace {

template <class T, class... Shape>
using In = Aligned<const T, nb::numpy, nb::c_contig, nb::device::cpu, Shape...>;
template <class T, class... Shape>
using Out = Aligned<T, nb::numpy, nb::c_contig, nb::device::cpu, Shape...>;

using Colors = In<uint8_t, nb::ndim<2>>;   // n x 3 or 4
using Pixels = In<uint8_t, nb::ndim<2>>;   // n x 3 or 4
using Linear = In<double, nb::shape<256>>;  // linear light of the 256 sRGB values

void require(bool condition, const char* message) {
    if (!condition) throw std::invalid_argument(message);
}

// Coordinates stay within the box of their space, and what is indexed by them within its bounds, only
// if light does.
const double* table_of(const Linear& linear) {
    require(std::all_of(linear.data(), linear.data() + 256, [](double v) { return v >= 0 && v <= 1; }),
            "linear must be from 0 to 1");
    return linear.data();
}

int channels_of(const Colors& colors) {
    const auto c = colors.shape(1);
    require(c == 3 || c == 4, "colors must have 3 or 4 channels");
    require(colors.shape(0) <= UINT32_MAX, "too many colors");
    return static_cast<int>(c);
}

// Only the main thread hears of signals.
bool in_main_thread() {
    const nb::object main = nb::module_::import_("threading").attr("main_thread")();
    return nb::cast<unsigned long>(main.attr("ident")) == PyThread_get_thread_ident();
}

// Lets other threads run Python meanwhile, and now and then the handlers of signals, which may raise:
// Ctrl-C ends the call. Every function that loops over pixels or colors runs under one.
class Interruptible final : public Interruption {
public:
    Interruptible() noexcept : state_(PyEval_SaveThread()) {}
    ~Interruptible() override { PyEval_RestoreThread(state_); }

private:
    bool is_wanted() override {
        if (elsewhere_) return false;
        PyEval_RestoreThread(state_);
        bool raised = PyErr_CheckSignals() != 0;
        if (!raised) {
            try {
                elsewhere_ = !in_main_thread();
            } catch (nb::python_error& error) {  // that is Python code, which a signal may end, too
                error.restore();
                raised = true;
            }
        }
        state_ = PyEval_SaveThread();
        return raised;
    }

    PyThreadState* state_;
    bool elsewhere_ = false;
};

template <class T>
nb::ndarray<nb::numpy, T> own(std::unique_ptr<T[]> values, std::initializer_list<size_t> shape) {
    T* data = values.release();
    nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<T*>(p); });
    return {data, shape, owner};
}

template <class T>
nb::ndarray<nb::numpy, T> own(Array<T> values, std::initializer_list<size_t> shape) {
    auto* kept = new Array<T>(std::move(values));
    nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<Array<T>*>(p); });
    return {kept->get(), shape, owner};
}

nb::tuple count(const Pixels& pixels, unsigned threads) {
    const int channels = channels_of(pixels);
    Counts found;
    {
        Interruptible watch;
        found = count_colors(pixels.data(), pixels.shape(0), channels, threads);
    }
    const size_t n = found.size, c = static_cast<size_t>(channels);
    return nb::make_tuple(own(std::move(found.colors), {n, c}), own(std::move(found.counts), {n}));
}

auto order_of(const Colors& colors) {
    const size_t n = colors.shape(0);
    const int channels = channels_of(colors);
    std::unique_ptr<uint32_t[]> order(new uint32_t[n]);
    {
        Interruptible watch;
        storage_order(colors.data(), n, channels, order.get());
    }
    return own(std::move(order), {n});
}

template <class Label>
void gather_labels(const Pixels& pixels, const Colors& colors,
                   const In<uint16_t, nb::ndim<1>>& labels, Out<Label, nb::ndim<1>>& out,
                   unsigned threads) {
    const int channels = channels_of(pixels);
    require(channels_of(colors) == channels, "colors must have the channels of the pixels");
    require(labels.shape(0) == colors.shape(0), "labels must have one entry per color");
    require(out.shape(0) == pixels.shape(0), "out must have one entry per pixel");
    require(pixels.shape(0) == 0 || colors.shape(0) > 0, "colors must not be empty");
    gather(pixels.data(), pixels.shape(0), channels, colors.data(), labels.data(), colors.shape(0),
           out.data(), threads);
}

// Sums of counts times coordinates, which are below 2^15, must fit 64 bits.
void require_counts(const In<int64_t, nb::ndim<1>>& counts) {
    constexpr uint64_t most = uint64_t{1} << 47;
    constexpr size_t block = 65536;  // so many of the largest still add up
    uint64_t total = 0;
    for (size_t begin = 0; begin < counts.shape(0); begin += block) {
        uint64_t bits = 0;
        for (size_t i = begin; i < std::min(begin + block, counts.shape(0)); ++i) {
            const auto count = static_cast<uint64_t>(counts.data()[i]);
            bits |= count;
            total += count;
        }
        require(bits < 2 * most && total <= most, "counts must be from 0, and add up to at most 2^47");
    }
}

Space space_of(int space) {
    require(space == 0 || space == 1, "space must be 0 (srgb) or 1 (oklab)");
    return static_cast<Space>(space);
}

Tree make_tree(const Colors& colors, int space, const Linear& linear,
               const In<int64_t, nb::ndim<1>>& counts, int alpha_gap, unsigned threads,
               bool keep_keys) {
    const size_t n = colors.shape(0);
    const int dims = channels_of(colors);
    require(n > 0, "colors must not be empty");
    require(counts.shape(0) == n, "counts must have one entry per color");
    require_counts(counts);
    require(alpha_gap >= 0 && alpha_gap <= 16384, "alpha_gap must be 0 to 16384");
    return Tree(colors.data(), counts.data(), n, dims, space_of(space), table_of(linear), alpha_gap,
                threads, keep_keys);
}

// The coordinates of chosen points, alpha gap included.
auto coordinates(const Tree& tree, const In<uint32_t, nb::ndim<1>>& rows) {
    const size_t n = rows.shape(0), dims = static_cast<size_t>(tree.dims());
    std::unique_ptr<float[]> points(new float[n * dims]);
    for (size_t i = 0; i < n; ++i) {
        require(rows.data()[i] < tree.size(), "rows must be below the size of the tree");
        for (size_t d = 0; d < dims; ++d)
            points[i * dims + d] = tree.axis(static_cast<int>(d))[rows.data()[i]];
    }
    return own(std::move(points), {n, dims});
}

auto weights_of(const Tree& tree) {
    std::unique_ptr<int64_t[]> weights(new int64_t[tree.size()]);
    {
        Interruptible watch;
        std::memcpy(weights.get(), tree.weights(), tree.size() * sizeof(int64_t));
    }
    return own(std::move(weights), {tree.size()});
}

// The lowest and the highest coordinates of its points.
auto box_of(const Tree& tree) {
    const auto dims = static_cast<size_t>(tree.dims());
    std::unique_ptr<float[]> low(new float[dims]), high(new float[dims]);
    std::memcpy(low.get(), tree.nodes()[0].lo, dims * sizeof(float));
    std::memcpy(high.get(), tree.nodes()[0].hi, dims * sizeof(float));
    return nb::make_tuple(own(std::move(low), {dims}), own(std::move(high), {dims}));
}

void require_entries(const Tree& tree, size_t k, size_t dims) {
    require(k >= 1 && k <= 65536, "there must be 1 to 65,536 centroids");
    require(dims == static_cast<size_t>(tree.dims()), "centroids must have the tree's dimensions");
}

void require_entries(const Tree& tree, const In<int16_t, nb::ndim<2>>& entries) {
    require_entries(tree, entries.shape(0), entries.shape(1));
    for (size_t j = 0; j < entries.shape(0); ++j) {
        float place[max_dims] = {};
        std::copy_n(entries.data() + j * entries.shape(1), entries.shape(1), place);
        require(tree.within_reach(place), "entries must be near the points");
    }
}

int64_t step(const Tree& tree, const In<float, nb::ndim<2>>& centroids,
             Out<int64_t, nb::ndim<2>>& sums, std::optional<Out<uint16_t, nb::ndim<1>>>& labels,
             unsigned threads) {
    const size_t k = centroids.shape(0), d = centroids.shape(1);
    require_entries(tree, k, d);
    require(sums.shape(0) == k && sums.shape(1) == d + 1, "sums must be k x (dims + 1)");
    require(!labels || labels->shape(0) == tree.size(), "labels must have one entry per color");
    std::memset(sums.data(), 0, sums.nbytes());
    return kernels().step(tree, centroids.data(), k, sums.data(), labels ? labels->data() : nullptr,
                          threads);
}

nb::tuple update(const Tree& tree, const In<float, nb::ndim<2>>& centroids,
                 const In<int64_t, nb::ndim<2>>& sums) {
    const size_t k = centroids.shape(0), d = centroids.shape(1);
    require_entries(tree, k, d);
    require(sums.shape(0) == k && sums.shape(1) == d + 1, "sums must be k x (dims + 1)");
    std::unique_ptr<float[]> updated(new float[k * d]);
    const Update found = update_centroids(tree, centroids.data(), sums.data(), k, updated.get());
    return nb::make_tuple(own(std::move(updated), {k, d}), found.before, found.after, found.shift2);
}

void nearest(const Tree& tree, const In<int16_t, nb::ndim<2>>& entries,
             Out<uint16_t, nb::ndim<1>>& labels, std::optional<Out<int32_t, nb::ndim<1>>>& d2,
             unsigned threads) {
    require_entries(tree, entries);
    require(labels.shape(0) == tree.size(), "labels must have one entry per color");
    require(!d2 || d2->shape(0) == tree.size(), "d2 must have one entry per color");
    kernels().nearest(tree, entries.data(), entries.shape(0), labels.data(),
                      d2 ? d2->data() : nullptr, threads);
}

void nearest_rows(const In<double, nb::ndim<2>>& columns, const In<double, nb::ndim<2>>& centroids,
                  Out<int64_t, nb::ndim<1>>& labels, Out<double, nb::ndim<1>>& d2, unsigned threads) {
    const size_t dims = columns.shape(0), n = columns.shape(1), k = centroids.shape(0);
    require(dims >= 1 && centroids.shape(1) == dims, "centroids must have the columns of the rows");
    require(k >= 1, "there must be a centroid");
    require(labels.shape(0) == n && d2.shape(0) == n, "labels and d2 must have one entry per row");
    kernels().nearest_rows(columns.data(), n, dims, centroids.data(), k, labels.data(), d2.data(),
                           threads);
}

template <class T, class... Sizes>
auto copy_of(const std::vector<T>& values, Sizes... shape) {
    std::unique_ptr<T[]> out(new T[values.size()]);
    std::copy(values.begin(), values.end(), out.get());
    return own(std::move(out), {shape...});
}

Grid make_grid(const Pixels& pixels, unsigned threads) {
    require(pixels.shape(0) < (size_t{1} << 29), "too many pixels");
    return Grid(pixels.data(), pixels.shape(0), channels_of(pixels), threads);
}

// Labels of the pixels that `grid` was made of; `tree` holds the colors of its cells.
void map_grid(const Grid& grid, const Tree& tree, const Pixels& pixels,
              const In<int16_t, nb::ndim<2>>& entries, int space, const Linear& linear,
              Out<uint8_t, nb::ndim<1>>& out, unsigned threads) {
    require_entries(tree, entries);
    require(entries.shape(0) <= 256, "there must be at most 256 entries");
    require(tree.dims() == 3 && tree.size() == grid.size(), "tree must hold the cells of the grid");
    require(out.shape(0) == pixels.shape(0), "out must have one entry per pixel");
    std::vector<uint16_t> first(grid.size()), second(grid.size());
    kernels().nearest_two(tree, entries.data(), entries.shape(0), first.data(), second.data(), threads);
    grid.map(pixels.data(), pixels.shape(0), channels_of(pixels), entries.data(), entries.shape(0),
             first.data(), second.data(), space_of(space), table_of(linear), out.data(), threads);
}

// How many pixels each of k labels has, given those of each color.
auto weights_by_label(const In<uint16_t, nb::ndim<1>>& labels, const In<int64_t, nb::ndim<1>>& counts,
                      size_t k, unsigned threads) {
    require(labels.shape(0) == counts.shape(0), "labels must have one entry per color");
    require(k >= 1 && k <= 65536, "k must be 1 to 65,536");
    require_counts(counts);
    std::unique_ptr<int64_t[]> weights(new int64_t[k]());
    bool known = false;
    {
        Interruptible watch;
        known = weigh(labels.data(), counts.data(), labels.shape(0), k, weights.get(), threads);
    }
    require(known, "labels must be below k");
    return own(std::move(weights), {k});
}

auto split(const Tree& tree, size_t k, size_t cells_per_seed) {
    require(k >= 1 && k <= 65536, "k must be 1 to 65,536");
    const auto dims = static_cast<size_t>(tree.dims());
    std::unique_ptr<float[]> centroids(new float[k * dims]);
    size_t found = 0;
    {
        Interruptible watch;
        found = split_seeds(tree, k, cells_per_seed, centroids.get());
    }
    return own(std::move(centroids), {found, dims});
}

nb::tuple breathe_in_place(const Tree& tree, Out<float, nb::ndim<2>>& centroids, int first,
                           int cycles, int iterations, unsigned threads, size_t fixed) {
    require_entries(tree, centroids.shape(0), centroids.shape(1));
    require(fixed <= centroids.shape(0), "fixed must be at most the number of centroids");
    require(first >= 1 && iterations >= 1, "there must be an iteration");
    Breath breath;
    {
        Interruptible watch;
        breath = breathe(tree, centroids.data(), centroids.shape(0), fixed, first, cycles, iterations,
                         threads);
    }
    return nb::make_tuple(breath.cost, breath.iterations);
}

auto plus_plus(const Tree& tree, size_t k, int trials, uint64_t seed) {
    require(k >= 1 && k <= 65536, "k must be 1 to 65,536");
    require(trials >= 1 && trials <= 100, "trials must be 1 to 100");
    std::unique_ptr<uint32_t[]> rows(new uint32_t[k]);
    size_t found = 0;
    {
        Interruptible watch;
        found = kernels().plus_plus(tree, k, trials, seed, rows.get());
    }
    return own(std::move(rows), {found});
}

// Breathing asks its kernel without Python; this is how the tests can ask it too.
nb::tuple merges(const In<float, nb::ndim<2>>& means, const In<float, nb::ndim<1>>& weights) {
    const size_t dims = means.shape(0), k = means.shape(1);
    require(dims == 3 || dims == 4, "means must have 3 or 4 rows, one for each dimension");
    require(k >= 2 && k <= 65536, "there must be 2 to 65,536 means");
    require(weights.shape(0) == k, "weights must have one entry per mean");
    std::unique_ptr<float[]> costs(new float[k]);
    std::unique_ptr<uint32_t[]> neighbors(new uint32_t[k]);
    {
        Interruptible watch;
        kernels().cheapest_merges(means.data(), weights.data(), k, static_cast<int>(dims),
                                  costs.get(), neighbors.get());
    }
    return nb::make_tuple(own(std::move(costs), {k}), own(std::move(neighbors), {k}));
}

using Square = In<int32_t, nb::ndim<2>>;

nb::ndarray<nb::numpy, int32_t> neighbors_of(const In<uint8_t, nb::ndim<2>>& indices, size_t k) {
    const size_t height = indices.shape(0), width = indices.shape(1);
    require(k >= 1 && k <= 256 && height * width > 0, "there must be pixels, and 1 to 256 entries");
    std::unique_ptr<int32_t[]> counts(new int32_t[k * k]);
    {
        Interruptible watch;
        require(std::all_of(indices.data(), indices.data() + height * width,
                            [k](uint8_t index) { return index < k; }), "indices must be below k");
        count_neighbors(indices.data(), height, width, k, counts.get());
    }
    return own(std::move(counts), {k, k});
}

size_t entries_of(const Square& counts) {
    const size_t k = counts.shape(0);
    require(k >= 1 && k <= 256 && counts.shape(1) == k, "counts must be k x k, k from 1 to 256");
    return k;
}

nb::ndarray<nb::numpy, uint8_t> grown_order(const Square& counts) {
    const size_t k = entries_of(counts);
    std::unique_ptr<uint8_t[]> order(new uint8_t[k]);
    grow_order(counts.data(), k, order.get());
    return own(std::move(order), {k});
}

int64_t arrange_in_place(const Square& counts, int sweeps, Out<uint8_t, nb::ndim<1>>& order) {
    const size_t k = entries_of(counts);
    require(order.shape(0) == k, "order must have one entry per row of counts");
    bool seen[256] = {};
    for (size_t i = 0; i < k; ++i) {
        require(order.data()[i] < k && !seen[order.data()[i]], "order must be a permutation");
        seen[order.data()[i]] = true;
    }
    int64_t sum = 0;
    for (size_t i = 0; i < k * k; ++i) {
        require(counts.data()[i] >= 0, "counts must not be negative");
        sum += counts.data()[i];
    }
    require(sum <= 1 << 22, "counts must add up to at most 2^22");
    return kernels().arrange(counts.data(), k, sweeps, order.data());
}

using Picture = In<uint8_t, nb::ndim<3>>;
using Entries = In<int16_t, nb::ndim<2>>;
using Plane8 = In<uint8_t, nb::ndim<2>>;
using Indices = Out<uint8_t, nb::ndim<2>>;

void require_dithering(const Picture& pixels, int space, const Entries& entries,
                       const In<uint8_t, nb::ndim<1>>& opaque, int transparent,
                       const In<int32_t, nb::ndim<1>>& bounds, const Plane8& strengths,
                       const Indices& indices) {
    const size_t height = pixels.shape(0), width = pixels.shape(1), c = pixels.shape(2);
    const size_t k = entries.shape(0);
    require(c == 3 || c == 4, "pixels must have 3 or 4 channels");
    require(k >= 1 && k <= 256 && entries.shape(1) == c, "entries must be 1 to 256 x channels");
    require(opaque.shape(0) == k, "opaque must have one entry per palette row");
    require(std::count(opaque.data(), opaque.data() + k, 0) < static_cast<std::ptrdiff_t>(k),
            "opaque must allow an entry");
    require(transparent < static_cast<int>(k) && transparent >= (c == 4 ? 0 : -1),
            "transparent must be a palette row, or -1 without alpha");
    require(bounds.shape(0) == 2 * c, "bounds must be lo and hi per channel");
    static constexpr int32_t boxes[2][8] = {{0, 16320, 0, 16320, 0, 16320, 0, 16320},
                                            {0, 16384, -3832, 4526, -5104, 3253, 0, 16384}};
    const int32_t* box = boxes[space_of(space) == Space::oklab];
    for (size_t d = 0; d < c; ++d) {
        const int32_t lo = bounds.data()[2 * d], hi = bounds.data()[2 * d + 1];
        require(lo <= box[2 * d] && hi >= box[2 * d + 1], "bounds must be around all colors of the space");
        require(lo >= -16384 && hi <= 16384 && hi - lo < 1 << 15, "bounds must be less than 2^15 apart");
        for (size_t j = 0; j < k; ++j)
            require(entries.data()[j * c + d] >= lo && entries.data()[j * c + d] <= hi,
                    "entries must be within bounds");
    }
    require(strengths.shape(0) == height && strengths.shape(1) == width, "strengths must be H x W");
    require(indices.shape(0) == height && indices.shape(1) == width, "indices must be H x W");
}

void diffuse(int kernel, const Picture& pixels, int space, const Linear& linear,
             const Entries& entries, const In<uint8_t, nb::ndim<1>>& opaque, int transparent,
             const In<int32_t, nb::ndim<1>>& bounds, const Plane8& strengths, Indices& indices) {
    require(kernel >= 0 && kernel < 3, "kernel must be 0 to 2");
    require_dithering(pixels, space, entries, opaque, transparent, bounds, strengths, indices);
    kernels().diffuse(kernel, pixels.data(), pixels.shape(0), pixels.shape(1),
                      static_cast<int>(pixels.shape(2)), space_of(space), table_of(linear),
                      entries.data(), entries.shape(0), opaque.data(), transparent, bounds.data(),
                      strengths.data(), indices.data());
}

void order(const In<uint16_t, nb::ndim<2>>& tile, const Picture& pixels, int space,
           const Linear& linear, const Entries& entries, const In<uint8_t, nb::ndim<1>>& opaque,
           int transparent, const In<int32_t, nb::ndim<1>>& bounds, const Plane8& strengths,
           Indices& indices) {
    require(tile.shape(0) == tile.shape(1) && tile.shape(0) > 0, "tile must be square");
    require_dithering(pixels, space, entries, opaque, transparent, bounds, strengths, indices);
    kernels().order(tile.data(), tile.shape(0), pixels.data(), pixels.shape(0), pixels.shape(1),
                    static_cast<int>(pixels.shape(2)), space_of(space), table_of(linear),
                    entries.data(), entries.shape(0), opaque.data(), transparent, bounds.data(),
                    strengths.data(), indices.data());
}

void find_bands(const Picture& pixels, const Linear& linear, const Entries& entries,
                const Plane8& indices, Indices& strengths, unsigned threads) {
    const size_t height = pixels.shape(0), width = pixels.shape(1), c = pixels.shape(2);
    require(c == 3 || c == 4, "pixels must have 3 or 4 channels");
    require(entries.shape(1) == c, "entries must have the channels of the pixels");
    require(indices.shape(0) == height && indices.shape(1) == width, "indices must be H x W");
    require(strengths.shape(0) == height && strengths.shape(1) == width, "strengths must be H x W");
    const uint8_t* last = indices.data() + height * width;
    require(height * width == 0 || *std::max_element(indices.data(), last) < entries.shape(0),
            "indices must be rows of entries");
    kernels().find_bands(pixels.data(), height, width, static_cast<int>(c), table_of(linear),
                         entries.data(), indices.data(), strengths.data(), threads);
}

using Importance = In<float, nb::shape<256>>;

void require_mapped(const Picture& pixels, const In<int16_t, nb::ndim<2>>& entries,
                    const Plane8& activity, size_t height, size_t width, const uint8_t* indices) {
    const size_t k = entries.shape(0), c = pixels.shape(2);
    require(c == 3 || c == 4, "pixels must have 3 or 4 channels");
    require(k >= 1 && k <= 256 && entries.shape(1) == c, "entries must be 1 to 256 x channels");
    require(pixels.shape(0) == height && pixels.shape(1) == width, "indices must be H x W");
    require(activity.shape(0) == height && activity.shape(1) == width, "activity must be H x W");
    require(height > 0 && width > 0, "pixels must not be empty");
    require(*std::max_element(indices, indices + height * width) < k,
            "indices must be rows of entries");
}

void measure_activity(const Picture& pixels, int space, const Linear& linear,
                      Out<uint8_t, nb::ndim<2>>& activity, Out<uint8_t, nb::ndim<2>>& repeats,
                      Out<uint8_t, nb::ndim<2>>& gradients, unsigned threads) {
    const size_t height = pixels.shape(0), width = pixels.shape(1), c = pixels.shape(2);
    require(c == 3 || c == 4, "pixels must have 3 or 4 channels");
    require(activity.shape(0) == height && activity.shape(1) == width, "activity must be H x W");
    require(repeats.shape(0) == height && repeats.shape(1) == width, "repeats must be H x W");
    require(gradients.shape(0) == height && gradients.shape(1) == width, "gradients must be H x W");
    require(height > 0 && width > 0, "pixels must not be empty");
    kernels().activity(pixels.data(), height, width, static_cast<int>(c), space_of(space),
                       table_of(linear), activity.data(), repeats.data(), gradients.data(), threads);
}

nb::tuple survey(const Picture& pixels, int space, const Linear& linear,
                 const In<int16_t, nb::ndim<2>>& entries, const Plane8& indices,
                 const Plane8& activity, const Importance& importance,
                 const std::optional<Plane8>& weights, Out<int64_t, nb::ndim<2>>& tally,
                 unsigned threads) {
    const size_t height = indices.shape(0), width = indices.shape(1), c = pixels.shape(2);
    const size_t k = entries.shape(0);
    {
        Interruptible watch;
        require_mapped(pixels, entries, activity, height, width, indices.data());
    }
    require(!weights || (weights->shape(0) == height && weights->shape(1) == width),
            "weights must be H x W");
    require(tally.shape(0) == k && tally.shape(1) == 3 + c, "tally must be k x (3 + channels)");
    Survey found(k, static_cast<int>(c));
    {
        Interruptible watch;
        kernels().survey(pixels.data(), height, width, static_cast<int>(c), space_of(space),
                         table_of(linear), entries.data(), k, indices.data(), activity.data(),
                         importance.data(), weights ? weights->data() : nullptr, found, threads);
    }
    for (size_t j = 0; j < k; ++j) {
        int64_t* row = tally.data() + j * (3 + c);
        row[0] = found.other[j], row[1] = found.counts[j], row[2] = found.exact[j];
        std::copy_n(&found.sums[j * c], c, row + 3);
    }
    return nb::make_tuple(found.same, found.error);
}

void trellis(const Picture& pixels, int space, const Linear& linear,
             const In<int16_t, nb::ndim<2>>& entries, int opaque, const Plane8& activity,
             const Importance& importance, const Plane8& gradients, const Importance& gains,
             const Plane8& strengths, float same, const In<float, nb::ndim<1>>& other,
             float copy, float go_on, int copies, float feedback, float prune,
             Out<uint8_t, nb::ndim<2>>& indices, unsigned threads) {
    const size_t height = indices.shape(0), width = indices.shape(1), k = entries.shape(0);
    require_mapped(pixels, entries, activity, height, width, indices.data());
    require(gradients.shape(0) == height && gradients.shape(1) == width, "gradients must be H x W");
    require(strengths.shape(0) == height && strengths.shape(1) == width, "strengths must be H x W");
    require(other.shape(0) == k, "other must have one cost per entry");
    require(copies >= 0 && copies <= 3, "copies must be 0 to 3");
    const auto within = [](float value, float most) { return value >= 0 && value <= most; };  // not NaN
    require(within(same, 1e6f) && within(copy, 1e6f) && within(go_on, 1e6f) &&
                std::all_of(other.data(), other.data() + k, [&](float bits) { return within(bits, 1e6f); }),
            "costs must be from 0 to 1,000,000");
    require(std::all_of(importance.data(), importance.data() + 256,
                        [&](float worth) { return within(worth, 1e12f); }),
            "importance must be from 0 to 10^12");
    require(std::all_of(gains.data(), gains.data() + 256, [&](float gain) { return within(gain, 1000); }),
            "gains must be from 0 to 1,000");
    require(within(feedback, 1), "feedback must be from 0 to 1");
    require(prune > 0 && prune < 1e9f, "prune must be positive, and finite");
    RowCosts costs{same, {}, copy, go_on, copies, feedback, prune};
    std::copy_n(other.data(), k, costs.other);
    kernels().trellis(pixels.data(), height, width, static_cast<int>(pixels.shape(2)),
                      space_of(space), table_of(linear), entries.data(), k, opaque, activity.data(),
                      importance.data(), gradients.data(), gains.data(), strengths.data(), costs,
                      indices.data(), threads);
}

Pyramid make_pyramid(const In<uint8_t, nb::ndim<3>>& pixels, const Linear& linear, unsigned threads) {
    require(pixels.shape(2) == 3, "pixels must have 3 channels");
    require(pixels.shape(0) >= 8 && pixels.shape(1) >= 8, "pixels must be at least 8 x 8");
    return Pyramid(pixels.data(), pixels.shape(0), pixels.shape(1), table_of(linear), threads);
}

double similarity_of(const Pyramid& original, const Pyramid& result, unsigned threads) {
    require(original.height(0) == result.height(0) && original.width(0) == result.width(0),
            "pictures must have one size");
    return similarity(original, result, threads);
}

}  // namespace

NB_MODULE(_core, m) {
    const char* wanted = std::getenv("SMALTI_ISA");
    if (!choose_level(wanted)) {
        const auto message =
            wanted && *wanted
                ? "SMALTI_ISA must name a level that this CPU has (v2, v3 or v4), got " +
                      std::string(wanted)
                : std::string("smalti needs an x86-64-v2 CPU (SSE4.2, 2009 or newer)");
        throw nb::import_error(message.c_str());
    }
    const auto nogil = nb::call_guard<Interruptible>();
    nb::register_exception_translator([](const std::exception_ptr& thrown, void*) {
        try {
            std::rethrow_exception(thrown);
        } catch (const Interrupted&) {
            // What the handler of the signal raised is set already.
        }
    });

    nb::class_<Tree>(m, "Tree")
        .def_prop_ro("size", &Tree::size)
        .def_prop_ro("dims", &Tree::dims)
        .def_prop_ro("second_moment", &Tree::second_moment)
        .def("weights", &weights_of)
        .def("box", &box_of)
        .def("coarseness", &Tree::coarseness, "least"_a, "threads"_a = 1, nogil)
        .def("forget_keys", &Tree::forget_keys)
        .def("coordinates", &coordinates, "rows"_a.noconvert());
    nb::class_<Grid>(m, "Grid")
        .def_prop_ro("size", &Grid::size)
        .def("colors", [](const Grid& grid) { return copy_of(grid.colors(), grid.size(), size_t{3}); })
        .def("counts", [](const Grid& grid) { return copy_of(grid.counts(), grid.size()); })
        .def("map", &map_grid, "tree"_a, "pixels"_a.noconvert(), "entries"_a.noconvert(),
             "space"_a, "linear"_a.noconvert(), "out"_a.noconvert(), "threads"_a, nogil);
    m.def("make_grid", &make_grid, "pixels"_a.noconvert(), "threads"_a, nogil);
    // The tree reads the counts as long as it lives.
    m.def("make_tree", &make_tree, "colors"_a.noconvert(), "space"_a, "linear"_a.noconvert(),
          "counts"_a.noconvert(), "alpha_gap"_a, "threads"_a, "keep_keys"_a = true, nogil,
          nb::keep_alive<0, 4>());
    nb::class_<Pyramid>(m, "Pyramid");
    // The pyramid reads the pixels as long as it lives.
    m.def("make_pyramid", &make_pyramid, "pixels"_a.noconvert(), "linear"_a.noconvert(), "threads"_a,
          nogil, nb::keep_alive<0, 1>());
    m.def("similarity", &similarity_of, "original"_a, "result"_a, "threads"_a, nogil);
    m.def("level", [] { return kernels().level; });
    m.def("choose_level", &choose_level, "name"_a);
    m.def("count_colors", &count, "pixels"_a.noconvert(), "threads"_a);
    m.def("storage_order", &order_of, "colors"_a.noconvert());
    m.def("gather", &gather_labels<uint8_t>, "pixels"_a.noconvert(), "colors"_a.noconvert(),
          "labels"_a.noconvert(), "out"_a.noconvert(), "threads"_a, nogil);
    m.def("gather", &gather_labels<uint16_t>, "pixels"_a.noconvert(), "colors"_a.noconvert(),
          "labels"_a.noconvert(), "out"_a.noconvert(), "threads"_a, nogil);
    m.def("to_points", [](const Colors& colors, int space, const Linear& linear,
                          Out<int16_t, nb::ndim<2>>& points) {
        const int channels = channels_of(colors);
        require(points.shape(0) == colors.shape(0) && points.shape(1) == colors.shape(1),
                "points must match colors");
        constexpr size_t some = 65536;
        const double* table = table_of(linear);
        for (size_t at = 0; at < colors.shape(0); at += some) {
            check_interruption();
            to_points(colors.data() + at * colors.shape(1), std::min(some, colors.shape(0) - at),
                      channels, space_of(space), table, points.data() + at * colors.shape(1));
        }
    }, "colors"_a.noconvert(), "space"_a, "linear"_a.noconvert(), "points"_a.noconvert(), nogil);
    m.def("step", &step, "tree"_a, "centroids"_a.noconvert(), "sums"_a.noconvert(),
          "labels"_a.noconvert().none(), "threads"_a, nogil);
    m.def("update", &update, "tree"_a, "centroids"_a.noconvert(), "sums"_a.noconvert());
    m.def("nearest", &nearest, "tree"_a, "entries"_a.noconvert(), "labels"_a.noconvert(),
          "d2"_a.noconvert().none(), "threads"_a, nogil);
    m.def("nearest_rows", &nearest_rows, "columns"_a.noconvert(), "centroids"_a.noconvert(),
          "labels"_a.noconvert(), "d2"_a.noconvert(), "threads"_a, nogil);
    m.def("coarsen", [](const Tree& tree, int dropped, unsigned threads) {
        require(dropped >= 1 && dropped <= 16, "dropped must be 1 to 16");
        return Tree(tree, dropped, threads);
    }, "tree"_a, "dropped"_a, "threads"_a = 1, nogil);
    m.def("breathe", &breathe_in_place, "tree"_a, "centroids"_a.noconvert(), "first"_a, "cycles"_a,
          "iterations"_a, "threads"_a, "fixed"_a = 0);
    m.def("weigh", &weights_by_label, "labels"_a.noconvert(), "counts"_a.noconvert(), "k"_a,
          "threads"_a = 1);
    m.def("split_seeds", &split, "tree"_a, "k"_a, "cells_per_seed"_a);
    m.def("plus_plus", &plus_plus, "tree"_a, "k"_a, "trials"_a, "seed"_a);
    m.def("cheapest_merges", &merges, "means"_a.noconvert(), "weights"_a.noconvert());
    m.def("count_neighbors", &neighbors_of, "indices"_a.noconvert(), "k"_a);
    m.def("grow_order", &grown_order, "counts"_a.noconvert());
    m.def("arrange", &arrange_in_place, "counts"_a.noconvert(), "sweeps"_a, "order"_a.noconvert(),
          nogil);
    m.def("diffuse", &diffuse, "kernel"_a, "pixels"_a.noconvert(), "space"_a, "linear"_a.noconvert(),
          "entries"_a.noconvert(), "opaque"_a.noconvert(), "transparent"_a, "bounds"_a.noconvert(),
          "strengths"_a.noconvert(), "indices"_a.noconvert(), nogil);
    m.def("order", &order, "tile"_a.noconvert(), "pixels"_a.noconvert(), "space"_a,
          "linear"_a.noconvert(), "entries"_a.noconvert(), "opaque"_a.noconvert(), "transparent"_a,
          "bounds"_a.noconvert(), "strengths"_a.noconvert(), "indices"_a.noconvert(), nogil);
    m.def("find_bands", &find_bands, "pixels"_a.noconvert(), "linear"_a.noconvert(),
          "entries"_a.noconvert(), "indices"_a.noconvert(), "strengths"_a.noconvert(), "threads"_a,
          nogil);
    m.def("activity", &measure_activity, "pixels"_a.noconvert(), "space"_a,
          "linear"_a.noconvert(), "activity"_a.noconvert(), "repeats"_a.noconvert(),
          "gradients"_a.noconvert(), "threads"_a, nogil);
    m.def("survey", &survey, "pixels"_a.noconvert(), "space"_a, "linear"_a.noconvert(),
          "entries"_a.noconvert(), "indices"_a.noconvert(), "activity"_a.noconvert(),
          "importance"_a.noconvert(), "weights"_a.noconvert().none(), "tally"_a.noconvert(),
          "threads"_a);
    m.def("trellis", &trellis, "pixels"_a.noconvert(), "space"_a, "linear"_a.noconvert(),
          "entries"_a.noconvert(), "opaque"_a, "activity"_a.noconvert(),
          "importance"_a.noconvert(), "gradients"_a.noconvert(), "gains"_a.noconvert(),
          "strengths"_a.noconvert(), "same"_a, "other"_a.noconvert(), "copy"_a, "go_on"_a,
          "copies"_a, "feedback"_a, "prune"_a, "indices"_a.noconvert(), "threads"_a, nogil);
}
