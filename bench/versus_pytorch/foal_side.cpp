// foal's side of the comparison with PyTorch: foal_side WORKLOAD WORKERS [FOLDER]
//
// Trains one of versus_libtorch_bench's workloads, on one worker, or with async_1f1b on two, when it is told to
// (support/turns.hpp). With a folder it writes there first what the other side needs: the network, its initial weights, the
// batches.

#include "../support/outcome.hpp"
#include "../support/turns.hpp"
#include "files.hpp"

namespace {

using namespace bench::versus;

workload find(std::string const& name) {
  for (workload const& w :
       {mlp_thin(), mlp_whole(), resnet20_thick(), resnet20_thin(), resnet50_thin(), transformer(), transformer_padded()})
    if (w.name == name) return w;
  throw foal::error(foal::sentence("cannot train the workload ", name,
                                   ", because versus_libtorch_bench has none of this name; give one that it prints"));
}

/// The Transformer.
void write_texts(folder const& to, workload const& w, network const& net) {
  bench::texts const texts(w.minibatch);
  to.write("source", texts.source);
  to.write("source_length", texts.source_length);
  to.write("target_in", texts.target_in);
  to.write("target", texts.target);
  write_steps(to, transformer_parameters());
  to.write("numbers", std::string_view(foal::sentence(numbers_of(w, net), " longest ", texts.longest, " vocabulary ",
                                                      texts.vocabulary, " layers ", transformer_layers, " width ",
                                                      transformer_width, " heads ", transformer_heads)));
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    foal::require(argc == 3 || argc == 4, "cannot start with ", argc - 1,
                  " arguments; give a workload, 1 or 2 workers, and a folder where there is none of the other side's files");
    workload const w = find(argv[1]);
    int const workers = std::atoi(argv[2]);
    foal::require(workers == 1 || workers == 2, "cannot train on ", argv[2], " workers; give 1 or 2");
    network net = w.describe();
    batches const data(w.minibatch, net.sample(), net.classes);
    if (argc == 4) w.of_texts ? write_texts(folder(argv[3]), w, net) : write(folder(argv[3]), w, net, data);
    net.steps.clear();
    std::puts(bench::machine().c_str());
    auto const side = w.ours(w, data, workers);
    bench::take_turns_with_others([&](int minibatches) { return side->train(minibatches); });
    return 0;
  });
}
