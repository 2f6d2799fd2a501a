// .npy files: round trips, NumPy's own bytes, and refusals.
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <limits>

#include <foal/data/npy.hpp>

#include "tests/support/allocation.hpp"
#include "tests/support/files.hpp"

using namespace foal_test;
using foal::data::npy;
using foal::data::read_npy;
using foal::data::write_npy;

namespace {

/// A file as NumPy would write it, with this header text and this payload.
bytes file(std::string header, bytes const& payload, std::uint8_t version = 1) {
  bytes result{0x93, 'N', 'U', 'M', 'P', 'Y', version, 0};
  std::size_t const length = header.size();
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) result.push_back(static_cast<std::uint8_t>(length >> (8 * i)));
  result.insert(result.end(), header.begin(), header.end());
  result.insert(result.end(), payload.begin(), payload.end());
  return result;
}

template <class T>
void round_trip(std::vector<long long> const& extent, std::vector<T> const& values) {
  temporary_directory const dir;
  write_npy(dir / "a.npy", extent, values.data());
  CHECK((std::filesystem::file_size(dir / "a.npy") - values.size() * sizeof(T)) % 64 == 0);
  npy<T> const back = read_npy<T>(dir / "a.npy");
  CHECK(back.extent == extent);
  CHECK(back.values == values);
}

}  // namespace

TEST_CASE("npy: what is written is read") {
  round_trip<float>({2, 3}, {1.5F, -2, 3, 0x1p-140F, 5, std::numeric_limits<float>::infinity()});
  round_trip<double>({2}, {0.1, -1e300});
  round_trip<std::int32_t>({1, 2, 1}, {-5, 2147483647});
  round_trip<std::int64_t>({1}, {std::numeric_limits<std::int64_t>::min()});
  round_trip<float>({}, {7});
  round_trip<double>({0, 4}, {});
}

TEST_CASE("npy: the bytes are those of numpy.save") {
  temporary_directory const dir;
  std::int32_t const values[] = {1, -1};
  write_npy(dir / "a.npy", {2}, values);
  std::string text = "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }";
  text.resize(117, ' ');
  CHECK(read(dir / "a.npy") == file(text + "\n", {1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF}));
  write_npy(dir / "a.npy", {1, 2}, values);
  text = "{'descr': '<i4', 'fortran_order': False, 'shape': (1, 2), }";
  text.resize(117, ' ');
  CHECK(read(dir / "a.npy") == file(text + "\n", {1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF}));
}

TEST_CASE("npy: other widths, versions and spellings are read") {
  temporary_directory const dir;
  std::string const path = dir / "a.npy";
  write(path, file("{\"shape\":(2,),'fortran_order':False,'descr':'<f4'}", {0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0}, 2));
  CHECK(read_npy<double>(path).values == std::vector<double>{1, -2});
  double const wide[] = {0.1, 1e10};
  write_npy(path, {2}, wide);
  CHECK(read_npy<float>(path).values == std::vector<float>{0.1F, 1e10F});
  std::int64_t const big[] = {3, -4};
  write_npy(path, {2}, big);
  CHECK(read_npy<std::int32_t>(path).values == std::vector<std::int32_t>{3, -4});
}

TEST_CASE("npy says what is wrong") {
  temporary_directory const dir;
  std::string const path = dir / "a.npy";
  auto const says = [&](bytes const& content) {
    write(path, content);
    return complaint([&] { read_npy<float>(path); });
  };
  bytes const one(4);
  CHECK(says(file("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", one)).empty());
  CHECK_THAT(says({'P', 'K', 3, 4}), Catch::Contains(path) && Catch::Contains("magic string"));
  CHECK_THAT(says(file("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", one, 3)),
             Catch::Contains("version is 3.0"));
  CHECK_THAT(says(file("{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }", one)),
             Catch::Contains("fortran_order is True where False"));
  for (char const* descr : {">f4", "<f2", "|u1", "<i4", "<c8"})
    CHECK_THAT(says(file(foal::sentence("{'descr': '", descr, "', 'fortran_order': False, 'shape': (1,), }"), one)),
               Catch::Contains(foal::sentence("element type is '", descr, "' where '<f4'")));
  CHECK_THAT(says(file("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", one)),
             Catch::Contains("71 bytes where 67 + 4 x 2 are expected"));
  CHECK_THAT(says(file("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", bytes(5))),
             Catch::Contains("70 bytes where 65 + 4 are expected"));
  CHECK_THAT(says(file("{'descr': '<f4', 'fortran_order': False}", one)), Catch::Contains("lacks one of the fields"));
  CHECK_THAT(says(file("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", one)),
             Catch::Contains("the field 'x'"));
  CHECK_THAT(says(file("{'descr': '<f4', 'descr': '<f4'}", one)), Catch::Contains("'descr' twice"));
  CHECK_THAT(says(file("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4294967296), }", one)),
             Catch::Contains("4 x 4294967296 x 4294967296 x 4294967296 are expected"));
  CHECK_THAT(says(file("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", one)),
             Catch::Contains("above 2^63"));
  CHECK_THAT(says(file("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } and more", one)),
             Catch::Contains("after its closing brace"));
  bytes claims = file("{}", {}, 2);
  claims[11] = 0xFF;  // a header of 4 GB
  CHECK_THAT(says(claims), Catch::Contains("header length is 4278190082 bytes where only 2 are left"));

  std::int64_t const big[] = {1, 1LL << 40U};
  write_npy(path, {2}, big);
  CHECK_THAT(complaint([&] { read_npy<std::int32_t>(path); }), Catch::Contains("element 1 is 1099511627776"));
  CHECK_THAT(complaint([&] { write_npy(dir / "no/a.npy", {2}, big); }), Catch::Contains("cannot write"));
}

TEST_CASE("npy: extents whose product wraps round are refused by writer and reader") {
  temporary_directory const dir;
  std::string const path = dir / "a.npy";
  float const value = 7;
  write_npy(path, {1}, &value);
  bytes const before = read(path);
  CHECK_THAT(
      complaint([&] {
        write_npy(path, {1LL << 62U, 4}, &value);
      }),
      Catch::Contains("because an array of shape (4611686018427387904, 4) has more than 9223372036854775807 bytes; "));
  CHECK_THAT(complaint([&] { write_npy(path, {1LL << 62U}, &value); }), Catch::Contains("of shape (4611686018427387904,)"));
  CHECK_THAT(complaint([&] { write_npy(path, {2, -1}, &value); }), Catch::Contains("because an extent is -1; "));
  CHECK(read(path) == before);
  write_npy<float>(path, {1LL << 62U, 4, 0}, nullptr);
  CHECK(read_npy<float>(path).extent == std::vector<long long>{1LL << 62U, 4, 0});
  write(path, file("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", bytes(4)));
  CHECK_THAT(complaint([&] { read_npy<float>(path); }), Catch::Contains("4 x 4611686018427387904 x 4 are expected"));
}

TEST_CASE("npy: reading takes the memory of the values, whatever width the file has") {
  temporary_directory const dir;
  std::string const path = dir / "a.npy";
  constexpr long long count = 1 << 20U;
  std::size_t const little = 1U << 17U;
  std::vector<float> const narrow(count, 1.5F);
  write_npy(path, {count}, narrow.data());
  CHECK(peak_of([&] { read_npy<double>(path); }) < count * sizeof(double) + little);
  CHECK(peak_of([&] { read_npy<float>(path); }) < count * sizeof(float) + little);
  std::vector<double> const wide(count, 1.5);
  write_npy(path, {count}, wide.data());
  CHECK(peak_of([&] { read_npy<float>(path); }) < count * sizeof(float) + little);
  write(path, file("{'descr': '" + std::string(1U << 22U, 'x') + "'", {}, 2));
  CHECK_THAT(complaint([&] { read_npy<float>(path); }),
             Catch::Contains("header length is 4194316 bytes where at most 65536"));
}

TEST_CASE("npy: what is no regular file is refused, and not waited for") {
  temporary_directory const dir;
  std::string const path = dir / "pipe";
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  CHECK_THAT(complaint([&] { read_npy<float>(path); }), Catch::Contains("not a regular file"));
  CHECK_THAT(complaint([&] { read_npy<float>("/dev/zero"); }), Catch::Contains("not a regular file"));
  CHECK_THAT(complaint([&] { read_npy<float>(dir.path()); }), Catch::Contains("not a regular file"));
  float const value = 7;
  CHECK_THAT(complaint([&] { write_npy(path, {1}, &value); }), Catch::Contains("nobody reads this pipe"));
}

TEST_CASE("npy refuses truncations and survives mutations") {
  temporary_directory const dir;
  std::string const path = dir / "a.npy";
  std::string const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  auto const load = [&] {
    npy<float> const a = read_npy<float>(path);
    long long product = 1;
    for (long long const e : a.extent) product *= e;
    REQUIRE(static_cast<long long>(a.values.size()) == product);
  };
  for (std::uint8_t const version : {std::uint8_t{1}, std::uint8_t{2}}) {
    write(path, file(header, bytes(24, 1), version));
    refuses_truncations(path, load);
    int const refused = survives_mutations(path, 5000, load);
    CHECK(refused > 2500);
    CHECK(refused < 5000);
  }
}
