// Digests are those of their authors' test vectors and of convert_weights.py, whatever pieces bytes come in, and change with
// every bit.
#include <foal/checkpoint/digest.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

using namespace foal;

TEST_CASE("a text's digest is FNV-1a, in any pieces") {
  CHECK(checkpoint::digest_of("", 0) == "cbf29ce484222325");  // of FNV-1a's own test vectors
  CHECK(checkpoint::digest_of("a", 1) == "af63dc4c8601ec8c");
  CHECK(checkpoint::digest_of("foobar", 6) == "85944171f73967e8");
  checkpoint::byte_digest pieces;
  pieces.add("foo", 3);
  pieces.add(nullptr, 0);
  pieces.add("bar", 3);
  CHECK(pieces.hexadecimal() == "85944171f73967e8");
}

TEST_CASE("an array's digest takes bytes in any pieces and finds each change of a bit, and of the same bit in two words") {
  CHECK(checkpoint::digest_of_array("", 0) == "2430216be4badd75");  // as convert_weights.py has them
  CHECK(checkpoint::digest_of_array("foobar", 6) == "862525f6035b1015");
  std::vector<std::uint8_t> bytes(331);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * i % 251);
  std::string const whole = checkpoint::digest_of_array(bytes.data(), bytes.size());
  for (std::size_t piece = 1; piece < 70; ++piece) {
    checkpoint::word_digest all;
    for (std::size_t at = 0; at < bytes.size(); at += piece) all.add(bytes.data() + at, std::min(piece, bytes.size() - at));
    CHECK(all.hexadecimal() == whole);
  }
  std::vector<std::string> seen{whole};
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    auto const flip = [&](std::size_t b) { bytes[b / 8 % bytes.size()] ^= static_cast<std::uint8_t>(1U << b % 8); };
    flip(bit);
    seen.push_back(checkpoint::digest_of_array(bytes.data(), bytes.size()));
    flip(bit + 256);
    seen.push_back(checkpoint::digest_of_array(bytes.data(), bytes.size()));
    flip(bit + 256), flip(bit);
  }
  for (std::size_t n = 0; n < bytes.size(); ++n) seen.push_back(checkpoint::digest_of_array(bytes.data(), n));
  std::vector<std::uint8_t> padded(64);
  for (std::size_t n = 2; n < padded.size(); ++n) seen.push_back(checkpoint::digest_of_array(padded.data(), n));
  std::sort(seen.begin(), seen.end());
  CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
}
