// The manifest of a checkpoint as text: what is written is read, every change of it is seen, and what it says is checked.
#include <foal/checkpoint/manifest.hpp>

#include "tests/support/checkpoints.hpp"

using namespace foal;
using Catch::Contains;
using checkpoint::manifest;
using checkpoint::manifest_of;
using checkpoint::manifest_text;
using foal_test::complaint;

namespace {

manifest some() {
  manifest m = foal_test::checkpoint_manifest(1200);
  m.run.unknown = {"delay policy"};
  m.parts = {{"run-000.safetensors", {120, "0123456789abcdef"}},
             {"weights-000.safetensors", {1ULL << 40U, "ffffffffffffffff"}}};
  return m;
}

/// With the digest that fits the text before it.
std::string sealed(std::string text) {
  std::string const digest = checkpoint::digest_of(text.data(), text.size());
  return text + "\"" + digest + "\"\n}\n";
}

/// The text of some(), with one piece of it in another's place.
std::string with(std::string const& piece, std::string const& other) {
  std::string text = manifest_text(some(), "m");
  text.resize(text.rfind("\"", text.size() - 5));
  std::size_t const at = text.find(piece);
  REQUIRE(at != std::string::npos);
  return sealed(text.replace(at, piece.size(), other));
}

std::string refusal(std::string const& text) {
  return complaint([&] { manifest_of(text, "m.json"); });
}

}  // namespace

TEST_CASE("a manifest that was written is read alike") {
  std::string const text = manifest_text(some(), "m");
  manifest const back = manifest_of(text, "m");
  CHECK(back.update == 1200);
  CHECK(back.epoch == 1);
  CHECK(back.run.items == some().run.items);
  CHECK(back.run.unknown == some().run.unknown);
  CHECK(back.parts == some().parts);
  CHECK(back.version == some().version);
  CHECK(manifest_text(back, "m") == text);
  CHECK(text.find("{\n  \"format\": 1,\n  \"foal\": \"0.") == 0);
  // What every build must find in files of every other: the end, with the digest of all before it.
  CHECK(sealed(text.substr(0, text.size() - 21)) == text);
  CHECK(with("\"epoch\"", "\"epoch\"") == text);
}

TEST_CASE("a manifest of format 1 stays one, whatever later builds write") {
  manifest const m = manifest_of(R"({
  "format": 1,
  "foal": "0.1.0",
  "update": 1200,
  "epoch": 3,
  "run": {
    "model": "a \"net\"",
    "optimizer.beta1": "0.9",
    "größe": ""
  },
  "unknown": [
    "delay policy"
  ],
  "parts": [
    {"file":"run-000.safetensors","bytes":120,"digest":"0123456789abcdef"},
    {"file":"weights-000.safetensors","bytes":1099511627776,"digest":"ffffffffffffffff"}
  ],
  "digest": "43d3093a17504f0a"
}
)",
                                 "m");
  CHECK(m.version == "0.1.0");
  CHECK(m.update == 1200);
  CHECK(m.epoch == 3);
  REQUIRE(m.run.items.size() == 3);
  CHECK(m.run.items[0].second == "a \"net\"");
  CHECK(m.run.items[2].first == "größe");
  CHECK(m.run.unknown == some().run.unknown);
  CHECK(m.parts == some().parts);
}

TEST_CASE("whatever is changed in a manifest is seen") {
  std::string const text = manifest_text(some(), "m");
  for (std::size_t n = 0; n < text.size(); ++n) REQUIRE_THAT(refusal(text.substr(0, n)), Contains("cannot read m.json"));
  for (std::size_t bit = 0; bit < 8 * text.size(); ++bit) {
    std::string changed = text;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    REQUIRE_FALSE(refusal(changed).empty());
  }
  CHECK_THAT(refusal(text + " "), Contains("because it does not end with its digest, which is "));
  CHECK_THAT(refusal(""), Contains("it has 0 bytes where at least 21 are expected"));
}

TEST_CASE("a manifest of a newer format is told from a damaged one") {
  CHECK_THROWS_AS(manifest_of(with("\"format\": 1", "\"format\": 2"), "m"), checkpoint::newer_format);
  CHECK_THAT(refusal(with("\"format\": 1", "\"format\": 2")),
             Contains("it is of format 2 where at most 1 is expected; read it with a newer foal"));
  // Whatever else a newer one says.
  CHECK_THAT(refusal(sealed("{\"format\": 12, \"update\": -1.5, \"parts\": {}, \"digest\": ")),
             Contains("it is of format 12"));
  CHECK_THAT(refusal(with("\"format\": 1", "\"format\": 0")), Contains("it is of format 0 where 1 or more is expected"));
  // A later build of this one may say more.
  CHECK(manifest_of(with("\"epoch\"", "\"best\": [{\"of\": null}, -2.5],\n  \"epoch\""), "m").update == 1200);
}

TEST_CASE("what a manifest says is checked") {
  CHECK_THAT(refusal(with("\"format\": 1,", "")), Contains("it begins with 'foal' where 'format' is expected"));
  CHECK_THAT(refusal(with("\"epoch\": 1", "\"update\": 1")), Contains("it names 'update' twice"));
  CHECK_THAT(refusal(with("\"epoch\": 1,", "")), Contains("it has no 'epoch'"));
  CHECK_THAT(refusal(with("\"update\": 1200", "\"update\": -1")), Contains("is '-' where a whole number is expected"));
  CHECK_THAT(refusal(sealed("{\"format\": 1, \"parts\": [], \"digest\": ")), Contains("it has no 'update'"));
  CHECK_THAT(refusal(with("weights-000", "run-000")), Contains("it names its part 'run-000.safetensors' twice"));
  CHECK_THAT(refusal(with("0123456789abcdef", "0123456789ABCDEF")), Contains("where 16 hexadecimal digits are expected"));
  CHECK_THAT(refusal(with("0.9", "\xff")), Contains("its text '\\xff' is not UTF-8"));
  for (std::string const name : {"", "../run-000.safetensors", "a/b.safetensors", ".safetensors", "..safetensors",
                                 "run-000.txt", "a b.safetensors", "a\\u0000.safetensors", "manifest.json"})
    CHECK_THAT(refusal(with("run-000.safetensors", name)), Contains("is no name of a .safetensors file in its folder"));
  CHECK_THAT(refusal(sealed("[\"digest\": ")), Contains("is '[' where '{' is expected"));
  CHECK_THAT(refusal(sealed(std::string(1000, '{'))), Contains("is expected"));

  auto const refuses = [](auto const& spoil) {
    manifest m = some();
    spoil(m);
    return complaint([&] { manifest_text(m, "m.json"); });
  };
  CHECK_THAT(refuses([](manifest& m) { m.parts.clear(); }),
             Contains("cannot write m.json, because it names no parts where at least one is expected"));
  CHECK_THAT(refuses([](manifest& m) { m.parts[0].file = "/etc/x.safetensors"; }), Contains("is no name of"));
  CHECK_THAT(refuses([](manifest& m) { m.run.items[0].second = "\xc3"; }), Contains("is not UTF-8"));
}

TEST_CASE("a manifest's file is read with a limit") {
  foal_test::temporary_directory const folder;
  std::string const path = folder / "manifest.json";
  CHECK_THAT(complaint([&] { checkpoint::read_manifest(path); }), Contains("no such file is there"));
  write_file(path, manifest_text(some(), path));
  CHECK(checkpoint::read_manifest(path).update == 1200);
  std::filesystem::resize_file(path, (1U << 26U) + 1);
  CHECK_THAT(complaint([&] { checkpoint::read_manifest(path); }), Contains("has 67108865 bytes where at most 67108864"));
}
