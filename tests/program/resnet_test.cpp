// examples/resnet: a warm-up that would train the whole run synchronously is refused before it begins.
#include <catch2/catch.hpp>

#include "tests/support/program.hpp"

using foal::test::program_result;
using foal::test::work_folder;

TEST_CASE("resnet: T3 leaves something to train asynchronously", "[program]") {
  work_folder const folder("resnet");
  auto const is_refused = [&](std::string const& arguments, std::string const& sentence) {
    program_result const r = folder.run(FOAL_PROGRAM, arguments);
    INFO(r.text);
    CHECK(r.status == 1);
    CHECK(r.text.find(sentence) != std::string::npos);
  };
  is_refused("--epochs 1 --t3-epochs 3", "cannot warm up for 3 epochs, because the run has 1");
  is_refused("--epochs 2 --t3-epochs 2", "give --t3-epochs of at most 1, or more --epochs");
  is_refused("--minibatches 5 --t3-epochs 1", "leave none of the run's 5 to train asynchronously");
}
