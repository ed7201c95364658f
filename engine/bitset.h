// A set of bits of any width: a value, compared by content, small ones without allocation.
#pragma once

#include <algorithm>
#include <bit>
#include <boost/container/small_vector.hpp>
#include <cstddef>
#include <cstdint>

namespace dta::engine {

class BitSet {
 public:
  BitSet() = default;
  explicit BitSet(std::size_t width) : words_((width + 63) / 64, 0) {}

  // Room for `width` bits; never less than before. New bits are 0.
  void widen(std::size_t width) { words_.resize(std::max(words_.size(), (width + 63) / 64), 0); }

  std::size_t word_count() const { return words_.size(); }
  std::uint64_t word(std::size_t i) const { return words_[i]; }
  void set_word(std::size_t i, std::uint64_t value) { words_[i] = value; }

  bool test(std::size_t bit) const { return bit / 64 < words_.size() && (words_[bit / 64] >> (bit % 64) & 1) != 0; }
  void set(std::size_t bit) { words_[bit / 64] |= std::uint64_t{1} << (bit % 64); }
  void reset(std::size_t bit) { words_[bit / 64] &= ~(std::uint64_t{1} << (bit % 64)); }

  // Bits set in [first, first + count).
  std::size_t count(std::size_t first, std::size_t n) const {
    std::size_t total = 0;
    for (std::size_t bit = first; bit < first + n;) {
      const std::size_t offset = bit % 64, take = std::min<std::size_t>(64 - offset, first + n - bit);
      const std::uint64_t mask = (take == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << take) - 1) << offset;
      total += static_cast<std::size_t>(std::popcount(words_[bit / 64] & mask));
      bit += take;
    }
    return total;
  }

  // The bits [first, first + n) as a number, the first one lowest; n is at most 64.
  std::uint64_t window(std::size_t first, std::size_t n) const {
    const std::size_t word = first / 64, offset = first % 64;
    std::uint64_t value = words_[word] >> offset;
    if (offset + n > 64) value |= words_[word + 1] << (64 - offset);
    return n == 64 ? value : value & ((std::uint64_t{1} << n) - 1);
  }

  bool operator==(const BitSet& other) const {
    return words_.size() == other.words_.size() && std::equal(words_.begin(), words_.end(), other.words_.begin());
  }

 private:
  boost::container::small_vector<std::uint64_t, 3> words_;
};

}  // namespace dta::engine
