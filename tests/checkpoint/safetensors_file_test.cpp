// The safetensors format by itself: headers that lie, damage, what a writer refuses, and the memory that reading takes.
#include <algorithm>
#include <cstring>

#include <foal/checkpoint/safetensors_file.hpp>

#include "tests/support/allocation.hpp"
#include "tests/support/files.hpp"
#include "tests/support/sanitized.hpp"

using namespace foal;
using Catch::Contains;
using checkpoint::read_safetensors_file;
using checkpoint::safetensors_content;
using checkpoint::write_safetensors_file;
using foal_test::temporary_directory;

namespace {

/// A file with the header given and `buffer` bytes behind it.
std::string refusal(std::string const& path, std::string const& header, std::size_t buffer) {
  foal_test::bytes file(8);
  std::uint64_t const length = header.size();
  std::memcpy(file.data(), &length, 8);
  file.insert(file.end(), header.begin(), header.end());
  file.resize(file.size() + buffer);
  foal_test::write(path, file);
  return foal_test::complaint([&] { checkpoint::read_safetensors_file(path); });
}
std::string tensor(std::string const& name, std::string const& shape, std::string const& offsets,
                   std::string const& type = "F32") {
  return "\"" + name + R"(":{"dtype":")" + type + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

}  // namespace

TEST_CASE("a large file, whose digests are taken on the way, is what a small one is") {
  temporary_directory const folder;
  std::string const path = folder / "large.safetensors";
  std::size_t const first = (std::size_t{9} << 20U) + 8, second = std::size_t{8} << 20U;
  // The last has a name that leaves no room for a digest of its own.
  std::string const last = std::string(checkpoint::digest_marks_key).substr(std::strlen(checkpoint::tensor_digest_prefix));
  safetensors_content c{{{"what", "test"}},
                        {{"a", "F64", {first / 8}, 0, first},
                         {"b", "F32", {second / 4}, first, first + second},
                         {"none", "F32", {0}, first + second, first + second},
                         {last, "U8", {16}, first + second, first + second + 16}},
                        std::vector<std::uint8_t>(first + second + 16)};
  for (std::size_t i = 0; i < c.buffer.size(); ++i) c.buffer[i] = static_cast<std::uint8_t>(i * 2654435761U >> 13U);
  auto const mark = write_safetensors_file(path, c);
  auto const again = read_safetensors_file(path);
  CHECK((again.buffer == c.buffer));
  CHECK(foal_test::text_of(path).find("\"foal.digest.a\":\"" + checkpoint::digest_of_array(c.buffer.data(), first) + "\"") <
        2000);
  CHECK(mark.bytes == std::filesystem::file_size(path));
  foal_test::bytes file = foal_test::read(path);
  for (std::size_t const at : {file.size() - 1, file.size() - 20, file.size() - second, std::size_t{300}}) {
    file[at] ^= 1;
    foal_test::write(path, file);
    CHECK_THAT(foal_test::complaint([&] { read_safetensors_file(path); }), Contains(path));
    file[at] ^= 1;
  }
}

TEST_CASE("headers that lie are refused with both values") {
  temporary_directory const folder;
  std::string const path = folder / "w.safetensors";
  CHECK(refusal(path, "{" + tensor("a", "[2]", "[0,8]") + "}", 8).empty());
  CHECK(refusal(path,
                "{" + tensor("b", "[]", "[8,12]") + "," + tensor("a", "[2]", "[0,8]") + "," +
                    tensor("c", "[0,9]", "[12,12]") + "}  ",
                12)
            .empty());
  CHECK(refusal(path, "{}", 0).empty());
  CHECK_THAT(refusal(path, "{}", 1), Contains("its tensors end at byte 0 of a buffer of 1 bytes"));
  CHECK_THAT(refusal(path, "[]", 0), Contains("its header does not begin with '{'"));
  CHECK_THAT(refusal(path, "", 0), Contains("its header does not begin with '{'"));
  CHECK_THAT(refusal(path, "{" + tensor("a", "[2]", "[0,8]"), 8), Contains("is its end where '}' is expected"));
  CHECK_THAT(refusal(path, "{" + tensor("a", "[2]", "[0,8]") + "," + tensor("b", "[1]", "[4,8]") + "}", 8),
             Contains("its tensor 'b' begins at byte 4 of the buffer where 8 is expected"));
  CHECK_THAT(refusal(path, "{" + tensor("a", "[2]", "[0,8]") + "," + tensor("b", "[1]", "[12,16]") + "}", 16),
             Contains("its tensor 'b' begins at byte 12 of the buffer where 8 is expected"));
  CHECK_THAT(refusal(path, "{" + tensor("a", "[4]", "[0,16]") + "}", 8), Contains("end at byte 16 of a buffer of 8 bytes"));
  CHECK_THAT(refusal(path, "{" + tensor("a", "[2]", "[8,0]") + "}", 8),
             Contains("lies at [8, 0) where 8 bytes are expected"));
  CHECK_THAT(refusal(path, "{" + tensor("a", "[3]", "[0,8]") + "}", 8), Contains("[0, 8) where 12 bytes are expected"));
  CHECK_THAT(refusal(path, "{" + tensor("a", "[4294967296,4294967296]", "[0,8]") + "}", 8),
             Contains("[0, 8) where 18446744"));
  CHECK_THAT(refusal(path, "{" + tensor("a", "[2]", "[0,8,9]") + "}", 8), Contains("has 3 fields and 3 data_offsets"));
  CHECK_THAT(refusal(path, "{" + tensor("a", "[2]", "[0,8]", "F31") + "}", 8), Contains("is of type 'F31'"));
  CHECK_THAT(refusal(path, "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 8),
             Contains("'dtype' of its tensor 'a' comes twice"));
  CHECK_THAT(refusal(path, "{\"a\":{\"color\":\"F32\"}}", 8), Contains("has a field 'color'"));
  CHECK_THAT(refusal(path, "{" + tensor("a", "[1]", "[0,4]") + "," + tensor("a", "[1]", "[4,8]") + "}", 8),
             Contains("its header names 'a' twice"));
  CHECK_THAT(refusal(path, R"({"__metadata__":{"k":"1","k":"2"}})", 0), Contains("its metadata names 'k' twice"));
  CHECK_THAT(refusal(path, R"({"__metadata__":{"k":1}})", 0), Contains("is '1' where '\"' is expected"));
  CHECK_THAT(refusal(path, R"({"__metadata__":{"foal.digest":"0"}})", 0),
             Contains("where 0 is expected: the file is damaged"));
  CHECK_THAT(refusal(path, R"({"__metadata__":{},"__metadata__":{}})", 0), Contains("names '__metadata__' twice"));
  CHECK_THAT(refusal(path, "{\"__metadata__\":{\"a\":\"\xf6\"}}", 0), Contains("its metadata 'a' is not UTF-8: its byte 0"));
  CHECK_THAT(refusal(path, "{" + tensor("\xc3", "[2]", "[0,8]") + "}", 8), Contains("the name of a tensor is not UTF-8"));
  std::string many = "1";
  for (int i = 0; i < 31; ++i) many += ",1";
  CHECK(refusal(path, "{" + tensor("a", "[" + many + "]", "[0,4]") + "}", 4).empty());
  CHECK_THAT(refusal(path, "{" + tensor("a", "[" + many + ",1]", "[0,4]") + "}", 4), Contains("has more than 32 extents"));

  foal_test::bytes huge(16, 0xff);
  foal_test::write(path, huge);
  CHECK_THAT(foal_test::complaint([&] { checkpoint::read_safetensors_file(path); }),
             Contains("header's length is 18446744073709551615 bytes where at most 8 are expected"));
}

namespace {

safetensors_content some() {
  safetensors_content c{{{"note", "of a test"}, {"foal.model", "net"}}, {}, {}};
  c.tensors = {{"0.linear.weight", "F32", {2, 3}, 0, 24}, {"0.linear.bias", "F32", {2}, 24, 32}, {"n", "I64", {}, 32, 40}};
  for (int i = 0; i < 40; ++i) c.buffer.push_back(static_cast<std::uint8_t>(17 * i + 3));
  return c;
}

bool equal(safetensors_content const& a, safetensors_content const& b) {
  auto const same = [](checkpoint::stored_tensor const& x, checkpoint::stored_tensor const& y) {
    return x.name == y.name && x.dtype == y.dtype && x.shape == y.shape && x.begin == y.begin && x.end == y.end;
  };
  return a.about == b.about && a.buffer == b.buffer &&
         std::equal(a.tensors.begin(), a.tensors.end(), b.tensors.begin(), b.tensors.end(), same);
}

}  // namespace

TEST_CASE("damage gives a sentence, or changes nothing, whatever is cut off or changed") {
  temporary_directory const folder;
  std::string const path = folder / "w.safetensors";
  write_safetensors_file(path, some());
  auto const right = read_safetensors_file(path);
  foal_test::refuses_truncations(path, [&] { read_safetensors_file(path); });
  auto const load = [&] {
    auto const found = read_safetensors_file(path);
    REQUIRE(equal(found, right));
  };
  constexpr int times = foal_test::repeats(10'000, 2'000);
  int const refused = foal_test::survives_mutations(path, times, load);
  CHECK(refused > times * 98 / 100);  // the others hit a blank

  // Every bit of the header, and with it every bit of the digest's name.
  auto const whole = foal_test::read(path);
  for (std::size_t bit = 0; bit < 8 * (whole.size() - right.buffer.size()); ++bit) {
    auto changed = whole;
    changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ (1U << bit % 8));
    foal_test::write(path, changed);
    INFO("bit " << bit);
    foal_test::complaint(load);
  }
}

TEST_CASE("a file that bears foal's mark needs its digest") {
  temporary_directory const folder;
  std::string const path = folder / "w.safetensors";
  write_safetensors_file(path, some());
  auto const whole = foal_test::text_of(path);
  auto const with = [&](std::string const& from, std::string const& to) {
    std::string changed = whole;
    for (std::size_t at = changed.find(from); at != std::string::npos; at = changed.find(from, at + to.size()))
      changed.replace(at, from.size(), to);
    foal_test::write(path, {changed.begin(), changed.end()});
    return foal_test::complaint([&] { read_safetensors_file(path); });
  };
  CHECK_THAT(with("\"foal.digest\"", "\"foal.dijest\""), Contains("its foal.digest is missing or misspelt"));
  CHECK_THAT(with("\"foal.digest", "\"oops.digest"), Contains("its foal.digest is missing or misspelt"));
  CHECK_THAT(with("\"foal.digest.marks\"", "\"foal.digets.marks\""), Contains("the file is damaged"));
  CHECK_THAT(with("of a test", "of a tent"), Contains("the file is damaged"));
  // As files of older builds are, whose digest is named once.
  CHECK_THAT(refusal(path, R"({"__metadata__":{"foal.degist":"5fa30e33e863e92e","format":"pt"}})", 0),
             Contains("its foal.digest is missing or misspelt"));
  // What other programs write has none.
  CHECK(refusal(path, R"({"__metadata__":{"foal.model":"net","foal.weights":"average","format":"pt"}})", 0).empty());
  CHECK(refusal(path, R"({"__metadata__":{"modelspec.hash":"5fa30e33e863e92e"}})", 0).empty());
}

TEST_CASE("every tensor has a digest of its own, which names the damaged one before it is used") {
  temporary_directory const folder;
  std::string const path = folder / "w.safetensors";
  safetensors_content c = some();
  c.tensors[0].digest = "stale";
  c.about["foal.digest.0.linear.weight"] = c.about["foal.digest.gone"] = "stale";
  c.about[""] = "kept";
  c.tensors.push_back({"marks", "U8", {4}, 40, 44});  // its key is taken, so the whole digest has its bytes
  c.buffer.resize(44, 7);
  auto const mark = write_safetensors_file(path, c);
  auto const back = read_safetensors_file(path);
  CHECK(back.about.size() == 5);
  CHECK(back.about.at("") == "kept");
  CHECK_FALSE(back.about.contains("foal.digest.gone"));
  for (auto const& t : back.tensors) {
    INFO(t.name);
    CHECK(t.digest == (t.name == "marks" ? "" : checkpoint::digest_of_array(c.buffer.data() + t.begin, t.end - t.begin)));
  }
  auto const whole = foal_test::read(path);
  CHECK(checkpoint::safetensors_reader(path).mark() == mark);
  CHECK(mark.bytes == whole.size());
  for (auto const& t : back.tensors) {
    auto changed = whole;
    changed[whole.size() - 44 + t.end - 1] ^= 0x80U;
    foal_test::write(path, changed);
    checkpoint::safetensors_reader from(path);
    std::string done;
    std::vector<std::uint8_t> room(44);
    std::string const why = foal_test::complaint(
        [&] { from.read([&](auto const&) { return room.data(); }, [&](auto const& read) { done += read.name + ","; }); });
    INFO(why);
    CHECK((why.find("the digest of its tensor '" + t.name + "' is ") != std::string::npos) == (t.name != "marks"));
    CHECK((done.find(t.name + ",") != std::string::npos) == (t.name == "marks"));
    CHECK_THAT(why, Contains("the file is damaged"));
  }
}

TEST_CASE("a file may have more tensors than other metadata") {
  temporary_directory const folder;
  std::string const path = folder / "w.safetensors";
  constexpr std::uint64_t many = foal_test::repeats(70'000, 7'000);
  safetensors_content c{{}, {}, std::vector<std::uint8_t>(many, 3)};
  for (std::uint64_t i = 0; i < many; ++i) c.tensors.push_back({std::to_string(i), "U8", {}, i, i + 1});
  write_safetensors_file(path, c);
  auto const back = read_safetensors_file(path);
  CHECK(back.tensors.size() == many);
  CHECK(back.about.size() == 2);
}

TEST_CASE("files of builds that gave tensors no digest are read, and their one digest counts") {
  temporary_directory const folder;
  std::string const
      path = folder / "w.safetensors",
      header =
          R"({"__metadata__":{"foal.digest":"edf030995cfb3846","foal.digest.marks":"foal.digest foal.digest foal.digest foal.digest",)"
          R"("foal.model":"net","note":"x"},"0.linear.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
          R"("b":{"dtype":"F16","shape":[2],"data_offsets":[24,28]},"n":{"dtype":"I64","shape":[],"data_offsets":[28,36]}}      )";
  foal_test::bytes file(8);
  file[0] = static_cast<std::uint8_t>(header.size() % 256);
  file[1] = static_cast<std::uint8_t>(header.size() / 256);
  file.insert(file.end(), header.begin(), header.end());
  file.insert(file.end(), 36, '<');
  foal_test::write(path, file);
  auto const old = read_safetensors_file(path);
  CHECK(old.tensors[1].digest.empty());
  file.back() ^= 1U;
  foal_test::write(path, file);
  CHECK_THAT(foal_test::complaint([&] { read_safetensors_file(path); }),
             Contains("because its digest is ") && Contains(" where edf030995cfb3846 is expected: the file is damaged"));
  write_safetensors_file(path, old);
  CHECK(read_safetensors_file(path).tensors[1].digest == checkpoint::digest_of_array("<<<<", 4));
}

TEST_CASE("what a writer writes its reader reads, or the writer refuses and leaves what is there") {
  temporary_directory const folder;
  std::string const path = folder / "w.safetensors";
  auto const refuses = [&](auto const& spoil) {
    write_safetensors_file(path, some());
    auto const before = foal_test::read(path);
    safetensors_content c = some();
    spoil(c);
    std::string const why = foal_test::complaint([&] { write_safetensors_file(path, c); });
    CHECK(foal_test::read(path) == before);
    CHECK(why.find("cannot write " + path + ", because ") == 0);
    return why;
  };
  CHECK_THAT(refuses([](auto& c) {
               c.about["data"] =
                   "gr\xf6\xdf"
                   "e";
             }),
             Contains("its metadata 'data' is not UTF-8"));
  CHECK_THAT(refuses([](auto& c) { c.about["\xed\xa0\x80"] = "a surrogate"; }),
             Contains("a key of its metadata is not UTF-8"));
  CHECK_THAT(refuses([](auto& c) { c.tensors[0].name = "\xff"; }), Contains("the name of a tensor is not UTF-8"));
  CHECK_THAT(refuses([](auto& c) { c.tensors[1].name = c.tensors[0].name; }), Contains("names '0.linear.weight' twice"));
  CHECK_THAT(refuses([](auto& c) { c.tensors[1].name = "__metadata__"; }), Contains("a tensor of the name __metadata__"));
  CHECK_THAT(refuses([](auto& c) { c.tensors[2].end = 48; }), Contains("lies at [32, 48) where 8 bytes are expected"));
  CHECK_THAT(refuses([](auto& c) { c.tensors[2].begin = 40, c.tensors[2].end = 48; }), Contains("begins at byte 40"));
  CHECK_THAT(refuses([](auto& c) { c.tensors.pop_back(); }), Contains("its tensors end at byte 32 of a buffer of 40 bytes"));
  CHECK_THAT(refuses([](auto& c) { c.buffer.pop_back(); }), Contains("its tensors end at byte 40 of a buffer of 39 bytes"));
  CHECK_THAT(refuses([](auto& c) { c.tensors[0].shape = {3, 3}; }), Contains("lies at [0, 24) where 36 bytes"));
  CHECK_THAT(refuses([](auto& c) { c.tensors[0].shape = {1ULL << 62U, 4}; }), Contains("where 18446744073709551615 bytes"));
  CHECK_THAT(refuses([](auto& c) { c.tensors[0].shape.assign(33, 1); }), Contains("has 33 extents where at most 32"));
  CHECK_THAT(refuses([](auto& c) { c.tensors[0].dtype = "F12"; }), Contains("is of type 'F12'"));

  safetensors_content odd = some();
  odd.about["\"\\\n\t\x01\xc3\xb6"] = std::string("\0\x7f", 2);
  odd.tensors[2].name = std::string("\x1f\"\0\xf0\x9f\x90\xb4", 7);
  odd.tensors.push_back({"", "U8", {0, 1ULL << 62U, 4}, 40, 40});
  std::swap(odd.tensors[0], odd.tensors[3]);
  write_safetensors_file(path, odd);
  auto const back = read_safetensors_file(path);
  odd.about = back.about;
  std::swap(odd.tensors[0], odd.tensors[3]);
  CHECK(equal(back, odd));
  write_safetensors_file(path, back);
  CHECK(equal(read_safetensors_file(path), back));
}

TEST_CASE("the memory of reading is the buffer and a small multiple of the header, whatever that says") {
#ifdef FOAL_TEST_SANITIZED
  WARN("the sanitizer's allocator rounds up more than is counted here");
#endif
  temporary_directory const folder;
  std::string const path = folder / "w.safetensors";
  auto const peak = [&](std::string const& header, std::size_t buffer) {
    refusal(path, header, buffer);
    std::size_t const bytes = foal_test::peak_of([&] {
      try {
        read_safetensors_file(path);
      } catch (foal::error const&) {
      }
    });
    INFO(header.substr(0, 100) << ": " << bytes << " bytes for a header of " << header.size());
    CHECK(bytes <= buffer + 5 * header.size() + (8U << 20U));
    return bytes;
  };
  auto const repeated = [](int times, auto const& piece) {
    std::string all = "{";
    for (int i = 0; i < times; ++i) all += (i > 0 ? "," : "") + piece(i);
    return all + "}";
  };
  auto const digits = [](int i) {  // short names that are all different
    std::string name;
    for (; i > 0; i /= 64) name += static_cast<char>('0' + i % 64 + (i % 64 > 43 ? 2 : 0));
    return name;
  };
  constexpr int less = foal_test::repeats(1, 20);
  peak(repeated(200'000 / less, [&](int i) { return tensor(digits(i), "[0]", "[0,0]", "U8"); }), 0);
  peak(repeated(200'000 / less, [&](int i) { return tensor(digits(i), "[]", sentence("[", 3 - i, ",", i, "]"), "U8"); }), 0);
  std::string ones = "[0";
  for (int i = 0; i < 31; ++i) ones += ",1";
  peak(repeated(80'000 / less, [&](int i) { return tensor(digits(i), ones + "]", "[0,0]", "U8"); }), 0);
  std::string more = "[1";
  for (int i = 0; i < 2'000'000 / less; ++i) more += ",1";
  peak("{" + tensor("a", more + "]", "[0,1]", "U8") + "}", 1);
  peak("{\"__metadata__\":" + repeated(65'000 / less, [&](int i) { return "\"" + digits(i) + "\":\"\""; }) + "}", 0);
  peak("{\"__metadata__\":" + repeated(300'000 / less, [&](int i) { return "\"" + digits(i) + "\":\"\""; }) + "}", 0);
  auto const own = repeated(100'000 / less, [&](int i) { return "\"foal.digest." + digits(i) + "\":\"\""; });
  auto const owners = repeated(100'000 / less, [&](int i) { return tensor(digits(i), "[0]", "[0,0]", "U8"); });
  peak("{\"__metadata__\":{\"foal.digest\":\"\"," + own.substr(1) + "," + owners.substr(1), 0);
  peak("{\"__metadata__\":{\"a\":\"" + std::string(9'000'000 / less, 'x') + "\"}}", 0);
  peak("{\"" + std::string(9'000'000 / less, 'x') + "\":{}}", 0);
  std::size_t const flat = peak("{" + tensor("a", "[30000000]", "[0,30000000]", "U8") + "}", 30'000'000);
  CHECK(flat < 30'000'000 + (1U << 20U));
}
