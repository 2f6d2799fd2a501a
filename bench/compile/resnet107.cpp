// A residual convolutional net of 107 stages with PipeMare in full: what the deepest published run costs the compiler.
#include <foal/foal.hpp>

// A convolution and its norm are one stage, as a weighted layer of the paper's ResNets is.
template <int Out, int Kernel, int Stride = 1>
struct unit {
  using type = foal::stage<foal::conv_no_bias<Out, Kernel, Stride>, foal::batch_norm>;
};
template <int Out, int Kernel, int Stride = 1>
using conv_norm = typename unit<Out, Kernel, Stride>::type;

template <int Mid, int Out>
using bottleneck = foal::residual<conv_norm<Mid, 1>, foal::relu, conv_norm<Mid, 3>, foal::relu, conv_norm<Out, 1>>;
template <int Mid, int Out, int Stride>
using widening = foal::residual<foal::shortcut<conv_norm<Out, 1, Stride>>, conv_norm<Mid, 1>, foal::relu,
                                conv_norm<Mid, 3, Stride>, foal::relu, conv_norm<Out, 1>>;

struct resnet : foal::stages<foal::input<3, 32, 32>, conv_norm<16, 3>, foal::relu,             //
                             widening<16, 64, 1>, foal::relu, bottleneck<16, 64>, foal::relu,  //
                             bottleneck<16, 64>, foal::relu, bottleneck<16, 64>, foal::relu, bottleneck<16, 64>, foal::relu,
                             bottleneck<16, 64>, foal::relu, bottleneck<16, 64>, foal::relu, bottleneck<16, 64>, foal::relu,
                             bottleneck<16, 64>, foal::relu, bottleneck<16, 64>, foal::relu, bottleneck<16, 64>, foal::relu,
                             bottleneck<16, 64>, foal::relu,    //
                             widening<32, 128, 2>, foal::relu,  //
                             bottleneck<32, 128>, foal::relu, bottleneck<32, 128>, foal::relu, bottleneck<32, 128>,
                             foal::relu, bottleneck<32, 128>, foal::relu, bottleneck<32, 128>, foal::relu,
                             bottleneck<32, 128>, foal::relu, bottleneck<32, 128>, foal::relu, bottleneck<32, 128>,
                             foal::relu, bottleneck<32, 128>, foal::relu, bottleneck<32, 128>, foal::relu,  //
                             widening<64, 256, 2>, foal::relu,                                              //
                             bottleneck<64, 256>, foal::relu, bottleneck<64, 256>, foal::relu, bottleneck<64, 256>,
                             foal::relu, bottleneck<64, 256>, foal::relu, bottleneck<64, 256>, foal::relu,
                             bottleneck<64, 256>, foal::relu, bottleneck<64, 256>, foal::relu, bottleneck<64, 256>,
                             foal::relu, bottleneck<64, 256>, foal::relu, bottleneck<64, 256>, foal::relu,  //
                             foal::global_avg_pool, foal::linear<100>> {};

using run =
    foal::trainer<resnet, foal::loss::cross_entropy, foal::schedule::pipemare, foal::optim::momentum,
                  foal::lr::reschedule<foal::lr::step>, foal::delay::discrepancy_correction, foal::warmup::synchronous>;
static_assert(run::stages == 107 && run::delay(0) == 213);

int main() {
  foal::data::dataset const images = foal::data::cifar10("cifar10");
  run t({.microbatch_size = 8, .microbatches = 8, .workers = 2});
  t.fit(images.train, {.epochs = 1, .evaluate = images.test});
}
