// The exactly nearest palette entry of any place in a working space, for dithering: there, what is
// looked up are not the colors of the image, which a tree could hold, but places between them.
//
// Space is cut into cubic cells. The first place asked for in a cell makes the cell's list: the entries
// that can be nearest somewhere in it. A handful remain of 256, so that most lists are one vector.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "../core.hpp"
#include "../simd.hpp"

namespace smalti {
namespace SMALTI_LEVEL {
namespace {

template <int C>
inline int32_t length2(Quad v) noexcept {
    const Quad squares = v * v;
    return squares[0] + squares[1] + squares[2] + (C == 4 ? squares[3] : 0);
}

// A point as a place.
template <int C>
inline Quad place_of(const int16_t* point, const int32_t* bounds) noexcept {
    Quad place = {};
    for (int d = 0; d < C; ++d) place[d] = point[d] - bounds[2 * d];
    return place;
}

template <int C>
std::vector<Quad> entry_places(const int16_t* entries, size_t k, const int32_t* bounds) {
    std::vector<Quad> places;
    for (size_t j = 0; j < k; ++j) places.push_back(place_of<C>(entries + j * C, bounds));
    return places;
}

// Measured best: colors fill less of Oklab's box than of the RGB cube, and so smaller cells pay.
template <int C>
constexpr int cell_shift(Space space) noexcept {
    return C == 3 && space == Space::oklab ? 9 : 10;
}

struct Found {
    int32_t row, d2;
};

template <int C>
class EntryCells {
public:
    // Of the entries, those that are allowed; null allows all.
    // `shift` is of a coordinate to its cell.
    EntryCells(const Quad* entries, size_t k, const uint8_t* allowed, int shift)
        : shift_(shift), axis_bits_(15 - shift), last_((1 << shift) - 1),
          cells_(static_cast<uint32_t*>(std::calloc(size_t{1} << ((15 - shift) * C), 4))) {
        if (!cells_) throw std::bad_alloc();
        for (size_t j = 0; j < k; ++j)
            if (!allowed || allowed[j]) rows_.push_back(static_cast<int32_t>(j));
        while (rows_.size() % static_cast<size_t>(lanes)) rows_.push_back(rows_.back());
        for (int d = 0; d < C; ++d)
            for (const int32_t row : rows_) axes_[d].push_back(entries[row][d]);
        kept_.resize(rows_.size() + static_cast<size_t>(lanes));
    }

    // The nearest entry, the lowest row of several.
    SMALTI_INLINE Found nearest(Quad place) {
        size_t at = 0;
        for (int d = 0; d < C; ++d)
            at |= static_cast<size_t>(static_cast<uint32_t>(place[d]) >> shift_) << (axis_bits_ * d);
        uint32_t cell = cells_[at];
        if (__builtin_expect(!cell, 0)) cell = cells_[at] = list(place);
        const Block* block = blocks_.data() + (cell >> count_bits);
        const uint32_t count = cell & ((1u << count_bits) - 1);
        Ints xy, za;
        pack_all(place, xy, za);
        const Ints d2 = block->d2(xy, za);
        if (__builtin_expect(count > 1, 0)) return nearest_of_many(block, count, xy, za);
        const int32_t least = lowest(d2);
        return {block->rows[first_lane(d2, least)], least};  // lower rows come first
    }

private:
    struct alignas(64) Block {
        int32_t xy[lanes], za[lanes], rows[lanes];  // two coordinates in each

        Ints d2(Ints place_xy, Ints place_za) const noexcept {
            return distance2(load<Ints>(xy), place_xy) + distance2(load<Ints>(za), place_za);
        }
    };
    static constexpr int count_bits = 7;  // 256 entries in vectors of 4 lanes are 64 blocks

    SMALTI_NOINLINE static Found nearest_of_many(const Block* block, uint32_t count, Ints xy, Ints za) noexcept {
        Ints best = block->d2(xy, za), row = load<Ints>(block->rows);
        while (--count) {
            ++block;
            const Ints d2 = block->d2(xy, za), less = d2 < best;
            best = less ? d2 : best;
            row = less ? load<Ints>(block->rows) : row;
        }
        // In a lane, lower rows come first, and so they stay; across the lanes, they have to be found.
        const int32_t least = lowest(best);
        return {lowest(best == all(least) ? row : all(INT32_MAX)), least};
    }

    // Makes the list of the cell of a place: where it starts and how many blocks it has.
    // An entry stays unless the one nearest to the cell's center is nearer in every corner, and so,
    // because the difference of two squared distances is linear, everywhere.
    SMALTI_NOINLINE uint32_t list(Quad place) {
        int32_t corner[C], rival[C];
        for (int d = 0; d < C; ++d) corner[d] = place[d] >> shift_ << shift_;
        const size_t central = most_central(corner);
        for (int d = 0; d < C; ++d) rival[d] = axes_[d][central] - corner[d];
        Ints at;
        for (int i = 0; i < lanes; ++i) at[i] = i;
        size_t kept = 0;
        for (size_t i = 0; i < rows_.size(); i += lanes, at += lanes) {
            Ints least = {};  // of the difference of both squared distances in the cell
            for (int d = 0; d < C; ++d) {
                const Ints x = load<Ints>(&axes_[d][i]) - corner[d], way = x - rival[d];
                least += (x + rival[d]) * way - (way > 0 ? way : Ints{}) * (2 * last_);
            }
            const unsigned keep = bits(least <= Ints{});
            compress(keep, at, &kept_[kept]);
            kept += static_cast<size_t>(__builtin_popcount(keep));
        }
        return blocks_of(kept);
    }

    size_t most_central(const int32_t* corner) const noexcept {
        Ints best = all(INT32_MAX), central = {}, at;
        for (int i = 0; i < lanes; ++i) at[i] = i;
        for (size_t i = 0; i < rows_.size(); i += lanes, at += lanes) {
            Ints d2 = {};
            for (int d = 0; d < C; ++d) {
                const Ints x = load<Ints>(&axes_[d][i]) - (corner[d] + last_ / 2);
                d2 += x * x;
            }
            const Ints less = d2 < best;
            best = less ? d2 : best;
            central = less ? at : central;
        }
        return static_cast<size_t>(central[first_lane(best, lowest(best))]);  // any of several
    }

    // The kept entries in blocks. The last one is filled with copies of its last entry, which
    // are never nearer and have no lower row.
    uint32_t blocks_of(size_t kept) {
        const size_t start = blocks_.size(), count = (kept + lanes - 1) / lanes;
        blocks_.resize(start + count);
        for (size_t i = 0; i < count * lanes; ++i) {
            const auto from = static_cast<size_t>(kept_[std::min(i, kept - 1)]);
            Block& block = blocks_[start + i / lanes];
            const int32_t a = C == 4 ? axes_[C - 1][from] : 0;
            block.xy[i % lanes] = (axes_[0][from] & 0xffff) | axes_[1][from] << 16;
            block.za[i % lanes] = (axes_[2][from] & 0xffff) | a << 16;
            block.rows[i % lanes] = rows_[from];
        }
        return static_cast<uint32_t>(start << count_bits | count);
    }

    struct Free {
        void operator()(void* memory) const noexcept { std::free(memory); }
    };
    int shift_, axis_bits_;
    int32_t last_;  // of the coordinates in a cell
    std::unique_ptr<uint32_t[], Free> cells_;  // 0 where no list has been made; pages come when touched
    std::vector<int32_t> axes_[C], rows_, kept_;
    std::vector<Block> blocks_;
};

}  // namespace
}  // namespace SMALTI_LEVEL
}  // namespace smalti
