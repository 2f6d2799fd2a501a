// Trains a small convolutional net as an asynchronous pipeline, with everything PipeMare has against stale weights.
#include <cstdio>
#include <foal/foal.hpp>

// A model is a type. Each layer with weights starts a stage of the pipeline: here four.
struct net : foal::stages<foal::input<1, 8, 8>,                           // channels, height, width
                          foal::conv<16, 3>, foal::relu,                  // 8 x 8
                          foal::max_pool<2>,                              // 4 x 4
                          foal::residual<foal::conv<16, 3>, foal::relu>,  // y = relu(conv(x)) + x
                          foal::flatten, foal::linear<64>, foal::relu,    // 256 features, 64
                          foal::linear<10>> {};

// So is a run: what to do is types, in any order after the schedule; how much of it is numbers, below.
using run = foal::trainer<net, foal::loss::cross_entropy, foal::schedule::pipemare, foal::optim::momentum,
                          foal::lr::reschedule<foal::lr::step>,  // T1: stale stages start with smaller steps
                          foal::delay::discrepancy_correction,   // T2: backwards see the weights that forwards saw
                          foal::warmup::synchronous>;            // T3: the first updates flush the pipeline

static_assert(run::stages == 4 && run::delay(0) == 7);  // microbatches from forward to backward, proved at compile time

int main() {
  foal::data::dataset const digits = foal::data::handwritten();
  run t({.microbatch_size = 8,
         .microbatches = 4,
         .workers = 2,
         .optim = {.momentum = 0.9},
         .lr = {.base = {.rate = 0.05, .every = 750}, .steps = 1000},
         .warmup = {.minibatches = 125}});
  std::puts(t.facts().text().c_str());
  foal::fit_report const result = t.fit(digits.train, {.epochs = 8, .evaluate = digits.test});
  std::printf("%.1f %% of the test digits right, %.0f samples/s\n", 100 * result.accuracy(), result.samples_per_second);
}
