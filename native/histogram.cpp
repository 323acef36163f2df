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
constexpr size_t chunk_pixels = size_t{1} << 18;

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

template <int Channels>
bool is_opaque(const uint8_t* pixel) noexcept {
    return Channels == 3 || pixel[3] == 255;
}

// The Z-order codes of the opaque pixels, grouped by their high byte.
struct Partition {
    std::vector<uint16_t> low;             // the low 16 bits, bucket after bucket
    std::array<size_t, buckets + 1> start{};
};

template <int Channels>
Partition partition(const uint8_t* pixels, size_t n, unsigned threads) {
    const size_t chunks = (n + chunk_pixels - 1) / chunk_pixels;
    std::vector<std::array<size_t, buckets>> at(chunks);
    const auto each_opaque = [&](size_t chunk, const auto& visit) {
        const size_t end = std::min(n, (chunk + 1) * chunk_pixels);
        for (size_t i = chunk * chunk_pixels; i < end; ++i) {
            const uint8_t* pixel = pixels + i * Channels;
            if (is_opaque<Channels>(pixel)) visit(morton_rgb(pixel));
        }
    };
    parallel_for(chunks, threads, [&](size_t chunk, unsigned) {
        at[chunk].fill(0);
        each_opaque(chunk, [&](uint32_t code) { ++at[chunk][code >> 16]; });
    });
    Partition result;
    size_t total = 0;
    for (size_t bucket = 0; bucket < buckets; ++bucket) {
        result.start[bucket] = total;
        for (auto& counts : at) {
            const size_t count = counts[bucket];
            counts[bucket] = total;
            total += count;
        }
    }
    result.start[buckets] = total;
    result.low.resize(total);
    parallel_for(chunks, threads, [&](size_t chunk, unsigned) {
        each_opaque(chunk, [&](uint32_t code) {
            result.low[at[chunk][code >> 16]++] = static_cast<uint16_t>(code);
        });
    });
    return result;
}

// Counters of one bucket; all zero between uses.
struct BucketCounters {
    std::vector<uint32_t> counts = std::vector<uint32_t>(bucket_codes);
    std::vector<uint8_t> touched = std::vector<uint8_t>(bucket_codes / 16);

    void count(const uint16_t* codes, size_t n, uint32_t high, Counts& out) {
        for (size_t i = 0; i < n; ++i) {
            ++counts[codes[i]];
            touched[codes[i] >> 4] = 1;
        }
        for (uint32_t line = 0; line < touched.size(); ++line) {
            if (!touched[line]) continue;
            touched[line] = 0;
            for (uint32_t code = line * 16; code < line * 16 + 16; ++code) {
                if (!counts[code]) continue;
                out.colors.push_back(unmorton_rgb(high << 16 | code) | 0xFF000000u);
                out.counts.push_back(counts[code]);
                counts[code] = 0;
            }
        }
    }
};

Counts count_opaque(const Partition& partition, unsigned threads) {
    std::vector<Counts> found(buckets);
    std::vector<BucketCounters> counters(std::max(1u, threads));
    std::atomic<bool> out_of_memory{false};
    parallel_for(buckets, threads, [&](size_t bucket, unsigned worker) {
        const size_t begin = partition.start[bucket], end = partition.start[bucket + 1];
        if (begin == end) return;
        try {
            counters[worker].count(partition.low.data() + begin, end - begin,
                                   static_cast<uint32_t>(bucket), found[bucket]);
        } catch (const std::bad_alloc&) {
            out_of_memory = true;  // must not leave the thread
        }
    });
    if (out_of_memory) throw std::bad_alloc();
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

uint32_t storage_key(uint32_t color) noexcept {
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
        entries.push_back({storage_key(color), color, count});
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
        : slots_(bricks, absent) {
        uint32_t used = 0;
        const auto each_opaque = [&](const auto& visit) {
            for (size_t i = 0; i < n; ++i) {
                const uint8_t* color = colors + i * static_cast<size_t>(channels);
                if (channels == 3 || color[3] == 255) visit(morton_rgb(color), labels[i]);
            }
        };
        each_opaque([&](uint32_t code, uint16_t) {
            uint32_t& slot = slots_[code >> 12];
            if (slot == absent) slot = used++ << 12;
        });
        table_.reset(new Label[std::max<size_t>(used, 1) << 12]);  // only known colors are read
        each_opaque([&](uint32_t code, uint16_t label) {
            table_[slots_[code >> 12] | (code & 4095)] = static_cast<Label>(label);
        });
    }
    Label operator[](uint32_t code) const noexcept {
        return table_[slots_[code >> 12] | (code & 4095)];
    }

private:
    static constexpr size_t bricks = 4096;
    static constexpr uint32_t absent = UINT32_MAX;
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
    Counts all = count_opaque(channels == 3 ? partition<3>(pixels, n, threads)
                                            : partition<4>(pixels, n, threads),
                              threads);
    if (channels == 4) append_transparent(pixels, n, all);
    return all;
}

void storage_order(const uint8_t* colors, size_t n, int channels, uint32_t* order) {
    const auto key = [&](uint32_t i) -> uint64_t {
        const uint8_t* color = colors + i * static_cast<size_t>(channels);
        if (channels == 3 || color[3] == 255) return morton_rgb(color);
        return uint64_t{1} << 32 | morton_rgba(color);
    };
    for (size_t i = 0; i < n; ++i) order[i] = static_cast<uint32_t>(i);
    std::sort(order, order + n, [&](uint32_t a, uint32_t b) { return key(a) < key(b); });
}

template <class Label>
void gather(const uint8_t* pixels, size_t n, int channels, const uint8_t* colors,
            const uint16_t* labels, size_t n_colors, Label* out, unsigned threads) {
    const BrickTable<Label> opaque(colors, labels, n_colors, channels);
    const auto chunks = (n + chunk_pixels - 1) / chunk_pixels;
    if (channels == 3) {
        parallel_for(chunks, threads, [&](size_t chunk, unsigned) {
            const size_t end = std::min(n, (chunk + 1) * chunk_pixels);
            for (size_t i = chunk * chunk_pixels; i < end; ++i)
                out[i] = opaque[morton_rgb(pixels + i * 3)];
        });
        return;
    }
    const ColorMap<uint16_t> rest = map_transparent(colors, labels, n_colors);
    parallel_for(chunks, threads, [&](size_t chunk, unsigned) {
        const size_t end = std::min(n, (chunk + 1) * chunk_pixels);
        for (size_t i = chunk * chunk_pixels; i < end; ++i) {
            const uint8_t* pixel = pixels + i * 4;
            if (pixel[3] == 255) {
                out[i] = opaque[morton_rgb(pixel)];
            } else {
                const uint16_t* label = rest.get(pixel[3] ? pack(pixel) : 0);
                out[i] = static_cast<Label>(label ? *label : 0);
            }
        }
    });
}

template void gather<uint8_t>(const uint8_t*, size_t, int, const uint8_t*, const uint16_t*, size_t,
                              uint8_t*, unsigned);
template void gather<uint16_t>(const uint8_t*, size_t, int, const uint8_t*, const uint16_t*, size_t,
                               uint16_t*, unsigned);

}  // namespace smalti
