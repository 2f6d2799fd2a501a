// Examples print and write the same numbers alone on one thread, on several threads, and as several processes: the methods
// of compare, a convolutional net with batch norm, a Transformer with dropout, tied weights and ragged microbatches.
#include <foal/core/error.hpp>

#include <catch2/catch.hpp>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/corpus.hpp"
#include "tests/support/program.hpp"

namespace {

using foal::test::program_result;
using foal::test::work_folder;

struct example {
  std::string name, program, arguments;
  std::string file;    ///< that it writes; empty: what it prints is looked at
  std::string digits;  ///< regex of what must be there, in the one of the two, and the same
};

std::string read(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// All that the regex finds.
std::vector<std::string> found(std::string const& text, std::string const& digits) {
  std::vector<std::string> all;
  std::regex const each(digits);
  for (std::sregex_iterator i(text.begin(), text.end(), each), end; i != end; ++i) all.push_back((*i)[0]);
  return all;
}

std::vector<std::string> numbers(work_folder const& folder, example const& e, int processes, int workers) {
  std::string const arguments = foal::sentence(e.arguments, " --workers ", workers);
  if (!e.file.empty()) std::filesystem::remove(folder.path(e.file));
  program_result const r =
      processes == 0 ? folder.run(e.program, arguments)
                     : folder.run("env", foal::sentence("OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
                                                        "OMPI_MCA_rmaps_base_oversubscribe=1 " FOAL_MPIEXEC " ",
                                                        processes, " '", e.program, "' ", arguments));
  INFO(processes << " processes of " << workers << " workers: " << r.text);
  REQUIRE(r.status == 0);
  auto all = found(e.file.empty() ? r.text : read(folder.path(e.file)), e.digits);
  REQUIRE_FALSE(all.empty());
  return all;
}

/// in: processes, 0 for none, and the workers of each.
void check(work_folder const& folder, example const& e,
           std::vector<std::pair<int, int>> const& in = {{0, 3}, {2, 1}, {4, 1}, {2, 2}}) {
  INFO(e.name);
  auto const alone = numbers(folder, e, 0, 1);
  for (auto const& [processes, workers] : in) {
    INFO(processes << " processes of " << workers << " workers");
    CHECK(numbers(folder, e, processes, workers) == alone);
  }
}

}  // namespace

TEST_CASE("compare: every method has the same numbers on threads and in processes", "[program]") {
  check(work_folder("same_bits_compare"),
        {"compare", FOAL_COMPARE,
         "--epochs 2 --t3-epochs 1 --microbatch-size 100 --seeds 1 --jobs 1 --speed-rounds 1 --report report",
         "report/metrics.jsonl", "\\{.*\\}"});
}

TEST_CASE("compare: two replicas of every method have the same numbers on threads and in processes", "[program]") {
  check(work_folder("same_bits_replicas"),
        {"compare --replicas 2", FOAL_COMPARE,
         "--replicas 2 --epochs 2 --t3-epochs 1 --microbatch-size 100 --microbatches 4 --seeds 1 --jobs 1 --speed-rounds 1 "
         "--report report",
         "report/metrics.jsonl", "\\{.*\\}"},
        {{2, 1}, {4, 1}});  // a replica in each process, half of one
}

TEST_CASE("resnet: a net with batch norms has the same numbers on threads and in processes", "[program]") {
  check(work_folder("same_bits_resnet"),
        {"resnet", FOAL_RESNET, "--net resnet20 --minibatches 3 --microbatches 2 --microbatch-size 2 --json rows.json",
         "rows.json", "\\{\"row\":\"epoch\".*\\}"});
}

TEST_CASE("translate: a Transformer has the same numbers on threads and in processes", "[program]") {
  work_folder const folder("same_bits_translate");
  for (auto const& [split, lines] : {std::pair{"train", 32}, {"val", 8}, {"test", 2}})
    foal::test::write_corpus(folder, split, lines);
  check(folder, {"translate", FOAL_TRANSLATE,
                 "--data corpus:en-de --merges 60 --net small --epochs 2 --t3-epochs 1 --methods t1t2t3 --microbatch-size 4 "
                 "--warmup-updates 10 --samples 0 "
                 "--json rows.json",
                 "rows.json", "\"(validation|train|averaged)_loss\":[^\\]]*|\"bleu\":[^,]*"});
}
