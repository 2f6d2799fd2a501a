// A sweep's results of any content are read, or refused with a sentence; a row that is appended is always found again.
#include <foal/report/json_lines.hpp>

#include "examples/sweep/results.hpp"
#include "tests/fuzz/input_folder.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static foal_fuzz::input_folder const folder;
  static std::string const row = R"({"run":"of the fuzzer","test_accuracy":[0.5,0.25],"diverged_at":40,"build":"b"})";
  std::string const path = folder / "results.jsonl";
  folder.put("results.jsonl", foal_fuzz::text_of(data, size));
  std::vector<std::string> words;
  std::size_t before = 0;
  bool refused = false;
  try {
    auto all = sweep::read_results(path, words);
    all.erase("of the fuzzer");
    before = all.size();
  } catch (foal::error const&) {
    refused = true;
  }
  foal::report::json_lines(path, true).write_line(row);
  words.clear();
  auto const all = sweep::read_results(path, words);
  foal_fuzz::must(all.contains("of the fuzzer") && all.at("of the fuzzer").diverged_at == 40, "a row that is lost");
  foal_fuzz::must(refused || all.size() == before + 1, "rows that an appended one changes");
  return 0;
}
