// Arrays of safetensors files as samples and targets.
#include <foal/checkpoint/values.hpp>

#include <cstring>

#include "tests/support/files.hpp"

using namespace foal;
using Catch::Contains;
using checkpoint::values_of;

TEST_CASE("samples and labels are read from whatever type they were kept in") {
  checkpoint::safetensors_content c;
  auto const add = [&c](char const* name, char const* dtype, std::vector<std::uint64_t> const& shape, auto const& numbers) {
    std::size_t const begin = c.buffer.size(), bytes = sizeof numbers;
    c.buffer.resize(begin + bytes);
    std::memcpy(c.buffer.data() + begin, &numbers, bytes);
    c.tensors.push_back({name, dtype, shape, begin, c.buffer.size()});
  };
  std::uint8_t const pixels[] = {0, 128, 255, 7};
  std::int64_t const labels[] = {3, -100}, large[] = {0, 1LL << 40U};
  std::uint16_t const halves[] = {0x3c00, 0xc000};
  add("pixels", "U8", {2, 2}, pixels);
  add("labels", "I64", {2}, labels);
  add("large", "I64", {2}, large);
  add("halves", "F16", {2, 1}, halves);

  foal_test::temporary_directory const folder;
  std::string const path = folder / "data.safetensors";
  checkpoint::write_safetensors_file(path, c);
  auto const back = checkpoint::read_safetensors_file(path);
  CHECK(values_of<std::uint8_t>(back, "pixels").numbers == std::vector<std::uint8_t>{0, 128, 255, 7});
  CHECK(values_of<std::uint8_t>(back, "pixels").shape == std::vector<std::uint64_t>{2, 2});
  CHECK(values_of<std::int32_t>(back, "labels").numbers == std::vector<std::int32_t>{3, -100});
  CHECK(values_of<std::int64_t>(back, "large").numbers[1] == 1LL << 40U);
  CHECK(values_of<float>(back, "halves").numbers == std::vector<float>{1, -2});
  CHECK(values_of<double>(back, "halves").numbers == std::vector<double>{1, -2});

  auto const says = [](auto read) { return foal_test::complaint(read); };
  CHECK_THAT(says([&] { values_of<std::int32_t>(back, "large", path); }),
             Contains("cannot read large of " + path + ", because element 1 is 1099511627776 where"));
  CHECK_THAT(says([&] { values_of<std::uint8_t>(back, "labels"); }), Contains("element 1 is -100 where at least 0"));
  CHECK_THAT(says([&] { values_of<float>(back, "pixels"); }), Contains("because it is of type U8 where F16, BF16, F32"));
  CHECK_THAT(says([&] { values_of<std::int32_t>(back, "halves"); }), Contains("of type F16 where BOOL, I8 to I64"));
  CHECK_THAT(says([&] { values_of<float>(back, "nothing"); }), Contains("there is no such tensor; give one of the 4"));
}
