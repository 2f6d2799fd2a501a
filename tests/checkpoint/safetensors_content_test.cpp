// What must be true of a file's arrays: each of its own size, none over another, no byte without one.
#include <foal/checkpoint/safetensors_content.hpp>

#include <catch2/catch.hpp>

#include "tests/support/files.hpp"

using namespace foal;
using Catch::Contains;
using checkpoint::stored_tensor;
using foal_test::complaint;

namespace {

std::string refusal_of(std::vector<stored_tensor> all, std::uint64_t buffer) {
  std::string const path = "w";
  checkpoint::detail::content_check const check("cannot read", path, "write it again");
  return complaint([&] {
    for (stored_tensor const& t : all) check.tensor(t);
    check.cover(all, buffer);
  });
}

}  // namespace

TEST_CASE("arrays cover the buffer, in any order, empty ones anywhere") {
  CHECK(refusal_of({}, 0) == "");
  CHECK(refusal_of(
            {{"b", "F32", {2}, 4, 12}, {"a", "U8", {4}, 0, 4}, {"none", "F64", {3, 0}, 4, 4}, {"end", "I8", {0}, 12, 12}},
            12) == "");
  CHECK(refusal_of({{"scalar", "F64", {}, 0, 8}}, 8) == "");
  std::string const path = "w";
  checkpoint::detail::content_check const check("cannot read", path, "write it again");
  std::vector<stored_tensor> all{{"b", "U8", {1}, 1, 2}, {"a", "U8", {1}, 0, 1}};
  check.cover(all, 2);
  CHECK(all[0].name == "a");
}

TEST_CASE("arrays that overlap, leave bytes out, or lie outside are refused with both places") {
  stored_tensor const a{"a", "U8", {4}, 0, 4};
  CHECK_THAT(refusal_of({a, {"b", "U8", {4}, 2, 6}}, 6), Contains("'b' begins at byte 2 of the buffer where 4 is expected"));
  CHECK_THAT(refusal_of({a, {"b", "U8", {4}, 0, 4}}, 4), Contains("'b' begins at byte 0 of the buffer where 4"));
  CHECK_THAT(refusal_of({a, {"b", "U8", {4}, 5, 9}}, 9), Contains("'b' begins at byte 5"));
  CHECK_THAT(refusal_of({a}, 5), Contains("end at byte 4 of a buffer of 5 bytes"));
  CHECK_THAT(refusal_of({a}, 3), Contains("end at byte 4 of a buffer of 3 bytes"));
  CHECK_THAT(refusal_of({}, 1), Contains("end at byte 0 of a buffer of 1 bytes"));
  CHECK_THAT(refusal_of({a, {"a", "U8", {0}, 4, 4}}, 4), Contains("names 'a' twice"));
}

TEST_CASE("sizes that no memory has, turned ends, and types that are none are refused") {
  std::uint64_t const huge = std::uint64_t{1} << 63U, most = ~std::uint64_t{0};
  CHECK_THAT(refusal_of({{"a", "F64", {huge, 2}, 0, 0}}, 0), Contains("lies at [0, 0) where 18446744073709551615 bytes"));
  CHECK_THAT(refusal_of({{"a", "F32", {most}, 0, most - 3}}, most - 3), Contains("where 18446744073709551615"));
  CHECK_THAT(refusal_of({{"a", "U8", {2}, 2, 0}}, 2), Contains("lies at [2, 0)"));
  CHECK_THAT(refusal_of({{"a", "F31", {1}, 0, 4}}, 4), Contains("of type 'F31'"));
  CHECK_THAT(refusal_of({{"a", "U8", std::vector<std::uint64_t>(33, 1), 0, 1}}, 1), Contains("33 extents where at most 32"));
  CHECK(refusal_of({{"a", "U8", std::vector<std::uint64_t>(32, 1), 0, 1}}, 1) == "");
  CHECK_THAT(refusal_of({{"__metadata__", "U8", {1}, 0, 1}}, 1), Contains("which the format keeps for itself"));
  CHECK_THAT(refusal_of({{"a\xff", "U8", {1}, 0, 1}}, 1), Contains("is not UTF-8: its byte 1 is 255"));
}

TEST_CASE("metadata are text, and not more than a reader takes") {
  std::string const path = "w";
  checkpoint::detail::content_check const check("cannot read", path, "write it again");
  CHECK_THAT(complaint([&] { check.about({{"k", "\xc3"}}); }), Contains("its metadata 'k' is not UTF-8"));
  CHECK_THAT(complaint([&] { check.about({{"\x80", ""}}); }), Contains("a key of its metadata is not UTF-8"));
  checkpoint::metadata many;
  for (int i = 0; i < 65'536; ++i) many[std::to_string(i)];
  check.about(many);
  many["one more"];
  CHECK_THAT(complaint([&] { check.about(many); }), Contains("65537 entries where at most 65536"));
}

TEST_CASE("a digest whose name is damaged is told from other metadata") {
  using checkpoint::detail::is_misspelt_digest;
  std::string const digest = "0123456789abcdef";
  CHECK_FALSE(is_misspelt_digest("foal.digest", digest));
  for (char const* name : {"foal.digesu", "oal.digest", "foal.digest1", "FOAL.digest"})
    CHECK(is_misspelt_digest(name, digest));
  for (char const* name : {"", "foal.model", "foal.digest.0.weight", "note"}) CHECK_FALSE(is_misspelt_digest(name, digest));
  CHECK_FALSE(is_misspelt_digest("foal.digesu", "a note of 16 let"));
  CHECK(checkpoint::detail::edits("kitten", "sitting") == 3);
  CHECK(checkpoint::detail::edits("", "abc") == 3);
}

TEST_CASE("the header's digest changes with every name, type, extent, place and metadata, and with no digest of its own") {
  using checkpoint::detail::header_digest;
  stored_tensor const a{"a", "U8", {4}, 0, 4};
  auto const of = [](checkpoint::metadata const& about, std::vector<stored_tensor> const& all) {
    return header_digest(about, all).hexadecimal();
  };
  std::string const plain = of({{"k", "v"}}, {a});
  CHECK(of({{"k", "v"}, {"foal.digest", "x"}}, {a}) == plain);
  CHECK(of({{"k", "w"}}, {a}) != plain);
  CHECK(of({{"kv", ""}}, {a}) != plain);
  CHECK(of({{"k", "v"}}, {}) != plain);
  CHECK(of({{"k", "v"}}, {{"b", "U8", {4}, 0, 4}}) != plain);
  CHECK(of({{"k", "v"}}, {{"a", "I8", {4}, 0, 4}}) != plain);
  CHECK(of({{"k", "v"}}, {{"a", "U8", {2, 2}, 0, 4}}) != plain);
  CHECK(of({{"k", "v"}}, {{"a", "U8", {4}, 1, 5}}) != plain);
  CHECK(checkpoint::detail::tensor_digest_key("marks").empty());  // that key is another's
  CHECK(checkpoint::detail::tensor_digest_key("0.w") == "foal.digest.0.w");
}
