// The passing twin of every *_fail.cpp: what they get wrong, done right. It must compile with the flags they fail with.
#include <foal/checkpoint/safetensors.hpp>
#include <foal/executor/processes.hpp>
#include <foal/layer/relu.hpp>
#include <foal/policy/delay/chain.hpp>
#include <foal/policy/optim/averaged.hpp>

#include "net.hpp"

struct shortcut_tag {};

struct skips : foal::stages<foal::input<8>, foal::linear<8>, foal::relu, foal::save<shortcut_tag>, foal::linear<8>,
                            foal::add<shortcut_tag>, foal::residual<foal::linear<8>>,
                            foal::residual<foal::shortcut<foal::linear<4>>, foal::linear<4>>, foal::linear<10>> {};

struct last_gradient_only {
  using role = foal::role::delay;
  static constexpr char const* name = "own";
  static constexpr int states = 0;
  template <class S>
  auto backward_weight(foal::delay::moment) const {
    return [](S w) { return w; };
  }
};

struct halved_gradient {
  using role = foal::role::delay;
  static constexpr char const* name = "halved";
  static constexpr int states = 0;
  template <class S>
  auto gradient(foal::delay::moment) const {
    return [](S g, S) { return g / 2; };
  }
};

struct half_way {
  using role = foal::role::delay;
  static constexpr char const* name = "half way";
  static constexpr int states = 0, sums = 1;
  template <class S>
  auto summands(foal::delay::moment) const {
    return [](double* add, S g, S) { add[0] += static_cast<double>(g) * static_cast<double>(g); };
  }
  template <class S>
  auto gradient(foal::delay::moment m) const {
    return [large = m.sums[0] > 1](S g, S) { return large ? g / 2 : g; };
  }
  template <class S>
  auto move(foal::delay::moment) const {
    return [](S after, S before, S) { return (after + before) / 2; };
  }
};

struct one_process {
  static foal::executor::process_place place() { return {}; }
  static std::vector<std::string> exchange(std::string const& mine) { return {mine}; }
  static void end_all(std::string const&) {}
  static void tell(int, foal::transport::note const&) {}
  static std::optional<foal::transport::note> heard() { return {}; }
  struct channel {
    channel(one_process&, foal::transport::open_end, int) {}
    bool progress() { return false; }
    bool done() const { return true; }
    void end_at(std::uint32_t) {}
  };
};
static_assert(foal::executor::drives<foal::executor::processes_over<one_process>>);

struct tied_tag {};
struct both_frozen
    : foal::stages<foal::input<8>,
                   foal::frozen<foal::tied<tied_tag, foal::linear<8>>, foal::relu, foal::tied<tied_tag, foal::linear<8>>>,
                   foal::linear<2>> {};

using asynchronous = run<foal::schedule::pipemare, foal::optim::adam, foal::delay::discrepancy_correction,
                         foal::lr::reschedule<foal::lr::constant>, foal::warmup::synchronous>;
using stashed = run<foal::schedule::pipemare, foal::optim::momentum, foal::versions::stash>;
using synchronous = run<foal::schedule::gpipe, foal::versions::flush>;
using two_versions = run<foal::schedule::pipemare, foal::versions::double_buffered>;
using late_gpipe = run<foal::schedule::gpipe, foal::versions::double_buffered, foal::warmup::synchronous>;
using synced = run<foal::schedule::pipemare, foal::versions::vertical_sync>;

struct one_behind {
  using role = foal::role::versions;
  static constexpr char const* name = "one_behind";

  static constexpr foal::schedule::version_read read(foal::schedule::version_table const& there, int stage, int j) {
    auto const newest = there.at(stage, j);
    return {newest.forward - 1, newest.recompute, newest.backward};
  }
};
using own_versions = run<foal::schedule::pipemare, one_behind, foal::delay::discrepancy_correction>;
using own = run<foal::schedule::pipemare, last_gradient_only>;
using chained = run<foal::schedule::pipemare, foal::delay::chain<last_gradient_only, foal::delay::discrepancy_correction>>;
using moved = run<foal::schedule::pipemare, half_way>;
using own_of_a_stash = run<foal::schedule::pipemare, foal::versions::stash, halved_gradient>;
using averaged = run<foal::schedule::pipemare, foal::optim::averaged<foal::optim::momentum>>;

void keep(averaged const& t) { foal::checkpoint::write_averaged_safetensors("w.safetensors", t); }

int main() {
  int const stages = asynchronous::stages + stashed::stages + synchronous::stages + own::stages + chained::stages +
                     own_of_a_stash::stages + two_versions::stages + late_gpipe::stages + synced::stages +
                     own_versions::stages + moved::stages;
  return foal::stage_count<skips> == 6 && foal::stage_count<both_frozen> == 2 && stages == 22 ? 0 : 1;
}
