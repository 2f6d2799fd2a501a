// What so many processes have saved, any other number of them goes on from, to the same file of weights and the same
// numbers: a small net of all that changes bits, and a Transformer.
#include <foal/core/error.hpp>

#include <catch2/catch.hpp>
#include <regex>
#include <string>
#include <vector>

#include "tests/support/corpus.hpp"
#include "tests/support/program.hpp"

namespace {

using foal::test::program_result;
using foal::test::work_folder;

/// So many processes of so many workers; 0: no launcher.
struct spread {
  int processes = 0, workers = 1;
};
constexpr spread spreads[] = {{0, 2}, {2, 1}, {4, 1}, {2, 2}};

std::string bytes_in(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

program_result started(work_folder const& folder, spread s, std::string const& program, std::string const& arguments) {
  program_result const r =
      s.processes == 0 ? folder.run(program, arguments)
                       : folder.run("env", foal::sentence("OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
                                                          "OMPI_MCA_rmaps_base_oversubscribe=1 " FOAL_MPIEXEC " ",
                                                          s.processes, " '", program, "' ", arguments));
  INFO(s.processes << " processes of " << s.workers << " workers: " << r.text);
  REQUIRE(r.status == 0);
  return r;
}

/// The folders of checkpoints, in order.
std::vector<std::string> steps_in(std::string const& directory) {
  std::vector<std::string> all;
  for (auto const& entry : std::filesystem::directory_iterator(directory))
    if (entry.path().filename().string().starts_with("step-")) all.push_back(entry.path().string());
  std::sort(all.begin(), all.end());
  return all;
}

/// What a run that was killed behind its last but `behind` checkpoint has left.
void copy_but(std::string const& from, std::string const& to, std::size_t behind) {
  std::filesystem::remove_all(to);
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
  auto const steps = steps_in(to);
  REQUIRE(steps.size() > behind);
  for (std::size_t i = steps.size() - behind; i < steps.size(); ++i) std::filesystem::remove_all(steps[i]);
}

}  // namespace

TEST_CASE("a net with batch norm, dropout, T1, T2 and T3 goes on in any number of processes", "[program]") {
  work_folder const folder("resume_small");
  started(folder, {}, FOAL_TRAINS, "whole whole.safetensors 400");
  std::string const weights = bytes_in(folder.path("whole.safetensors"));
  for (spread const& from : spreads) {
    started(folder, from, FOAL_TRAINS, foal::sentence("saved saved.safetensors 400 ", from.workers));
    CHECK((bytes_in(folder.path("saved.safetensors")) == weights));
    CHECK(static_cast<int>(std::distance(std::filesystem::directory_iterator(steps_in(folder.path("saved")).front()), {})) ==
          2 * std::max(1, from.processes) + 1);
    for (spread const& to : spreads) {
      INFO(from.processes << " processes of " << from.workers << ", then " << to.processes << " of " << to.workers);
      copy_but(folder.path("saved"), folder.path("run"), 1);
      auto const r = started(folder, to, FOAL_TRAINS, foal::sentence("run run.safetensors 1000 ", to.workers));
      CHECK_THAT(r.text, Catch::Contains("going on from run/step-000000001200"));
      CHECK((bytes_in(folder.path("run.safetensors")) == weights));
    }
    std::filesystem::remove_all(folder.path("saved"));
  }
}

TEST_CASE("the best weights and the end that early stopping makes are those of one process", "[program]") {
  work_folder const folder("keep_best");
  std::string const stops = " 0 0.3";
  started(folder, {}, FOAL_TRAINS, "whole whole.safetensors 400 2" + stops);
  std::string const weights = bytes_in(folder.path("whole.safetensors")),
                    best = bytes_in(folder.path("whole.safetensors.best"));
  std::string const last = std::filesystem::path(steps_in(folder.path("whole")).back()).filename().string();
  CHECK(last < "step-000000001500");  // five epochs have more
  for (spread const& s : spreads) {
    INFO(s.processes << " processes of " << s.workers);
    std::filesystem::remove_all(folder.path("run"));
    for (bool const goes_on : {false, true}) {
      if (goes_on) copy_but(folder.path("run"), folder.path("run_cut"), 1);
      std::string const into = goes_on ? "run_cut" : "run";
      auto const r = started(folder, s, FOAL_TRAINS, foal::sentence(into, " run.safetensors 400 ", s.workers, stops));
      if (goes_on) CHECK_THAT(r.text, Catch::Contains("going on from run_cut/step-"));
      CHECK((bytes_in(folder.path("run.safetensors")) == weights));
      CHECK((bytes_in(folder.path("run.safetensors.best")) == best));
      CHECK(std::filesystem::path(steps_in(folder.path(into)).back()).filename().string() == last);
      for (auto const& entry : std::filesystem::directory_iterator(folder.path(".")))
        CHECK_THAT(entry.path().filename().string(), !Catch::Contains(".process-"));
      std::filesystem::remove(folder.path("run.safetensors"));
    }
  }
}

TEST_CASE("a Transformer goes on in other processes to the numbers of the run that was not stopped", "[program]") {
  work_folder const folder("resume_translate");
  for (auto const& [split, lines] : {std::pair{"train", 32}, {"val", 8}, {"test", 2}})
    foal::test::write_corpus(folder, split, lines);
  std::string const options =
      "--data corpus:en-de --merges 60 --net small_untied --epochs 3 --t3-epochs 1 --methods t1t2t3 --microbatch-size 4 "
      "--warmup-updates 10 --samples 0 --json rows.json --workers ";
  std::regex const numbers("\"(validation|train|averaged)_loss\":[^\\]]*|\"bleu\":[^,]*");
  auto const found = [&] {
    std::vector<std::string> all;
    std::string const text = bytes_in(folder.path("rows.json"));
    for (std::sregex_iterator i(text.begin(), text.end(), numbers), end; i != end; ++i) all.push_back((*i)[0]);
    REQUIRE_FALSE(all.empty());
    return all;
  };
  started(folder, {}, FOAL_TRANSLATE, options + "1");
  auto const whole = found();
  spread before{2, 2};
  for (spread const& to : {spread{0, 3}, spread{3, 1}}) {
    std::filesystem::remove_all(folder.path("saved"));
    started(folder, before, FOAL_TRANSLATE,
            foal::sentence(options, before.workers, " --checkpoint saved --checkpoint-every 1"));
    CHECK(found() == whole);
    for (auto const& run : std::filesystem::directory_iterator(folder.path("saved"))) {
      copy_but(run.path().string(), run.path().string() + "_cut", 2);
      std::filesystem::remove_all(run.path());
      std::filesystem::rename(run.path().string() + "_cut", run.path());
    }
    started(folder, to, FOAL_TRANSLATE, foal::sentence(options, to.workers, " --checkpoint saved --resume"));
    CHECK(found() == whole);
    before = to;
  }
}
