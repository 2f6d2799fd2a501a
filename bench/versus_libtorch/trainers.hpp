// foal's trainers in the comparison, on its own kernels, or on oneDNN's in the program that is built with them.
#pragma once

#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer.hpp>

#if defined(FOAL_BENCH_ONEDNN)
#include <foal/onednn.hpp>
#endif

namespace bench::versus {

#if defined(FOAL_BENCH_ONEDNN)
using backend = foal::on<foal::device::onednn>;
#else
using backend = foal::on<foal::device::host>;
#endif

template <class Net, class... Policies>
using alone = foal::trainer<Net, foal::loss::cross_entropy, foal::schedule::sequential, foal::optim::momentum,
                            foal::executor::single_thread, backend, Policies...>;
template <class Net, class... Policies>
using paired =
    foal::trainer<Net, foal::loss::cross_entropy, foal::schedule::async_1f1b, foal::optim::momentum, backend, Policies...>;

}  // namespace bench::versus
