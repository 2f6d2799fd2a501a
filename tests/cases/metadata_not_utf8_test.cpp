// Weights with a note that is no UTF-8 (a path in Latin-1): the writer says so and keeps the file that is there; nothing is
// written that the reader then calls damaged.
#include <foal/checkpoint/safetensors.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/optim/sgd.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/trainer.hpp>

#include "tests/support/files.hpp"

namespace {

using namespace foal;
struct net : stages<input<1, 1, 4>, flatten, linear<3>> {};

}  // namespace

TEST_CASE("metadata in Latin-1 is refused by the writer, in UTF-8 it comes back") {
  foal_test::temporary_directory const folder;
  std::string const path = folder / "w.safetensors";
  trainer<net, loss::cross_entropy, schedule::gpipe, optim::sgd> t({.microbatch_size = 4, .microbatches = 2});
  std::string const latin_1 =
                        "/daten/gr\xf6\xdf"
                        "e:de-en",
                    utf_8 = "/daten/größe:de-en";
  checkpoint::write_safetensors(path, t, {{"data", utf_8}});
  CHECK_THAT(foal_test::complaint([&] {
               checkpoint::write_safetensors(path, t, {{"data", latin_1}});
             }),
             Catch::Contains("cannot write " + path + ", because its metadata 'data' is not UTF-8: its byte 9 is 246; "));
  CHECK(checkpoint::read_safetensors(path, t).at("data") == utf_8);
}
