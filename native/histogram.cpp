// Exact color counts, and their inverse: from each pixel to the label of its color.
//
// Opaque colors are counted by one partition: pixels are scattered into 256 buckets by the high
// byte of their Z-order code, so that the counters of one bucket (65,536 of them) stay in cache and
// come out in storage order. Partly transparent colors are few in practice and go through a hash.
#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <new>

#include "core.hpp"
#include "morton.hpp"
#include "parallel.hpp"

namespace smalti {
namespace {

constexpr size_t buckets = 256;
constexpr size_t bucket_codes = 65536;
constexpr size_t streams = 4;
constexpr size_t chunk_pixels = 65536;  // codes of a chunk stay in the second-level cache

uint32_t pack(const uint8_t* p) noexcept {
    return p[0] | static_cast<uint32_t>(p[1]) << 8 | static_cast<uint32_t>(p[2]) << 16 |
           static_cast<uint32_t>(p[3]) << 24;
}

// From a packed RGBA color to a value: open addressing, at most half full, never shrinks.
template <class Value>
class ColorMap {
public:
    explicit ColorMap(size_t expected = 512) { resize(expected * 2); }

    Value& operator[](uint32_t color) {
        if (2 * (size_ + 1) > slots_.size()) grow();
        Slot& slot = find(color);
        if (!slot.used) {
            slot.color = color;
            slot.used = true;
            ++size_;
        }
        return slot.value;
    }
    const Value* get(uint32_t color) const noexcept {
        const Slot& slot = const_cast<ColorMap*>(this)->find(color);
        return slot.used ? &slot.value : nullptr;
    }
    template <class Visit>
    void each(const Visit& visit) const {
        for (const Slot& slot : slots_)
            if (slot.used) visit(slot.color, slot.value);
    }
    size_t size() const noexcept { return size_; }

private:
    struct Slot {
        uint32_t color = 0;
        bool used = false;
        Value value{};
    };
    Slot& find(uint32_t color) noexcept {
        size_t i = (color * 0x9E3779B1u) >> shift_;  // Knuth's multiplicative hash
        while (slots_[i].used && slots_[i].color != color) i = (i + 1) & (slots_.size() - 1);
        return slots_[i];
    }
    void resize(size_t least) {
        shift_ = 32;
        size_t size = 1;
        while (size < least) size *= 2, --shift_;
        slots_.assign(size, Slot{});
    }
    void grow() {
        const std::vector<Slot> old = std::move(slots_);
        resize(old.size() * 2);
        for (const Slot& slot : old)
            if (slot.used) find(slot.color) = slot;
    }
    std::vector<Slot> slots_;
    size_t size_ = 0;
    int shift_ = 32;
};

// The Z-order codes of the opaque pixels of one chunk, grouped by their high byte.
struct Chunk {
    std::unique_ptr<uint16_t[]> low;            // the low 16 bits, bucket after bucket
    std::array<uint32_t, buckets + 1> start{};  // where each bucket begins
};

template <int Channels>
Chunk partition(const uint8_t* pixels, size_t n) {
    std::vector<uint32_t> codes(n);
    kernels().morton(pixels, n, Channels, codes.data());
    if (Channels == 4) {
        size_t opaque = 0;
        for (size_t i = 0; i < n; ++i) {
            codes[opaque] = codes[i];
            opaque += pixels[i * Channels + 3] == 255;
        }
        n = opaque;
    }
    // Neighbors tend to share a bucket, and each must wait for the counter of the one before.
    // Four streams from different parts of the chunk, with counters of their own, need not wait.
    std::array<std::array<uint32_t, buckets>, streams> at{};
    const size_t length = n / streams;
    const auto each = [&](const auto& visit) {
        for (size_t i = 0; i < length; ++i)
            for (size_t s = 0; s < streams; ++s) visit(s, codes[s * length + i]);
        for (size_t i = length * streams; i < n; ++i) visit(size_t{0}, codes[i]);
    };
    each([&](size_t s, uint32_t code) { ++at[s][code >> 16]; });
    Chunk chunk;
    uint32_t total = 0;
    for (size_t bucket = 0; bucket < buckets; ++bucket) {
        chunk.start[bucket] = total;
        for (auto& counts : at) {
            const uint32_t count = counts[bucket];
            counts[bucket] = total;
            total += count;
        }
    }
    chunk.start[buckets] = total;
    chunk.low.reset(new uint16_t[total]);
    uint16_t* low = chunk.low.get();
    each([&](size_t s, uint32_t code) { low[at[s][code >> 16]++] = static_cast<uint16_t>(code); });
    return chunk;
}

// Counters of one bucket, and a mark for each line of 16 that has one in use. All zero between uses.
class BucketCounters {
public:
    void add(const uint16_t* codes, size_t n) noexcept {
        for (size_t i = 0; i < n; ++i) {
            ++counts_[codes[i]];
            used_[codes[i] >> 4] = 1;
        }
    }
    // Moves the counts to `out`, in the order of their codes.
    void take(uint32_t high, Counts& out) {
        const size_t size = kernels().list_used(counts_.data(), used_.data(), used_.size(), found_.data());
        out.colors.resize(size);
        out.counts.resize(size);
        for (size_t i = 0; i < size; ++i) {
            out.colors[i] = high << 16 | found_[i];
            out.counts[i] = counts_[found_[i]];
            counts_[found_[i]] = 0;
        }
        kernels().unmorton(out.colors.data(), size);
    }

private:
    std::vector<uint32_t> counts_ = std::vector<uint32_t>(bucket_codes);
    std::vector<uint8_t> used_ = std::vector<uint8_t>(bucket_codes / 16);
    std::vector<uint32_t> found_ = std::vector<uint32_t>(bucket_codes + 16);
};

// Runs a task that may throw on several threads, and throws here if memory ran out in one.
template <class Task>
void parallel_allocating(size_t n, unsigned threads, const Task& task) {
    std::atomic<bool> out_of_memory{false};
    parallel_for(n, threads, [&](size_t i, unsigned worker) {
        try {
            task(i, worker);
        } catch (const std::bad_alloc&) {
            out_of_memory = true;
        }
    });
    if (out_of_memory) throw std::bad_alloc();
}

template <int Channels>
std::vector<Chunk> partition_chunks(const uint8_t* pixels, size_t n, unsigned threads) {
    std::vector<Chunk> chunks((n + chunk_pixels - 1) / chunk_pixels);
    parallel_allocating(chunks.size(), threads, [&](size_t i, unsigned) {
        const size_t begin = i * chunk_pixels;
        chunks[i] = partition<Channels>(pixels + begin * Channels, std::min(chunk_pixels, n - begin));
    });
    return chunks;
}

Counts count_opaque(const std::vector<Chunk>& chunks, unsigned threads) {
    std::vector<Counts> found(buckets);
    std::vector<BucketCounters> counters(std::max(1u, threads));
    parallel_allocating(buckets, threads, [&](size_t bucket, unsigned worker) {
        bool any = false;
        for (const Chunk& chunk : chunks) {
            const uint32_t begin = chunk.start[bucket], end = chunk.start[bucket + 1];
            counters[worker].add(chunk.low.get() + begin, end - begin);
            any = any || begin < end;
        }
        if (any) counters[worker].take(static_cast<uint32_t>(bucket), found[bucket]);
    });
    Counts all;
    size_t total = 0;
    for (const auto& part : found) total += part.colors.size();
    all.colors.reserve(total);
    all.counts.reserve(total);
    for (const auto& part : found) {
        all.colors.insert(all.colors.end(), part.colors.begin(), part.colors.end());
        all.counts.insert(all.counts.end(), part.counts.begin(), part.counts.end());
    }
    return all;
}

uint32_t transparent_key(uint32_t color) noexcept {
    const uint8_t channels[4] = {static_cast<uint8_t>(color), static_cast<uint8_t>(color >> 8),
                                 static_cast<uint8_t>(color >> 16),
                                 static_cast<uint8_t>(color >> 24)};
    return morton_rgba(channels);
}

void append_transparent(const uint8_t* pixels, size_t n, Counts& all) {
    ColorMap<int64_t> map;
    for (size_t i = 0; i < n; ++i) {
        const uint8_t* pixel = pixels + i * 4;
        if (pixel[3] != 255) ++map[pixel[3] ? pack(pixel) : 0];
    }
    struct Entry {
        uint32_t key, color;
        int64_t count;
    };
    std::vector<Entry> entries;
    entries.reserve(map.size());
    map.each([&](uint32_t color, int64_t count) {
        entries.push_back({transparent_key(color), color, count});
    });
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return a.key < b.key; });  // keys are distinct
    for (const Entry& entry : entries) {
        all.colors.push_back(entry.color);
        all.counts.push_back(entry.count);
    }
}

// Labels of opaque colors by Z-order code, stored only for the 16 x 16 x 16 bricks of the color
// cube that hold a color: a photograph touches a tenth of them.
template <class Label>
class BrickTable {
public:
    BrickTable(const uint8_t* colors, const uint16_t* labels, size_t n, int channels)
        : slots_(bricks) {
        uint32_t used = 1;  // the first brick stands in for all that hold no color
        const auto each_opaque = [&](const auto& visit) {
            for (size_t i = 0; i < n; ++i) {
                const uint8_t* color = colors + i * static_cast<size_t>(channels);
                if (channels == 3 || color[3] == 255) visit(morton_rgb(color), labels[i]);
            }
        };
        each_opaque([&](uint32_t code, uint16_t) {
            uint32_t& slot = slots_[code >> 12];
            if (slot == 0) slot = used++ << 12;
        });
        table_.reset(new Label[size_t{used} << 12]);  // of the others, only known colors are read
        std::fill_n(table_.get(), 4096, Label{0});
        each_opaque([&](uint32_t code, uint16_t label) {
            table_[slots_[code >> 12] | (code & 4095)] = static_cast<Label>(label);
        });
    }
    Label operator[](uint32_t code) const noexcept {
        return table_[slots_[code >> 12] | (code & 4095)];
    }

private:
    static constexpr size_t bricks = 4096;
    std::vector<uint32_t> slots_;
    std::unique_ptr<Label[]> table_;
};

ColorMap<uint16_t> map_transparent(const uint8_t* colors, const uint16_t* labels, size_t n) {
    ColorMap<uint16_t> map;
    for (size_t i = 0; i < n; ++i)
        if (colors[i * 4 + 3] != 255) map[pack(colors + i * 4)] = labels[i];
    return map;
}

}  // namespace

Counts count_colors(const uint8_t* pixels, size_t n, int channels, unsigned threads) {
    Counts all = count_opaque(channels == 3 ? partition_chunks<3>(pixels, n, threads)
                                            : partition_chunks<4>(pixels, n, threads),
                              threads);
    if (channels == 4) append_transparent(pixels, n, all);
    return all;
}

void storage_order(const uint8_t* colors, size_t n, int channels, uint32_t* order) {
    const auto key = [&](uint32_t i) {
        return storage_key(colors + i * static_cast<size_t>(channels), channels);
    };
    for (size_t i = 0; i < n; ++i) order[i] = static_cast<uint32_t>(i);
    std::sort(order, order + n, [&](uint32_t a, uint32_t b) { return key(a) < key(b); });
}

template <class Label>
void gather(const uint8_t* pixels, size_t n, int channels, const uint8_t* colors,
            const uint16_t* labels, size_t n_colors, Label* out, unsigned threads) {
    const BrickTable<Label> opaque(colors, labels, n_colors, channels);
    ColorMap<uint16_t> rest(0);
    if (channels == 4) rest = map_transparent(colors, labels, n_colors);
    const auto c = static_cast<size_t>(channels);
    parallel_allocating((n + chunk_pixels - 1) / chunk_pixels, threads, [&](size_t chunk, unsigned) {
        const size_t begin = chunk * chunk_pixels, size = std::min(chunk_pixels, n - begin);
        const uint8_t* from = pixels + begin * c;
        Label* to = out + begin;
        std::vector<uint32_t> codes(size);
        kernels().morton(from, size, channels, codes.data());
        if (channels == 3) {
            for (size_t i = 0; i < size; ++i) to[i] = opaque[codes[i]];
            return;
        }
        for (size_t i = 0; i < size; ++i) {
            const uint8_t* pixel = from + i * 4;
            if (pixel[3] == 255) {
                to[i] = opaque[codes[i]];
            } else {
                const uint16_t* label = rest.get(pixel[3] ? pack(pixel) : 0);
                to[i] = static_cast<Label>(label ? *label : 0);
            }
        }
    });
}

template void gather<uint8_t>(const uint8_t*, size_t, int, const uint8_t*, const uint16_t*, size_t,
                              uint8_t*, unsigned);
template void gather<uint16_t>(const uint8_t*, size_t, int, const uint8_t*, const uint16_t*, size_t,
                               uint16_t*, unsigned);

}  // namespace smalti
