// The benchmarks of the CUDA device run, on nets that are small.
#include <catch2/catch.hpp>

#include <filesystem>
#include <foal/zoo/resnet.hpp>
#include <fstream>
#include <string>

#include "../../bench/device/cuda/curve.cuh"
#include "../../bench/device/cuda/sides.cuh"
#include "../../bench/device/cuda/stages.cuh"
#include "../../bench/device/cuda/update.cuh"
#include "../support/cuda_array.hpp"
#include "../support/files.hpp"

namespace {

using namespace bench::on_cuda;
namespace zoo = foal::zoo;

struct few_blocks
    : zoo::resnet<zoo::residual_block::bottleneck, 4, zoo::resnet_size{.height = 8, .width = 8, .classes = 3}, 1, 1> {};
struct few_words
    : zoo::gpt<zoo::gpt_size{
          .layers = 1, .width = 8, .heads = 2, .vocabulary = 11, .longest = 12, .dropout_percent = 0, .tanh_gelu = true}> {};

/// On one device whatever the precision: half as much to compile.
std::unique_ptr<bench::versus::side> small_side(std::vector<std::string> const& words) {
  return side_of<few_blocks, few_words, foal::device::cuda, foal::device::cuda>(words);
}

bench::options few_rounds() {
  char program[] = "bench", rounds[] = "--rounds", one[] = "1";
  char* argv[] = {program, rounds, one};
  return bench::options(3, argv, 1);
}

}  // namespace

TEST_CASE("the benchmark of the fused update runs", "[cuda]") {
  bench::outcome out("cuda_update_bench", few_rounds());
  measure_update(out, 5000, 1, 2, 0);
  CHECK(out.finish() == 0);
}

TEST_CASE("the benchmark of fine stages runs, and writes its traces", "[cuda]") {
  foal_test::temporary_directory const folder;
  bench::outcome out("cuda_stages_bench", few_rounds());
  stages_plan const plan{.microbatches = 2, .microbatch_size = 2, .workers = 2, .minibatches = 3, .traces = folder.path()};
  compare_stages<fine_mlp<4, 6>>(out, plan, 1);
  CHECK(out.finish() == 0);
  for (char const* const which : {"flushed", "asynchronous"}) {
    std::ifstream file(folder / foal::sentence("stages4_n2_w2_", which, ".trace.json"));
    std::string const text(std::istreambuf_iterator<char>(file), {});
    CHECK(text.find("\"name\":\"device 0\"") != std::string::npos);
    CHECK(text.find("\"name\":\"unit 3, stage 3\"") != std::string::npos);
  }
}

TEST_CASE("foal's side of the comparison with PyTorch trains, and says what the other side starts with", "[cuda]") {
  foal_test::temporary_directory const folder;
  auto const losses = [&](char const* what, char const* minibatch, char const* microbatch, char const* how) {
    std::string const to = folder / what;
    auto side = small_side({what, minibatch, microbatch, how, to});
    auto const found = side->train(3);
    CHECK(std::filesystem::file_size(to + "/weights") > 0);
    CHECK(std::filesystem::file_size(to + "/steps") > 0);
    REQUIRE(found.size() == 3);
    return found;
  };
  for (char const* const what : {"images", "texts"}) {
    auto const whole = losses(what, "4", "4", "float32");
    CHECK((whole[0] > 0.5 && whole[0] < 5));
    CHECK(losses(what, "4", "4", "tf32") == whole);
  }
  auto const texts = losses("texts", "4", "4", "float32");
  CHECK(foal::test::distance(losses("texts", "4", "2", "float32"), texts) < 1e-5);
  CHECK_THROWS_WITH(small_side({"images", "4", "3", "tf32", "x"}),
                    Catch::Matchers::Contains("cannot cut minibatches of 4 samples into microbatches of 3"));
}

TEST_CASE("curves of both methods are kept", "[cuda]") {
  foal_test::temporary_directory const folder;
  foal::data::memory<float, std::int32_t> const data{
      foal::features(6), foal::test::numbers<float>(8 * 6, 1), {0, 1, 2, 0, 1, 2, 0, 1}};
  for (bool const asynchronous : {false, true}) {
    std::string const file = folder / (asynchronous ? "a" : "s");
    auto const report = train_curve<fine_mlp<4, 6>, foal::device::cuda>(
        asynchronous, {.microbatches = 2, .microbatch_size = 2, .workers = 2, .epochs = 2, .warmup = 1, .metrics = file},
        data, data);
    CHECK(report.epoch_loss.size() == 2);
    CHECK(std::filesystem::file_size(file) > 0);
  }
}
