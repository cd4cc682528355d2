// All-pairs Dice with a floor, as fast as we can write it: what the kernel of coordinator/linkage is measured against.
//
// For comparison only, built by tools/limit_kernel.py where a compiler is; nothing of the product uses it. With
// AVX-512 VPOPCNTDQ eight filters of the right side are counted at once, the words of the left filter staying in
// registers; without, a plain loop. Filters of the right side stand in tiles of 128, word by word, in the order of
// their bits set, so that a tile whose best pair can't reach the floor is passed over; of 1,024 bits the first ten words
// are counted first, and a tile ends there if the others can't make up for it: the same work as ours.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <vector>

#if defined(__AVX512F__) && defined(__AVX512VPOPCNTDQ__)
#include <immintrin.h>
#define VECTORS 1
#endif

namespace {

constexpr std::size_t kTile = 128;
constexpr std::size_t kLeftRows = 1024;
constexpr std::size_t kHead = 10;
constexpr std::size_t kMostLeftOver = 32;

struct Side {
    std::vector<std::uint32_t> rows;
    std::vector<std::uint32_t> bits;
};

Side by_bits(const std::uint64_t* filters, std::size_t count, std::size_t words) {
    std::vector<std::uint32_t> bits(count);
    for (std::size_t row = 0; row < count; ++row)
        for (std::size_t word = 0; word < words; ++word)
            bits[row] += static_cast<std::uint32_t>(__builtin_popcountll(filters[row * words + word]));
    Side side;
    side.rows.resize(count);
    std::iota(side.rows.begin(), side.rows.end(), 0u);
    std::stable_sort(side.rows.begin(), side.rows.end(), [&](auto x, auto y) { return bits[x] < bits[y]; });
    for (auto row : side.rows) side.bits.push_back(bits[row]);
    return side;
}

// Common bits of one left filter with each of a tile; returns the most.
template <std::size_t Words>
std::uint64_t count_common(const std::uint64_t* left, const std::uint64_t* tile, std::uint64_t* common) {
#ifdef VECTORS
    __m512i row[Words];
    for (std::size_t word = 0; word < Words; ++word) row[word] = _mm512_set1_epi64(static_cast<long long>(left[word]));
    __m512i most = _mm512_setzero_si512();
    for (std::size_t at = 0; at < kTile; at += 8) {
        __m512i even = _mm512_setzero_si512(), odd = even;
        for (std::size_t word = 0; word < Words; word += 2) {
            const auto first = _mm512_and_si512(row[word], _mm512_load_si512(tile + word * kTile + at));
            const auto second = _mm512_and_si512(row[word + 1], _mm512_load_si512(tile + (word + 1) * kTile + at));
            even = _mm512_add_epi64(even, _mm512_popcnt_epi64(first));
            odd = _mm512_add_epi64(odd, _mm512_popcnt_epi64(second));
        }
        const auto sum = _mm512_add_epi64(even, odd);
        _mm512_store_si512(common + at, sum);
        most = _mm512_max_epu64(most, sum);
    }
    return _mm512_reduce_max_epu64(most);
#else
    std::uint64_t most = 0;
    for (std::size_t at = 0; at < kTile; ++at) {
        common[at] = 0;
        for (std::size_t word = 0; word < Words; ++word)
            common[at] += static_cast<std::uint64_t>(__builtin_popcountll(left[word] & tile[word * kTile + at]));
        most = std::max(most, common[at]);
    }
    return most;
#endif
}

std::uint64_t bits_behind_head(const std::uint64_t* filter, std::size_t words) {
    std::uint64_t bits = 0;
    for (std::size_t word = kHead; word < words; ++word) bits += static_cast<std::uint64_t>(__builtin_popcountll(filter[word]));
    return bits;
}

// The most that a left filter of 16 words may have in common with any of a tile: what the first words have, and of the
// others no more bits than either has there.
std::uint64_t most_possible(const std::uint64_t* left, std::uint64_t behind, const std::uint64_t* tile,
                            const std::uint64_t* tile_behind) {
    std::uint64_t most = 0;
#ifdef VECTORS
    __m512i row[kHead];
    for (std::size_t word = 0; word < kHead; ++word) row[word] = _mm512_set1_epi64(static_cast<long long>(left[word]));
    const auto rest = _mm512_set1_epi64(static_cast<long long>(behind));
    __m512i best = _mm512_setzero_si512();
    for (std::size_t at = 0; at < kTile; at += 8) {
        __m512i even = _mm512_min_epu64(rest, _mm512_load_si512(tile_behind + at)), odd = _mm512_setzero_si512();
        for (std::size_t word = 0; word < kHead; word += 2) {
            const auto first = _mm512_and_si512(row[word], _mm512_load_si512(tile + word * kTile + at));
            const auto second = _mm512_and_si512(row[word + 1], _mm512_load_si512(tile + (word + 1) * kTile + at));
            even = _mm512_add_epi64(even, _mm512_popcnt_epi64(first));
            odd = _mm512_add_epi64(odd, _mm512_popcnt_epi64(second));
        }
        best = _mm512_max_epu64(best, _mm512_add_epi64(even, odd));
    }
    most = _mm512_reduce_max_epu64(best);
#else
    for (std::size_t at = 0; at < kTile; ++at) {
        std::uint64_t bits = std::min(behind, tile_behind[at]);
        for (std::size_t word = 0; word < kHead; ++word)
            bits += static_cast<std::uint64_t>(__builtin_popcountll(left[word] & tile[word * kTile + at]));
        most = std::max(most, bits);
    }
#endif
    return most;
}

template <std::size_t Words>
std::size_t all_pairs(const std::uint64_t* left, std::size_t left_count, const std::uint64_t* right,
                      std::size_t right_count, std::uint64_t thousandths, std::uint32_t* found, std::size_t room) {
    const auto x = by_bits(left, left_count, Words), y = by_bits(right, right_count, Words);
    const std::size_t tiles = (right_count + kTile - 1) / kTile, tile_words = (Words + 1) * kTile;
    auto* packed = static_cast<std::uint64_t*>(std::aligned_alloc(64, std::max<std::size_t>(tiles, 1) * tile_words * 8));
    std::memset(packed, 0, tiles * tile_words * 8);
    for (std::size_t at = 0; at < right_count; ++at)
        for (std::size_t word = 0; word < Words; ++word)
            packed[at / kTile * tile_words + word * kTile + at % kTile] = right[y.rows[at] * Words + word];
    for (std::size_t at = 0; at < right_count; ++at)
        packed[at / kTile * tile_words + Words * kTile + at % kTile] = bits_behind_head(right + y.rows[at] * Words, Words);
    alignas(64) std::uint64_t common[kTile];
    std::size_t hits = 0;
    // 2000 c >= thousandths (x + y), in whole numbers.
    const auto reaches = [&](std::uint64_t c, std::uint64_t total) { return 2000 * c >= thousandths * total; };
    std::vector<std::uint64_t> behind(kLeftRows);
    for (std::size_t block = 0; block < left_count; block += kLeftRows) {
        for (std::size_t row = block; row < std::min(block + kLeftRows, left_count); ++row)
            behind[row - block] = bits_behind_head(left + std::size_t{x.rows[row]} * Words, Words);
        std::size_t asked = 0, left_over = 0;
        bool asks = Words == 16;
        for (std::size_t tile = 0; tile < tiles; ++tile) {
            const std::size_t start = tile * kTile, end = std::min(start + kTile, right_count);
            const std::uint32_t low = y.bits[start], high = y.bits[end - 1];
            for (std::size_t row = block; row < std::min(block + kLeftRows, left_count); ++row) {
                const std::uint32_t bits = x.bits[row], nearest = std::clamp(bits, low, high);
                if (!bits || !reaches(std::min(bits, nearest), bits + nearest)) continue;
                const auto* filter = left + std::size_t{x.rows[row]} * Words;
                const auto* filters = packed + tile * tile_words;
                if (asks) {
                    ++asked;
                    if (!reaches(most_possible(filter, behind[row - block], filters, filters + Words * kTile), bits + low))
                        continue;
                    asks = ++left_over < kMostLeftOver + asked / 4;
                }
                if (!reaches(count_common<Words>(filter, filters, common), bits + low)) continue;
                for (std::size_t at = 0; at < end - start; ++at)
                    if (y.bits[start + at] && reaches(common[at], bits + y.bits[start + at])) {
                        if (hits < room) {
                            found[2 * hits] = x.rows[row];
                            found[2 * hits + 1] = y.rows[start + at];
                        }
                        ++hits;
                    }
            }
        }
    }
    std::free(packed);
    return hits;
}

}  // namespace

// Pairs whose Dice coefficient is at least `thousandths` / 1000: how many, and the first `room` of them as rows.
// Filters are of 512, 1,024 or 2,048 bits; of any other width, the answer is SIZE_MAX.
extern "C" std::size_t dice_pairs(const std::uint64_t* left, std::size_t left_count, const std::uint64_t* right,
                                  std::size_t right_count, std::size_t words, std::uint64_t thousandths,
                                  std::uint32_t* found, std::size_t room) {
    switch (words) {
        case 8: return all_pairs<8>(left, left_count, right, right_count, thousandths, found, room);
        case 16: return all_pairs<16>(left, left_count, right, right_count, thousandths, found, room);
        case 32: return all_pairs<32>(left, left_count, right, right_count, thousandths, found, room);
        default: return SIZE_MAX;
    }
}

extern "C" int has_vectors() {
#ifdef VECTORS
    return 1;
#else
    return 0;
#endif
}
