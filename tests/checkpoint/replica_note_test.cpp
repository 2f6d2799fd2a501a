// What a run that goes on with other replicas is told, whatever the fingerprints say.
#include <foal/checkpoint/replica_note.hpp>

#include <catch2/catch.hpp>

using namespace foal;
using Catch::Contains;

namespace {

report::fingerprint with_replicas(std::string const& replicas, std::string const& microbatches, std::string const& size) {
  report::fingerprint f;
  f.items = {{"replicas", replicas}, {"microbatches", microbatches}, {"microbatch_size", size}};
  return f;
}

}  // namespace

TEST_CASE("replicas that are lost leave their microbatches to the others") {
  CHECK(checkpoint::replica_note(with_replicas("2", "8", "4"), with_replicas("2", "4", "4")) == "");
  CHECK(checkpoint::replica_note(with_replicas("2", "8", "4"), with_replicas("4", "8", "4")) ==
        "2 replicas go on where 4 were: a minibatch keeps its 32 samples, of which each has 4 microbatches in place of 2");
  CHECK(checkpoint::replica_note(with_replicas("2", "4", "4"), with_replicas("4", "8", "4")) ==
        "2 replicas go on where 4 were: a minibatch has 16 samples in place of 32, and each replica 2 microbatches of it in "
        "place of 2; learning rates are as they were");
  CHECK(checkpoint::replica_note({}, {}) == "");
  CHECK_THAT(checkpoint::replica_note(with_replicas("3", "6", "1"), {}), Contains("3 replicas go on where 1 were"));
}

TEST_CASE("numbers that no run has are taken for 1") {
  for (std::string const bad : {"", "0", "-3", "many", "99999999999999999999999"})
    CHECK(checkpoint::replica_note(with_replicas("2", "2", "1"), with_replicas(bad, bad, bad)) ==
          "2 replicas go on where 1 were: a minibatch has 2 samples in place of 1, and each replica 1 microbatches of it in "
          "place of 1; learning rates are as they were");
}
