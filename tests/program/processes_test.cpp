// examples/parity in several processes: the files that it writes are those of one, to the bit.
#include <foal/core/error.hpp>
#include <foal/data/npy.hpp>

#include <cmath>

#include "tests/support/program.hpp"

namespace {

using foal::test::work_folder;

/// The input of parity's network of seven stages.
void write_input(work_folder const& folder) {
  double drawn = 1;
  auto const draw = [&](long long count, double size) {
    std::vector<double> all;
    for (long long i = 0; i < count; ++i, ++drawn) all.push_back(size * std::sin(drawn * drawn));
    return all;
  };
  std::vector<long long> const width{20, 24, 24, 24, 24, 24, 24, 10};
  for (std::size_t s = 0; s + 1 < width.size(); ++s) {
    std::string const number = std::to_string(s + 1) + ".npy";
    foal::data::write_npy(folder.path("in/init_W" + number), {width[s], width[s + 1]},
                          draw(width[s] * width[s + 1], 0.2).data());
    foal::data::write_npy(folder.path("in/init_b" + number), {width[s + 1]}, draw(width[s + 1], 0.1).data());
  }
  constexpr int samples = 26;
  foal::data::write_npy(folder.path("in/x.npy"), {samples, width.front()}, draw(samples * width.front(), 1).data());
  std::vector<std::int32_t> labels;
  for (int i = 0; i < samples; ++i) labels.push_back(i * 7 % 10);
  foal::data::write_npy(folder.path("in/y.npy"), {samples}, labels.data());
}

std::string bytes_of(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("parity writes the same files from 1, 2 and 4 processes as from one thread", "[program]") {
  work_folder const folder("processes_parity");
  write_input(folder);
  std::string const sizes = "--net 7 --micro 3 --mbsize 2 --minibatches 9 --lr 0.05 --momentum 0.9 ";
  std::vector<std::string> trajectories;
  for (std::string const method :
       {"--method gpipe", "--method pipedream --schedule 1f1b", "--method pipemare",
        "--method pipemare --warmup 3 --t1-steps 5 --t2-decay 0.3 --t2-delay exact --dtype float32"}) {
    auto const one = folder.run(FOAL_PARITY, "in out " + sizes + method);
    INFO(method << '\n' << one.text);
    REQUIRE(one.status == 0);
    trajectories.push_back(bytes_of(folder.path("out/traj.npy")));
    for (auto const& [count, workers] : {std::pair{1, 1}, {2, 1}, {4, 1}, {2, 3}}) {
      std::string const out = foal::sentence("out_of_", count, "_with_", workers);
      auto const many = folder.run(
          "env", foal::sentence("OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
                                "OMPI_MCA_rmaps_base_oversubscribe=1 " FOAL_MPIEXEC " ",
                                count, " '" FOAL_PARITY "' in ", out, " ", sizes, method, " --workers ", workers));
      INFO(count << " processes of " << workers << " workers: " << many.text);
      REQUIRE(many.status == 0);
      for (char const* const file : {"/traj.npy", "/mb_loss.npy", "/versions.npy"}) {
        INFO(file);
        CHECK((bytes_of(folder.path(out + file)) == bytes_of(folder.path(std::string("out") + file))));
      }
    }
  }
  for (std::size_t i = 1; i < trajectories.size(); ++i) CHECK((trajectories[i] != trajectories[i - 1]));
}
