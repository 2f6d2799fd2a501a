// examples/convert_weights.py on foal's files: names change, what they name does not, and damage is seen before and after.
#include <string>

#include <foal/checkpoint/safetensors_file.hpp>

#include "tests/support/files.hpp"
#include "tests/support/program.hpp"

using namespace foal;
using Catch::Contains;
using checkpoint::read_safetensors_file;
using checkpoint::safetensors_content;
using foal::test::work_folder;

namespace {

char const* const map =
    R"({"0.linear.weight": "features.weight", "0.linear.bias": "größe.bias", "empty": "a", "also": "b"})";

safetensors_content of_foal() {
  safetensors_content c{{{"note", "größe \"quoted\"\n"}, {"foal.model", "net"}}, {}, {}};
  c.tensors = {{"0.linear.weight", "F32", {2, 3}, 0, 24},
               {"0.linear.bias", "BF16", {2}, 24, 28},
               {"also", "F32", {0}, 28, 28},
               {"empty", "U8", {0, 9}, 28, 28}};
  for (int i = 0; i < 28; ++i) c.buffer.push_back(static_cast<std::uint8_t>(29 * i + 3));
  return c;
}

}  // namespace

TEST_CASE("a file of foal's goes to other names and back, with a digest on both ways") {
  work_folder const folder("convert");
  auto const convert = [&](std::string const& arguments) {
    return folder.run(FOAL_PYTHON, std::string("'") + FOAL_CONVERT + "' " + arguments);
  };
  write_safetensors_file(folder.path("a.safetensors"), of_foal());
  folder.write("map.json", map);
  CHECK(convert("a.safetensors b.safetensors --map map.json").text.empty());
  auto const a = read_safetensors_file(folder.path("a.safetensors"));
  auto const b = read_safetensors_file(folder.path("b.safetensors"));
  CHECK(b.about.at("format") == "pt");
  CHECK(b.about.at("note") == a.about.at("note"));
  CHECK(b.about.count(checkpoint::digest_key) == 1);
  CHECK(b.about.at(checkpoint::digest_marks_key) == checkpoint::digest_marks);
  CHECK(b.buffer == a.buffer);
  CHECK(b.tensors[1].name == "größe.bias");
  for (std::size_t i = 0; i < a.tensors.size(); ++i) {
    CHECK(b.tensors[i].digest == a.tensors[i].digest);
    CHECK_FALSE(b.tensors[i].digest.empty());
  }
  CHECK(convert("b.safetensors c.safetensors --map map.json --to-foal").text.empty());
  auto const c = read_safetensors_file(folder.path("c.safetensors"));
  CHECK(c.buffer == a.buffer);
  REQUIRE(c.tensors.size() == a.tensors.size());
  for (std::size_t i = 0; i < a.tensors.size(); ++i) CHECK(c.tensors[i].name == a.tensors[i].name);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path("")), std::filesystem::directory_iterator()) == 4);

  // Damage to numbers, to metadata, and to the digest's own name.
  auto const whole = foal_test::read(folder.path("a.safetensors"));
  std::string const header(whole.begin(), whole.end());
  for (std::size_t const at : {whole.size() - 2, header.find("quoted"), header.find("foal.digest\"") + 7}) {
    auto changed = whole;
    changed[at] = static_cast<std::uint8_t>(changed[at] ^ 1U);
    foal_test::write(folder.path("a.safetensors"), changed);
    auto const said = convert("a.safetensors b.safetensors --map map.json");
    CHECK(said.status == 1);
    CHECK_THAT(said.text,
               Contains("convert_weights: cannot read a.safetensors, because ") && Contains("the file is damaged; "));
  }
  CHECK(read_safetensors_file(folder.path("b.safetensors")).buffer == a.buffer);
}

TEST_CASE("what is no weights file, or no map, is said in a sentence by the converter") {
  work_folder const folder("convert_nothing");
  auto const says = [&](std::string const& header, std::string const& names) {
    foal_test::bytes file(8);
    file[0] = static_cast<std::uint8_t>(header.size());
    file.insert(file.end(), header.begin(), header.end());
    foal_test::write(folder.path("a.safetensors"), file);
    folder.write("map.json", names);
    auto const said = folder.run(FOAL_PYTHON, std::string("'") + FOAL_CONVERT + "' a.safetensors b --map map.json");
    CHECK(said.status == 1);
    CHECK(said.text.find("convert_weights: cannot ") == 0);
    CHECK_FALSE(std::filesystem::exists(folder.path("b")));
    return said.text;
  };
  CHECK_THAT(says("{}", "[]"), Contains("it is no map of names"));
  folder.run("/usr/bin/mkfifo", "p.safetensors");
  CHECK_THAT(folder.run(FOAL_PYTHON, std::string("'") + FOAL_CONVERT + "' p.safetensors").text,
             Contains("cannot read p.safetensors, because it is no regular file; "));
  CHECK_THAT(says("{}", "{"), Contains("it is no map of names"));
  CHECK_THAT(says("[]", "{}"), Contains("its header is no object"));
  CHECK_THAT(says("{", "{}"), Contains("its header is no JSON"));
  CHECK_THAT(says("{\"\xf6\":1}", "{}"), Contains("its header is no JSON"));
  CHECK_THAT(says(R"({"a":1})", "{}"), Contains("'a' has no dtype, shape and data_offsets"));
  CHECK_THAT(says(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,0]}})", "{}"), Contains("'a' has no dtype, shape"));
  CHECK_THAT(says(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "{}"), Contains("a lies at [0, 4)"));
  CHECK_THAT(says(R"({"__metadata__":{"a":"1","a":"2"}})", "{}"), Contains("a name comes twice"));
  CHECK_THAT(says(R"({"__metadata__":{"a":1}})", "{}"), Contains("its metadata are not texts"));
}
