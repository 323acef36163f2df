// Exact color counts, and their inverse: from each pixel to the label of its color.
//
// Opaque pixels are counted by one partition: they are scattered into 256 buckets by the high byte
// of their Z-order code, so that the counters of one bucket (65,536 of them) stay in cache and come
// out in storage order. Partly transparent pixels are few in most pictures, and their codes, of 32
// bits, too many for counters: they are sorted, first within each chunk of the image, which leaves
// its distinct colors, then those of all chunks bucket by bucket.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <utility>

#include "core.hpp"
#include "memory.hpp"
#include "morton.hpp"
#include "parallel.hpp"

namespace smalti {
namespace {

constexpr size_t buckets = 256;
constexpr size_t bucket_codes = 65536;
constexpr size_t streams = 4;
constexpr size_t chunk_pixels = 65536;      // codes of a chunk stay in the second-level cache
constexpr size_t block_pixels = 4096;       // codes of a block stay in the first
constexpr size_t thread_pixels = 1 << 20;  // fewer are counted before another thread is under way

// A color, by its Z-order code of three or four channels, and how many pixels have it.
struct Entry {
    uint32_t key, count;
};

// Counts a color that does not come before the last of `size` ascending entries: with that one if
// they are the same, else behind it. Returns whether it is a new one.
bool add(uint32_t key, uint32_t count, Entry* entries, size_t size) noexcept {
    if (size && entries[size - 1].key == key) {
        entries[size - 1].count += count;
        return false;
    }
    entries[size] = {key, count};
    return true;
}

uint32_t key_of(uint32_t key) noexcept { return key; }
uint32_t key_of(const Entry& entry) noexcept { return entry.key; }

// Sorts by the lowest `Passes` times `Bits` bits of the keys; an odd number of passes, so that the
// result is in `sorted`.
template <int Passes, int Bits, class Item>
void radix_sort(Item* items, size_t n, Item* sorted) noexcept {
    static_assert(Passes % 2 == 1, "passes go back and forth");
    const auto digit = [](const Item& item, size_t pass) {
        return key_of(item) >> (pass * Bits) & ((1u << Bits) - 1);
    };
    std::array<std::array<uint32_t, 1 << Bits>, Passes> at{};
    for (size_t i = 0; i < n; ++i)
        for (size_t pass = 0; pass < Passes; ++pass) ++at[pass][digit(items[i], pass)];
    for (size_t pass = 0; pass < Passes; ++pass) {
        uint32_t total = 0;
        for (uint32_t& place : at[pass]) place = std::exchange(total, total + place);
        for (size_t i = 0; i < n; ++i) sorted[at[pass][digit(items[i], pass)]++] = items[i];
        if (pass + 1 < Passes) std::swap(items, sorted);
    }
}

// Where each bucket begins, and, at the end, where the last one ends.
using Starts = std::array<uint32_t, buckets + 1>;

// The pixels of an image, chunk by chunk and in each of them bucket by bucket. What is found in chunk
// c begins at c * chunk_pixels.
struct Partition {
    Partition(size_t n, int channels)
        : chunks((n + chunk_pixels - 1) / chunk_pixels), low(allocate<uint16_t>(n)), starts(chunks) {
        if (channels == 3) return;
        rest = allocate<Entry>(n, true);
        rest_starts.resize(chunks);
    }
    size_t chunks;
    Array<uint16_t> low;  // of opaque pixels: the low 16 bits of their codes
    std::vector<Starts> starts;
    Array<Entry> rest;  // the other colors of each chunk, ascending
    std::vector<Starts> rest_starts;
};

// Partitions chunks, one at a time.
template <int Channels>
class Partitioner {
public:
    void run(const uint8_t* pixels, size_t n, size_t chunk, Partition& out) {
        const size_t begin = chunk * chunk_pixels, size = std::min(chunk_pixels, n - begin);
        const uint8_t* from = pixels + begin * Channels;
        if (!codes_) codes_ = allocate<uint32_t>(chunk_pixels);
        kernels().morton(from, size, Channels, codes_.get());
        size_t opaque = size;
        if (Channels == 4) {
            opaque = keep_opaque(from, size);
            list_rest(from, size, out.rest.get() + begin, out.rest_starts[chunk]);
        }
        scatter(opaque, out.low.get() + begin, out.starts[chunk]);
    }

private:
    size_t keep_opaque(const uint8_t* pixels, size_t n) noexcept {
        size_t opaque = 0;
        for (size_t i = 0; i < n; ++i) {
            codes_[opaque] = codes_[i];
            opaque += pixels[i * 4 + 3] == 255;
        }
        return opaque;
    }

    void list_rest(const uint8_t* pixels, size_t n, Entry* out, Starts& starts) {
        if (!keys_) {
            keys_ = allocate<uint32_t>(chunk_pixels);
            sorted_ = allocate<uint32_t>(chunk_pixels);
        }
        uint32_t clear = 0;
        size_t visible = 0, size = 0;
        for (size_t i = 0; i < n; ++i) {
            const uint8_t alpha = pixels[i * 4 + 3];
            clear += alpha == 0;
            if (alpha != 255 && alpha != 0) keys_[visible++] = morton_rgba(pixels + i * 4);
        }
        radix_sort<3, 11>(keys_.get(), visible, sorted_.get());
        for (size_t i = 0; i < visible; ++i) size += add(sorted_[i], 1, out, size);
        if (clear) out[size++] = {clear_code, clear};
        for (size_t i = 0, bucket = 0; bucket <= buckets; ++bucket) {
            while (i < size && out[i].key >> 24 < bucket) ++i;
            starts[bucket] = static_cast<uint32_t>(i);
        }
    }

    void scatter(size_t n, uint16_t* low, Starts& starts) const noexcept {
        // Neighbors tend to share a bucket, and each must wait for the counter of the one before.
        // Four streams from different parts of the chunk, with counters of their own, need not wait.
        uint32_t at[streams][buckets] = {};  // an array of the language: its indices are not checked
        const size_t length = n / streams;
        const uint32_t* codes = codes_.get();
        const auto each = [&](const auto& visit) {
            for (size_t i = 0; i < length; ++i)
                for (size_t s = 0; s < streams; ++s) visit(s, codes[s * length + i]);
            for (size_t i = length * streams; i < n; ++i) visit(size_t{0}, codes[i]);
        };
        // The scattered writes that follow find their lines in cache: a quarter of the cold pass.
        for (size_t i = 0; i < n; i += 64 / sizeof *low) __builtin_prefetch(low + i, 1);
        each([&](size_t s, uint32_t code) { ++at[s][code >> 16]; });
        uint32_t total = 0;
        for (size_t bucket = 0; bucket < buckets; ++bucket) {
            starts[bucket] = total;
            for (auto& counts : at) counts[bucket] = std::exchange(total, total + counts[bucket]);
        }
        starts[buckets] = total;
        each([&](size_t s, uint32_t code) { low[at[s][code >> 16]++] = static_cast<uint16_t>(code); });
    }

    Array<uint32_t> codes_, keys_, sorted_;
};

template <int Channels>
Partition partition(const uint8_t* pixels, size_t n, unsigned threads) {
    Partition all(n, Channels);
    std::vector<Partitioner<Channels>> workers(threads);
    parallel_for(all.chunks, threads, [&](size_t chunk, unsigned worker) {
        workers[worker].run(pixels, n, chunk, all);
    });
    return all;
}

// Counts what is in a bucket. Its counters are all zero between uses.
class BucketCounter {
public:
    // Opaque colors: writes those of the bucket to `out`, ascending, and returns how many.
    size_t count(const Partition& all, size_t bucket, Entry* out) {
        if (!counts_) {
            counts_ = allocate<uint32_t>(bucket_codes);
            std::fill_n(counts_.get(), bucket_codes, 0u);
            found_ = allocate<uint32_t>(bucket_codes + 16);
            used_.resize(bucket_codes / 16);
        }
        uint32_t *const counts = counts_.get(), *const found = found_.get();
        uint8_t* const used = used_.data();
        for (size_t chunk = 0; chunk < all.chunks; ++chunk) {
            const uint16_t* low = all.low.get() + chunk * chunk_pixels;
            const size_t end = all.starts[chunk][bucket + 1];
            for (size_t i = all.starts[chunk][bucket]; i < end; ++i) {
                ++counts[low[i]];
                used[low[i] >> 4] = 1;
            }
        }
        const size_t size = kernels().list_used(counts, used, used_.size(), found);
        for (size_t i = 0; i < size; ++i) {
            out[i] = {static_cast<uint32_t>(bucket) << 16 | found[i], counts[found[i]]};
            counts[found[i]] = 0;
        }
        return size;
    }

    // The same for the other colors; `out` needs room for what is in the bucket of all chunks.
    size_t count_rest(const Partition& all, size_t bucket, Entry* out) {
        size_t n = 0, size = 0;
        for (size_t chunk = 0; chunk < all.chunks; ++chunk) {
            const Entry* entries = all.rest.get() + chunk * chunk_pixels;
            for (size_t i = all.rest_starts[chunk][bucket]; i < all.rest_starts[chunk][bucket + 1]; ++i)
                out[n++] = entries[i];
        }
        const Array<Entry> sorted = allocate<Entry>(n);
        radix_sort<3, 8>(out, n, sorted.get());
        for (size_t i = 0; i < n; ++i) size += add(sorted[i].key, sorted[i].count, out, size);
        return size;
    }

private:
    Array<uint32_t> counts_, found_;
    std::vector<uint8_t> used_;
};

// The colors of all buckets in storage order: first the opaque ones, then the others.
struct Found {
    Array<Entry> entries;
    std::vector<size_t> begins, sizes;  // of each bucket; there is room behind its entries
};

Found count_buckets(const Partition& all, unsigned threads) {
    Found found;
    size_t room = 0;
    for (const auto* starts : {&all.starts, &all.rest_starts}) {
        for (size_t bucket = 0; bucket < buckets && !starts->empty(); ++bucket) {
            found.begins.push_back(room);
            size_t most = 0;
            for (const Starts& chunk : *starts) most += chunk[bucket + 1] - chunk[bucket];
            room += starts == &all.starts ? std::min(most, bucket_codes) : most;
        }
    }
    found.entries = allocate<Entry>(room, true);
    found.sizes.resize(found.begins.size());
    std::vector<BucketCounter> counters(threads);
    parallel_for(found.begins.size(), threads, [&](size_t i, unsigned worker) {
        Entry* out = found.entries.get() + found.begins[i];
        found.sizes[i] = i < buckets ? counters[worker].count(all, i, out)
                                     : counters[worker].count_rest(all, i - buckets, out);
    });
    return found;
}

void write_colors(const Entry* entries, size_t n, bool opaque, size_t channels, uint8_t* out) noexcept {
    uint32_t colors[block_pixels];
    for (size_t i = 0; i < n; ++i) colors[i] = opaque ? entries[i].key : unmorton_rgba(entries[i].key);
    if (opaque) kernels().unmorton(colors, n);
    if (channels == 4) {
        std::memcpy(out, colors, n * 4);
        return;
    }
    for (size_t i = 0; i < n; ++i) std::memcpy(out + i * 3, &colors[i], 3);
}

Counts put_together(const Found& found, int channels, unsigned threads) {
    std::vector<size_t> starts;
    Counts all;
    for (const size_t size : found.sizes) starts.push_back(std::exchange(all.size, all.size + size));
    const auto c = static_cast<size_t>(channels);
    all.colors = allocate<uint8_t>(all.size * c);
    all.counts = allocate<int64_t>(all.size);
    parallel_for(found.sizes.size(), threads, [&](size_t part, unsigned) {
        const Entry* entries = found.entries.get() + found.begins[part];
        for (size_t i = 0; i < found.sizes[part]; i += block_pixels) {
            const size_t n = std::min(block_pixels, found.sizes[part] - i), at = starts[part] + i;
            write_colors(entries + i, n, part < buckets, c, &all.colors[at * c]);
            for (size_t j = 0; j < n; ++j) all.counts[at + j] = entries[i + j].count;
        }
    });
    return all;
}

// Labels of opaque colors by Z-order code, stored only for the 8 x 8 x 8 bricks of the color cube
// that hold a color: a photograph touches a tenth of them.
template <class Label>
class BrickTable {
public:
    BrickTable(const uint8_t* colors, const uint16_t* labels, size_t n, int channels, unsigned threads)
        : slots_(bricks) {
        const auto c = static_cast<size_t>(channels);
        const auto each_opaque = [&](const auto& visit) {
            parallel_chunks(n, block_pixels, threads, [&](size_t begin, size_t end, size_t) {
                uint32_t codes[block_pixels];
                kernels().morton(colors + begin * c, end - begin, channels, codes);
                for (size_t i = begin; i < end; ++i)
                    if (channels == 3 || colors[i * 4 + 3] == 255) visit(codes[i - begin], labels[i]);
            });
        };
        const std::unique_ptr<std::atomic<bool>[]> used(new std::atomic<bool>[bricks]());
        each_opaque([&](uint32_t code, uint16_t) {
            used[code >> brick_bits].store(true, std::memory_order_relaxed);
        });
        uint32_t size = 1;  // the first brick stands in for all that hold no color
        for (size_t brick = 0; brick < bricks; ++brick)
            if (used[brick]) slots_[brick] = size++ << brick_bits;
        table_ = allocate<Label>(size_t{size} << brick_bits);  // of the others, only known colors are read
        std::fill_n(table_.get(), size_t{1} << brick_bits, Label{0});
        each_opaque([&](uint32_t code, uint16_t label) {
            table_[place(code)] = static_cast<Label>(label);
        });
    }
    Label operator[](uint32_t code) const noexcept {
        return table_[place(code)];
    }

private:
    static constexpr int brick_bits = 9;
    static constexpr size_t bricks = size_t{1} << (24 - brick_bits);

    size_t place(uint32_t code) const noexcept {
        return slots_[code >> brick_bits] | (code & ((1u << brick_bits) - 1));
    }
    std::vector<uint32_t> slots_;
    Array<Label> table_;
};

// Labels of the other colors, by open addressing, at most half full.
class RestTable {
public:
    RestTable(const uint8_t* colors, const uint16_t* labels, size_t n) {
        size_t size = 0;
        for (size_t i = 0; i < n; ++i) size += colors[i * 4 + 3] != 255;
        for (; size_t{1} << (32 - shift_) < size * 2; --shift_) {}
        colors_.assign(size_t{1} << (32 - shift_), nothing);
        labels_.resize(colors_.size());
        for (size_t i = 0; i < n; ++i) {
            if (i % chunk_pixels == 0) check_interruption();
            if (colors[i * 4 + 3] == 255) continue;
            const size_t slot = find(colors + i * 4);
            colors_[slot] = pack(colors + i * 4);
            labels_[slot] = labels[i];
        }
    }
    // 0 for colors that are not there.
    uint16_t operator[](const uint8_t* color) const noexcept { return labels_[find(color)]; }

private:
    static constexpr uint32_t nothing = 0xFFFFFFFF;  // an opaque color: none of these

    static uint32_t pack(const uint8_t* p) noexcept {
        if (p[3] == 0) return 0;
        return p[0] | static_cast<uint32_t>(p[1]) << 8 | static_cast<uint32_t>(p[2]) << 16 |
               static_cast<uint32_t>(p[3]) << 24;
    }
    size_t find(const uint8_t* p) const noexcept {
        const uint32_t color = pack(p);
        // Knuth's multiplicative hash.
        size_t i = static_cast<size_t>(uint64_t{color * 0x9E3779B1u} >> shift_);
        while (colors_[i] != nothing && colors_[i] != color) i = (i + 1) & (colors_.size() - 1);
        return i;
    }

    std::vector<uint32_t> colors_;
    std::vector<uint16_t> labels_;
    int shift_ = 31;
};

}  // namespace

Counts count_colors(const uint8_t* pixels, size_t n, int channels, unsigned threads) {
    threads = useful_threads(n, thread_pixels, threads);
    const auto count = [&] {
        const Partition all =
            channels == 3 ? partition<3>(pixels, n, threads) : partition<4>(pixels, n, threads);
        return count_buckets(all, threads);
    };
    return put_together(count(), channels, threads);
}

void storage_order(const uint8_t* colors, size_t n, int channels, uint32_t* order) {
    const auto key = [&](uint32_t i) {
        return storage_key(colors + i * static_cast<size_t>(channels), channels);
    };
    for (size_t i = 0; i < n; ++i) order[i] = static_cast<uint32_t>(i);
    size_t compared = 0;
    std::sort(order, order + n, [&](uint32_t a, uint32_t b) {
        if (++compared % chunk_pixels == 0) check_interruption();
        return key(a) < key(b);
    });
}

bool weigh(const uint16_t* labels, const int64_t* counts, size_t n, size_t k, int64_t* weights,
           unsigned threads) {
    // Neighbors share a label; two sums in turn need not wait for each other.
    constexpr size_t banks = 2;
    threads = useful_threads(n, 2 * (thread_pixels + k), threads);
    std::vector<std::vector<int64_t>> sums(threads, std::vector<int64_t>(k * banks));
    std::atomic<bool> known{true};
    parallel_for((n + chunk_pixels - 1) / chunk_pixels, threads, [&](size_t chunk, unsigned worker) {
        const size_t begin = chunk * chunk_pixels, end = std::min(n, begin + chunk_pixels);
        if (*std::max_element(labels + begin, labels + end) >= k) {
            known = false;
            return;
        }
        int64_t* sum = sums[worker].data();
        for (size_t i = begin; i < end; ++i) sum[labels[i] * banks + i % banks] += counts[i];
    });
    for (const auto& sum : sums)
        for (size_t j = 0; j < k * banks; ++j) weights[j / banks] += sum[j];
    return known;
}

template <class Label>
void gather(const uint8_t* pixels, size_t n, int channels, const uint8_t* colors,
            const uint16_t* labels, size_t n_colors, Label* out, unsigned threads) {
    threads = useful_threads(n, thread_pixels, threads);
    const BrickTable<Label> opaque(colors, labels, n_colors, channels, threads);
    const RestTable rest(colors, labels, channels == 4 ? n_colors : 0);
    const auto c = static_cast<size_t>(channels);
    parallel_chunks(n, chunk_pixels, threads, [&](size_t begin, size_t end, size_t) {
        uint32_t codes[block_pixels];
        for (; begin < end; begin += block_pixels) {
            const uint8_t* from = pixels + begin * c;
            const size_t size = std::min(block_pixels, end - begin);
            Label* to = out + begin;
            kernels().morton(from, size, channels, codes);
            if (channels == 3) {
                for (size_t i = 0; i < size; ++i) to[i] = opaque[codes[i]];
            } else {
                for (size_t i = 0; i < size; ++i)
                    to[i] = from[i * 4 + 3] == 255 ? opaque[codes[i]]
                                                   : static_cast<Label>(rest[from + i * 4]);
            }
        }
    });
}

template void gather<uint8_t>(const uint8_t*, size_t, int, const uint8_t*, const uint16_t*, size_t,
                              uint8_t*, unsigned);
template void gather<uint16_t>(const uint8_t*, size_t, int, const uint8_t*, const uint16_t*, size_t,
                               uint16_t*, unsigned);

}  // namespace smalti
